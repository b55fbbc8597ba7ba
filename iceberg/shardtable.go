package iceberg

import (
	"maps"
	"slices"
	"sort"

	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// tableWriter is one table within a shard.
type tableWriter struct {
	w      *ShardWriter
	id     cdc.TableID
	st     shardTable
	keys   *state.Table
	schema *cdc.Schema
	layout *parquetLayout

	live   bool   // its load is done
	unsure bool   // it is compared with the source: what it lacks is no alarm
	base   uint32 // files up to it are from before the load; see cdc.LoadState
	paused bool
	// emptied: the table was truncated, and what is in files up to cut of this slot, or in those of others, is gone.
	emptied bool
	cut     uint32
	// deletes remembers, while the table is loaded, the keys that events deleted, with the log sequence of the newest one: a chunk's
	// row of such a key may be older than the delete.
	deletes map[cdc.Key]uint64
	oldest  uint64 // deletes from before it are forgotten
	trimmed int    // len(deletes) after they were last forgotten
	// owed counts, while a table without a key is loaded, the rows that events deleted before the load brought them.
	owed map[cdc.Key]int64

	// The buffer: rows of batches that are kept until it is sealed. A row is known by its number in the buffer.
	held []heldBatch
	rows []int32 // selected rows of held batches
	n    int     // rows in the buffer

	part        *tablePart // of the current checkpoint; nil if it had no rows yet
	files       []*openFile
	partitioner *partitioner
}

// heldBatch is a batch with rows in the buffer.
type heldBatch struct {
	b    *cdc.Batch
	base int  // its rows are buffer rows base up to base+n
	n    int  // rows of it in the buffer
	sel  int  // they are tableWriter.rows[sel:sel+n]; -1: all rows of the batch
	live bool // the table's load was done when it came, so that its rows tell what the table must have
}

// retarget makes the table write rows of a definition. No file is open.
func (t *tableWriter) retarget(s *cdc.Schema) error {
	target, err := t.st.target(s)
	if err != nil {
		return err
	}
	if t.layout, err = newParquetLayout(target); err != nil {
		return err
	}
	if t.partitioner, err = newPartitioner(target); err != nil {
		return err
	}
	t.schema = s
	return nil
}

// gone reports whether a row that the state knows has left the table together with its file.
func (t *tableWriter) gone(num uint32) bool {
	if t.emptied && (num>>slotShift != uint32(t.w.o.slot) || num&counterMask <= t.cut) {
		return true
	}
	return t.live && t.precedes(num)
}

// precedes reports whether a file is from before the load.
func (t *tableWriter) precedes(num uint32) bool { return t.base != 0 && precedes(num, t.base) }

// drop forgets what the current checkpoint holds of the table.
func (t *tableWriter) drop() {
	w := t.w
	for i, f := range w.filled {
		if f == t {
			w.filled = append(w.filled[:i], w.filled[i+1:]...)
			w.rows -= t.n
			break
		}
	}
	t.empty()
	t.deletes, t.owed = nil, nil
	for _, f := range t.files {
		if f.set != nil {
			w.enc.putSet(f.layout, f.set)
			t.release(f)
		}
		if f.partition != nil {
			f.partition.file = nil
		}
	}
	// The encoder may be waiting for the store: it is told by the next call that can be interrupted.
	w.aborts = append(w.aborts, t.files...)
	t.files = nil
	if t.part != nil {
		t.part.dropped = true
		t.part = nil
	}
	// The overlays of checkpoints that were prepared stay: their parts may still be committed.
	t.keys.Discard(^uint64(0))
}

// current returns the table's share of the current checkpoint.
func (t *tableWriter) current() *tablePart {
	if t.part == nil {
		t.part = &tablePart{ck: t.w.ck, table: t.id, specs: map[int]iceberggo.PartitionSpec{}}
		t.w.ck.parts = append(t.w.ck.parts, t.part)
	}
	t.part.last = t.layout.target
	t.part.specs[t.layout.target.spec.ID()] = t.layout.target.spec
	return t.part
}

// empty forgets the buffer and gives its batches back.
func (t *tableWriter) empty() {
	for i := range t.held {
		t.held[i].b.Release()
		t.held[i].b = nil
	}
	t.held, t.n = t.held[:0], 0
	if cap(t.rows) > keptRows && len(t.rows) < cap(t.rows)/16 {
		t.rows = nil
	}
	t.rows = t.rows[:0]
}

// keptRows: beyond it, a table's selection is not kept if it was much too large for what came.
const keptRows = 1 << 12

// add takes rows of a batch into the buffer, and its reference. rows is ascending; nil means all.
func (t *tableWriter) add(b *cdc.Batch, rows []int32) error {
	h := heldBatch{b: b, base: t.n, n: b.N, sel: -1, live: t.live && !t.unsure && !b.Repair}
	if rows != nil && len(rows) < b.N {
		h.n, h.sel = len(rows), len(t.rows)
		t.rows = append(t.rows, rows...)
	}
	t.held = append(t.held, h)
	t.n += h.n
	p := t.current()
	if b.Chunk != nil {
		if t.live {
			return cdc.Errorf(cdc.CodeInternal, t.id, "slot %d got rows of a chunk after the load was done", t.w.o.slot)
		}
		return nil
	}
	t.countTimes(p, b, h.first(t), h.lastRow(t))
	return nil
}

// first and lastRow are the first and the last row of the batch that the buffer has.
func (h *heldBatch) first(t *tableWriter) int32 {
	if h.sel < 0 {
		return 0
	}
	return t.rows[h.sel]
}

func (h *heldBatch) lastRow(t *tableWriter) int32 {
	if h.sel < 0 {
		return int32(h.n - 1)
	}
	return t.rows[h.sel+h.n-1]
}

// selection returns the rows of the batch that the buffer has.
func (h *heldBatch) selection(t *tableWriter) []int32 {
	if h.sel < 0 {
		return t.w.all(h.n)
	}
	return t.rows[h.sel : h.sel+h.n]
}

// collapse finds out which of the buffered rows are the last versions of their keys, as far as the buffer knows.
func (t *tableWriter) collapse() error {
	w, p := t.w, t.current()
	c := &w.coll
	c.reset()
	w.states = slices.Grow(w.states[:0], t.n)[:t.n]
	for i := range w.states {
		w.states[i] = rowLive
	}
	c.rows = slices.Grow(c.rows, t.n)
	for i := range t.held {
		h := &t.held[i]
		var err error
		if h.b.Chunk != nil {
			err = t.collapseChunk(p, h)
		} else {
			err = t.collapseLog(p, h)
		}
		if err != nil {
			return err
		}
	}
	if t.schema.Keyless() {
		c.tally(w.states)
	} else {
		c.collapse(w.states, &p.counts)
	}
	return nil
}

// collapseLog hands the events of a batch to the collapser.
func (t *tableWriter) collapseLog(p *tablePart, h *heldBatch) error {
	b, c, keyless := h.b, &t.w.coll, t.schema.Keyless()
	var ops [4]int64
	rows := h.selection(t)
	for i, r := range rows {
		hi, op := b.KeyHi[r], b.Ops[r]
		if !c.owns(hi) || op > cdc.OpDelete {
			return t.foreign(b, r)
		}
		ops[op]++
		c.rows = append(c.rows, bufferedRow{hi: hi, src: uint32(h.base + i), op: op, live: h.live})
	}
	if b.KeyLo != nil {
		for _, r := range rows {
			c.los = append(c.los, b.KeyLo[r])
		}
	}
	if keyless && ops[cdc.OpUpdate] > 0 {
		return cdc.Errorf(cdc.CodeInternal, t.id, "slot %d got an update of a row without a key", t.w.o.slot)
	}
	if !t.live && !keyless && ops[cdc.OpDelete] > 0 {
		for _, r := range rows {
			if b.Ops[r] == cdc.OpDelete {
				t.remember(b.Key(int(r)), b.Seq)
			}
		}
	}
	if rows[0] == 0 { // of all shards that have rows of the batch, one has the first
		ops[cdc.OpUpdate] += b.Folded
	}
	p.counts.Inserts += ops[cdc.OpInsert]
	p.counts.Updates += ops[cdc.OpUpdate]
	p.counts.Deletes += ops[cdc.OpDelete]
	p.counts.Events += ops[cdc.OpInsert] + ops[cdc.OpUpdate] + ops[cdc.OpDelete]
	return nil
}

// collapseChunk hands rows of the initial load to the collapser, unless their keys were deleted meanwhile. The state is asked later.
func (t *tableWriter) collapseChunk(p *tablePart, h *heldBatch) error {
	b, c := h.b, &t.w.coll
	t.forget(b.Chunk.OldestSeq)
	rows := h.selection(t)
	for i, r := range rows {
		k := b.Key(int(r))
		if !c.owns(k.Hi) || b.Ops[r] != cdc.OpRead {
			return t.foreign(b, r)
		}
		if len(t.deletes) > 0 {
			if _, gone := t.deletes[k]; gone {
				t.w.states[h.base+i] = rowDead
				p.counts.Skipped++
				continue
			}
		}
		c.rows = append(c.rows, bufferedRow{hi: k.Hi, src: uint32(h.base + i), op: cdc.OpRead})
	}
	if b.KeyLo != nil {
		for _, r := range rows {
			c.los = append(c.los, b.KeyLo[r])
		}
	}
	if t.schema.Keyless() {
		p.counts.Reads += int64(len(rows))
	}
	return nil
}

func (t *tableWriter) foreign(b *cdc.Batch, r int32) error {
	return cdc.Errorf(cdc.CodeInternal, t.id, "slot %d got a row with operation %d and key %x, chunk %t", t.w.o.slot, b.Ops[r], b.KeyHi[r], b.Chunk != nil)
}

// remember keeps a deleted key from being brought back by a chunk that was read before.
func (t *tableWriter) remember(k cdc.Key, seq uint64) {
	if t.deletes == nil {
		t.deletes = map[cdc.Key]uint64{}
	}
	t.deletes[k] = seq
}

// forget drops deletes from before all chunks that are open or still to come: these chunks see them. It looks at all of them only
// when there are twice as many as were left the last time.
func (t *tableWriter) forget(oldest uint64) {
	if oldest <= t.oldest || len(t.deletes) < 2*t.trimmed+t.w.o.trimDeletes {
		return
	}
	t.oldest = oldest
	maps.DeleteFunc(t.deletes, func(_ cdc.Key, seq uint64) bool { return seq <= oldest })
	t.trimmed = len(t.deletes)
}

// countTimes notes the commit times of the first and last transaction with rows here.
func (t *tableWriter) countTimes(p *tablePart, b *cdc.Batch, first, last int32) {
	if len(b.Txns) == 0 {
		return
	}
	of := func(row int32) int64 {
		i := sort.Search(len(b.Txns), func(i int) bool { return b.Txns[i].End > row })
		return b.Txns[min(i, len(b.Txns)-1)].CommitMicros
	}
	p.counts.Add(cdc.Counts{OldestMicros: of(first), NewestMicros: max(of(last), b.FoldedMicros)})
}
