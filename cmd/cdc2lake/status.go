package main

import (
	"sort"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// status is what /status answers: the running service as it sees itself. Durations are in seconds.
type status struct {
	Pipeline   string        `json:"pipeline"`
	Version    string        `json:"version"`
	Ready      bool          `json:"ready"`
	Generation uint64        `json:"generation"`
	Checkpoint uint64        `json:"checkpoint"`
	Committed  string        `json:"committed"` // when the last checkpoint was complete, RFC 3339; empty: none yet
	Position   string        `json:"position"`  // of the last complete checkpoint
	Lag        float64       `json:"lag_seconds"`
	Restarts   int           `json:"restarts"`
	LastError  string        `json:"last_error,omitempty"`
	Tables     []tableStatus `json:"tables"`
}

type tableStatus struct {
	Table    string     `json:"table"`
	State    string     `json:"state"` // loading, catching-up, live, paused
	RowsRead int64      `json:"load_rows_read"`
	Estimate int64      `json:"load_rows_estimated"`
	Counts   cdc.Counts `json:"since_start"`
	Paused   *cdc.Pause `json:"paused,omitempty"`
}

// board collects what the runtime reports. Methods may be called concurrently.
type board struct {
	now func() time.Time

	mu     sync.Mutex // guards the rest
	s      status
	tables map[cdc.TableID]*tableStatus
	// open holds boundaries that the log has passed and no checkpoint covers yet, oldest first.
	open      []cdc.Boundary
	committed uint64    // Boundary.Seq of the last complete checkpoint
	heard     time.Time // when the log was last heard of
}

func newBoard(pipeline string) *board {
	return &board{now: time.Now, s: status{Pipeline: pipeline, Version: version}, tables: map[cdc.TableID]*tableStatus{}}
}

// table returns the entry of a table. The caller holds mu.
func (b *board) table(t cdc.TableID) *tableStatus {
	e := b.tables[t]
	if e == nil {
		e = &tableStatus{Table: t.String(), State: "loading"}
		b.tables[t] = e
	}
	return e
}

// silence is how long the log may be silent before its age counts as lag; the source hears a heartbeat every five seconds.
const silence = 20 * time.Second

// maxOpen bounds the boundaries kept: beyond it only the oldest matter.
const maxOpen = 4096

func (b *board) boundary(at cdc.Boundary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = b.now()
	if at.Seq <= b.committed || at.CommitMicros == 0 {
		return
	}
	if n := len(b.open); n > 0 && (b.open[n-1].Seq >= at.Seq || n >= maxOpen) {
		return
	}
	b.open = append(b.open, at)
}

// generation starts over: sequence numbers are those of one generation.
func (b *board) generation(g uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Generation, b.committed, b.open, b.heard = g, 0, nil, b.now()
}

func (b *board) checkpoint(k uint64, at cdc.Boundary, counts map[cdc.TableID]cdc.Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k > 0 {
		b.s.Checkpoint = k
	}
	b.s.Committed = b.now().UTC().Format(time.RFC3339Nano)
	b.s.Position = at.Label
	b.committed = max(b.committed, at.Seq)
	i := sort.Search(len(b.open), func(i int) bool { return b.open[i].Seq > b.committed })
	b.open = b.open[i:]
	for t, c := range counts {
		b.table(t).Counts.Add(c)
	}
}

// lag is the age of the oldest transaction that was read and is not committed; if the source is not heard of, the time
// since it was.
func (b *board) lag() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lagLocked()
}

func (b *board) lagLocked() float64 {
	now, lag := b.now(), 0.0
	if len(b.open) > 0 {
		lag = now.Sub(time.UnixMicro(b.open[0].CommitMicros)).Seconds()
	}
	if d := now.Sub(b.heard); !b.heard.IsZero() && d > silence {
		lag = max(lag, d.Seconds())
	}
	return max(0, lag)
}

func (b *board) restart(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Restarts++
	b.s.LastError = err.Error()
}

func (b *board) update(t cdc.TableID, f func(*tableStatus)) tableStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.table(t)
	f(e)
	return *e
}

// snapshot returns a copy, tables by name.
func (b *board) snapshot(ready bool) status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.s
	s.Ready, s.Lag = ready, b.lagLocked()
	s.Tables = make([]tableStatus, 0, len(b.tables))
	for _, t := range b.tables {
		s.Tables = append(s.Tables, *t)
	}
	sort.Slice(s.Tables, func(i, j int) bool { return s.Tables[i].Table < s.Tables[j].Table })
	return s
}
