package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestRowBuilder adds equal rows in any order, with spills, and looks them up one by one, all at once and a few at a time.
func TestRowBuilder(t *testing.T) {
	for _, counts := range [][]int{{1}, {3, 1, 2}, {5000, 1, 700, 2, 3}, {9000}} {
		t.Run(fmt.Sprint(counts), func(t *testing.T) {
			s, err := Open(Options{Dir: t.TempDir(), Groups: allGroups, BuildBytes: 1, manualMerge: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			tab := s.Table(ordersID, false)
			r := rand.New(rand.NewPCG(1, 2))
			// Some keys differ in Lo only.
			keyOf := func(i int) cdc.Key { return cdc.Key{Hi: uint64(i/2+1) << 50, Lo: uint64(i%2+1) << 60} }
			var keys []cdc.Key
			want := map[Loc]int{}
			for i, n := range counts {
				for range n {
					want[MakeLoc(1, uint32(len(keys)))] = i
					keys = append(keys, keyOf(i))
				}
			}
			order := r.Perm(len(keys))
			b := tab.NewRowBuilder()
			for _, i := range order {
				if err := b.Add(keys[i:i+1], []Loc{MakeLoc(1, uint32(i))}); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Finish([]byte("m")); err != nil {
				t.Fatal(err)
			}
			if tab.Len() != int64(len(keys)) {
				t.Fatalf("%d entries for %d rows", tab.Len(), len(keys))
			}
			for i, n := range counts {
				var nth []cdc.Key
				for j := range n + 2 {
					nth = append(nth, keyOf(i).Nth(uint64(j)))
				}
				all := make([]Loc, len(nth))
				tab.Lookup(nth, all)
				for j, l := range all {
					if j >= n {
						if l != None {
							t.Fatalf("row %d of %d at %v", j, n, l)
						}
						continue
					}
					if l == None || want[l] != i {
						t.Fatalf("row %d of %d of group %d at %v, which is of group %d", j, n, i, l, want[l])
					}
					delete(want, l)
				}
				for range 50 { // far apart
					j := r.IntN(len(nth))
					one := make([]Loc, 1)
					if tab.Lookup(nth[j:j+1], one); one[0] != all[j] {
						t.Fatalf("row %d alone is at %v, among others at %v", j, one[0], all[j])
					}
				}
			}
			if len(want) > 0 {
				t.Fatalf("%d rows were not found", len(want))
			}
		})
	}
}
