package iceberg

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// keyModel is what a plain map says of a key after one row of the buffer after the other.
type keyModel struct {
	keyEntry
}

// TestCollapser compares the collapser with a map: random keys, crowded ones (equal Hi, neighbours within a digit), few keys many times,
// operations in any order, buffers small and large, and key groups at the edges.
func TestCollapser(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, g := range []cdc.GroupRange{{From: 0, To: 128, Of: 128}, {From: 0, To: 1, Of: 128}, {From: 127, To: 128, Of: 128}, {From: 43, To: 86, Of: 128}, {From: 0, To: 64, Of: 128}} {
		c := newCollapser(g)
		for round := range 12 {
			n := []int{1, 20, smallSort, smallSort + 1, 5000, 60_000}[round%6]
			exact, live := round%2 == 0, r.IntN(2) == 0
			c.reset()
			states := make([]byte, n)
			model := map[cdc.Key]*keyModel{}
			dead := map[uint32]bool{}
			var counts, want cdc.Counts
			for i := range states {
				states[i] = rowLive
				k := cdc.Key{Hi: r.Uint64(), Lo: uint64(r.IntN(3))}
				switch r.IntN(4) {
				case 0: // crowded
					k.Hi = c.base + r.Uint64()&0xff
				case 1: // again
					k.Hi = cdc.Mix64(uint64(r.IntN(n/4 + 1)))
				case 2: // crowded at the end, out of order
					k.Hi = c.base + c.span - 1 - r.Uint64()&0xffff
				}
				if exact {
					k.Lo = 0
				}
				if c.owns(k.Hi) != g.Contains(k.Hi) {
					t.Fatalf("%v: %x", g, k.Hi)
				}
				op := cdc.Op(r.IntN(4))
				if op == cdc.OpRead && live {
					op = cdc.OpInsert
				}
				src := uint32(i)
				if !exact {
					c.los = append(c.los, k.Lo)
				}
				if !c.owns(k.Hi) {
					continue
				}
				c.rows = append(c.rows, bufferedRow{hi: k.Hi, src: src, op: op, live: live})
				m := model[k]
				switch {
				case m == nil && op == cdc.OpRead:
					model[k] = &keyModel{keyEntry: keyEntry{src: src, last: lastChunk, first: expectNothing}}
				case m != nil && op == cdc.OpRead:
					dead[src] = true
					want.Skipped++
				default:
					if m == nil {
						m = &keyModel{}
						model[k] = m
						switch {
						case !live:
							m.first = expectNothing
						case op == cdc.OpInsert:
							m.first = expectAbsent
						default:
							m.first = expectPresent
						}
					} else {
						exists := m.last != lastDelete
						if exists {
							dead[m.src] = true
						}
						if m.last == lastChunk {
							want.Skipped++
						}
						if live && exists == (op == cdc.OpInsert) {
							want.Divergent++
						}
					}
					m.src, m.last = src, lastWrite
					if op == cdc.OpDelete {
						m.last = lastDelete
						dead[src] = true
					}
				}
			}
			c.collapse(states, &counts)
			if len(c.keys) != len(model) || len(c.ents) != len(model) {
				t.Fatalf("%v round %d: %d keys, want %d", g, round, len(c.keys), len(model))
			}
			if !slices.IsSortedFunc(c.keys, func(a, b cdc.Key) int {
				if a == b {
					t.Fatalf("%v round %d: key twice", g, round)
				}
				if a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo {
					return -1
				}
				return 1
			}) {
				t.Fatalf("%v round %d: keys out of order", g, round)
			}
			for i, k := range c.keys {
				if m := model[k]; m == nil || c.ents[i] != m.keyEntry {
					t.Fatalf("%v round %d: key %x is %+v, want %+v", g, round, k, c.ents[i], m)
				}
			}
			for i, s := range states {
				if (s == rowDead) != dead[uint32(i)] {
					t.Fatalf("%v round %d: row %d dead %t", g, round, i, s == rowDead)
				}
			}
			if counts != want {
				t.Fatalf("%v round %d: %+v, want %+v", g, round, counts, want)
			}
		}
	}
}

func BenchmarkCollapse(b *testing.B) {
	c := newCollapser(cdc.GroupRange{From: 0, To: 128, Of: 128})
	r := rand.New(rand.NewPCG(1, 1))
	const n = defaultBufferRows
	in := make([]bufferedRow, n)
	for i := range in {
		in[i] = bufferedRow{hi: r.Uint64(), src: uint32(i), op: cdc.OpUpdate, live: true}
	}
	states := make([]byte, n)
	var counts cdc.Counts
	perCPU(b, int64(b.N)*n, func() {
		for range b.N {
			c.reset()
			c.rows = append(c.rows, in...)
			c.collapse(states, &counts)
		}
	})
}
