package state

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func mustMerge(t testing.TB, s *Shard) bool {
	t.Helper()
	did, err := s.mergeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return did
}

func checkpoint(t testing.TB, s *Shard, tabs ...*Table) {
	t.Helper()
	k := s.man.c.k + 1
	s.Seal(k)
	mustComplete(t, s, k, tabs...)
}

func deleteKeys(tab *Table, from, to int) {
	keys, locs := someKeys(from, to, tab.exact, 0)
	for i := range locs {
		locs[i] = None
	}
	tab.Put(keys, locs, nil)
}

func expectNone(t testing.TB, tab *Table, from, to int) {
	t.Helper()
	keys, _ := someKeys(from, to, tab.exact, 0)
	out := make([]Loc, len(keys))
	tab.Lookup(keys, out)
	for i, l := range out {
		if l != None {
			t.Fatalf("key %x is at %v", keys[i], l)
		}
	}
}

// A large old run, then small ones: the small ones are merged alone, and their deletes still hide what is below. With the
// large one in, deletes are gone.
func TestMergeKeepsTombstones(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, true)
	const n = 100_000
	mustPut(tab, 0, n, 1)
	checkpoint(t, s, tab)
	for i := range 4 {
		deleteKeys(tab, i*100, i*100+100)
		mustPut(tab, n+i*10, n+i*10+10, 2)
		checkpoint(t, s, tab)
	}
	base, small := s.runs[0], s.runs[1]
	if !mustMerge(t, s) || len(s.runs) != 2 || s.runs[0] != base {
		t.Fatalf("%d runs", len(s.runs))
	}
	if small.m != nil {
		t.Error("a merged run is still mapped")
	}
	if got := s.runs[1].sections[ordersID].n; got != 440 {
		t.Errorf("%d entries, tombstones included", got)
	}
	check := func() {
		t.Helper()
		expectNone(t, tab, 0, 400)
		expect(t, tab, 400, n, 1)
		expect(t, tab, n, n+40, 2)
		if tab.Len() != n-360 {
			t.Errorf("Len is %d", tab.Len())
		}
	}
	check()
	_ = s.Close()
	s = mustOpen(t, dir, allGroups, true)
	tab = s.Table(ordersID, true)
	check()
	// As many changes as there are keys: everything is merged.
	for i := range 4 {
		mustPut(tab, 25_000*i+400, 25_000*i+25_400, 3)
		checkpoint(t, s, tab)
	}
	for mustMerge(t, s) {
	}
	if got := s.Stats().DiskBytes; len(s.runs) != 1 || got > (n-360+500)*16+1000 {
		t.Errorf("%d runs, %d bytes", len(s.runs), got)
	}
	expectNone(t, tab, 0, 400)
	expect(t, tab, 400, n+400, 3)
}

// Old runs are merged below a newer one, which stays on top, also after a restart.
func TestMergeBelowNewer(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, false)
	const n = 20_000
	for k := range 4 {
		mustPut(tab, 0, n, uint32(k))
		checkpoint(t, s, tab)
	}
	mustPut(tab, 100, 200, 9)
	checkpoint(t, s, tab)
	newest := s.runs[4]
	if !mustMerge(t, s) || len(s.runs) != 2 || s.runs[1] != newest {
		t.Fatalf("%d runs", len(s.runs))
	}
	for range 2 {
		expect(t, tab, 0, 100, 3)
		expect(t, tab, 100, 200, 9)
		expect(t, tab, 200, n, 3)
		_ = s.Close()
		s = mustOpen(t, dir, allGroups, true)
		tab = s.Table(ordersID, false)
	}
}

// What was before Clear, Drop or a rebuild does not come back by merging, and its space does.
func TestMergeLeavesDeadOut(t *testing.T) {
	for _, how := range []string{"clear", "drop", "build"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir, allGroups, true)
			tab, other := s.Table(ordersID, true), s.Table(cdc.TableID{Database: "shop", Name: "items"}, true)
			const n = 20_000
			mustPut(tab, 0, n, 1)
			mustPut(other, 0, 100, 1)
			checkpoint(t, s, tab, other)
			switch how {
			case "clear":
				tab.Clear()
				checkpoint(t, s, tab)
			case "drop":
				s.Drop(ordersID)
				tab = s.Table(ordersID, true)
			case "build":
				if err := tab.NewBuilder().Finish([]byte("built")); err != nil {
					t.Fatal(err)
				}
			}
			expectNone(t, tab, 0, n)
			if !mustMerge(t, s) || mustMerge(t, s) {
				t.Error("the dead run was not merged once")
			}
			if b := s.Stats().DiskBytes; b > 5000 {
				t.Errorf("%d bytes are left", b)
			}
			mustPut(tab, 0, 50, 2)
			checkpoint(t, s, tab)
			for range 2 {
				expectNone(t, tab, 50, n)
				expect(t, tab, 0, 50, 2)
				expect(t, other, 0, 100, 1)
				if tab.Len() != 50 || other.Len() != 100 {
					t.Fatal(tab.Len(), other.Len())
				}
				_ = s.Close()
				s = mustOpen(t, dir, allGroups, true)
				tab, other = s.Table(ordersID, true), s.Table(other.id, true)
			}
		})
	}
}

// A table that is dropped, or cleared by a checkpoint, while a merge reads its old entries.
func TestDropDuringMerge(t *testing.T) {
	s := mustOpen(t, t.TempDir(), allGroups, true)
	tab := s.Table(ordersID, true)
	for range 4 {
		mustPut(tab, 0, 1000, 1)
		checkpoint(t, s, tab)
	}
	s.mu.Lock()
	rule := s.liveRule()
	s.mu.Unlock()
	picked := slices.Clone(s.runs)
	add, _, err := s.writeMerged(picked, nil, rule)
	if err != nil {
		t.Fatal(err)
	}
	s.Drop(ordersID)
	tab = s.Table(ordersID, true)
	s.install(picked, add, nil) // the end of the merge
	expectNone(t, tab, 0, 1000)
	mustPut(tab, 0, 10, 2)
	checkpoint(t, s, tab)
	expectNone(t, tab, 10, 1000)
	expect(t, tab, 0, 10, 2)
}

// Several puts of one key between two seals: the last one counts, whatever the sizes, and so whichever way they merge.
func TestPutAgain(t *testing.T) {
	for _, exact := range []bool{true, false} {
		s := mustOpen(t, t.TempDir(), allGroups, true)
		tab := s.Table(ordersID, exact)
		for i, to := range []int{1000, 10, 1000, 700, 20, 3, 1} {
			mustPut(tab, 0, to, uint32(i))
		}
		check := func() {
			t.Helper()
			expect(t, tab, 0, 1, 6)
			expect(t, tab, 1, 3, 5)
			expect(t, tab, 3, 20, 4)
			expect(t, tab, 20, 700, 3)
			expect(t, tab, 700, 1000, 2)
			if tab.Len() != 1000 {
				t.Error(tab.Len())
			}
		}
		check()
		checkpoint(t, s, tab)
		check()
	}
}

// Iterating keeps what it reads mapped.
func TestIterateWhileMerging(t *testing.T) {
	s := mustOpen(t, t.TempDir(), allGroups, true)
	tab := s.Table(ordersID, true)
	for k := range 4 {
		mustPut(tab, k*1000, k*1000+1000, 1)
		checkpoint(t, s, tab)
	}
	old := s.runs[0]
	n := 0
	err := tab.Iterate(func(cdc.Key, Loc) error {
		if n++; n == 1 {
			mustMerge(t, s)
			if old.m == nil {
				return fmt.Errorf("unmapped while it is read")
			}
		}
		return nil
	})
	if err != nil || n != 4000 {
		t.Fatal(n, err)
	}
	if old.m != nil {
		t.Error("still mapped")
	}
}

// Search and walk against a map, with equal Hi across fences, for absent and present keys and every density.
func TestLookupEqualHi(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		same := rapid.IntRange(1, 150).Draw(t, "same")
		spread := rapid.Bool().Draw(t, "spread")
		var all []cdc.Key
		var d []uint64
		for i := range n {
			k := cdc.Key{Hi: uint64(i/same)*2 + 10, Lo: uint64(i)*2 + 1}
			if spread {
				k.Hi *= ^uint64(0) / uint64(2*n+20)
			}
			all = append(all, k)
			d = append(d, k.Hi, k.Lo, uint64(i))
		}
		s := makeSorted(hashedWords, d)
		at := map[cdc.Key]Loc{}
		probe := []cdc.Key{{}, {Hi: ^uint64(0)}, {Hi: ^uint64(0), Lo: ^uint64(0)}}
		for i, k := range all {
			at[k] = Loc(i)
			probe = append(probe, k, cdc.Key{Hi: k.Hi, Lo: k.Lo - 1}, cdc.Key{Hi: k.Hi + 1, Lo: k.Lo}, cdc.Key{Hi: k.Hi - 1, Lo: k.Lo})
		}
		slices.SortFunc(probe, compareKeys)
		probe = slices.Compact(probe)
		stride := rapid.IntRange(1, 500).Draw(t, "stride")
		for from := range min(stride, 40) {
			var keys []cdc.Key
			for i := from; i < len(probe); i += stride {
				keys = append(keys, probe[i])
			}
			for name, f := range map[string]func([]cdc.Key, []Loc){"search": s.search, "walk": s.walk, "lookup": s.lookup} {
				out := make([]Loc, len(keys))
				for i := range out {
					out[i] = pending
				}
				f(keys, out)
				for i, k := range keys {
					want, ok := at[k]
					if !ok {
						want = pending
					}
					if out[i] != want {
						t.Fatalf("%s: %x is at %v, want %v", name, k, out[i], want)
					}
				}
			}
		}
	})
}

// However sizes come, the number of runs stays logarithmic and no merge is endless.
func TestPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live := func(*run, *section) bool { return true }
		var runs []*run
		var written, total int64
		biggest := rapid.SampledFrom([]int64{1, 1000, 1 << 22}).Draw(t, "biggest")
		for i := range rapid.IntRange(1, 300).Draw(t, "n") {
			n := 1 + int64(cdc.Mix64(uint64(i))%uint64(biggest))
			runs = append(runs, &run{runRef: runRef{id: uint64(i)}, sections: map[cdc.TableID]openSection{ordersID: {section: section{w: 2, n: n}}}})
			total += max(n, mergeFloor/16) // small ones count as the floor
			for {
				p := pick(runs, live)
				if len(p) == 0 {
					break
				}
				if len(p) < mergeWidth {
					t.Fatal("a merge of few without dead entries")
				}
				at := slices.Index(runs, p[0])
				var n int64
				for j, r := range p {
					if runs[at+j] != r {
						t.Fatal("not neighbours")
					}
					n += r.sections[ordersID].n
				}
				written += n
				merged := &run{sections: map[cdc.TableID]openSection{ordersID: {section: section{w: 2, n: n}}}}
				runs = slices.Replace(runs, at, at+len(p), merged)
			}
			if len(runs) >= maxRuns {
				t.Fatalf("%d runs", len(runs))
			}
		}
		if written > 12*total {
			t.Fatalf("every entry was written %d times", written/total)
		}
	})
}
