package stream

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// fakeShard is a ShardWriter on maps.
type fakeShard struct {
	sink   *fakeSink
	gen    cdc.Generation
	tables map[cdc.TableID]*fakeShardTable
	k, ck  uint64 // checkpoints prepared, complete
}

type fakeShardTable struct {
	def     int
	state   map[int64]bool
	deletes map[int64]uint64 // remembered while the table is loaded
	old     map[int64]bool   // keys in state whose rows are from before the load
	live    bool
	paused  bool
	open    *fakeDelta
}

// fakeDelta is what a checkpoint does to a table in one slot.
type fakeDelta struct {
	Set  map[int64]int64
	Del  map[int64]bool // keys that were in the table before this checkpoint
	File int
	n    cdc.Counts
}

func (w *fakeShard) Write(_ context.Context, b *cdc.Batch, rows []int32) error {
	defer b.Release()
	t := w.tables[b.Schema.Table]
	if t == nil || b.Schema.Version != t.def {
		return internal("rows of %s under definition %d", b.Schema.Table, b.Schema.Version)
	}
	if t.paused {
		return nil
	}
	if t.open == nil {
		t.open = &fakeDelta{Set: map[int64]int64{}, Del: map[int64]bool{}}
	}
	if b.Chunk != nil {
		for k, seq := range t.deletes {
			if seq < b.Chunk.OldestSeq {
				delete(t.deletes, k)
			}
		}
	}
	if rows == nil {
		for i := range b.N {
			t.row(b, i)
		}
	}
	for _, i := range rows {
		t.row(b, int(i))
	}
	return w.sink.fault("write")
}

func (t *fakeShardTable) row(b *cdc.Batch, i int) {
	d, k, v := t.open, b.Cols[0].I64[i], b.Cols[1].I64[i]
	known := t.state[k]
	if b.Ops[i] == cdc.OpRead {
		if _, deleted := t.deletes[k]; known && !t.old[k] || deleted {
			d.n.Skipped++
			return
		}
		d.n.Reads++
		if known {
			d.Del[k] = true
			delete(t.old, k)
		}
		d.Set[k], t.state[k] = v, true
		return
	}
	d.n.Events++
	delete(t.old, k)
	if known {
		if _, ok := d.Set[k]; ok {
			delete(d.Set, k)
		} else {
			d.Del[k] = true
		}
	}
	if t.live && !b.Repair && known != (b.Ops[i] != cdc.OpInsert) {
		d.n.Divergent++
	}
	if b.Ops[i] == cdc.OpDelete {
		delete(t.state, k)
		if !t.live {
			t.deletes[k] = b.Seq
		}
		return
	}
	d.Set[k], t.state[k] = v, true
}

func (w *fakeShard) Schema(_ context.Context, c cdc.SchemaChange) error {
	t := w.tables[c.Schema.Table]
	if t.open != nil {
		for k := range t.open.Set {
			t.open.Set[k] += bump
		}
	}
	t.def = c.Schema.Version
	return w.sink.fault("schema")
}

func (w *fakeShard) Live(id cdc.TableID) {
	t := w.tables[id]
	t.live, t.deletes = true, map[int64]uint64{}
	for k := range t.old {
		delete(t.state, k)
	}
	t.old = nil
}

func (w *fakeShard) Truncate(id cdc.TableID) {
	if t := w.tables[id]; !t.paused {
		t.open, t.state, t.old = nil, map[int64]bool{}, nil
	}
}

func (w *fakeShard) Pause(id cdc.TableID) {
	w.tables[id].paused, w.tables[id].open = true, nil
}

func (w *fakeShard) Complete(_ context.Context, k uint64) error {
	if k != w.ck+1 || k > w.k {
		return internal("checkpoint %d completes after %d, prepared are %d", k, w.ck, w.k)
	}
	w.ck = k
	return w.sink.fault("complete")
}

func (w *fakeShard) Close() error { return nil }

func (w *fakeShard) Prepare(_ context.Context, k uint64) (Prepared, error) {
	if k != w.k+1 {
		return nil, internal("checkpoint %d follows %d", k, w.k)
	}
	w.k = k
	p := fakePrepared{sink: w.sink}
	for _, id := range sortedTables(w.tables) {
		t := w.tables[id]
		if t.open == nil {
			continue
		}
		t.open.File = w.sink.cat.newFile(id, w.gen)
		b, err := json.Marshal(t.open)
		if err != nil {
			return nil, err
		}
		p.out = append(p.out, cdc.Committable{Table: id, Payload: b, Counts: t.open.n})
		w.sink.diverg.Add(t.open.n.Divergent)
		t.open = nil
	}
	return p, w.sink.fault("prepare")
}

type fakePrepared struct {
	sink *fakeSink
	out  []cdc.Committable
}

func (p fakePrepared) Wait(ctx context.Context) ([]cdc.Committable, error) {
	if rand.IntN(2) == 0 {
		select {
		case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return p.out, p.sink.fault("wait")
}
