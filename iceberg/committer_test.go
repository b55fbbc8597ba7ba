package iceberg

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
)

// faultyCatalog does to commits what its hook says.
type faultyCatalog struct {
	catalogue
	mu   sync.Mutex
	hook func(do func() error) error // nil: nothing
}

func (f *faultyCatalog) set(h func(do func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = h
}

func (f *faultyCatalog) commit(ctx context.Context, c change) (v *metaVersion, err error) {
	f.mu.Lock()
	h := f.hook
	f.mu.Unlock()
	// A request under way outlives its caller.
	do := func() error { v, err = f.catalogue.commit(context.WithoutCancel(ctx), c); return err }
	if h == nil {
		return v, do()
	}
	if err := h(do); err != nil {
		return nil, err
	}
	return v, nil
}

func (f *faultyCatalog) commitAll(ctx context.Context, cs []change) (vs []*metaVersion, err error) {
	f.mu.Lock()
	h := f.hook
	f.mu.Unlock()
	do := func() error { vs, err = f.catalogue.commitAll(context.WithoutCancel(ctx), cs); return err }
	if h == nil {
		return vs, do()
	}
	if err := h(do); err != nil {
		return nil, err
	}
	return vs, nil
}

// faultyStore makes the n-th call of any store fail.
type faultyStore struct {
	Resolver
	mu    sync.Mutex
	calls int
	at    int // 0: never
	fault objtest.Fault
	hit   bool
	dead  bool // after the fault
}

func (f *faultyStore) Resolve(ctx context.Context, loc string) (objstore.Store, string, error) {
	s, key, err := f.Resolver.Resolve(ctx, loc)
	if err != nil {
		return nil, "", err
	}
	return objtest.NewFaulty(s, func(context.Context, objtest.Call) objtest.Fault {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls++
		if f.at != 0 && f.calls == f.at {
			f.hit = true
			return f.fault
		}
		if f.dead && f.calls > f.at {
			return objtest.Fault{Refuse: objtest.ErrCrash}
		}
		return objtest.Fault{}
	}), key, nil
}

func (f *faultyStore) arm(at int, fault objtest.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.at, f.fault, f.hit, f.dead = 0, at, fault, false, false
}

func (f *faultyStore) was() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.hit }

func faultyPipe(t *testing.T, format int) (*pipe, *faultyCatalog, *faultyStore) {
	cat, st := &faultyCatalog{}, &faultyStore{}
	p := newPipe(t, func(o *Options) {
		withFormat(format)(o)
		st.Resolver = o.Store
		o.Store = st
		o.wrapCatalog = func(c catalogue) catalogue { cat.catalogue = c; return cat }
	})
	return p, cat, st
}

// carriers counts the snapshots of main that carry a record.
func (p *pipe) carriers(id cdc.CheckpointID) (n int) {
	for s := range ancestors(p.meta()) {
		if m := snapshotMarker(s); m != nil && *m == id {
			n++
		}
	}
	return n
}

// catalogFaults are what can happen to a commit.
var catalogFaults = map[string]func(do func() error) error{
	"conflict":              func(func() error) error { return errConflict },
	"unavailable":           func(func() error) error { return catalogError("away") },
	"unknown, not done":     func(func() error) error { return errUnknown },
	"unknown after success": func(do func() error) error { return errors.Join(errUnknown, do()) },
}

func TestCatalogFaults(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p, cat, _ := faultyPipe(t, format)
		p.start()
		n := int64(0)
		for name, h := range catalogFaults {
			for times := 1; times <= 3; times++ {
				n++
				p.tx(map[int64]testRow{n: row(int32(n), name), 1: row(int32(n), "again")})
				r := p.decide()
				left := times
				cat.set(func(do func() error) error {
					if left--; left < 0 {
						return do()
					}
					return h(do)
				})
				p.commit(r)
				cat.set(nil)
				if c := p.carriers(r.id); c != 1 {
					t.Fatalf("%s, %d times: record committed %d times", name, times, c)
				}
				p.check()
				p.checkState()
			}
		}
	})
}

// TestStoreFaults makes every storage call of a commit fail once, without effect and with the answer lost.
func TestStoreFaults(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		for _, fault := range []objtest.Fault{{Refuse: objstore.ErrUnavailable}, {Lose: objstore.ErrUnavailable}} {
			p, _, st := faultyPipe(t, format)
			p.start()
			p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
			p.checkpoint()
			for at := 1; ; at++ {
				p.tx(map[int64]testRow{int64(at + 10): row(int32(at), "n"), 1: row(int32(at), "again")})
				r := p.decide()
				// As a process that starts: nothing is remembered, so that reading the parent is part of the sweep.
				tab, err := p.sink.table(p.id)
				if err != nil {
					t.Fatal(err)
				}
				tab.cache = nil
				st.arm(at, fault)
				p.commit(r)
				hit := st.was()
				st.arm(0, objtest.Fault{})
				if c := p.carriers(r.id); c != 1 {
					t.Fatalf("call %d: committed %d times", at, c)
				}
				p.check()
				if !hit {
					if at < 5 {
						t.Fatalf("only %d storage calls", at)
					}
					break
				}
			}
			p.checkState()
		}
	})
}

// foreign commits a snapshot of somebody else through iceberg-go: a delete of some rows by rewriting files, or properties.
func (p *pipe) foreign(f func(tbl *table.Table) error) {
	p.t.Helper()
	_, v, err := p.sink.current(context.Background(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	cat := p.sink.cat
	if fc, ok := cat.(*faultyCatalog); ok {
		cat = fc.catalogue
	}
	sq := cat.(*sqlCatalog)
	tbl := table.New(v.ident, v.meta, v.location, p.sink.goFS, sq.cat)
	if err := f(tbl); err != nil {
		p.t.Fatal(err)
	}
}

// setMain moves main of the table by hand: a rollback.
func (p *pipe) setMain(id int64) {
	p.t.Helper()
	_, v, err := p.sink.current(context.Background(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.sink.cat.commit(context.Background(), change{v, []table.Update{table.NewSetSnapshotRefUpdate(table.MainBranch, id, table.BranchRef, 0, 0, 0)}}); err != nil {
		p.t.Fatal(err)
	}
}

// foreignSnapshot commits an own snapshot with the operation and nothing in it, without a marker.
func (p *pipe) foreignSnapshot(op table.Operation, props map[string]string) int64 {
	p.t.Helper()
	_, v, err := p.sink.current(context.Background(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	parent := v.meta.CurrentSnapshot()
	s := *parent
	s.SnapshotID, s.ParentSnapshotID, s.SequenceNumber = newSnapshotID(v.meta), &parent.SnapshotID, v.meta.LastSequenceNumber()+1
	s.TimestampMs++
	s.Summary = &table.Summary{Operation: op, Properties: props}
	if v.meta.Version() >= 3 {
		first, zero := v.meta.NextRowID(), int64(0)
		s.FirstRowID, s.AddedRows = &first, &zero
	}
	if _, err := p.sink.cat.commit(context.Background(), change{v, []table.Update{table.NewAddSnapshotUpdate(&s),
		table.NewSetSnapshotRefUpdate(table.MainBranch, s.SnapshotID, table.BranchRef, 0, 0, 0)}}); err != nil {
		p.t.Fatal(err)
	}
	return s.SnapshotID
}

func TestForeignSnapshotVoidsPart(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
		p.checkpoint()
		p.tx(map[int64]testRow{1: row(10, "aa"), 3: row(3, "c")})
		r := p.decide()
		p.foreignSnapshot(table.OpReplace, nil)
		entry := p.entry
		if o, err := p.tryCommit(r); err != nil || o != cdc.Void {
			t.Fatalf("outcome %d, %v", o, err)
		}
		if p.carriers(r.id) != 0 {
			t.Fatal("a void part was committed")
		}
		if moved, err := p.sink.Moved(context.Background()); err != nil || len(moved) != 1 {
			t.Fatalf("moved: %v, %v", moved, err)
		}
		p.entry = entry
		p.start() // replays from the marker
		p.checkpoint()
		p.check()
		p.checkState()
		if moved, err := p.sink.Moved(context.Background()); err != nil || len(moved) != 0 {
			t.Fatalf("moved: %v, %v", moved, err)
		}
	})
}

func TestRecordIsFinishedByTheNextGeneration(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		for _, committed := range []bool{false, true} {
			p := newPipe(t, withFormat(format))
			p.start()
			p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
			p.checkpoint()
			p.tx(map[int64]testRow{1: row(10, "aa"), 2: nil, 3: row(3, "c")})
			r := p.decide()
			if committed {
				if o, err := p.tryCommit(r); err != nil || o != cdc.Committed {
					t.Fatal(o, err)
				}
			}
			p.reopen(false)
			p.number++
			p.gen = p.number
			if o, err := p.tryCommit(r); err != nil || o != cdc.Committed {
				t.Fatal(o, err)
			}
			if c := p.carriers(r.id); c != 1 {
				t.Fatalf("committed %d times", c)
			}
			st := p.start()
			if st.Position != "2" || st.Rows != 2 || st.Load.Phase != cdc.LoadDone {
				t.Fatalf("goes on at %+v", st)
			}
			p.check()
			p.checkState()
		}
	})
}

func TestZombieIsFenced(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a")})
	p.checkpoint()
	p.tx(map[int64]testRow{1: row(2, "b")})
	late := p.decide() // the zombie has this in hand
	old := p.sink
	oldGen := p.generation()
	p.stop()

	// A second process with its own disk takes over, and commits something else first.
	p.o.StateDir += "2"
	p.open()
	p.start()
	p.checkpoint()
	// The zombie believes that the head is still its own.
	_, err := old.Commit(context.Background(), oldGen, late.id, late.parts)
	if e := cdc.AsError(err); e == nil || e.Code != CodeFenced {
		t.Fatalf("the zombie got %v", err)
	}
	if p.carriers(late.id) != 0 {
		t.Fatal("the zombie has committed")
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	p.check()
	p.checkState()
}

// TestFenceBelowTheTable: a fence whose number the table has passed was written to a store that had lost its records.
func TestFenceBelowTheTable(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	for i := range 3 {
		p.tx(map[int64]testRow{int64(i): row(int32(i), "a")})
		p.checkpoint()
	}
	if p.number < p.gen+2 {
		t.Fatalf("record %d is too close to generation %d", p.number, p.gen)
	}
	p.number = p.gen // the next generation is below what the table holds, and newer than who wrote that
	_, err := p.tryStart(false)
	if e := cdc.AsError(err); e == nil || e.Code != CodeLostRecords {
		t.Fatalf("start below the table: %v", err)
	}
}

// TestRollbackNeverCommitsTwice: an attempt of unknown outcome that was not done lands late, when a rollback has made its parent
// main again.
func TestRollbackNeverCommitsTwice(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p, cat, _ := faultyPipe(t, format)
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a")})
		p.checkpoint()
		before := *headOf(p.meta())
		p.tx(map[int64]testRow{1: row(2, "b"), 2: row(2, "b")})
		r := p.decide()
		var late func() error
		cat.set(func(do func() error) error {
			if late == nil {
				late = do
				return errUnknown
			}
			return do()
		})
		p.commit(r)
		p.setMain(before)
		if err := late(); !errors.Is(err, errConflict) {
			t.Fatalf("the late attempt got %v", err)
		}
		cat.set(nil)
		if c := p.carriers(r.id); c != 0 {
			t.Fatalf("%d snapshots of main carry it", c)
		}
		p.start() // replays from the marker of the ancestry
		p.checkpoint()
		p.check()
		p.checkState()
	})
}

func TestForeignRowsPauseTheTable(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a")})
	p.checkpoint()
	p.foreignSnapshot(table.OpAppend, map[string]string{"added-records": "5"})
	st, err := p.tryStart(false)
	if err != nil || st.Paused == nil || st.Paused.Code != CodeForeignRows.Name {
		t.Fatalf("%+v, %v", st.Paused, err)
	}
}

func TestForeignTableIsRefused(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a")})
	p.checkpoint()
	p.close()
	p.o.Pipeline, p.entry = "other", nil
	p.open()
	st, err := p.tryStart(false)
	if err != nil || st.Paused == nil || st.Paused.Code != CodeForeignTable.Name {
		t.Fatalf("%+v, %v", st.Paused, err)
	}
}

func TestReloadReplacesEverything(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.o.alwaysReplace = true
		p.reopen(false)
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
		p.checkpoint()
		p.tx(map[int64]testRow{1: row(10, "aa")})
		p.checkpoint()
		p.foreignSnapshot(table.OpAppend, map[string]string{"added-records": "5"})
		// The source is loaded anew: here, its present rows come as one transaction.
		rows := p.model
		p.log, p.model = nil, map[int64]testRow{}
		st, err := p.tryStart(true)
		if err != nil || st.Paused != nil || !st.Reload || st.Rows != 0 {
			t.Fatalf("%+v, %v", st, err)
		}
		delete(rows, 2)
		p.tx(rows)
		r, err := p.tryDecide(true)
		if err != nil {
			t.Fatal(err)
		}
		p.commit(r)
		p.check()
		p.checkState()
		p.tx(map[int64]testRow{1: nil, 5: row(5, "e")})
		p.checkpoint()
		p.check()
		p.reopen(false)
		p.start()
		p.checkState()
	})
}

func TestUpgradeTakesOverPositionDeletes(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b"), 3: row(3, "c"), 4: row(4, "d")})
	p.checkpoint()
	p.tx(map[int64]testRow{1: nil, 5: row(5, "e")})
	p.checkpoint()
	p.close()
	withFormat(3)(&p.o)
	p.open()
	p.start()
	if v := p.meta().Version(); v != 3 {
		t.Fatalf("format %d", v)
	}
	p.check()
	for i := range 4 {
		p.tx(map[int64]testRow{2: row(int32(20+i), "bb"), 3: row(int32(i), "cc"), 4: row(int32(i), "dd"), int64(100 + i): row(1, "n")})
		p.checkpoint()
		p.check()
		p.checkState()
	}
	files, err := listFiles(context.Background(), p.sink.fs, p.id, p.meta().CurrentSnapshot(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(files.vectors) == 0 || len(files.deletes) != 0 {
		t.Fatalf("%d vectors and %d position-delete files are live", len(files.vectors), len(files.deletes))
	}
	p.reopen(false)
	p.start()
	p.checkState()
}

func TestDecide(t *testing.T) {
	gen := func(e, n uint64) cdc.Generation { return cdc.Generation{Epoch: e, Number: n} }
	id := cdc.CheckpointID{Epoch: 1, K: 7, Nonce: "mine"}
	other := cdc.CheckpointID{Epoch: 1, K: 7, Nonce: "another's"}
	ptr := func(n int64) *int64 { return &n }
	prop := func(e, n uint64) *cdc.Marker { return &cdc.Marker{ID: cdc.CheckpointID{Epoch: e}, Generation: n} }
	for _, c := range []struct {
		name     string
		property *cdc.Marker
		uuid     bool
		ancestry []*ancestor
		head     *int64
		parent   *int64
		want     verdict
		at       int64
	}{
		{"first commit of a table", nil, true, nil, nil, nil, verdictCommit, 0},
		{"head is the parent", prop(1, 3), true, []*ancestor{{5, nil}}, ptr(5), ptr(5), verdictCommit, 0},
		{"same generation", prop(1, 4), true, []*ancestor{{5, nil}}, ptr(5), ptr(5), verdictCommit, 0},
		{"newer number", prop(1, 5), true, []*ancestor{{5, nil}}, ptr(5), ptr(5), verdictFenced, 0},
		{"newer epoch, smaller number", prop(2, 1), true, []*ancestor{{5, nil}}, ptr(5), ptr(5), verdictFenced, 0},
		{"done, and newer: fenced first", prop(2, 1), true, []*ancestor{{6, &id}}, ptr(6), ptr(5), verdictFenced, 0},
		{"done at the head", prop(1, 4), true, []*ancestor{{6, &id}, {5, nil}}, ptr(6), ptr(5), verdictDone, 6},
		{"done below a rewrite", prop(1, 4), true, []*ancestor{{9, nil}, {6, &id}, {5, nil}}, ptr(9), ptr(5), verdictDone, 6},
		{"another's nonce is not mine", prop(1, 4), true, []*ancestor{{6, &other}, {5, nil}}, ptr(6), ptr(5), verdictVoid, 0},
		{"somebody committed", prop(1, 3), true, []*ancestor{{8, nil}, {5, nil}}, ptr(8), ptr(5), verdictVoid, 0},
		{"rolled back to nothing", prop(1, 3), true, nil, nil, ptr(5), verdictVoid, 0},
		{"rolled back to the parent", &cdc.Marker{ID: id, Generation: 4}, true, []*ancestor{{5, nil}}, ptr(5), ptr(5), verdictVoid, 0},
		{"somebody filled an empty table", nil, true, []*ancestor{{8, nil}}, ptr(8), nil, verdictVoid, 0},
		{"another table of this name", nil, false, nil, nil, nil, verdictVoid, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, at := decide(tableView{property: c.property, sameUUID: c.uuid, head: c.head, ancestry: iter.Seq[*ancestor](slices.Values(c.ancestry))}, gen(1, 4), id, c.parent)
			if got != c.want || at != c.at {
				t.Fatalf("%s at %d, expected %s at %d", got, at, c.want, c.at)
			}
		})
	}
}

// TestExpiryBoundsTheMetadata: the metadata does not grow with the number of commits, and what it says stays right.
func TestExpiryBoundsTheMetadata(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, func(o *Options) { withFormat(format)(o); o.KeepSnapshots = 10 })
		p.start()
		for i := range 80 {
			p.tx(map[int64]testRow{int64(i): row(int32(i), "x"), int64(i / 2): row(int32(i), fmt.Sprint(i))})
			p.checkpoint()
			if n := len(p.meta().Snapshots()); n > 10+expireBatch {
				t.Fatalf("%d snapshots after %d commits", n, i)
			}
		}
		p.check()
		p.checkState()
		s := summaryOf(p.meta().CurrentSnapshot())
		files, err := listFiles(context.Background(), p.sink.fs, p.id, p.meta().CurrentSnapshot(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := int(s.GetInt64("total-data-files", -1)); got != len(files.data) {
			t.Fatalf("total-data-files %d, there are %d", got, len(files.data))
		}
		if got := s.GetInt64("total-records", -1); int64(got) != files.rows() {
			t.Fatalf("total-records %d, there are %d", got, files.rows())
		}
		if got := int64(s.GetInt64("total-records", 0)) - int64(s.GetInt64("total-position-deletes", 0)); got != int64(len(p.model)) {
			t.Fatalf("records without deleted ones: %d, there are %d", got, len(p.model))
		}
		p.reopen(false)
		p.start()
		p.checkState()
	})
}
