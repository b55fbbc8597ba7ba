package iceberg

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestCommitIsRepeated: the answer of a whole Commit is lost, and it is called again when the next definition is already in use.
func TestCommitIsRepeated(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		add := func(name string) {
			p.ddl(func(s *cdc.Schema) {
				s.Columns = append(s.Columns, cdc.Column{Name: name, Type: cdc.Type{Kind: cdc.KindInt64}, Nullable: true})
			})
		}
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
		p.checkpoint()
		add("n")
		p.tx(map[int64]testRow{1: {int32(1), "a", int64(1)}})
		r := p.decide()
		p.commit(r)
		add("m")
		p.tx(map[int64]testRow{2: {int32(2), "b", int64(2), int64(3)}})
		again := func() {
			if o, err := p.tryCommit(r); err != nil || o != cdc.Committed {
				t.Fatal(o, err)
			}
		}
		again()
		r2 := p.decide()
		again()
		p.commit(r2)
		p.model = map[int64]testRow{1: {int32(1), "a", int64(1), nil}, 2: {int32(2), "b", int64(2), int64(3)}}
		p.check()
		p.checkState()
		if c := p.carriers(r.id); c != 1 {
			t.Fatalf("committed %d times", c)
		}
		p.reopen(true)
		p.start()
		p.checkState()
		p.check()
	})
}

// TestForeignUpgrade: somebody takes the table to format 3 while we write to it. Old position deletes must survive the first vectors.
func TestForeignUpgrade(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b"), 3: row(3, "c"), 4: row(4, "d")})
	p.checkpoint()
	p.tx(map[int64]testRow{1: nil})
	p.checkpoint()
	upgrade := func() {
		_, v, err := p.sink.current(context.Background(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.sink.cat.commit(context.Background(), change{v, []table.Update{table.NewUpgradeFormatVersionUpdate(3)}}); err != nil {
			t.Fatal(err)
		}
	}
	p.tx(map[int64]testRow{2: row(20, "bb")})
	r := p.decide()
	upgrade()
	p.commit(r)
	p.check()
	p.tx(map[int64]testRow{3: nil})
	p.checkpoint()
	p.check()
	p.checkState()
}

// TestForeignRowsOfAnyKind: what another writer adds is noticed whatever it calls it, and however little it says of it.
func TestForeignRowsOfAnyKind(t *testing.T) {
	for i, c := range []struct {
		op     table.Operation
		props  map[string]string
		paused bool
	}{
		{table.OpAppend, map[string]string{"added-data-files": "1", "added-records": "5"}, true},
		{table.OpAppend, map[string]string{"added-data-files": "1"}, true},
		{table.OpOverwrite, map[string]string{"added-data-files": "1", "deleted-data-files": "1"}, true},
		{table.OpOverwrite, map[string]string{"added-records": "1"}, true},
		{table.OpOverwrite, map[string]string{"added-delete-files": "1"}, false},
		{table.OpDelete, map[string]string{"added-delete-files": "1"}, false},
		{table.OpReplace, map[string]string{"added-data-files": "1", "added-records": "5"}, false},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p := newPipe(t, nil)
			p.start()
			p.tx(map[int64]testRow{1: row(1, "a")})
			p.checkpoint()
			p.foreignSnapshot(c.op, c.props)
			st, err := p.tryStart(false)
			if err != nil || (st.Paused != nil) != c.paused {
				t.Fatalf("%+v, %v", st.Paused, err)
			}
		})
	}
}

// TestReloadWithVectors: the part that replaces everything deletes rows of its own files, while the old ones have vectors; and it
// is committed again after a conflict and by the next generation.
func TestReloadWithVectors(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p, cat, _ := faultyPipe(t, format)
		p.o.BufferRows, p.o.alwaysReplace = 64, true
		p.reopen(false)
		p.start()
		for i := range int64(4) {
			tx := map[int64]testRow{}
			for id := range int64(50) {
				tx[id] = row(int32(i), "old")
			}
			p.tx(tx)
			p.checkpoint()
		}
		for round := range 3 {
			p.log, p.model = nil, map[int64]testRow{}
			if st, err := p.tryStart(true); err != nil || st.Paused != nil {
				t.Fatalf("%+v, %v", st, err)
			}
			for i := range 4 {
				tx := map[int64]testRow{}
				for id := range int64(40) {
					if tx[id] = row(int32(i), fmt.Sprint(round)); id%7 == int64(i) {
						tx[id] = nil
					}
				}
				p.tx(tx)
			}
			r, err := p.tryDecide(true)
			if err != nil {
				t.Fatal(err)
			}
			left := round
			cat.set(func(do func() error) error {
				if left--; left >= 0 {
					return errConflict
				}
				return do()
			})
			if round == 2 { // decided, and the process dies
				p.reopen(true)
				p.number++
				p.gen = p.number
				if o, err := p.tryCommit(r); err != nil || o != cdc.Committed {
					t.Fatal(o, err)
				}
				p.start()
			} else {
				p.commit(r)
			}
			cat.set(nil)
			p.check()
			p.checkState()
			if got := summaryOf(p.meta().CurrentSnapshot()); got.GetInt64("total-records", 0)-got.GetInt64("total-position-deletes", 0) != int64(len(p.model)) {
				t.Fatalf("totals: %v, %d rows", got, len(p.model))
			}
			p.tx(map[int64]testRow{1: nil, 60: row(6, "x")})
			p.checkpoint()
			p.check()
			p.checkState()
		}
	})
}

// TestRowIDsAreKept: format 3 numbers rows; merging manifests must not number them again.
func TestRowIDsAreKept(t *testing.T) {
	p := newPipe(t, withFormat(3))
	p.start()
	ids := map[string]string{} // row to its id
	for i := range int64(40) {
		p.tx(map[int64]testRow{i: row(int32(i), "x"), i / 2: row(int32(i), "y")})
		p.checkpoint()
		if i%5 != 4 {
			continue
		}
		tbl, err := p.sink.GoTable(context.Background(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := scanGo(tbl, table.WithRowLineage())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for r := range rows {
			var id, v, rowID string
			fields := splitFields(r)
			id, v, rowID = fields[0], fields[1], fields[3]
			if seen[rowID] {
				t.Fatalf("row id %s is given twice", rowID)
			}
			seen[rowID] = true
			if old, ok := ids[id+"="+v]; ok && old != rowID {
				t.Fatalf("row %s has id %s, and had %s", r, rowID, old)
			}
			ids[id+"="+v] = rowID
		}
		if len(rows) != len(p.model) {
			t.Fatalf("%d rows, expected %d", len(rows), len(p.model))
		}
	}
}

// splitFields takes apart what showRow made of a row without bars in its strings.
func splitFields(s string) []string { return strings.Split(s, "|") }
