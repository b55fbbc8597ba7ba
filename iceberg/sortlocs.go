package iceberg

import (
	"slices"

	"github.com/cdc2lake/cdc2lake/stream/state"
)

// sortLocs sorts locations by radix, least significant digit first, and leaves digits out in which all agree: of 64 bits, file numbers and
// positions use about half. A million random positions take 15 ns each, by comparing 75.
func sortLocs(locs []state.Loc) {
	if len(locs) <= smallSort {
		slices.Sort(locs)
		return
	}
	var or state.Loc
	and := ^state.Loc(0)
	for _, l := range locs {
		or, and = or|l, and&l
	}
	differs := or &^ and
	from, to := locs, make([]state.Loc, len(locs))
	var hist [radix]uint32
	for s := 0; s < 64; s += digitBits {
		if differs>>s&(radix-1) == 0 {
			continue
		}
		clear(hist[:])
		for _, l := range from {
			hist[l>>s&(radix-1)]++
		}
		var at uint32
		for i, n := range hist {
			hist[i] = at
			at += n
		}
		for _, l := range from {
			d := l >> s & (radix - 1)
			to[hist[d]] = l
			hist[d]++
		}
		from, to = to, from
	}
	if &from[0] != &locs[0] {
		copy(locs, from)
	}
}
