package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

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

	// sendMu serialises what goes into input 1: a barrier's snapshot of the progress holds exactly for the batches before it.
	sendMu sync.Mutex
	router *router

	mu     sync.Mutex // guards the rest
	order  []cdc.TableID
	tables map[cdc.TableID]*tableLoad
	wake   chan struct{} // closed and replaced whenever there may be new work
}

// tableLoad is the load of one table.
type tableLoad struct {
	state    cdc.LoadState
	waiting  []cdc.Chunk // in state.Open, not being read
	reading  map[cdc.Chunk]uint64
	planning bool
	ending   bool
	changed  bool // since the last barrier
	dropped  bool // paused: not loaded any further
}

// loadBarrier is the progress of all loads at barrier k: those that changed since the barrier before.
type loadBarrier struct {
	k      uint64
	states map[cdc.TableID]cdc.LoadState
}

func newLoads(loader cdc.Loader, log *logInput, r *router, starts []cdc.TableStart, readers int, post func(any), obs *Observer) *loads {
	l := &loads{loader: loader, log: log, router: r, readers: readers, post: post, obs: obs, tables: map[cdc.TableID]*tableLoad{}, wake: make(chan struct{})}
	for _, s := range starts {
		if s.Load.Phase == cdc.LoadDone || s.Load.Phase == cdc.LoadCatchingUp {
			continue
		}
		t := &tableLoad{state: s.Load, waiting: slices.Clone(s.Load.Open), reading: map[cdc.Chunk]uint64{}}
		t.state.Open = slices.Clone(s.Load.Open)
		t.state.Phase = cdc.LoadReading
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
	for range l.readers {
		g.Go(func() error {
			for {
				j, err := l.next(ctx)
				if err != nil {
					return err
				}
				if err := j(ctx); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// next waits for work: a chunk to read, a chunk to plan, or the end of a table to note.
func (l *loads) next(ctx context.Context) (func(context.Context) error, error) {
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
				t.reading[c] = l.log.seq.Load() // not later than the start that its first batch will tell
				l.mu.Unlock()
				return func(ctx context.Context) error { return l.read(ctx, id, c) }, nil
			}
			if !t.state.Planned && !t.planning {
				t.planning = true
				l.mu.Unlock()
				return func(ctx context.Context) error { return l.plan(ctx, id) }, nil
			}
			if t.state.Planned && len(t.state.Open) == 0 && !t.ending {
				t.ending = true
				l.mu.Unlock()
				return func(ctx context.Context) error { return l.end(ctx, id) }, nil
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

// plan finds the chunk after the frontier.
func (l *loads) plan(ctx context.Context, id cdc.TableID) error {
	l.mu.Lock()
	after := l.tables[id].state.Frontier
	l.mu.Unlock()
	c, last, err := l.loader.Next(ctx, l.log.schema(id), after)
	if err != nil {
		return fmt.Errorf("plan the load of %s: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	t.planning = false
	t.changed = true
	t.state.Frontier = c.To
	t.state.Planned = last
	t.state.Open = append(t.state.Open, c)
	t.waiting = append(t.waiting, c)
	l.signal()
	return nil
}

// errSchemaMoved makes a chunk start over under the definition that the stream has reached meanwhile.
var errSchemaMoved = errors.New("the definition changed while the chunk was read")

// read reads one chunk and hands its rows on.
func (l *loads) read(ctx context.Context, id cdc.TableID, c cdc.Chunk) error {
	schema := l.log.schema(id)
	started := time.Now()
	var rows int64
	err := l.loader.Read(ctx, schema, c, func(b *cdc.Batch) error {
		if l.log.schema(id) != schema {
			b.Release()
			return errSchemaMoved
		}
		rows += int64(b.N)
		return l.send(ctx, id, c, b)
	})
	if errors.Is(err, errSchemaMoved) || err != nil && ctx.Err() == nil && l.log.schema(id) != schema {
		l.again(id, c)
		return nil
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", id, err)
	}
	l.sendMu.Lock()
	l.mu.Lock()
	t := l.tables[id]
	delete(t.reading, c)
	t.state.Open = slices.DeleteFunc(t.state.Open, func(o cdc.Chunk) bool { return o == c })
	t.state.Rows += rows
	t.changed = true
	done := t.state.Rows
	l.signal()
	l.mu.Unlock()
	l.sendMu.Unlock()
	l.obs.chunk(id, rows, done, time.Since(started))
	return nil
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
	l.mu.Lock()
	t := l.tables[id]
	if t.dropped {
		l.mu.Unlock()
		b.Release()
		return nil
	}
	t.reading[c] = b.Chunk.StartSeq
	oldest := b.Chunk.StartSeq
	for _, s := range t.reading {
		oldest = min(oldest, s)
	}
	// Copied: the source may share one reference among the batches of a chunk.
	ref := *b.Chunk
	ref.OldestSeq = oldest
	b.Chunk = &ref
	l.mu.Unlock()
	return l.router.batch(ctx, b, c)
}

// again puts a chunk back: it is read from its start once more.
func (l *loads) again(id cdc.TableID, c cdc.Chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	if t == nil {
		return
	}
	delete(t.reading, c)
	if !slices.Contains(t.state.Open, c) {
		t.state.Open = append(t.state.Open, c)
	}
	if !slices.Contains(t.waiting, c) {
		t.waiting = append(t.waiting, c)
	}
	t.state.Phase, t.state.End, t.ending, t.changed = cdc.LoadReading, "", false, true
	l.signal()
}

// end notes where the log stands after the last chunk.
func (l *loads) end(ctx context.Context, id cdc.TableID) error {
	end, err := l.loader.End(ctx)
	if err != nil {
		return fmt.Errorf("end the load of %s: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	if len(t.state.Open) > 0 { // a stale chunk came back meanwhile
		t.ending = false
		l.signal()
		return nil
	}
	t.state.Phase, t.state.End, t.state.Frontier, t.changed = cdc.LoadCatchingUp, end, "", true
	return nil
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

// progress returns the state of every load, for people.
func (l *loads) progress() map[cdc.TableID]cdc.LoadState {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[cdc.TableID]cdc.LoadState{}
	for id, t := range l.tables {
		out[id] = t.state
	}
	return maps.Clone(out)
}
