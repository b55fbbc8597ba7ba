package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// Comparer compares a table with the source while both go on.
type Comparer interface {
	// Compare looks at all rows, or, if keys is not nil, at those with the keys, of a table that everything has been committed to up to
	// position. Whatever it reads of the source has to show all that the log has delivered of the table. It may take a row for different that
	// is not, and pass over one that has changed in the source since it began; no other.
	Compare(ctx context.Context, s *cdc.Schema, keys [][]byte, position func() cdc.Position) (Differences, error)
}

// Differences are the keys of rows to be brought over, as cdc.Batch.AppendKey writes them.
type Differences struct {
	Rows int64 // that were compared
	// Present are those of rows that the source has, Gone of rows that it does not have.
	Present, Gone [][]byte
	// TooMany: there are more than are worth being brought over one by one.
	TooMany bool
	// Late: the table did not come to cover what was read of the source.
	Late bool
}

// reconciles makes tables that go on with rows of which nobody knows whether they are right (cdc.LoadReconciling) equal to the source.
// A row that an event of the log has touched since the table goes on is right. Any other is what it was then, in the source and in the
// table: so it is enough to see it once on both sides, and to bring over what differs as a repair. When nothing differs any more, the
// table equals the source from the log's end on as it was after the last look. One comparison is made at a time; whatever interrupts
// it, the next generation begins it again, for the table's marker says what it is.
type reconciles struct {
	c       Comparer
	loader  cdc.Loader
	log     *logInput
	repairs *repairs
	post    func(any)
	o       *Options

	mu        sync.Mutex                   // guards the rest
	positions map[cdc.TableID]cdc.Position // of tables that are reconciled, as committed
	known     map[cdc.TableID]bool
	queue     []cdc.TableID
	current   cdc.TableID
	cancel    context.CancelFunc // of the comparison of current
	wake      chan struct{}      // takes one
}

// reconciled says that a table equals the source once the stream has passed the end.
type reconciled struct {
	table cdc.TableID
	end   cdc.Position
}

func newReconciles(o *Options, log *logInput, repairs *repairs, post func(any)) *reconciles {
	return &reconciles{c: o.Comparer, loader: o.Source.Loader(), log: log, repairs: repairs, post: post, o: o,
		positions: map[cdc.TableID]cdc.Position{}, known: map[cdc.TableID]bool{}, wake: make(chan struct{}, 1)}
}

// committed takes note of where tables stand. A comparison begins only then, since the table has its definition from its first part on.
func (r *reconciles) committed(tables []TableStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tables {
		if t.Load.Phase != cdc.LoadReconciling || t.Paused != nil {
			delete(r.positions, t.Table)
			if r.cancel != nil && r.current == t.Table && t.Paused != nil {
				r.cancel()
			}
			continue
		}
		r.positions[t.Table] = t.Position
		if t.Load.End == "" && !r.known[t.Table] {
			r.known[t.Table] = true
			r.queue = append(r.queue, t.Table)
			r.signal()
		}
	}
}

// again has a table compared once more.
func (r *reconciles) again(t cdc.TableID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, t)
}

func (r *reconciles) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reconciles) position(t cdc.TableID) cdc.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.positions[t]
}

// next takes a table out of the queue, with the context of its comparison.
func (r *reconciles) next(ctx context.Context) (t cdc.TableID, sub context.Context, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return t, nil, false
	}
	t, r.queue = r.queue[0], r.queue[1:]
	sub, r.cancel = context.WithCancel(ctx)
	r.current = t
	return t, sub, true
}

func (r *reconciles) run(ctx context.Context) error {
	for {
		t, sub, ok := r.next(ctx)
		if !ok {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		r.reconcile(sub, t)
		r.mu.Lock()
		r.cancel()
		r.cancel = nil
		r.mu.Unlock()
	}
}

var (
	errTooMany = errors.New("more rows differ than are brought over one by one")
	errLate    = errors.New("the table did not come to cover what was read of the source")
)

// reconcile compares a table until it is equal, or nobody wants to know.
func (r *reconciles) reconcile(ctx context.Context, t cdc.TableID) {
	for faults := 0; ; faults++ {
		started := time.Now()
		rows, repaired, end, err := r.attempt(ctx, t)
		switch {
		case err == nil:
			r.o.Logger.Info("the table was compared with the source", "table", t, "rows", rows, "repaired", repaired, "took", time.Since(started).Round(time.Millisecond))
			r.post(reconciled{t, end})
			return
		case ctx.Err() != nil:
			return
		case errors.Is(err, errTooMany):
			r.log.pauseAt(t, &cdc.Error{Code: CodeDiffers, Table: t})
			return
		}
		wait := min(loadRetry<<min(faults, 10), maxLoadRetry)
		r.o.Logger.Warn("the comparison with the source is interrupted", "table", t, "again_in", wait, "err", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (r *reconciles) attempt(ctx context.Context, t cdc.TableID) (rows int64, repaired int, end cdc.Position, err error) {
	if r.c == nil { // it had one when the table began
		return 0, 0, "", errTooMany
	}
	schema := r.log.schema(t)
	position := func() cdc.Position { return r.position(t) }
	d, err := r.c.Compare(ctx, schema, nil, position)
	rows = d.Rows
	for err == nil && !d.TooMany && !d.Late && len(d.Present)+len(d.Gone) > 0 {
		repaired += len(d.Present) + len(d.Gone)
		if err = r.repair(ctx, schema, d); err == nil {
			// The others were looked at, and will not differ any more.
			d, err = r.c.Compare(ctx, schema, slices.Concat(d.Present, d.Gone), position)
		}
	}
	switch {
	case err != nil:
		return rows, repaired, "", err
	case d.TooMany:
		return rows, repaired, "", errTooMany
	case d.Late:
		return rows, repaired, "", errLate
	case r.log.schema(t) != schema:
		return rows, repaired, "", errSchemaMoved
	}
	end, err = r.loader.End(ctx)
	return rows, repaired, end, err
}

func (r *reconciles) repair(ctx context.Context, s *cdc.Schema, d Differences) error {
	for present, gone := d.Present, d.Gone; len(present)+len(gone) > 0; {
		q := checkpoint.Repair{Table: s.Table, Columns: checkpoint.KeyColumns(s)}
		n := min(len(present), checkpoint.RepairKeys)
		q.Rows, present = present[:n], present[n:]
		n = min(len(gone), checkpoint.RepairKeys-n)
		q.Gone, gone = gone[:n], gone[n:]
		if err := r.repairs.do(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
