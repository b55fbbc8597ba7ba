package iceberg

import (
	"context"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// lake lists the objects of the warehouse by their path.
func (p *pipe) lake() map[string]bool {
	st := p.o.Store.(*memStore)
	st.mu.Lock()
	defer st.mu.Unlock()
	out := map[string]bool{}
	for k := range st.objects {
		out[k] = true
	}
	return out
}

func TestCleanRemovesOnlyWhatNothingNames(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
		p.checkpoint()
		p.tx(map[int64]testRow{1: row(10, "aa")})
		lost := p.decide() // prepared, and never decided
		_ = lost
		p.start()
		named := p.decide() // replayed: an older record that is still in the store
		p.commit(named)
		p.tx(map[int64]testRow{3: row(3, "c")})
		undecided := p.decide()
		p.reopen(true)
		p.start()
		before := p.lake()
		if err := p.sink.Clean(context.Background(), p.generation(), nil); err != nil {
			t.Fatal(err)
		}
		if after := p.lake(); len(after) != len(before) {
			t.Fatalf("cleaned before the property holds the generation: %d of %d objects left", len(after), len(before))
		}
		p.checkpoint()
		// The undecided part is taken for one that a record names: its files stay.
		if err := p.sink.Clean(context.Background(), p.generation(), []cdc.Part{undecided.parts[p.id]}); err != nil {
			t.Fatal(err)
		}
		tab, err := p.sink.table(p.id)
		if err != nil {
			t.Fatal(err)
		}
		pl, err := decodePart(undecided.parts[p.id].Payload)
		if err != nil {
			t.Fatal(err)
		}
		files, _, err := pl.content(tab.version.meta)
		if err != nil || len(files) == 0 {
			t.Fatal(len(files), err)
		}
		on := p.lake()
		for _, f := range files {
			if !on[strings.TrimPrefix(f.file.FilePath(), "file://")] {
				t.Fatalf("%s is gone", f.file.FilePath())
			}
		}
		p.check()
		if err := p.sink.Clean(context.Background(), p.generation(), nil); err != nil {
			t.Fatal(err)
		}
		on = p.lake()
		for _, f := range files {
			if on[strings.TrimPrefix(f.file.FilePath(), "file://")] {
				t.Fatalf("%s is still there", f.file.FilePath())
			}
		}
		p.check()
		for s := range ancestors(p.meta()) { // time travel still works
			tbl, err := p.sink.GoTable(context.Background(), p.id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := scanGo(tbl, withSnapshot(s.SnapshotID)); err != nil {
				t.Fatalf("snapshot %d: %v", s.SnapshotID, err)
			}
		}
	})
}
