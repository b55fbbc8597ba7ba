package stream

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// logInput is what the source writes the log to: input 0 of every slot.
type logInput struct {
	router  *router
	due     chan uint64
	post    func(any)
	obs     *Observer
	define  func(*cdc.Schema) error              // see Sink
	compare func(a, b cdc.Position) (int, error) // of positions; for repairs

	rows, bytes atomic.Int64  // handed on since the coordinator last looked
	seq         atomic.Uint64 // Batch.Seq of the last batch handed on
	used        atomic.Bool   // something was handed on
	repair      atomic.Pointer[repair]
	statement   *cdc.Statement // at hand; belongs to the source's goroutine

	mu      sync.Mutex                  // guards all below
	schemas map[cdc.TableID]*cdc.Schema // current definitions
	live    []cdc.TableID               // loads that are done, to be told to the slots
	changed map[cdc.TableID]*cdc.Schema // since the last barrier
	paused  map[cdc.TableID]*cdc.Error  // since the last barrier
	emptied map[cdc.TableID]bool        // since the last barrier
	loading map[cdc.TableID]bool
	asked   map[cdc.TableID]*cdc.Error // pauses that begin with the next barrier
	history []cdc.Statement            // since the last barrier
}

// logBarrier is what input 0 knows at barrier k.
type logBarrier struct {
	k       uint64
	at      cdc.Boundary
	schemas map[cdc.TableID]*cdc.Schema // definitions that changed since the barrier before
	paused  map[cdc.TableID]*cdc.Error  // tables that are followed no further
	emptied map[cdc.TableID]bool        // tables that were emptied since the barrier before
	history []cdc.Statement             // since the barrier before
}

func newLogInput(r *router, starts []cdc.TableStart, post func(any), define func(*cdc.Schema) error, obs *Observer) *logInput {
	l := &logInput{router: r, due: make(chan uint64, 1), post: post, define: define, obs: obs, schemas: map[cdc.TableID]*cdc.Schema{}, loading: map[cdc.TableID]bool{}}
	for _, s := range starts {
		l.loading[s.Table] = s.Load.Phase != cdc.LoadDone && s.Load.Phase != cdc.LoadReconciling
		l.schemas[s.Table] = s.Schema
	}
	return l
}

// schema returns the table's definition as the log has it now.
func (l *logInput) schema(t cdc.TableID) *cdc.Schema {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.schemas[t]
}

// markLive has the slots told, in order with the log, that the tables' loads are done.
func (l *logInput) markLive(t cdc.TableID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = append(l.live, t)
	l.loading[t] = false
}

// Batch implements cdc.LogEmitter.
func (l *logInput) Batch(ctx context.Context, b *cdc.Batch) error {
	if b.N == 0 {
		b.Release()
		return nil
	}
	l.rows.Add(int64(b.N))
	l.bytes.Add(int64(b.Bytes()))
	l.seq.Store(b.Seq)
	l.used.Store(true)
	if r := l.repair.Load(); r != nil {
		r.watch(b)
	}
	return l.router.batch(ctx, b, cdc.Chunk{})
}

// Schema implements cdc.LogEmitter.
func (l *logInput) Schema(ctx context.Context, c cdc.SchemaChange) error {
	l.used.Store(true)
	if err := l.define(c.Schema); err != nil {
		// What the source goes on to say of the table is ignored. The others need no new generation for it.
		if e := cdc.AsError(err); e != nil && e.Code.Class == cdc.TablePaused {
			return l.Pause(ctx, c.Schema.Table, e)
		}
		return err
	}
	l.mu.Lock()
	l.notedLocked(c.Schema.Table, cdc.ActionMetadata, "", c.Schema)
	l.schemas[c.Schema.Table] = c.Schema
	if l.changed == nil {
		l.changed = map[cdc.TableID]*cdc.Schema{}
	}
	l.changed[c.Schema.Table] = c.Schema
	l.endRepair(c.Schema.Table, errSchemaMoved)
	l.mu.Unlock()
	return l.router.all(ctx, Envelope{Kind: KindSchema, Schema: &c})
}

// Pause implements cdc.LogEmitter.
func (l *logInput) Pause(ctx context.Context, t cdc.TableID, reason *cdc.Error) error {
	l.used.Store(true)
	l.mu.Lock()
	if l.paused == nil {
		l.paused = map[cdc.TableID]*cdc.Error{}
	}
	if l.paused[t] == nil {
		l.paused[t] = reason
		l.notedLocked(t, cdc.ActionPaused, reason.Code.Name, nil)
	}
	l.endRepair(t, errRepairInVain)
	l.mu.Unlock()
	l.post(pauseSeen{t, reason})
	return l.router.all(ctx, Envelope{Kind: KindPause, Table: t})
}

// pauseAt pauses a table at the next barrier. What the source goes on to say of it is ignored, so that nothing has to start anew.
func (l *logInput) pauseAt(t cdc.TableID, reason *cdc.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == nil {
		l.asked = map[cdc.TableID]*cdc.Error{}
	}
	l.asked[t] = reason
}

// Truncate implements cdc.LogEmitter. A table that is being loaded starts over: chunks may have been read on either side. So does one
// without a key, whose state counts equal rows.
func (l *logInput) Truncate(ctx context.Context, t cdc.TableID) error {
	l.mu.Lock()
	loading := l.loading[t] || len(l.schemas[t].Key) == 0
	if !loading {
		if l.emptied == nil {
			l.emptied = map[cdc.TableID]bool{}
		}
		l.emptied[t] = true
		l.notedLocked(t, cdc.ActionTruncate, "", l.schemas[t])
	}
	l.endRepair(t, errSchemaMoved)
	l.mu.Unlock()
	if loading {
		return l.Pause(ctx, t, &cdc.Error{Code: CodeEmptied, Table: t})
	}
	l.used.Store(true)
	return l.router.all(ctx, Envelope{Kind: KindTruncate, Table: t})
}

// Appeared implements cdc.LogEmitter.
func (l *logInput) Appeared(t cdc.TableID) {
	l.mu.Lock()
	l.notedLocked(t, cdc.ActionJoined, "", nil)
	l.mu.Unlock()
	l.post(appeared{t})
}

// Statement implements cdc.LogEmitter.
func (l *logInput) Statement(s *cdc.Statement) {
	l.statement = s
	if s != nil && s.Action == cdc.ActionNone {
		l.mu.Lock()
		l.notedLocked(s.Table, cdc.ActionNone, "", nil)
		l.mu.Unlock()
	}
}

// notedLocked takes note of what the statement at hand does to a table. Pauses that have another reason are none.
func (l *logInput) notedLocked(t cdc.TableID, a cdc.Action, code string, to *cdc.Schema) {
	if l.statement == nil {
		return
	}
	s := *l.statement
	s.Table, s.Action, s.Code, s.From, s.To = t, a, code, l.schemas[t], to
	l.history = append(l.history, s)
}

// appeared says that a table may join.
type appeared struct{ table cdc.TableID }

// Due implements cdc.LogEmitter.
func (l *logInput) Due() <-chan uint64 { return l.due }

// Barrier implements cdc.LogEmitter.
func (l *logInput) Barrier(ctx context.Context, k uint64, at cdc.Boundary) error {
	l.used.Store(true)
	l.mu.Lock()
	asked := l.asked
	l.asked = nil
	l.mu.Unlock()
	for t, reason := range asked {
		if err := l.Pause(ctx, t, reason); err != nil {
			return err
		}
	}
	l.mu.Lock()
	b := logBarrier{k: k, at: at, schemas: l.changed, paused: l.paused, emptied: l.emptied, history: l.history}
	l.changed, l.paused, l.emptied, l.history = nil, nil, nil, nil
	live := l.live
	l.live = nil
	l.mu.Unlock()
	if err := l.repairAt(ctx, k, at.Position); err != nil {
		return err
	}
	if err := l.router.all(ctx, Envelope{Kind: KindBarrier, K: k}); err != nil {
		return err
	}
	for _, t := range live {
		if err := l.router.all(ctx, Envelope{Kind: KindLive, Table: t}); err != nil {
			return err
		}
	}
	l.post(b)
	l.obs.boundary(at)
	return nil
}

// Progress implements cdc.LogEmitter.
func (l *logInput) Progress(at cdc.Boundary) { l.obs.boundary(at) }

var _ cdc.LogEmitter = (*logInput)(nil)
