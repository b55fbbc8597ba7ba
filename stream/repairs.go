package stream

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// repairs answers requests for repairs, one after the other. A request is removed once its rows are committed; what is lost with a
// generation is done again by the next one, since a repair reads what the source has.
type repairs struct {
	store  *checkpoint.Store
	loader cdc.Loader
	log    *logInput
	logger *slog.Logger

	mu        sync.Mutex // guards the rest
	queue     []repairJob
	known     map[string]bool // requests that were taken, by key
	completed uint64          // checkpoint
	changed   chan struct{}   // closed and replaced when something of the above changes
}

func newRepairs(store *checkpoint.Store, src cdc.Source, log *logInput, logger *slog.Logger) *repairs {
	return &repairs{store: store, loader: src.Loader(), log: log, logger: logger, known: map[string]bool{}, changed: make(chan struct{})}
}

// repairJob is a request, or, if done is not nil, one of the pipeline's own, which is kept nowhere.
type repairJob struct {
	checkpoint.Repair
	done chan struct{}
}

// do makes repairs, as far as it can. The table may have to be compared to know.
func (p *repairs) do(ctx context.Context, r checkpoint.Repair) error {
	j := repairJob{r, make(chan struct{})}
	p.mu.Lock()
	p.queue = append(p.queue, j)
	p.signal()
	p.mu.Unlock()
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// knows reports whether a request was taken.
func (p *repairs) knows(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[key]
}

func (p *repairs) add(r checkpoint.Repair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[r.Key] {
		return
	}
	p.known[r.Key] = true
	p.queue = append(p.queue, repairJob{Repair: r})
	p.signal()
}

// committed takes note that a checkpoint is complete.
func (p *repairs) committed(k uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.completed = k
	p.signal()
}

func (p *repairs) signal() { // mu is held
	close(p.changed)
	p.changed = make(chan struct{})
}

// takeRepairs queues requests. It runs in the coordinator's goroutine, which knows the tables. A table that is being loaded keeps
// its request until it is live.
func (g *generation) takeRepairs(reqs []checkpoint.Repair) {
	for _, r := range reqs {
		t := g.byID[r.Table]
		switch {
		case t == nil || t.paused():
			r.Rows, r.Gone = nil, nil // it is only answered
		case t.load.Phase != cdc.LoadDone:
			continue
		}
		g.repairs.add(r)
	}
}

// run answers requests until ctx ends, or until an error that ends the generation.
func (p *repairs) run(ctx context.Context) error {
	for {
		var r repairJob
		if err := p.await(ctx, func() bool {
			if len(p.queue) == 0 {
				return false
			}
			r, p.queue = p.queue[0], p.queue[1:]
			return true
		}); err != nil {
			return err
		}
		if err := p.answer(ctx, r); err != nil {
			return err
		}
	}
}

// await waits until cond, which is called with mu held.
func (p *repairs) await(ctx context.Context, cond func() bool) error {
	for {
		p.mu.Lock()
		ok, changed := cond(), p.changed
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// answer makes a request's repairs, as many at a time as memory has room for, and removes it.
func (p *repairs) answer(ctx context.Context, r repairJob) error {
	keys := slices.Concat(r.Rows, r.Gone)
	if len(keys) == 0 {
		p.logger.Warn("a request for a repair is refused: there is no such table that goes on", "table", r.Table, "request", r.Key)
	}
	faults, rows, touched := 0, 0, 0
	again := func(err error) error {
		faults++
		wait := min(loadRetry<<min(faults-1, 10), maxLoadRetry)
		p.logger.Warn("a repair is interrupted", "table", r.Table, "again_in", wait, "err", err)
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for done := 0; done < len(keys); {
		out, n, err := p.attempt(ctx, r.Repair, keys[done:], max(0, len(r.Rows)-done))
		class := cdc.ClassOf(err)
		switch {
		case err == nil:
			faults = 0
			done, rows, touched = done+n, rows+out.rows, touched+out.touched
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errRepairInVain), class == cdc.TablePaused, errors.Is(err, errOtherKey):
			p.logger.Warn("a repair is given up", "table", r.Table, "err", err)
			keys = nil
		case errors.Is(err, errSchemaMoved), class == cdc.Retryable:
			if err := again(err); err != nil {
				return err
			}
		default:
			return err
		}
	}
	if len(keys) > 0 {
		p.logger.Info("rows repaired", "table", r.Table, "asked", len(keys), "written", rows, "changed_meanwhile", touched)
	}
	if r.done != nil {
		close(r.done)
		return nil
	}
	for {
		err := p.store.RepairDone(ctx, r.Repair)
		if err == nil {
			return nil
		}
		if cdc.ClassOf(err) != cdc.Retryable {
			return err
		}
		if err := again(err); err != nil {
			return err
		}
	}
}

// errOtherKey: the request's keys are those of another definition of the table.
var errOtherKey = errors.New("the table's key is not the one that the request was made for")

const (
	repairBytes = 32 << 20 // that are held at once, roughly
	repairRows  = 500      // that are read at once
)

// attempt repairs the first of the keys, of which rows from gone on should not be in the source; it returns how many.
func (p *repairs) attempt(ctx context.Context, req checkpoint.Repair, keys [][]byte, gone int) (out repairEnded, n int, err error) {
	schema := p.log.schema(req.Table)
	if schema == nil || len(schema.Key) == 0 || !slices.Equal(checkpoint.KeyColumns(schema), req.Columns) {
		return out, 0, errOtherKey
	}
	batch, err := p.loader.Keys(schema, keys)
	if err != nil {
		return out, 0, errors.Join(errOtherKey, err)
	}
	r := newRepair(schema, batch, gone)
	if err := p.log.startRepair(r); err != nil {
		r.release()
		return out, 0, err
	}
	if err := p.readRows(ctx, r); err != nil {
		p.log.dropRepair(r)
		r.release()
		return out, 0, err
	}
	p.log.readyRepair(r)
	select {
	case out = <-r.result:
	case <-ctx.Done():
		return out, 0, context.Cause(ctx) // what it holds goes to the collector
	}
	if out.err != nil {
		return out, 0, out.err
	}
	return out, int(r.read), p.await(ctx, func() bool { return p.completed >= out.k })
}

func (p *repairs) readRows(ctx context.Context, r *repair) error {
	var err error
	rows := make([]int32, 0, repairRows)
	for r.read < int32(r.keys.N) && r.bytes < repairBytes {
		rows = rows[:0]
		for ; r.read < int32(r.keys.N) && len(rows) < repairRows; r.read++ {
			rows = append(rows, r.read)
		}
		if err = p.loader.ReadRows(ctx, r.schema, r.keys, rows, func(b *cdc.Batch) error { r.take(b); return nil }); err != nil {
			return err
		}
	}
	r.end, err = p.loader.End(ctx)
	return err
}
