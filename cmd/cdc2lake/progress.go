package main

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream"
)

// progress shows people how initial loads and commits go on. Methods may be called concurrently.
type progress interface {
	load(tableStatus)
	state(tableStatus)
	committed(stream.CheckpointStats, cdc.Counts)
	// writer is where the log goes, so that lines and bars do not overwrite each other.
	writer() io.Writer
	close()
}

// newProgress draws bars on a terminal and logs lines elsewhere.
func newProgress(stderr io.Writer) progress {
	if isTerminal(stderr) {
		return &bars{out: mpb.New(mpb.WithOutput(stderr), mpb.WithRefreshRate(200*time.Millisecond)), bars: map[string]*mpb.Bar{}}
	}
	return &lines{out: stderr, last: map[string]time.Time{}, states: map[string]string{}}
}

// lines logs a loading table every ten seconds, changes of state, and what was committed at most every ten seconds.
type lines struct {
	out io.Writer
	log *slog.Logger // set once the log is made

	mu     sync.Mutex // guards the rest
	last   map[string]time.Time
	states map[string]string
	sum    cdc.Counts
	n      int
}

const lineEvery = 10 * time.Second

// due reports whether a line about the key may be written again. The caller holds mu.
func (l *lines) due(key string) bool {
	if time.Since(l.last[key]) < lineEvery {
		return false
	}
	l.last[key] = time.Now()
	return true
}

func (l *lines) load(s tableStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.log != nil && l.due(s.Table) {
		l.log.Info("loading", "table", s.Table, "rows", s.RowsRead, "estimated", s.Estimate)
	}
}

func (l *lines) state(s tableStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.log == nil || l.states[s.Table] == s.State {
		return
	}
	l.states[s.Table] = s.State
	switch {
	case s.Paused != nil:
		l.log.Error("table paused", "table", s.Table, "code", s.Paused.Code, "reason", s.Paused.Msg, "remedy", s.Paused.Remedy)
	default:
		l.log.Info("table is "+s.State, "table", s.Table)
	}
}

func (l *lines) committed(c stream.CheckpointStats, sum cdc.Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.ID.K == 0 || l.log == nil {
		return
	}
	l.sum.Add(sum)
	l.n++
	if !l.due("") {
		return
	}
	l.log.Info("committed", "checkpoint", c.ID.K, "checkpoints", l.n, "inserts", l.sum.Inserts, "updates", l.sum.Updates, "deletes", l.sum.Deletes,
		"loaded", l.sum.Reads, "bytes", l.sum.Bytes, "took", c.Total.Round(time.Millisecond), "position", c.At.Label)
	l.sum, l.n = cdc.Counts{}, 0
}

func (l *lines) writer() io.Writer { return l.out }
func (l *lines) close()            {}

// bars draws one bar for each table that is being loaded.
type bars struct {
	out *mpb.Progress

	mu   sync.Mutex // guards bars
	bars map[string]*mpb.Bar
}

func (b *bars) load(s tableStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bar := b.bars[s.Table]
	if bar == nil {
		bar = b.out.New(max(s.Estimate, s.RowsRead), mpb.BarStyle(), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(s.Table, decor.WCSyncSpaceR), decor.CurrentNoUnit("%d rows", decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
		b.bars[s.Table] = bar
	}
	// The estimate may be too small; the bar is complete only when the state says so.
	bar.SetTotal(max(s.Estimate, s.RowsRead+1), false)
	bar.SetCurrent(s.RowsRead)
}

func (b *bars) state(s tableStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bar := b.bars[s.Table]; bar != nil && s.State != "loading" {
		bar.Abort(true)
		delete(b.bars, s.Table)
	}
}

func (b *bars) committed(stream.CheckpointStats, cdc.Counts) {}
func (b *bars) writer() io.Writer                            { return b.out }

func (b *bars) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.out.Wait()
}
