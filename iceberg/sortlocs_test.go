package iceberg

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cdc2lake/cdc2lake/stream/state"
)

func TestSortLocs(t *testing.T) {
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for _, n := range []int{0, 1, 2, smallSort, smallSort + 1, 10_000, 100_000} {
		for _, mask := range []state.Loc{0, 1, 0xffff, 0x1fffff_0007ffff, 0xffffffff_00000000, ^state.Loc(0)} {
			locs := make([]state.Loc, n)
			base := state.Loc(r.Uint64())
			for i := range locs {
				locs[i] = base&^mask | state.Loc(r.Uint64())&mask
			}
			want := slices.Clone(locs)
			slices.Sort(want)
			sortLocs(locs)
			if !slices.Equal(locs, want) {
				t.Fatalf("%d locations, mask %x", n, mask)
			}
		}
	}
}

func BenchmarkSortLocs(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	in := make([]state.Loc, 1_000_000)
	for i := range in {
		in[i] = state.MakeLoc(uint32(r.IntN(10)), uint32(r.IntN(500_000)))
	}
	locs := make([]state.Loc, len(in))
	perCPU(b, int64(b.N)*int64(len(in)), func() {
		for range b.N {
			copy(locs, in)
			sortLocs(locs)
		}
	})
}
