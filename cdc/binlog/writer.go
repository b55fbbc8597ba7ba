package binlog

import (
	"github.com/cdc2lake/cdc2lake/cdc"
)

// writer fills batches of one table. A full batch is handed on only when the next row needs room, so that the end of a
// transaction can always be noted in the batch that has its last row.
type writer struct {
	schema *cdc.Schema
	pool   *cdc.BatchPool
	hasher *cdc.KeyHasher
	emit   func(*cdc.Batch) error

	b      *cdc.Batch // open; nil if there are no rows
	run    run        // its last rows, which are not decoded yet
	fold   folder     // or these are they
	bytes  int        // that the rows of b take: their images, or their slots where NULLs make the images smaller
	slots  int        // bytes of a row's values of fixed size
	nonKey []int32    // columns that a delete leaves empty; without Meta columns

	// folds: UPDATEs may be folded. A column of the position cannot be written again.
	folds                   bool
	metaOp, metaTS, metaPos int // columns, or -1
	micros                  int64
	pos                     []byte
}

// fault is an error of the table's own data, as opposed to one of whoever takes the batches.
type fault struct {
	err *cdc.Error
	end uint32 // where the row's event ends in the log; 0 if that is not known
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func newWriter(s *cdc.Schema, opts *TableOptions, seed uint64, pool *cdc.BatchPool, emit func(*cdc.Batch) error) (*writer, *cdc.Error) {
	h := cdc.NewKeyHasher(s, seed)
	w := &writer{schema: s, pool: pool, hasher: h, emit: emit, metaOp: -1, metaTS: -1, metaPos: -1}
	for i := range s.Columns {
		switch c := &s.Columns[i]; {
		case !c.Meta && c.Key == 0:
			w.nonKey = append(w.nonKey, int32(i))
		case !c.Meta:
		case c.Name == opts.MetaOp:
			w.metaOp = i
		case c.Name == opts.MetaTS:
			w.metaTS = i
		case c.Name == opts.MetaPos:
			w.metaPos = i
		}
		w.slots += slotBytes[s.Columns[i].Type.Layout()]
	}
	w.folds = w.metaPos < 0
	return w, nil
}

var slotBytes = [...]int{cdc.LayoutU8: 1, cdc.LayoutI32: 4, cdc.LayoutI64: 8, cdc.LayoutI128: 16, cdc.LayoutF32: 4, cdc.LayoutF64: 8, cdc.LayoutBytes: 4}

// room opens a batch, and makes room in it for a row.
func (w *writer) room() error {
	if b := w.b; b != nil && (b.N >= cdc.MaxBatchRows || w.bytes >= cdc.MaxBatchBytes || b.Folded >= foldMost) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.b == nil {
		w.b, w.bytes = w.pool.Get(), 0
	}
	if w.b.N == w.b.Cap() {
		// Growing goes by the values so far.
		if err := w.decode(); err != nil {
			return err
		}
		w.b.Grow()
	}
	return nil
}

// close adds a row of n bytes, whose values are decoded later.
func (w *writer) close(op cdc.Op, n int) {
	b, r := w.b, w.b.N
	b.Ops[r] = op
	if w.metaOp >= 0 {
		v := &b.Cols[w.metaOp]
		v.Data = append(v.Data, "cudr"[op])
		v.Off[r+1] = int32(len(v.Data))
	}
	if w.metaTS >= 0 {
		b.Cols[w.metaTS].I64[r] = w.micros
	}
	if w.metaPos >= 0 {
		v := &b.Cols[w.metaPos]
		v.Data = append(v.Data, w.pos...)
		v.Off[r+1] = int32(len(v.Data))
	}
	b.N++
	w.bytes += max(n, w.slots)
}

// flush hands the open batch on. The error is a *fault, or the taker's.
func (w *writer) flush() error {
	if w.b == nil {
		return nil
	}
	if err := w.decode(); err != nil {
		w.drop()
		return err
	}
	b := w.b
	w.b = nil
	if b.N == 0 {
		b.Release()
		return nil
	}
	if w.folds {
		w.fold.decide(b)
	}
	return w.emit(b)
}

// drop gives the open batch back unread.
func (w *writer) drop() {
	w.run.clear()
	w.fold.clear()
	if w.b != nil {
		w.b.Release()
		w.b = nil
	}
}
