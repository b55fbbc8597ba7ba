package state

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func TestRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, w := rapid.IntRange(smallBlock, 4*blockWords).Draw(t, "words"), rapid.SampledFrom([]int{exactWords, hashedWords}).Draw(t, "w")
		need := func(entries int) int { return entries*w + (entries+page-1)/page }
		if r := room(n, w); need(r) > n || need(r+1) <= n {
			t.Errorf("%d entries of %d words in %d", r, w, n)
		}
	})
}

func openSmallBlocks(t testing.TB, words int) *Shard {
	t.Helper()
	s, err := Open(Options{Dir: t.TempDir(), Groups: allGroups, blockWords: words, scrubBlocks: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Checkpoints are completed and merged by others while the shard's goroutine looks up and puts: blocks come back under its hands.
func TestBlocksBesideComplete(t *testing.T) {
	for _, exact := range []bool{true, false} {
		t.Run(fmt.Sprint("exact=", exact), func(t *testing.T) {
			s := openSmallBlocks(t, 256)
			tab := s.Table(ordersID, exact)
			sealed, done := make(chan uint64, 3), make(chan error, 1)
			go func() {
				var err error
				for k := range sealed {
					if err == nil {
						err = s.Complete(k, map[cdc.TableID][]byte{ordersID: []byte("meta")})
					}
				}
				done <- err
			}()
			x := rand.New(rand.NewPCG(1, 2))
			model := map[cdc.Key]Loc{}
			for k := uint64(1); k <= 150; k++ {
				for range 5 {
					var keys []cdc.Key
					for range 1 + x.IntN(600) {
						keys = append(keys, benchKey(x.Uint64N(3000), exact))
					}
					slices.SortFunc(keys, compareKeys)
					keys = slices.Compact(keys)
					old, locs := make([]Loc, len(keys)), make([]Loc, len(keys))
					tab.Lookup(keys, old)
					for i, key := range keys {
						want, ok := model[key]
						if !ok {
							want = None
						}
						if old[i] != want {
							t.Fatalf("checkpoint %d: %x is at %v, want %v", k, key, old[i], want)
						}
						if locs[i] = MakeLoc(uint32(k), x.Uint32()); x.IntN(4) == 0 {
							locs[i] = None
							delete(model, key)
						} else {
							model[key] = locs[i]
						}
					}
					tab.Put(keys, locs, old)
				}
				s.Seal(k)
				sealed <- k
			}
			close(sealed)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := contents(t, tab); !maps.Equal(got, model) {
				t.Errorf("%d keys, want %d", len(got), len(model))
			}
		})
	}
}

// What an Iterate reads stays as it is while its function puts.
func TestPutWhileIterating(t *testing.T) {
	s := openSmallBlocks(t, 64)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 500, 1)
	s.Seal(1)
	mustPut(tab, 500, 1000, 1)
	n := 0
	err := tab.Iterate(func(k cdc.Key, l Loc) error {
		switch n++; n {
		case 10:
			mustComplete(t, s, 1, tab)
			mustPut(tab, 0, 1000, 2)
		case 20:
			mustPut(tab, 0, 3000, 3)
		}
		if l.File() != 1 || k != benchKey(uint64(l.Pos()), true) {
			return fmt.Errorf("%x is at %v", k, l)
		}
		return nil
	})
	if err != nil || n != 1000 {
		t.Fatal(n, err)
	}
	expect(t, tab, 0, 3000, 3)
}

// Checkpoints of one size use the blocks of those before; an idle shard keeps none.
func TestBlocksAreUsedAgain(t *testing.T) {
	s := openSmallBlocks(t, 0)
	tab := s.Table(ordersID, true)
	const n, batches = 200_000, 16
	var held int64
	for k := range 6 {
		keys, locs := someKeys(k*n, (k+1)*n, true, 1)
		old := slices.Repeat([]Loc{None}, n)
		for i := range batches { // each over the whole range, as batches are
			var ks []cdc.Key
			var ls []Loc
			for j := i; j < n; j += batches {
				ks, ls = append(ks, keys[j]), append(ls, locs[j])
			}
			tab.Put(ks, ls, old[:len(ks)])
		}
		open := tab.open.bytes()
		if open > n*16*11/10 {
			t.Errorf("%d bytes for %d entries", open, n)
		}
		if all := open + s.blocks.held; k > 0 && all > held {
			t.Errorf("checkpoint %d: %d bytes, and %d before", k, all, held)
		} else if k == 0 {
			held = all + all/10
		}
		s.Seal(uint64(k) + 1)
		mustComplete(t, s, uint64(k)+1, tab)
	}
	s.Seal(100)
	if s.blocks.held != 0 || len(s.retired) != 0 {
		t.Errorf("%d bytes are held, %d overlays", s.blocks.held, len(s.retired))
	}
}
