package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/telemetry"
	"github.com/cdc2lake/cdc2lake/stream"
)

// observation ties the hooks of the packages to metrics, health, status and progress.
type observation struct {
	metrics  *telemetry.Metrics
	health   *telemetry.Health
	board    *board
	meters   meters
	liveness *liveness
	progress progress
	log      *slog.Logger
	// storeWarned is when it was last said that the storage does not answer, nanoseconds since the epoch.
	storeWarned atomic.Int64
}

// stream returns the hooks of the runtime.
func (o *observation) stream() *stream.Observer {
	return &stream.Observer{
		Generation: o.generation,
		Restart:    o.restart,
		Boundary:   o.board.boundary,
		Checkpoint: o.checkpoint,
		Table:      o.table,
		Chunk: func(t cdc.TableID, _, total int64, _ time.Duration) {
			s := o.board.update(t, func(s *tableStatus) { s.RowsRead = total })
			o.metrics.Load(t.String(), s.RowsRead, s.Estimate)
			o.progress.load(s)
		},
		Meter: o.meters.of,
		Queue: o.metrics.Queue,
	}
}

func (o *observation) generation(gen cdc.Generation, tables []cdc.TableStart) {
	o.metrics.Generation(gen.Number)
	o.board.generation(gen.Number)
	active := false
	for _, t := range tables {
		active = active || t.Paused == nil
		o.table(stream.TableStatus{Table: t.Table, State: stateOf(t.Load, t.Paused), Position: t.Position, Load: t.Load, Paused: t.Paused})
	}
	o.liveness.generation(active)
	switch {
	case active:
		o.health.NotReady("connecting to the log of MySQL")
	case len(tables) == 0:
		o.health.NotReady("there is no table to replicate")
	default:
		o.health.NotReady("all tables are paused")
	}
}

// source returns the hooks of the source.
func (o *observation) source() mysql.Observer {
	return mysql.Observer{
		Connected: func() {
			o.metrics.Source(0, 1)
			o.health.Ready()
		},
		Disconnected: func(err error) { o.health.NotReady(fmt.Sprintf("the log of MySQL is not followed: %v", err)) },
		Received: func(n int) {
			o.metrics.Source(int64(n), 0)
			o.board.received()
		},
		Meter: o.meters.of("log", -1),
	}
}

// stateOf names the state of a table the way stream does.
func stateOf(l cdc.LoadState, p *cdc.Pause) string {
	switch {
	case p != nil:
		return "paused"
	case l.Phase == cdc.LoadDone:
		return "live"
	case l.Phase == cdc.LoadCatchingUp:
		return "catching-up"
	case l.Phase == cdc.LoadReconciling:
		return "reconciling"
	}
	return "loading"
}

func (o *observation) restart(err error, after time.Duration) {
	code := codeName(err)
	o.metrics.Restart(code)
	o.metrics.CheckpointFailed(code)
	o.metrics.Error(code, cdc.ClassOf(err).String())
	o.board.restart(err)
	o.liveness.restart(err)
	o.health.NotReady(fmt.Sprintf("restarting in %s: %v", after.Round(time.Millisecond), err))
}

// codeName is the label of an error in metrics.
func codeName(err error) string {
	if e := cdc.AsError(err); e != nil {
		return e.Code.Name
	}
	return "OTHER"
}

func (o *observation) checkpoint(c stream.CheckpointStats) {
	now := time.Now()
	if !c.Done.IsZero() {
		now = c.Done
	}
	o.board.checkpoint(c.ID.K, c.At, c.Counts)
	o.liveness.checkpoint()
	if c.ID.K > 0 {
		o.metrics.Checkpoint(c.ID.K, now, c.Total, c.Commit)
	}
	var sum cdc.Counts
	for t, n := range c.Counts {
		o.metrics.TableCommit(t.String(), telemetry.Commit{Inserts: n.Inserts, Updates: n.Updates, Deletes: n.Deletes, Reads: n.Reads,
			Events: n.Events, Skipped: n.Skipped, Divergent: n.Divergent, Files: n.Files, Bytes: n.Bytes, Oldest: moment(n.OldestMicros), Newest: moment(n.NewestMicros)}, now)
		if n.Divergent > 0 {
			o.log.Error("changes contradict the table: verify it", "table", t, "changes", n.Divergent)
		}
		sum.Add(n)
	}
	o.progress.committed(c, sum)
}

// moment turns microseconds since the epoch into a time, 0 into none.
func moment(micros int64) (t time.Time) {
	if micros > 0 {
		t = time.UnixMicro(micros)
	}
	return t
}

func (o *observation) table(t stream.TableStatus) {
	s := o.board.update(t.Table, func(s *tableStatus) {
		s.State, s.Paused = t.State, t.Paused
		s.RowsRead = max(s.RowsRead, t.Load.Rows)
	})
	o.board.place(t.Table, t.Position)
	code := ""
	if t.Paused != nil {
		code = t.Paused.Code
	}
	o.metrics.Table(t.Table.String(), t.State, code)
	o.progress.state(s)
}

// tick refreshes what ages by itself, once a second, until ctx ends.
func (o *observation) tick(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		o.meters.report(o.metrics.Operator)
		if why := o.liveness.overdue(); why != "" {
			o.health.Stalled(why)
		} else {
			o.health.Moving()
		}
		lag, behind := o.board.lag()
		o.metrics.Lag(lag, behind)
		for _, t := range o.board.snapshot().Tables {
			switch t.State {
			case "live":
				o.metrics.TableLag(t.Table, lag)
			case "paused":
				o.metrics.TableLag(t.Table, time.Since(time.UnixMicro(t.Paused.Since)).Seconds())
			}
		}
	}
}

// status is what /status answers.
func (o *observation) status() status {
	s := o.board.snapshot()
	s.Ready, s.Waiting = o.health.Readiness()
	if s.Ready {
		s.Waiting = ""
	}
	if alive, why := o.health.Liveness(); !alive {
		s.Failed = why
	}
	return s
}

// logEnd hears where the source's log ends.
func (o *observation) logEnd(e *mysql.LogEnd, err error) {
	if err != nil {
		o.log.Debug("cannot ask where the log of MySQL ends", "err", err)
		o.board.logEnd(nil)
		return
	}
	o.board.logEnd(&logEnd{asked: e.Asked, covers: e.Covers, beyond: e.Beyond})
}

// ObserveStore counts requests to the object store.
func (o *observation) ObserveStore(e objstore.Event) {
	o.metrics.StoreRequest(string(e.Op), string(e.Class), e.Bytes, e.Duration)
	// A request is repeated for up to a minute: nobody should wonder meanwhile why nothing is committed.
	if e.Attempt < patientAttempts || e.Class != objstore.ClassUnavailable && e.Class != objstore.ClassThrottled {
		return
	}
	now, last := time.Now(), o.storeWarned.Load()
	if now.Sub(time.Unix(0, last)) > storeWarnEvery && o.storeWarned.CompareAndSwap(last, now.UnixNano()) {
		o.log.Warn("the storage does not answer, trying again", "op", string(e.Op), "class", string(e.Class), "attempt", e.Attempt)
	}
}

const (
	patientAttempts = 3 // failures of one request before they are worth a line
	storeWarnEvery  = 10 * time.Second
)

var _ objstore.Observer = (*observation)(nil)

// observedSource tells the estimates of tables' sizes, and hands tables on in the order in which they are to be loaded.
type observedSource struct {
	cdc.Source
	found func([]cdc.Discovered)
}

func (s observedSource) Discover(ctx context.Context) ([]cdc.Discovered, error) {
	d, err := s.Source.Discover(ctx)
	if err == nil {
		s.found(d)
	}
	return d, err
}
