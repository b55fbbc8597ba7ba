package iceberg

import "github.com/cespare/xxhash/v2"

// A dictionary costs a hash look-up per value and saves most of the compressor's work where values repeat. sampleRows is how many
// of a file's first rows are looked at, sampleLeast how many it takes to judge.
const (
	sampleRows  = 4096
	sampleLeast = 256
)

// repetitive reports whether at most one in sixteen of the sampled values is new.
func repetitive(l *columnLayout, c *colBuf) bool {
	var n int
	var hash func(i int) uint64
	switch l.to {
	case physInt32:
		n, hash = len(c.i32), func(i int) uint64 { return uint64(uint32(c.i32[i])) }
	case physInt64:
		n, hash = len(c.i64), func(i int) uint64 { return uint64(c.i64[i]) }
	case physBytes:
		n, hash = len(c.off)-1, func(i int) uint64 { return xxhash.Sum64(c.data[c.off[i]:c.off[i+1]]) }
	default:
		return false // floating point and wide decimals seldom repeat
	}
	if n < sampleLeast {
		return false
	}
	n = min(n, sampleRows)
	var seen [sampleRows / 16 * 4]uint64 // open addressing; 0 is never stored
	distinct := 0
	for i := range n {
		h := hash(i)*0x9e3779b97f4a7c15 | 1
		j := h >> (64 - 10)
		for seen[j] != 0 && seen[j] != h {
			j = (j + 1) % uint64(len(seen))
		}
		if seen[j] == 0 {
			seen[j] = h
			if distinct++; distinct > n/16 {
				return false
			}
		}
	}
	return true
}
