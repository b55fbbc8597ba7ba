package iceberg

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"

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

// TestCleanKeepsWhatAnythingRefersTo: partitions with odd names, a tag and a branch that main has left behind, expired snapshots, and
// the files of this generation that nothing names yet.
func TestCleanKeepsWhatAnythingRefersTo(t *testing.T) {
	if testing.Short() {
		t.Skip("many rounds")
	}
	for name, st := range map[string]func(t *testing.T, o *Options){
		"memory": func(*testing.T, *Options) {},
		"file":   func(t *testing.T, o *Options) { worlds["sqlite, file"](t, o) },
		"s3":     func(t *testing.T, o *Options) { worlds["sqlite, s3"](t, o) },
	} {
		t.Run(name, func(t *testing.T) {
			formats(t, func(t *testing.T, format int) {
				if name == "s3" && format == 2 {
					t.Skip("the names are the same")
				}
				p := newPipe(t, func(o *Options) {
					st(t, o)
					o.KeepSnapshots = 10
					o.Tables = func(cdc.TableID) TableOptions { return TableOptions{FormatVersion: format, Partition: []string{"s"}} }
				})
				p.start()
				odd := []string{"a b", "50%", "x/y=z", "ü?#", "%2F", "", "+&", ".."}
				step := func(i int) {
					tx := map[int64]testRow{int64(1000 + i): {int32(i), nil}}
					for j, s := range odd {
						tx[int64(j)] = row(int32(i), s)
					}
					p.tx(tx)
					p.checkpoint()
				}
				step(0)
				step(1)
				tagged := *headOf(p.meta())
				at := map[int64]map[string]int{tagged: p.readGo()}
				_, v, err := p.sink.current(t.Context(), p.id)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.sink.cat.commit(t.Context(), change{v, []table.Update{table.NewSetSnapshotRefUpdate("keep", tagged, table.TagRef, 0, 0, 0)}}); err != nil {
					t.Fatal(err)
				}
				for i := range 21 {
					step(2 + i)
				}
				if n := len(p.meta().Snapshots()); n > 22 {
					t.Fatalf("%d snapshots", n)
				}
				n := 0
				for s := range ancestors(p.meta()) {
					if n++; n%6 != 0 && s.ParentSnapshotID != nil && p.meta().SnapshotByID(*s.ParentSnapshotID) != nil {
						continue // some, and the oldest
					}
					tbl, err := p.sink.GoTable(t.Context(), p.id)
					if err != nil {
						t.Fatal(err)
					}
					if at[s.SnapshotID], err = scanGo(tbl, withSnapshot(s.SnapshotID)); err != nil {
						t.Fatal(err)
					}
				}
				p.tx(map[int64]testRow{0: row(-1, "50%"), 5000: row(1, "orphan")})
				p.decide() // lost
				p.reopen(true)
				p.start()
				step(100)
				p.tx(map[int64]testRow{6000: row(1, "young")})
				young := p.decide()
				for range 2 {
					if err := p.sink.Clean(t.Context(), p.generation(), nil); err != nil {
						t.Fatal(err)
					}
				}
				for id, want := range at {
					if p.meta().SnapshotByID(id) == nil {
						continue
					}
					tbl, err := p.sink.GoTable(t.Context(), p.id)
					if err != nil {
						t.Fatal(err)
					}
					got, err := scanGo(tbl, withSnapshot(id))
					if err != nil || !maps.Equal(got, want) {
						t.Fatalf("snapshot %d: %v %s", id, err, diffRows(got, want))
					}
				}
				if p.meta().SnapshotByID(tagged) == nil {
					t.Fatal("the tag's snapshot is gone")
				}
				p.commit(young)
				p.check()
				p.checkState()
			})
		})
	}
}

// TestCleanLeavesExpired: what a snapshot once referred to is not touched after it was expired, since a reader may still be at it.
func TestCleanLeavesExpired(t *testing.T) {
	p := newPipe(t, func(o *Options) { withFormat(3)(o); o.KeepSnapshots = 10 })
	p.start()
	for i := range 40 {
		p.tx(map[int64]testRow{1: row(int32(i), "x"), int64(i): row(1, "y")})
		p.checkpoint()
	}
	p.tx(map[int64]testRow{1: row(-1, "lost")})
	before := p.lake()
	p.decide()
	var lost []string
	for k := range p.lake() {
		if !before[k] {
			lost = append(lost, k)
		}
	}
	p.reopen(true)
	p.start()
	p.checkpoint()
	before = p.lake()
	if err := p.sink.Clean(t.Context(), p.generation(), nil); err != nil {
		t.Fatal(err)
	}
	after := p.lake()
	for _, k := range lost {
		if after[k] {
			t.Errorf("%s is still there", k)
		}
		delete(before, k)
	}
	if len(lost) == 0 || !maps.Equal(before, after) {
		t.Fatalf("%d of %d objects are left that snapshots refer or referred to", len(after), len(before))
	}
}

// TestAttemptOf: all objects of an attempt carry its name, and nothing else does.
func TestAttemptOf(t *testing.T) {
	const random = "0123456789abcdef0123456789abcdef"
	gen := cdc.Generation{Epoch: 3, Number: 12}
	want := generationTag(gen) + "_" + random
	for _, name := range []string{"snap-77_" + want + ".avro", want + "-m0.avro", want + "-m12.avro", "deletes_" + want + "-3.parquet", "deletes_" + want + "-1.puffin"} {
		if got := attemptOf(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{fileName(7, generationTag(gen), random), "00012-" + random + ".metadata.json", "snap-1-" + random + ".avro", "e3-g12", "x_e3-g12"} {
		if got := attemptOf(name); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
