package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func TestBuilderDuplicate(t *testing.T) {
	for _, exact := range []bool{true, false} {
		for _, apart := range []int{1, 500, 5000} { // in one buffer, and in different spills
			t.Run(fmt.Sprint(exact, apart), func(t *testing.T) {
				dir := t.TempDir()
				s, err := Open(Options{Dir: dir, Groups: allGroups, BuildBytes: 1, manualMerge: true})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				tab := s.Table(ordersID, exact)
				mustPut(tab, 0, 10, 1)
				s.Seal(1)
				mustComplete(t, s, 1, tab)

				b := tab.NewBuilder()
				twice := benchKey(7, exact)
				add := func(k cdc.Key, l Loc) error { return b.Add([]cdc.Key{k}, []Loc{l}) }
				if err := add(twice, MakeLoc(3, 33)); err != nil {
					t.Fatal(err)
				}
				for i := range apart {
					if err := add(benchKey(uint64(100+i), exact), MakeLoc(2, uint32(i))); err != nil {
						t.Fatal(err)
					}
				}
				err = add(twice, MakeLoc(4, 44))
				if err == nil {
					err = b.Finish(nil)
				}
				var dup *DuplicateKeyError
				if !errors.As(err, &dup) || cdc.AsError(err).Code != CodeDuplicateKey || cdc.AsError(err).Table != ordersID {
					t.Fatalf("error %v", err)
				}
				locs := [2]Loc{min(dup.A, dup.B), max(dup.A, dup.B)}
				if dup.Key != twice || locs != [2]Loc{MakeLoc(3, 33), MakeLoc(4, 44)} {
					t.Errorf("named %v", dup)
				}
				b.Abandon()
				expect(t, tab, 0, 10, 1)
				if string(tab.Meta()) != "as of 1" {
					t.Error("the table changed")
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
					t.Errorf("%v are left", left)
				}
				if runs, _ := filepath.Glob(filepath.Join(dir, "*.run")); len(runs) != 1 {
					t.Errorf("runs: %v", runs)
				}
			})
		}
	}
}

func TestBuilderRefusesOtherGroups(t *testing.T) {
	s := mustOpen(t, t.TempDir(), cdc.GroupRange{From: 0, To: 1, Of: 2}, true)
	b := s.Table(ordersID, true).NewBuilder()
	if err := b.Add([]cdc.Key{{Hi: 1 << 63}}, []Loc{1}); err == nil {
		t.Error("a key of other groups was taken")
	}
	if err := b.Finish(nil); err == nil {
		t.Error("a failed builder finished")
	}
}

func TestBuilderWantsQuiet(t *testing.T) {
	s := mustOpen(t, t.TempDir(), allGroups, true)
	tab := s.Table(ordersID, true)
	b := tab.NewBuilder()
	mustPut(tab, 0, 10, 1)
	if err := b.Finish([]byte("m")); err == nil {
		t.Error("built under an open overlay")
	}
	expect(t, tab, 0, 10, 1)
	if err := b.Add(nil, nil); err == nil {
		t.Error("used after Finish")
	}
}

// A rebuild with many spills, replacing what was there; then the table lives on.
func TestRebuild(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir, Groups: allGroups, BuildBytes: 1 << 20, manualMerge: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, exact := range []bool{true, false} {
		tab := s.Table(cdc.TableID{Database: "d", Name: fmt.Sprint(exact)}, exact)
		mustPut(tab, 500_000, 500_100, 9)
		s.Seal(s.man.c.k + 1)
		mustComplete(t, s, s.man.c.k+1, tab)
		const n = 300_000
		b := tab.NewBuilder()
		for i := 0; i < n; i += 1000 {
			var keys []cdc.Key
			var locs []Loc
			for j := i; j < i+1000; j++ {
				keys, locs = append(keys, benchKey(uint64(j), exact)), append(locs, MakeLoc(1, uint32(j)))
			}
			if err := b.Add(keys, locs); err != nil {
				t.Fatal(err)
			}
		}
		if len(b.spills) < 3 || cap(b.buf)*8+cap(b.sorter.tmp)*8 > 1<<20+1<<18 {
			t.Errorf("%d spills with %d bytes", len(b.spills), cap(b.buf)*8+cap(b.sorter.tmp)*8)
		}
		if err := b.Finish([]byte("built")); err != nil {
			t.Fatal(err)
		}
		expect(t, tab, 0, n, 1)
		if tab.Len() != n || len(contents(t, tab)) != n || string(tab.Meta()) != "built" {
			t.Errorf("built %d keys", tab.Len())
		}
	}
	_ = s.Close()
	s = mustOpen(t, dir, allGroups, true)
	expect(t, s.Table(cdc.TableID{Database: "d", Name: "false"}, false), 0, 300_000, 1)
	if entries, _ := os.ReadDir(dir); len(entries) > 6 {
		t.Error("files are left")
	}
}

// Keys that are not uniform: they are slower, and right.
func TestSkewedKeys(t *testing.T) {
	for name, hi := range map[string]func(i uint64) uint64{
		"sequence":    func(i uint64) uint64 { return i },
		"two heaps":   func(i uint64) uint64 { return i%2<<63 | i },
		"exponential": func(i uint64) uint64 { return 1<<(i%60) + i },
		"equal":       func(uint64) uint64 { return 42 },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(Options{Dir: t.TempDir(), Groups: allGroups, BuildBytes: 1 << 20, manualMerge: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			tab := s.Table(ordersID, false)
			b := tab.NewBuilder()
			const n = 60_000
			for i := range uint64(n) {
				j := i * 7919 % n
				if err := b.Add([]cdc.Key{{Hi: hi(j), Lo: j}}, []Loc{Loc(j)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Finish([]byte("m")); err != nil {
				t.Fatal(err)
			}
			if got := contents(t, tab); len(got) != n {
				t.Fatalf("%d keys", len(got))
			}
			for i := uint64(0); i < n; i += 997 {
				out := []Loc{0, 0}
				tab.Lookup([]cdc.Key{{Hi: hi(i), Lo: i}, {Hi: hi(i), Lo: i + n}}, out)
				if out[0] != Loc(i) || out[1] != None {
					t.Fatalf("key %d is at %v, an absent one at %v", i, out[0], out[1])
				}
			}
		})
	}
}
