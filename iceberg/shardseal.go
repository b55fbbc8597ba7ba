package iceberg

import (
	"bytes"
	"context"
	"slices"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// scratch is what sealing a table needs for a moment.
type scratch struct {
	states []byte      // what becomes of rows, by buffer row
	old    []state.Loc // where the state has the keys
	locs   []state.Loc // where rows went, by buffer row; None: nowhere
	sel    []int32
	src    []uint32
	parts  []*partition
	busy   []*partition
	put    []state.Loc // the new locations of changed keys
	iota   []int32
}

// all returns the numbers 0 to n-1.
func (s *scratch) all(n int) []int32 {
	for i := len(s.iota); i < n; i++ {
		s.iota = append(s.iota, int32(i))
	}
	return s.iota[:n]
}

// partRow is a row of a partition while a table is sealed.
type partRow struct {
	held int32
	row  int32
	src  uint32
}

// seal gathers the table's buffered rows into sets of its open files and brings the state up to them.
func (t *tableWriter) seal(ctx context.Context) error {
	w := t.w
	if err := t.collapse(); err != nil {
		return err
	}
	keyless := t.schema.Keyless()
	if keyless {
		if err := t.balance(); err != nil {
			return err
		}
	} else {
		w.old = slices.Grow(w.old[:0], len(w.coll.keys))[:len(w.coll.keys)]
		t.keys.Lookup(w.coll.keys, w.old)
		t.decide()
	}
	w.locs = slices.Grow(w.locs[:0], t.n)[:t.n]
	for i := range w.locs {
		w.locs[i] = state.None
	}
	var err error
	if t.partitioner == nil {
		err = t.gatherAll(ctx)
	} else {
		err = t.gatherPartitions(ctx)
	}
	if err != nil {
		return err
	}
	if keyless {
		t.storeRows()
	} else {
		t.store()
	}
	t.empty()
	if t.live {
		t.deletes = nil
		t.settleOwed()
	}
	return nil
}

// decide compares what the buffer has of every key with what the state has: which versions are gone, and which chunk rows are not
// wanted.
func (t *tableWriter) decide() {
	w, p := t.w, t.current()
	if len(p.deleted) >= mostDeleted {
		p.settle()
	}
	for i := range w.coll.ents {
		e, known := &w.coll.ents[i], w.old[i] != state.None
		if known && (t.emptied || t.base != 0) && t.gone(w.old[i].File()) {
			known = false
		}
		before := known && t.precedes(w.old[i].File())
		if e.last == lastChunk {
			if known && !before {
				w.states[e.src] = rowDead
				p.counts.Skipped++
				continue
			}
			p.counts.Reads++
			if before {
				p.deleted = append(p.deleted, w.old[i])
			}
			continue
		}
		if known {
			p.deleted = append(p.deleted, w.old[i])
		}
		if e.first == expectAbsent && known || e.first == expectPresent && !known {
			p.counts.Divergent++
		}
	}
}

// store puts the new locations of the keys that changed.
func (t *tableWriter) store() {
	w := t.w
	keys := w.coll.keys
	n := 0
	w.put = slices.Grow(w.put[:0], len(keys))[:len(keys)]
	locs := w.put
	for i := range w.coll.ents {
		e := &w.coll.ents[i]
		loc := w.locs[e.src]
		if loc == state.None && (w.old[i] == state.None || e.last == lastChunk) {
			continue // a delete of what never was, or a chunk's row that the state knows better
		}
		keys[n], locs[n], w.old[n] = keys[i], loc, w.old[i]
		n++
	}
	t.keys.Put(keys[:n], locs[:n], w.old[:n])
}

// liveRows returns the rows of a held batch that are to be written, and their buffer rows: from on if these are consecutive, src otherwise.
func (t *tableWriter) liveRows(h *heldBatch) (rows []int32, from uint32, src []uint32) {
	w := t.w
	rows = h.selection(t)
	states := w.states[h.base : h.base+h.n]
	if bytes.IndexByte(states, rowDead) < 0 {
		return rows, uint32(h.base), nil
	}
	w.sel, w.src = w.sel[:0], slices.Grow(w.src[:0], h.n)
	for i, s := range states {
		if s == rowLive {
			w.sel, w.src = append(w.sel, rows[i]), append(w.src, uint32(h.base+i))
		}
	}
	return w.sel, 0, w.src
}

// gatherAll writes all live rows of an unpartitioned table, batch by batch.
func (t *tableWriter) gatherAll(ctx context.Context) error {
	for i := range t.held {
		rows, from, src := t.liveRows(&t.held[i])
		if err := t.emit(ctx, nil, t.held[i].b, rows, from, src); err != nil {
			return err
		}
	}
	return nil
}

// gatherPartitions writes all live rows partition by partition, so that each is visited once whatever the order of the rows. Those
// with an open file come first: the others may close them.
func (t *tableWriter) gatherPartitions(ctx context.Context) error {
	w := t.w
	w.busy = w.busy[:0]
	for i := range t.held {
		rows, from, src := t.liveRows(&t.held[i])
		w.parts = t.partitioner.assign(t.held[i].b, rows, w.parts[:0])
		for j, p := range w.parts {
			if len(p.rows) == 0 {
				w.busy = append(w.busy, p)
			}
			row := partRow{held: int32(i), row: rows[j], src: from + uint32(j)}
			if src != nil {
				row.src = src[j]
			}
			p.rows = append(p.rows, row)
		}
	}
	for _, open := range []bool{true, false} {
		for _, p := range w.busy {
			if (p.file != nil) != open || len(p.rows) == 0 {
				continue
			}
			rows := p.rows
			for len(rows) > 0 {
				h := rows[0].held
				w.sel, w.src = w.sel[:0], w.src[:0]
				for len(rows) > 0 && rows[0].held == h {
					w.sel, w.src = append(w.sel, rows[0].row), append(w.src, rows[0].src)
					rows = rows[1:]
				}
				if err := t.emit(ctx, p, t.held[h].b, w.sel, 0, w.src); err != nil {
					return err
				}
			}
			p.rows = nil
		}
	}
	clear(w.busy)
	clear(w.parts)
	return nil
}

// emit writes rows of a batch into the partition's file (nil: the table's only one), and notes where they are: src are their buffer
// rows; nil: from on.
func (t *tableWriter) emit(ctx context.Context, p *partition, b *cdc.Batch, rows []int32, from uint32, src []uint32) error {
	w := t.w
	for len(rows) > 0 {
		f, err := t.file(ctx, p)
		if err != nil {
			return err
		}
		if f.set == nil {
			f.set = w.enc.getSet(f.layout)
		}
		n := room(f.set, f.layout, b, rows, w.enc.setBytes())
		if n == 0 {
			if err := t.flush(ctx, f); err != nil {
				return err
			}
			continue
		}
		f.set.gather(f.layout, b, rows[:n])
		if src == nil {
			locs := w.locs[from : int(from)+n]
			for i := range locs {
				locs[i] = state.MakeLoc(f.num, f.rows+uint32(i))
			}
			from += uint32(n)
		} else {
			for i, s := range src[:n] {
				w.locs[s] = state.MakeLoc(f.num, f.rows+uint32(i))
			}
			src = src[n:]
		}
		f.rows += uint32(n)
		rows = rows[n:]
	}
	return nil
}

// room returns how many of the rows fit into the set; at least one if it is empty.
func room(s *colSet, l *parquetLayout, b *cdc.Batch, rows []int32, limit int) int {
	n := min(len(rows), setRows-s.n)
	// What rows take whatever their values: some ten bytes a column, levels and offsets included.
	if fit := limit/(len(l.cols)*10) - s.n; fit < n {
		if s.n > 0 && fit <= 0 {
			return 0
		}
		n = max(fit, 1)
		rows = rows[:n]
	}
	data, total := s.dataBytes(), 0
	for i := range l.cols {
		if to := l.cols[i].to; to == physBytes || to == physFloats {
			total += len(b.Cols[i].Data)
		}
	}
	if total == 0 || data+total <= limit {
		return n
	}
	// Large values: look at every row.
	for k, r := range rows[:n] {
		for i := range l.cols {
			if to := l.cols[i].to; to == physBytes || to == physFloats {
				v := &b.Cols[i]
				data += int(v.Off[r+1] - v.Off[r])
			}
		}
		if data > limit && (k > 0 || s.n > 0) {
			return k
		}
	}
	return n
}

// keptSet bounds the values of a set that waits for more, and keptSets those of a shard.
const (
	keptSet  = 128 << 10
	keptSets = 16 << 20
)

// settle hands gathered rows to the encoder. Files that have few are not begun: perhaps they stay small, and are encoded as a whole.
func (t *tableWriter) settle(ctx context.Context) error {
	w := t.w
	for _, f := range t.files {
		if f.set == nil {
			continue
		}
		n := f.set.raw()
		if more := w.kept + n - f.kept; !f.begun && !w.o.noWhole && n <= keptSet && more <= min(keptSets, 2*w.enc.setBytes()) {
			w.kept, f.kept = more, n
			continue
		}
		if err := t.flush(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// release takes note that the file's set is in other hands.
func (t *tableWriter) release(f *openFile) {
	t.w.kept -= f.kept
	f.set, f.kept = nil, 0
}

// flush hands the file's gathered rows to the encoder.
func (t *tableWriter) flush(ctx context.Context, f *openFile) error {
	if f.set == nil {
		return nil
	}
	if err := t.w.enc.send(ctx, encodeJob{op: encodeRows, f: f, set: f.set}); err != nil {
		return err
	}
	t.release(f)
	f.begun = true
	return t.w.enc.err()
}

// maxFileRows keeps positions within 31 bits, which is what some readers take them for.
const maxFileRows = 1 << 31

// file returns the open file of a partition, opening one if need be.
func (t *tableWriter) file(ctx context.Context, p *partition) (*openFile, error) {
	var f *openFile
	if p != nil {
		f = p.file
	} else if len(t.files) > 0 {
		f = t.files[0]
	}
	if f != nil && f.set == nil && (f.size.Load() >= t.layout.target.targetBytes || f.rows >= maxFileRows-setRows) {
		if err := t.closeFile(ctx, f); err != nil {
			return nil, err
		}
		f = nil
	}
	t.w.tick++
	if f == nil {
		if len(t.files) >= maxOpenFiles {
			oldest := slices.MinFunc(t.files, func(a, b *openFile) int { return int(int64(a.used - b.used)) })
			if err := t.closeFile(ctx, oldest); err != nil {
				return nil, err
			}
		}
		path := ""
		if p != nil {
			path = p.path
		}
		num, uri, err := t.st.newFile(t.w.o.slot, path)
		if err != nil {
			return nil, err
		}
		f = &openFile{layout: t.layout, part: t.current(), num: num, uri: uri, partition: p}
		f.part.opened()
		t.files = append(t.files, f)
		if p != nil {
			p.file = f
		}
	}
	f.used = t.w.tick
	return f, nil
}

// closeFile lets the encoder finish a file.
func (t *tableWriter) closeFile(ctx context.Context, f *openFile) error {
	j := encodeJob{op: encodeClose, f: f}
	if f.set != nil && !f.begun && !t.w.o.noWhole && f.set.isSmall(f.layout) {
		j.op, j.set = encodeWhole, f.set
	} else if err := t.flush(ctx, f); err != nil {
		return err
	}
	if err := t.w.enc.send(ctx, j); err != nil {
		return err
	}
	t.release(f)
	t.files = slices.DeleteFunc(t.files, func(o *openFile) bool { return o == f })
	if f.partition != nil {
		f.partition.file = nil
	}
	return nil
}

// finish ends the table's share of the checkpoint.
func (t *tableWriter) finish(ctx context.Context) error {
	if err := t.closeFiles(ctx); err != nil {
		return err
	}
	t.part = nil
	if t.partitioner != nil {
		t.partitioner.forget()
	}
	return nil
}

// closeFiles finishes all open files of the table.
func (t *tableWriter) closeFiles(ctx context.Context) error {
	for len(t.files) > 0 {
		if err := t.closeFile(ctx, t.files[len(t.files)-1]); err != nil {
			return err
		}
	}
	return nil
}
