package stream

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// loads runs the initial loads: a few readers that share the tables' chunks, and input 1 of every slot. Barriers are
// injected between batches, whatever the readers' queries are doing.
type loads struct {
	loader  cdc.Loader
	log     *logInput
	readers int
	post    func(any)
	obs     *Observer
	logger  *slog.Logger
	used    atomic.Bool // something was handed on

	rows, bytes atomic.Int64 // handed on since the coordinator last looked

	// sendMu serialises what goes into input 1: a barrier's snapshot of the progress holds exactly for the batches before it.
	sendMu sync.Mutex
	router *router

	mu     sync.Mutex // guards the rest
	order  []cdc.TableID
	tables map[cdc.TableID]*tableLoad
	wake   chan struct{} // closed and replaced whenever there may be new work
	faults int           // failures since something succeeded
}

// tableLoad is the load of one table.
type tableLoad struct {
	state   cdc.LoadState
	waiting []cdc.Chunk // in state.Open, not being read
	// reading are the chunks in state.Open that are being read. A chunk is never read twice at a time: the end of one
	// attempt would pass for that of the other.
	reading  map[cdc.Chunk]*attempt
	planning bool
	ending   bool
	returned int  // counts the chunks that came back: an end that was read before holds no more
	changed  bool // since the last barrier
	dropped  bool // paused: not loaded any further
}

// attempt is the reading of a chunk.
type attempt struct {
	start uint64 // log sequence before its SELECT
	stale bool   // some of its rows were refused: read it again afterwards
}

// loadBarrier is the progress of all loads at barrier k: those that changed since the barrier before.
type loadBarrier struct {
	k      uint64
	states map[cdc.TableID]cdc.LoadState
}

func newLoads(loader cdc.Loader, log *logInput, r *router, starts []cdc.TableStart, readers int, post func(any), obs *Observer, logger *slog.Logger) *loads {
	l := &loads{loader: loader, log: log, router: r, readers: readers, post: post, obs: obs, logger: logger, tables: map[cdc.TableID]*tableLoad{}, wake: make(chan struct{})}
	for _, s := range starts {
		if s.Load.Phase == cdc.LoadDone || s.Load.Phase == cdc.LoadReconciling {
			continue
		}
		t := &tableLoad{state: s.Load, waiting: slices.Clone(s.Load.Open), reading: map[cdc.Chunk]*attempt{}}
		t.state.Open = slices.Clone(s.Load.Open)
		if t.state.Phase == cdc.LoadPending {
			t.state.Phase = cdc.LoadReading
		}
		l.tables[s.Table] = t
		l.order = append(l.order, s.Table)
	}
	return l
}

// run reads until all loads are done or something fails; chunks that turn out stale later wake it again.
func (l *loads) run(ctx context.Context) error {
	if len(l.order) == 0 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.readers {
		meter := l.obs.meter("load", i)
		g.Go(func() error {
			defer meter.Stop()
			for {
				meter.Enter(cdc.Idle)
				j, err := l.next(ctx)
				if err != nil {
					return err
				}
				meter.Enter(cdc.Busy)
				if err := j(ctx, meter); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// next waits for work: a chunk to read, a chunk to plan, or the end of a table to note.
func (l *loads) next(ctx context.Context) (func(context.Context, *cdc.Meter) error, error) {
	for {
		l.mu.Lock()
		for _, id := range l.order {
			t := l.tables[id]
			if t.dropped || t.state.Phase != cdc.LoadReading {
				continue
			}
			if n := len(t.waiting); n > 0 {
				c := t.waiting[0]
				t.waiting = t.waiting[1:]
				t.reading[c] = &attempt{start: l.log.seq.Load()} // not later than the start that its first batch will tell
				l.mu.Unlock()
				return func(ctx context.Context, m *cdc.Meter) error { return l.read(ctx, id, c, m) }, nil
			}
			if !t.state.Planned && !t.planning {
				t.planning = true
				l.mu.Unlock()
				return func(ctx context.Context, _ *cdc.Meter) error { return l.plan(ctx, id) }, nil
			}
			if t.state.Planned && len(t.state.Open) == 0 && !t.ending {
				t.ending = true
				l.mu.Unlock()
				return func(ctx context.Context, _ *cdc.Meter) error { return l.end(ctx, id) }, nil
			}
		}
		wake := l.wake
		l.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (l *loads) signal() { // mu is held
	close(l.wake)
	l.wake = make(chan struct{})
}

// send hands one batch of a chunk on. The oldest start of all open chunks travels with it, so that the shards know which
// deletes they may forget.
func (l *loads) send(ctx context.Context, id cdc.TableID, c cdc.Chunk, b *cdc.Batch) error {
	if b.N == 0 {
		b.Release()
		return nil
	}
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	l.used.Store(true)
	l.mu.Lock()
	t := l.tables[id]
	if t.dropped {
		l.mu.Unlock()
		b.Release()
		return errDropped
	}
	t.reading[c].start = b.Chunk.StartSeq
	oldest := b.Chunk.StartSeq
	for _, a := range t.reading {
		oldest = min(oldest, a.start)
	}
	// Copied: the source may share one reference among the batches of a chunk.
	ref := *b.Chunk
	ref.OldestSeq = oldest
	b.Chunk = &ref
	l.mu.Unlock()
	l.rows.Add(int64(b.N))
	l.bytes.Add(int64(b.Bytes()))
	return l.router.batch(ctx, b, c)
}

// again has a chunk read from its start once more, since a slot refused rows of it. If it is being read, that is done
// when this attempt has ended, since nobody knows to which attempt those rows belonged.
func (l *loads) again(id cdc.TableID, c cdc.Chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	if t == nil {
		return
	}
	if a := t.reading[c]; a != nil {
		a.stale = true
	} else if !slices.Contains(t.waiting, c) {
		t.waiting = append(t.waiting, c)
	}
	if !slices.Contains(t.state.Open, c) {
		t.state.Open = append(t.state.Open, c)
	}
	t.state.Phase, t.state.End, t.changed = cdc.LoadReading, "", true
	t.returned++
	l.signal()
}

// endAgain has the end of a load read again, since the one that is known says nothing any more.
func (l *loads) endAgain(id cdc.TableID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	if t == nil || t.state.Phase != cdc.LoadCatchingUp {
		return
	}
	t.state.Phase, t.state.End, t.state.Planned, t.changed = cdc.LoadReading, "", true, true
	t.returned++
	l.signal()
}

// drop stops the load of a paused table.
func (l *loads) drop(id cdc.TableID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tables[id]; t != nil {
		t.dropped = true
	}
}

// barrier injects barrier k and reports the progress that the batches before it stand for.
func (l *loads) barrier(ctx context.Context, k uint64) error {
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	l.mu.Lock()
	b := loadBarrier{k: k, states: map[cdc.TableID]cdc.LoadState{}}
	for id, t := range l.tables {
		if t.changed && !t.dropped {
			s := t.state
			s.Open = slices.Clone(s.Open)
			b.states[id] = s
			t.changed = false
		}
	}
	l.mu.Unlock()
	if err := l.router.all(ctx, Envelope{Kind: KindBarrier, K: k}); err != nil {
		return err
	}
	l.post(b)
	return nil
}
