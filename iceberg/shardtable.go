package iceberg

import (
	"maps"
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

	live   bool // its load is done
	paused bool
	// deletes remembers, while the table is loaded, the keys that events deleted, with the log sequence of the newest one: a chunk's
	// row of such a key may be older than the delete.
	deletes map[cdc.Key]uint64
	oldest  uint64 // deletes from before it are forgotten
	trimmed int    // len(deletes) after they were last forgotten

	// The buffer: rows of batches that are kept until it is sealed. A row is known by its number in the buffer.
	coll   collapser
	held   []heldBatch
	rows   []int32    // row within its batch
	states []rowState // by buffer row

	part        *tablePart // of the current checkpoint; nil if it had no rows yet
	files       []*openFile
	partitioner *partitioner
}

// heldBatch is a batch with selected rows in the buffer: buffer rows base up to the next batch's base.
type heldBatch struct {
	b    *cdc.Batch
	base int
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
	t.held, t.rows, t.states = t.held[:0], t.rows[:0], t.states[:0]
	t.coll.reset()
}

// add takes rows of a batch into the buffer, and its reference.
func (t *tableWriter) add(b *cdc.Batch, rows []int32) error {
	base := len(t.states)
	t.held = append(t.held, heldBatch{b: b, base: base})
	if rows == nil {
		for i := range b.N {
			t.rows = append(t.rows, int32(i))
		}
	} else {
		t.rows = append(t.rows, rows...)
	}
	for range len(t.rows) - base {
		t.states = append(t.states, rowLive)
	}
	p := t.current()
	if b.Chunk != nil {
		if t.live {
			return cdc.Errorf(cdc.CodeInternal, t.id, "slot %d got rows of a chunk after the load was done", t.w.o.slot)
		}
		return t.addChunk(p, b, base)
	}
	t.countTimes(p, b, base)
	return t.addLog(p, b, base)
}

// addLog collapses log events onto what the buffer has of their keys.
func (t *tableWriter) addLog(p *tablePart, b *cdc.Batch, base int) error {
	var ops [4]int64
	for src := base; src < len(t.rows); src++ {
		r := t.rows[src]
		hi, lo, op := b.KeyHi[r], uint64(0), b.Ops[r]
		if b.KeyLo != nil {
			lo = b.KeyLo[r]
		}
		if !t.coll.owns(hi) || op > cdc.OpDelete {
			return t.foreign(b, r)
		}
		ops[op]++
		e, known := t.coll.find(hi, lo)
		if !known {
			e.first = expectNothing
			if t.live {
				e.first = expectPresent
				if op == cdc.OpInsert {
					e.first = expectAbsent
				}
			}
		} else {
			if e.last != lastDelete {
				t.states[e.src] = rowDead
				if e.last == lastChunk {
					p.counts.Skipped++
				}
			}
			if t.live && (op == cdc.OpInsert) != (e.last == lastDelete) {
				p.counts.Divergent++
			}
		}
		e.src, e.last = uint32(src), lastWrite
		if op == cdc.OpDelete {
			e.last = lastDelete
			t.states[src] = rowDead
			if !t.live {
				t.remember(cdc.Key{Hi: hi, Lo: lo}, b.Seq)
			}
		}
	}
	p.counts.Inserts += ops[cdc.OpInsert]
	p.counts.Updates += ops[cdc.OpUpdate]
	p.counts.Deletes += ops[cdc.OpDelete]
	p.counts.Events += ops[cdc.OpInsert] + ops[cdc.OpUpdate] + ops[cdc.OpDelete]
	return nil
}

// addChunk takes rows of the initial load, as far as the buffer and the deletes do not know better. The state is asked when the
// buffer is sealed.
func (t *tableWriter) addChunk(p *tablePart, b *cdc.Batch, base int) error {
	t.forget(b.Chunk.OldestSeq)
	for src := base; src < len(t.rows); src++ {
		r := t.rows[src]
		k := b.Key(int(r))
		if !t.coll.owns(k.Hi) || b.Ops[r] != cdc.OpRead {
			return t.foreign(b, r)
		}
		if _, gone := t.deletes[k]; gone {
			t.states[src] = rowDead
			p.counts.Skipped++
			continue
		}
		e, known := t.coll.find(k.Hi, k.Lo)
		if known {
			t.states[src] = rowDead
			p.counts.Skipped++
			continue
		}
		e.src, e.last, e.first = uint32(src), lastChunk, expectNothing
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
func (t *tableWriter) countTimes(p *tablePart, b *cdc.Batch, base int) {
	if len(b.Txns) == 0 {
		return
	}
	of := func(row int32) int64 {
		i := sort.Search(len(b.Txns), func(i int) bool { return b.Txns[i].End > row })
		return b.Txns[min(i, len(b.Txns)-1)].CommitMicros
	}
	p.counts.Add(cdc.Counts{OldestMicros: of(t.rows[base]), NewestMicros: of(t.rows[len(t.rows)-1])})
}
