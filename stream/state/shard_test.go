package state

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

var allGroups = cdc.GroupRange{From: 0, To: 128, Of: 128}

func mustOpen(t testing.TB, dir string, groups cdc.GroupRange, manual bool) *Shard {
	t.Helper()
	s, err := Open(Options{Dir: dir, Groups: groups, manualMerge: manual})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// someKeys returns the keys of numbers [from, to), sorted, and a location for each: (file, number).
func someKeys(from, to int, exact bool, file uint32) ([]cdc.Key, []Loc) {
	at := map[cdc.Key]Loc{}
	var keys []cdc.Key
	for i := from; i < to; i++ {
		k := benchKey(uint64(i), exact)
		keys, at[k] = append(keys, k), MakeLoc(file, uint32(i))
	}
	slices.SortFunc(keys, compareKeys)
	locs := make([]Loc, len(keys))
	for i, k := range keys {
		locs[i] = at[k]
	}
	return keys, locs
}

func mustPut(tab *Table, from, to int, file uint32) {
	keys, locs := someKeys(from, to, tab.exact, file)
	tab.Put(keys, locs, nil)
}

func mustComplete(t testing.TB, s *Shard, k uint64, tabs ...*Table) {
	t.Helper()
	meta := map[cdc.TableID][]byte{}
	for _, tab := range tabs {
		meta[tab.id] = fmt.Appendf(nil, "as of %d", k)
	}
	if err := s.Complete(k, meta); err != nil {
		t.Fatal(err)
	}
}

// contents reads a table by Iterate.
func contents(t testing.TB, tab *Table) map[cdc.Key]Loc {
	t.Helper()
	m := map[cdc.Key]Loc{}
	if err := tab.Iterate(func(k cdc.Key, l Loc) error { m[k] = l; return nil }); err != nil {
		t.Fatal(err)
	}
	if int64(len(m)) != tab.Len() {
		t.Fatalf("Len is %d, iterated %d", tab.Len(), len(m))
	}
	return m
}

func expect(t testing.TB, tab *Table, from, to int, file uint32) {
	t.Helper()
	keys, locs := someKeys(from, to, tab.exact, file)
	out := make([]Loc, len(keys))
	tab.Lookup(keys, out)
	if !slices.Equal(out, locs) {
		t.Fatalf("keys %d to %d are not all at file %d", from, to, file)
	}
}

var ordersID = cdc.TableID{Database: "shop", Name: "orders"}

func TestOtherGroupsStartEmpty(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 1000, 1)
	s.Seal(1)
	mustComplete(t, s, 1, tab)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, cdc.GroupRange{From: 0, To: 64, Of: 128}, true)
	if !s.Fresh() || !strings.Contains(s.FreshReason(), "0..128 of 128") {
		t.Fatalf("fresh: %v, %q", s.Fresh(), s.FreshReason())
	}
	if tab := s.Table(ordersID, true); tab.Len() != 0 || tab.Meta() != nil {
		t.Fatal("another range's keys are here")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.run")); len(files) != 0 {
		t.Fatalf("%v are left", files)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = mustOpen(t, dir, cdc.GroupRange{From: 0, To: 64, Of: 128}, true); s.Fresh() {
		t.Fatal("an empty shard of this range counts as foreign")
	}
}

func TestBadGroupsAreRefused(t *testing.T) {
	for _, g := range []cdc.GroupRange{{}, {From: 3, To: 3, Of: 4}, {From: -1, To: 1, Of: 4}, {From: 0, To: 5, Of: 4}} {
		if s, err := Open(Options{Dir: t.TempDir(), Groups: g}); err == nil {
			_ = s.Close()
			t.Errorf("%v was accepted", g)
		}
	}
}

// Other kinds of keys, after DDL on the key: the old ones mean nothing.
func TestOtherKeysStartEmpty(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 100, 1)
	s.Seal(1)
	mustComplete(t, s, 1, tab)
	tab = s.Table(ordersID, false)
	if tab.Len() != 0 || tab.Meta() != nil || len(contents(t, tab)) != 0 {
		t.Fatal("the exact table's keys are here")
	}
	mustPut(tab, 0, 10, 2)
	s.Seal(2)
	mustComplete(t, s, 2, tab)
	_ = s.Close()
	s = mustOpen(t, dir, allGroups, true)
	tab = s.Table(ordersID, false)
	if s.Fresh() || len(contents(t, tab)) != 10 || string(tab.Meta()) != "as of 2" {
		t.Fatal("the hashed table was not kept")
	}
	expect(t, tab, 0, 10, 2)
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, false)
	_, err := Open(Options{Dir: dir, Groups: allGroups})
	if e := cdc.AsError(err); e == nil || e.Code != CodeLocked {
		t.Fatalf("a second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, allGroups, false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Somebody else's files in the directory stay.
func TestForeignFilesStay(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "0000000000000007.run", "build-3.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, dir, allGroups, true)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"lock", "manifest", "notes.txt"}; !slices.Equal(names, want) {
		t.Fatalf("left are %v, want %v", names, want)
	}
}

func TestCompleteWantsOrderAndMeta(t *testing.T) {
	s := mustOpen(t, t.TempDir(), allGroups, true)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 10, 1)
	s.Seal(4)
	s.Seal(5)
	for _, k := range []uint64{3, 5, 6} {
		if err := s.Complete(k, map[cdc.TableID][]byte{ordersID: {}}); cdc.ClassOf(err) != cdc.Fatal {
			t.Errorf("complete %d: %v", k, err)
		}
	}
	if err := s.Complete(4, nil); cdc.ClassOf(err) != cdc.Fatal {
		t.Errorf("complete without a meta: %v", err)
	}
	mustComplete(t, s, 4, tab)
	if err := s.Complete(5, nil); err != nil { // nothing changed
		t.Error(err)
	}
	expect(t, tab, 0, 10, 1)
}

// A disk error leaves the checkpoint sealed; once there is room it completes.
func TestCompleteAfterDiskError(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 100, 1)
	s.Seal(1)
	// The next run's name is taken.
	name := runRef{id: s.nextID}.path(dir)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Complete(1, map[cdc.TableID][]byte{ordersID: []byte("as of 1")})
	if e := cdc.AsError(err); e == nil || e.Code != CodeDisk || !errors.Is(err, os.ErrExist) {
		t.Fatalf("complete: %v", err)
	}
	if tab.Meta() != nil {
		t.Fatal("a failed checkpoint counts")
	}
	expect(t, tab, 0, 100, 1)
	mustPut(tab, 50, 150, 2)
	mustComplete(t, s, 1, tab)
	expect(t, tab, 0, 50, 1)
	expect(t, tab, 50, 150, 2)
	s.Abort()
	expect(t, tab, 0, 100, 1)
	if tab.Len() != 100 {
		t.Fatal(tab.Len())
	}
}

// What a manifest write could not store must not count either, and must not harm later ones.
func TestManifestWriteFails(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 100, 1)
	s.Seal(1)
	mustComplete(t, s, 1, tab)
	mustPut(tab, 0, 50, 2)
	s.Seal(2)
	_ = s.man.f.Close() // writes fail from now on
	if err := s.Complete(2, map[cdc.TableID][]byte{ordersID: []byte("as of 2")}); cdc.AsError(err) == nil {
		t.Fatalf("complete: %v", err)
	}
	if got := string(tab.Meta()); got != "as of 1" {
		t.Fatalf("meta is %q", got)
	}
	mustComplete(t, s, 2, tab) // writes the manifest anew
	_ = s.Close()
	s = mustOpen(t, dir, allGroups, true)
	tab = s.Table(ordersID, true)
	if string(tab.Meta()) != "as of 2" || len(contents(t, tab)) != 100 {
		t.Fatalf("reopened as %q with %d keys (%s)", tab.Meta(), tab.Len(), s.FreshReason())
	}
	expect(t, tab, 0, 50, 2)
}

// A table that pauses loses its part of k and later, the others do not.
func TestDiscard(t *testing.T) {
	s := mustOpen(t, t.TempDir(), allGroups, true)
	a, b := s.Table(ordersID, true), s.Table(cdc.TableID{Database: "shop", Name: "items"}, false)
	for k := 1; k <= 3; k++ {
		mustPut(a, 0, 10, uint32(k))
		mustPut(b, 0, 10, uint32(k))
		s.Seal(uint64(k))
	}
	mustPut(a, 0, 10, 4)
	a.Discard(^uint64(0))
	expect(t, a, 0, 10, 3)
	mustComplete(t, s, 1, a, b)
	a.Discard(2)
	expect(t, a, 0, 10, 1)
	mustComplete(t, s, 2, b)
	mustComplete(t, s, 3, b)
	expect(t, a, 0, 10, 1)
	expect(t, b, 0, 10, 3)
	if string(a.Meta()) != "as of 1" || string(b.Meta()) != "as of 3" || a.Len() != 10 {
		t.Fatal("metas or lengths are wrong")
	}
}

func TestMisusePanics(t *testing.T) {
	s := mustOpen(t, t.TempDir(), cdc.GroupRange{From: 0, To: 1, Of: 2}, true)
	tab := s.Table(ordersID, false)
	out := make([]Loc, 2)
	for name, f := range map[string]func(){
		"unsorted":      func() { tab.Lookup([]cdc.Key{{Hi: 2}, {Hi: 1}}, out) },
		"twice":         func() { tab.Lookup([]cdc.Key{{Hi: 2}, {Hi: 2}}, out) },
		"other groups":  func() { tab.Put([]cdc.Key{{Hi: 1}, {Hi: 1 << 63}}, out, nil) },
		"short":         func() { tab.Lookup([]cdc.Key{{Hi: 1}, {Hi: 2}, {Hi: 3}}, out) },
		"file number":   func() { MakeLoc(MaxFile+1, 0) },
		"seal backward": func() { s.Seal(2); s.Seal(1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Readers, a completing goroutine and merging in the background, for the race detector; every look-up must see each key
// at its present place whatever moves below it.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, false)
	var tabs []*Table
	for i := range 5 {
		tabs = append(tabs, s.Table(cdc.TableID{Database: "shop", Name: fmt.Sprint("t", i)}, i%2 == 0))
	}
	const rounds, n = 150, 2000
	sealed := make(chan uint64, 3)
	var wg sync.WaitGroup
	wg.Go(func() {
		for k := range sealed {
			mustComplete(t, s, k, tabs...)
			_ = s.Stats()
		}
	})
	want := map[*Table]map[cdc.Key]Loc{}
	for _, tab := range tabs {
		want[tab] = map[cdc.Key]Loc{}
	}
	all := map[bool][]cdc.Key{}
	all[true], _ = someKeys(0, n, true, 0)
	all[false], _ = someKeys(0, n, false, 0)
	out := make([]Loc, n)
	for k := uint64(1); k <= rounds; k++ {
		for i, tab := range tabs {
			from := int(cdc.Mix64(k*8+uint64(i)) % n)
			keys, locs := someKeys(from, min(from+300, n), tab.exact, uint32(k))
			for j := range keys {
				if (k+uint64(j))%5 == 0 {
					locs[j] = None
					delete(want[tab], keys[j])
				} else {
					want[tab][keys[j]] = locs[j]
				}
			}
			tab.Put(keys, locs, nil)
			tab.Lookup(all[tab.exact], out)
			for j, key := range all[tab.exact] {
				l, ok := want[tab][key]
				if !ok {
					l = None
				}
				if out[j] != l {
					t.Fatalf("round %d, table %d: key %x at %v, want %v", k, i, key, out[j], l)
				}
			}
			if tab.Len() != int64(len(want[tab])) {
				t.Fatalf("Len is %d, want %d", tab.Len(), len(want[tab]))
			}
		}
		s.Seal(k)
		sealed <- k
	}
	close(sealed)
	wg.Wait()
	if s.Stats().Runs >= rounds || s.Stats().Merges == 0 {
		t.Errorf("nothing was merged: %+v", s.Stats())
	}
	_ = s.Close()
	s = mustOpen(t, dir, allGroups, true)
	for _, tab := range tabs {
		again := s.Table(tab.id, tab.exact)
		if !maps.Equal(contents(t, again), want[tab]) {
			t.Errorf("%s differs after a restart", tab.id)
		}
	}
}

// A merge that cannot write is reported by Complete once the runs pile up, and does not stop it for ever.
func TestMergeErrorSurfaces(t *testing.T) {
	s := mustOpen(t, t.TempDir(), allGroups, true)
	tab := s.Table(ordersID, true)
	for k := uint64(1); k <= maxRuns; k++ {
		mustPut(tab, int(k)*10, int(k)*10+10, 1)
		s.Seal(k)
		mustComplete(t, s, k, tab)
	}
	s.o.manualMerge = false
	s.mergeErr = errors.New("no room")
	s.Seal(maxRuns + 1)
	err := s.Complete(maxRuns+1, nil)
	if err == nil || !strings.Contains(err.Error(), "no room") {
		t.Fatalf("complete: %v", err)
	}
	s.o.manualMerge = true
	for did := true; did; {
		var err error
		if did, err = s.mergeOnce(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Runs; n > 8 {
		t.Errorf("%d runs are left", n)
	}
	expect(t, tab, 10, 10*maxRuns+10, 1)
}
