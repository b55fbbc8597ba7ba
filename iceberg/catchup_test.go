package iceberg

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestStateIsBroughtForward: a process that died between commit and completion has a state of an older snapshot.
func TestStateIsBroughtForward(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		var log bytes.Buffer
		p := newPipe(t, func(o *Options) { withFormat(format)(o); o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		p.start()
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		step := func(i int) {
			tx := map[int64]testRow{}
			for range 30 {
				id := int64(rnd.IntN(100))
				if tx[id] = row(int32(i), "x"); rnd.IntN(3) == 0 {
					tx[id] = nil
				}
			}
			p.tx(tx)
		}
		for i := range 5 {
			step(i)
			p.checkpoint()
		}
		log.Reset()
		for round := range 6 {
			for i := range 1 + round {
				step(100*round + i)
				r := p.decide()
				if o, err := p.tryCommit(r); err != nil || o != cdc.Committed {
					t.Fatal(o, err)
				}
				if round == 3 && i == 0 { // one slot is ahead of the other
					if err := p.writers[0].Complete(t.Context(), r.k); err != nil {
						t.Fatal(err)
					}
				}
			}
			p.reopen(true)
			p.start()
			p.checkState()
		}
		p.check()
		if strings.Contains(log.String(), "rebuilt") {
			t.Fatalf("the index was rebuilt: %s", log.String())
		}
	})
}

// TestStateOfOtherSlotsIsRebuilt: the number of slots changes with a restart.
func TestStateOfOtherSlotsIsRebuilt(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	for i := range int64(200) {
		p.model[i] = row(int32(i), fmt.Sprint(i))
	}
	p.tx(p.model)
	p.checkpoint()
	for _, slots := range []int{5, 1, 3} {
		p.close()
		p.o.Slots = slots
		p.open()
		if st := p.start(); st.Rows != 200 {
			t.Fatalf("%d rows", st.Rows)
		}
		p.checkState()
		p.tx(map[int64]testRow{int64(slots): row(-1, "y")})
		p.checkpoint()
		p.check()
		p.checkState()
	}
}

// TestGenerationWithoutATable: a table that the source has no more is not in the next generation, whose checkpoints complete.
func TestGenerationWithoutATable(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a")})
	p.checkpoint()
	k := p.k
	p.stop()
	p.number++
	p.gen = p.number
	if _, err := p.sink.CatchUp(t.Context(), p.generation(), nil); err != nil {
		t.Fatal(err)
	}
	for slot := range p.o.Slots {
		w, err := p.sink.Shard(slot)
		if err != nil {
			t.Fatal(err)
		}
		p.writers = append(p.writers, w)
		if _, err := w.Prepare(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		if err := w.Complete(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForeignRewriteIsFollowed: somebody compacts the table; file numbers of theirs survive a restart.
func TestForeignRewriteIsFollowed(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		for i := range int64(6) {
			p.tx(map[int64]testRow{i: row(int32(i), "a"), i + 10: row(1, "b"), i / 2: row(int32(-i), "c")})
			p.checkpoint()
		}
		p.rewrite()
		p.check()
		p.start()
		p.checkState()
		p.tx(map[int64]testRow{1: row(100, "z"), 2: nil})
		p.checkpoint()
		p.check()
		p.checkState()
		p.reopen(true)
		p.start()
		p.checkState()
		p.tx(map[int64]testRow{3: row(100, "z"), 4: nil})
		p.checkpoint()
		p.check()
		p.reopen(false)
		p.start()
		p.checkState()
	})
}

// rewrite is a compaction of somebody else: iceberg-go reads all live rows and writes one file in the place of all.
func (p *pipe) rewrite() {
	p.t.Helper()
	p.foreign(func(tbl *table.Table) error {
		at, err := tbl.Scan().ToArrowTable(p.t.Context())
		if err != nil {
			return err
		}
		defer at.Release()
		tx := tbl.NewTransaction()
		if err := tx.OverwriteTable(p.t.Context(), at, 1<<20, nil); err != nil {
			return err
		}
		_, err = tx.Commit(p.t.Context())
		return err
	})
	// What a compaction of Spark says of itself; iceberg-go says overwrite.
	_, v, err := p.sink.current(p.t.Context(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	s := v.meta.CurrentSnapshot()
	id := p.foreignSnapshot(table.OpReplace, nil)
	_, v, err = p.sink.current(p.t.Context(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	// Hide the overwrite: its child takes its place as the child of its parent.
	n := *v.meta.SnapshotByID(id)
	n.SnapshotID, n.ParentSnapshotID, n.SequenceNumber = newSnapshotID(v.meta), s.ParentSnapshotID, v.meta.LastSequenceNumber()+1
	if v.meta.Version() >= 3 {
		first, zero := v.meta.NextRowID(), int64(0)
		n.FirstRowID, n.AddedRows = &first, &zero
	}
	if _, err := p.sink.cat.commit(p.t.Context(), change{v, []table.Update{table.NewAddSnapshotUpdate(&n),
		table.NewSetSnapshotRefUpdate(table.MainBranch, n.SnapshotID, table.BranchRef, 0, 0, 0)}}); err != nil {
		p.t.Fatal(err)
	}
}
