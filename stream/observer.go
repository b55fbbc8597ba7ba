package stream

import (
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Observer is told what the runtime does; any field may be nil. Functions are called from several goroutines and must not
// block.
type Observer struct {
	// Generation: a new attempt to run has begun.
	Generation func(gen cdc.Generation, tables []cdc.TableStart)
	// Restart: an attempt has ended with an error and will be followed by another one after the delay.
	Restart func(err error, after time.Duration)
	// Boundary: how far the log has been read.
	Boundary func(at cdc.Boundary)
	// Checkpoint: one is complete.
	Checkpoint func(c CheckpointStats)
	// Table: a table's state as of the last checkpoint.
	Table func(t TableStatus)
	// Chunk: a chunk of an initial load has been read; total counts the rows of the table so far.
	Chunk func(t cdc.TableID, rows, total int64, d time.Duration)
	// Meter returns the meters of "shard" (by slot), "load" (by reader; busy includes waiting for the source's answers) and
	// "committer".
	Meter cdc.MeterFunc
	// Queue: bytes waiting in a queue, looked at once a second.
	Queue func(input string, slot int, bytes, bound int64)
}

// CheckpointStats describe a complete checkpoint.
type CheckpointStats struct {
	ID       cdc.CheckpointID // zero if nothing had to be recorded
	At       cdc.Boundary
	Parts    int
	Counts   map[cdc.TableID]cdc.Counts
	Trigger  time.Time     // when its barrier was asked for
	Prepared time.Duration // from then until every slot had stored its files
	Commit   time.Duration // deciding and committing
	Done     time.Time     // when the last table was committed; zero if nothing had to be recorded
	Total    time.Duration
}

// TableStatus is what people want to know about a table.
type TableStatus struct {
	Table    cdc.TableID
	State    string // "loading", "catching-up", "reconciling", "live", "paused"
	Position cdc.Position
	Load     cdc.LoadState
	Paused   *cdc.Pause
}

func (o *Observer) generation(g cdc.Generation, t []cdc.TableStart) {
	if o != nil && o.Generation != nil {
		o.Generation(g, t)
	}
}

func (o *Observer) restart(err error, after time.Duration) {
	if o != nil && o.Restart != nil {
		o.Restart(err, after)
	}
}

func (o *Observer) boundary(at cdc.Boundary) {
	if o != nil && o.Boundary != nil {
		o.Boundary(at)
	}
}

func (o *Observer) checkpoint(c CheckpointStats) {
	if o != nil && o.Checkpoint != nil {
		o.Checkpoint(c)
	}
}

func (o *Observer) table(t TableStatus) {
	if o != nil && o.Table != nil {
		o.Table(t)
	}
}

func (o *Observer) chunk(t cdc.TableID, rows, total int64, d time.Duration) {
	if o != nil && o.Chunk != nil {
		o.Chunk(t, rows, total, d)
	}
}

func (o *Observer) meter(operator string, slot int) *cdc.Meter {
	if o == nil {
		return nil
	}
	return o.Meter.Of(operator, slot)
}

func (o *Observer) queue(input string, slot int, bytes, bound int64) {
	if o != nil && o.Queue != nil {
		o.Queue(input, slot, bytes, bound)
	}
}
