package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// generation is one attempt to run: recovery, then the operators until one of them fails.
type generation struct {
	*runner
	chain     *checkpoint.Chain
	requests  []checkpoint.Request
	tables    []*table
	byID      map[cdc.TableID]*table
	completed bool // a checkpoint of this generation is complete
	// moot are the keys of requests to pause that were taken back before they were seen.
	moot map[string]bool

	events chan any
	queues *Queues
	log    *logInput
	loads  *loads
	// repairs are made beside the loads.
	repairs *repairs
	// reconciles compares tables with the source.
	reconciles *reconciles
	cancel     context.CancelCauseFunc
}

// table is what the coordinator keeps of a table.
type table struct {
	id      cdc.TableID
	schema  *cdc.Schema
	entry   cdc.Entry
	load    cdc.LoadState
	reload  bool // its load has begun, and no part says so yet
	replace bool // its next part takes the place of everything
	ahead   bool // its position is beyond the stream's
	absent  bool // the source does not have it, or cannot deliver it
	refused bool // by the source, before it ever had data: it joins once it can
	// requests are those that no record answers yet; see answers.
	requests []checkpoint.Request
}

func (t *table) paused() bool { return t.entry.Paused != nil }

func (g *generation) run(ctx context.Context) error {
	starts, err := g.recover(ctx)
	if err != nil {
		return err
	}
	return g.operate(ctx, starts)
}

// recover takes a generation and brings every table to where it goes on (steps 1 to 5).
func (g *generation) recover(ctx context.Context) ([]cdc.TableStart, error) {
	o := &g.o
	select {
	case <-o.Again: // this one begins with what is new
	default:
	}
	discovered, err := o.Source.Discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover tables: %w", err)
	}
	started, err := checkpoint.Start(ctx, o.Store, time.Now, func(ctx context.Context, named []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error) {
		for _, d := range discovered {
			if !slices.Contains(named, d.Table) {
				named = append(named, d.Table)
			}
		}
		return o.Sink.Markers(ctx, named)
	})
	if err != nil {
		return nil, fmt.Errorf("take a generation: %w", err)
	}
	g.chain = started.Chain
	gen := g.chain.Generation()
	if started.Lost {
		o.Logger.Warn("the checkpoint store was lost or is older than the tables: going on from the tables' markers", "epoch", gen.Epoch)
	}
	if err := g.finish(ctx, started); err != nil {
		return nil, err
	}
	if started.Last != nil {
		g.unkept = started.Last.Statements
	}
	g.keepHistory(ctx)
	if g.requests, err = o.Store.Requests(ctx); err != nil {
		return nil, fmt.Errorf("look for requests: %w", err)
	}
	if err := g.applyPauses(ctx, started.Entries); err != nil {
		return nil, err
	}
	reqs := g.tableRequests(discovered, started.Entries)
	starts, err := o.Sink.CatchUp(ctx, gen, reqs)
	if err != nil {
		return nil, fmt.Errorf("catch up with the tables: %w", err)
	}
	if err := g.pauseUnheld(ctx, starts); err != nil {
		return nil, err
	}
	g.adopt(discovered, started.Entries, reqs, starts)
	o.Observer.generation(gen, starts)
	o.Logger.Info("generation begins", "epoch", gen.Epoch, "generation", gen.Number, "tables", len(g.tables))
	return starts, nil
}

// finish commits what the last decided record still lacks (step 4). Tables that are paused get nothing.
func (g *generation) finish(ctx context.Context, s *checkpoint.Started) error {
	if s.Last == nil {
		return nil
	}
	parts := map[cdc.TableID]cdc.Part{}
	for t, p := range s.Last.Parts {
		// A table whose part this very process could not commit is given up as of its marker: its part is dropped.
		if s.Entries[t].Paused == nil && g.pauses[t] == nil {
			parts[t] = p
		}
	}
	if len(parts) == 0 {
		return nil
	}
	outcomes, err := g.o.Sink.Commit(ctx, g.chain.Generation(), s.Last.ID(), parts)
	if err != nil {
		return fmt.Errorf("finish checkpoint %d: %w", s.Last.N, err)
	}
	for t, out := range outcomes {
		if out == cdc.Void {
			g.o.Logger.Warn("the table was changed by somebody else; its part of the last checkpoint is replayed", "table", t, "checkpoint", s.Last.N)
		}
	}
	return nil
}

// used reports whether anything was handed on in this generation.
func (g *generation) used() bool { return g.log.used.Load() || g.loads.used.Load() }

// operate runs the operators until ctx ends or one fails.
func (g *generation) operate(outer context.Context, starts []cdc.TableStart) error {
	o := &g.o
	defer o.Observer.meter("committer", -1).Stop()
	active := slices.DeleteFunc(slices.Clone(starts), func(s cdc.TableStart) bool { return s.Paused != nil })
	// The operators outlive outer until the last checkpoint is complete.
	base, cancel := context.WithCancelCause(context.WithoutCancel(outer))
	defer cancel(nil)
	g.cancel = cancel
	group, ctx := errgroup.WithContext(base)
	g.events = make(chan any, 256)
	g.queues = NewQueues(numInputs, len(o.Groups), o.QueueBytes)
	post := func(e any) {
		select {
		case g.events <- e:
		case <-ctx.Done():
		}
	}
	gen, pool := g.chain.Generation().Number, new(rowPool)
	g.log = newLogInput(newRouter(g.queues, inputLog, gen, o.Groups, pool), active, post, o.Sink.Define, o.Observer)
	g.log.compare = o.Source.Compare
	g.loads = newLoads(o.Source.Loader(), g.log, newRouter(g.queues, inputLoad, gen, o.Groups, pool), active, o.Readers, post, o.Observer, o.Logger)
	g.repairs = newRepairs(o.Store, o.Source, g.log, o.Logger)
	g.reconciles = newReconciles(o, g.log, g.repairs, post)
	for slot := range o.Groups {
		w, err := o.Sink.Shard(slot)
		if err != nil {
			cancel(err)
			return errors.Join(fmt.Errorf("open shard %d: %w", slot, err), group.Wait())
		}
		s := &shard{slot: slot, ex: g.queues, w: w, obs: o.Observer, versions: map[cdc.TableID]int{}, pool: pool, ack: func(a ack) { post(a) }, spawn: func(f func() error) { group.Go(f) }}
		for _, st := range active {
			s.versions[st.Table] = st.Schema.Version
			if st.Load.Phase == cdc.LoadDone {
				w.Live(st.Table)
			}
		}
		group.Go(func() error { return s.run(ctx) })
	}
	if len(active) > 0 {
		group.Go(func() error {
			from := make([]cdc.Start, len(active))
			for i, s := range active {
				from[i] = cdc.Start{Schema: s.Schema, Position: s.Position, Unread: s.Schema.Keyless() && s.Load.Phase != cdc.LoadDone}
			}
			if err := o.Source.Follow(ctx, from, g.log); err != nil {
				return fmt.Errorf("follow the log: %w", err)
			}
			if ctx.Err() == nil {
				return internal("the source ended by itself")
			}
			return context.Cause(ctx)
		})
		group.Go(func() error { return g.loads.run(ctx) })
		group.Go(func() error { return g.repairs.run(ctx) })
		group.Go(func() error { return g.reconciles.run(ctx) })
	}
	group.Go(func() error { return g.coordinate(ctx, outer, len(active) > 0, group.Go) })
	err := group.Wait()
	if errors.Is(err, errEnded) {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != nil {
		err = cause
	}
	return err
}

// errEnded ends the operators after the last checkpoint.
var errEnded = errors.New("ended")
