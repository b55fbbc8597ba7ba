package stream

import (
	"log/slog"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// Options are what a pipeline runs with. Source, Sink and Store are required; zero values of the others mean the default.
type Options struct {
	Source cdc.Source
	Sink   Sink
	Store  *checkpoint.Store

	// History keeps the statements that were acted on; nil: nobody does.
	History History

	// Groups are the slots' key groups: the parallelism is their number. The sink was opened with the same.
	Groups []cdc.GroupRange
	// Interval between checkpoints; 10 s.
	Interval time.Duration
	// MaxRows and MaxBytes trigger a checkpoint early; 5 million rows, 1 GiB.
	MaxRows, MaxBytes int64
	// Timeout ends a generation whose checkpoint does not complete; 10 minutes.
	Timeout time.Duration
	// QueueBytes bounds each queue between an input and a slot; 32 MiB.
	QueueBytes int64
	// Readers read chunks of initial loads in parallel; 2.
	Readers int
	// MarkerRefresh is after how long a quiet table gets a marker-only commit; it has to be well inside the log's
	// retention. 1 hour.
	MarkerRefresh time.Duration
	// StopTimeout bounds the last checkpoint after Run's context has ended; 30 s.
	StopTimeout time.Duration

	// Reload says whether a table that paused for a reason that a reload mends is loaded anew at once; nil: all are. Otherwise
	// somebody has to ask for it.
	Reload func(cdc.TableID) bool

	// Again ends the generation for a reason, so that another one begins with the tables that the source selects then; nil: never.
	Again <-chan string

	// Comparer makes reloads unnecessary where most rows are right; nil: there is none.
	Comparer Comparer

	Observer *Observer
	Logger   *slog.Logger

	lookEvery time.Duration // lookRequests, in tests less
}

func (o *Options) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Interval, 10*time.Second)
	def(&o.Timeout, 10*time.Minute)
	def(&o.MarkerRefresh, time.Hour)
	def(&o.StopTimeout, 30*time.Second)
	def(&o.lookEvery, lookRequests)
	if o.MaxRows == 0 {
		o.MaxRows = 5_000_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 32 << 20
	}
	if o.Readers == 0 {
		o.Readers = 2
	}
	if len(o.Groups) == 0 {
		o.Groups = cdc.SplitGroups(cdc.Groups, 1)
	}
	if o.Observer == nil {
		o.Observer = &Observer{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
