package binlog

import (
	"unicode/utf8"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// run is rows of the open batch that are walked but not decoded yet. They are decoded together, column by column: what a column's
// kind decides is decided once for all of them, and its values are written one behind the other.
type run struct {
	l      *layout
	keys   bool // only the key columns are wanted: the rows are deleted
	rows   int
	base   []byte          // where the images stand; nil: in arena
	arena  []byte          // copies of images that come in small pieces
	starts []int32         // what walk has noted: of each step the rows' positions in base, pitch apart
	ends   [runRows]uint32 // where each row's event ends in the log, for errors
	pos    [runRows]int32  // of a column's values
}

const (
	// runRows is how many rows a run has at most, and pitch how far the positions of its steps are apart: no power of two, so that they
	// do not compete for the same places in the cache.
	runRows = 128
	pitch   = runRows + 16
	// arenaBytes is how much is collected before it is decoded: a few hundred rows for each column, and no more than stays in the
	// cache.
	arenaBytes = 32 << 10
	// directRows is how many rows an event must have to be decoded where it stands.
	directRows = 16
)

// direct reports whether a piece of n bytes of images is worth to be decoded without others.
func (l *layout) direct(n int) bool { return n >= arenaBytes || n >= directRows*l.last }

// image makes room in the batch and walks the image at the start of b, which stands at offset at of the event, if events are decoded
// where they stand. take makes it a row; until then nothing was added. On an error column says whose value it is.
func (w *writer) image(l *layout, keys bool, b []byte, at int) (length int, err error) {
	r := &w.run
	if r.l != l || r.keys != keys || len(w.fold.rows) > 0 {
		if err := w.decode(); err != nil {
			return 0, err
		}
		r.grow(l)
		r.keys = keys
	}
	if w.b == nil || w.b.N == w.b.Cap() || w.bytes >= cdc.MaxBatchBytes {
		if err := w.room(); err != nil {
			return 0, err
		}
	}
	if r.base == nil {
		at = len(r.arena)
	}
	length, column, err := l.walk(b, at, r.starts[r.rows:], pitch)
	if err != nil {
		return 0, w.fault(l, column, err)
	}
	return length, nil
}

// take makes the image of n bytes that was walked last a row. end is where its event ends in the log.
func (w *writer) take(op cdc.Op, image []byte, end uint32) error {
	r := &w.run
	r.ends[r.rows] = end
	r.rows++
	w.close(op, len(image))
	if r.base == nil {
		r.arena = append(r.arena, image...)
	}
	if r.rows == runRows || len(r.arena) >= arenaBytes {
		return w.decode()
	}
	return nil
}

// grow makes room for what is noted of a layout's rows.
func (r *run) grow(l *layout) {
	if n := l.places() * pitch; len(r.starts) < n {
		r.starts = make([]int32, n)
	}
	r.l, r.keys = l, false
}

// decode decodes the rows that were taken since the last time. An error is a *fault.
func (w *writer) decode() error {
	if len(w.fold.rows) > 0 {
		return w.unfold()
	}
	r := &w.run
	if r.rows == 0 {
		return nil
	}
	if err := w.columns(w.b.N-r.rows, r.rows); err != nil {
		return err
	}
	r.clear()
	return nil
}

// columns decodes the rows of the run, n of them, into rows from and following of the batch.
func (w *writer) columns(from, n int) error {
	r := &w.run
	base := r.base
	if base == nil {
		base = r.arena
	}
	to := from + n
	if r.keys {
		w.empty(from, to)
	}
	for i := range r.l.ops {
		o := &r.l.ops[i]
		if o.out < 0 || r.keys && !o.key {
			continue
		}
		v := &w.b.Cols[o.out]
		data := len(v.Data)
		if row, err := r.column(o, v, from, base); err != nil {
			return w.at(w.fault(r.l, i, err), row)
		}
		if o.check && !validText(v.Data[data:], v.Off[from:to], int32(data)) {
			row := from
			for row < to-1 && utf8.Valid(v.Bytes(row)) {
				row++
			}
			return w.at(w.fault(r.l, i, errText), row-from)
		}
	}
	w.hasher.Hash(w.b.Cols, from, to, w.b.KeyHi, w.b.KeyLo)
	return nil
}

// clear forgets the rows.
func (r *run) clear() {
	r.rows, r.arena = 0, r.arena[:0]
}

// fault makes the error of a value.
func (w *writer) fault(l *layout, column int, err error) *fault {
	name := "after the last one"
	if column < len(l.ops) {
		name = l.ops[column].name
	}
	return &fault{err: valueError(w.schema.Table, name, err)}
}

// at adds where row i of the run stands in the log.
func (w *writer) at(f *fault, i int) *fault {
	f.end = w.run.ends[i]
	return f
}
