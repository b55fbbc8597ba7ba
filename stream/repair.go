package stream

import (
	"context"
	"errors"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// repair brings rows of one live table to what the source has. Its keys are watched in the log from before the rows are read, and the
// rows are put into the log at a barrier that lies beyond the end of the log as written after reading. A row whose key no event has touched
// until then is at the barrier what it was when it was read: so the table is as consistent there as it is without the
// repair. A row that was touched has been brought by its event.
type repair struct {
	table  cdc.TableID
	schema *cdc.Schema
	keys   *cdc.Batch // as deletes
	index  map[cdc.Key]int32
	gone   int32 // keys from here on are those of rows that the source should not have

	touched []bool // by row of keys; belongs to the log's goroutine

	// What was read; belongs to the log's goroutine once ready is set.
	rows  []*cdc.Batch
	found []bool
	read  int32 // so many of the keys
	bytes int
	end   cdc.Position // the log's end after reading

	ready  bool             // guarded by logInput.mu
	result chan repairEnded // takes one
}

// repairEnded is what became of a repair.
type repairEnded struct {
	k       uint64 // the checkpoint that has it
	rows    int    // written or deleted
	touched int    // left to their events
	err     error
}

// errRepairInVain: the table does not go on.
var errRepairInVain = errors.New("the table is paused")

func newRepair(s *cdc.Schema, keys *cdc.Batch, gone int) *repair {
	r := &repair{table: s.Table, schema: s, keys: keys, gone: int32(gone), index: make(map[cdc.Key]int32, keys.N), touched: make([]bool, keys.N),
		found: make([]bool, keys.N), result: make(chan repairEnded, 1)}
	for i := range keys.N {
		r.index[keys.Key(i)] = int32(i)
	}
	return r
}

// watch notes which of the keys a batch of the log has.
func (r *repair) watch(b *cdc.Batch) {
	if b.Schema.Table != r.table {
		return
	}
	for i := range b.N {
		if n, ok := r.index[b.Key(i)]; ok {
			r.touched[n] = true
		}
	}
}

// take keeps a batch that was read.
func (r *repair) take(b *cdc.Batch) {
	r.rows = append(r.rows, b)
	r.bytes += b.Bytes()
	for i := range b.N {
		if n, ok := r.index[b.Key(i)]; ok {
			r.found[n] = true
		}
	}
}

func (r *repair) release() {
	for _, b := range r.rows {
		b.Release()
	}
	r.keys.Release()
	r.rows, r.keys = nil, nil
}

// wanted selects the rows of a batch that was read which are to be written, each key once.
func (r *repair) wanted(b *cdc.Batch, sent []bool) []int32 {
	var out []int32
	for i := range b.N {
		n, ok := r.index[b.Key(i)]
		if ok && n < r.read && !r.touched[n] && !sent[n] {
			sent[n] = true
			b.Ops[i] = cdc.OpUpdate
			out = append(out, int32(i))
		}
	}
	return out
}

// startRepair begins to watch the keys. What the log has handed on before is visible to a read that begins afterwards.
func (l *logInput) startRepair(r *repair) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.schemas[r.table] != r.schema {
		return errSchemaMoved
	}
	if l.paused[r.table] != nil {
		return errRepairInVain
	}
	l.repair.Store(r)
	return nil
}

// readyRepair hands what was read to the log's goroutine.
func (l *logInput) readyRepair(r *repair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.ready = true
}

// dropRepair ends a repair that was not made ready.
func (l *logInput) dropRepair(r *repair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.repair.CompareAndSwap(r, nil)
}

// endRepair ends a repair of the table, if there is one: its definition changed, or it was emptied, and what was read is void. mu is held.
func (l *logInput) endRepair(t cdc.TableID, err error) {
	if r := l.repair.Load(); r != nil && r.table == t {
		l.repair.Store(nil)
		r.result <- repairEnded{err: err}
	}
}

// repairAt puts what a repair has read before barrier k, if the position lies beyond the end that was read after it.
func (l *logInput) repairAt(ctx context.Context, k uint64, at cdc.Position) error {
	l.mu.Lock()
	r := l.repair.Load()
	ready := r != nil && r.ready
	l.mu.Unlock()
	if !ready {
		return nil
	}
	c, err := l.compare(at, r.end)
	if err == nil && c < 0 {
		return nil
	}
	l.repair.Store(nil)
	if err != nil { // a place in the log of one server says nothing about that of another, after a failover
		r.result <- repairEnded{err: err}
		return nil
	}
	out := repairEnded{k: k}
	sent := make([]bool, r.keys.N)
	rows, keys := r.rows, r.keys
	r.rows, r.keys = nil, nil
	for _, b := range rows {
		n, err := l.putRepair(ctx, b, r.wanted(b, sent))
		if err != nil {
			return err
		}
		out.rows += n
	}
	var deletes []int32
	for n := range r.read {
		if r.touched[n] {
			out.touched++
		} else if n >= r.gone && !r.found[n] && r.index[keys.Key(int(n))] == n { // a key that is named twice is told by its last row
			deletes = append(deletes, n)
		}
	}
	n, err := l.putRepair(ctx, keys, deletes)
	if err != nil {
		return err
	}
	out.rows += n
	r.result <- out
	return nil
}

func (l *logInput) putRepair(ctx context.Context, b *cdc.Batch, rows []int32) (int, error) {
	if len(rows) == 0 {
		b.Release()
		return 0, nil
	}
	b.Repair, b.Seq = true, l.seq.Load()
	l.rows.Add(int64(len(rows)))
	l.bytes.Add(int64(b.Bytes()))
	return len(rows), l.router.some(ctx, b, rows)
}
