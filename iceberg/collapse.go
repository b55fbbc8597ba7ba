package iceberg

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// What became of a row in a shard's buffer.
const (
	rowDead byte = iota // replaced, skipped, or a delete: nothing to write
	rowLive             // the last version of its key
)

// What is known of a key: the last thing that happened to it within the buffer, and what its first event expects of the state.
const (
	lastWrite  uint8 = iota // the row at src is the newest version
	lastDelete              // the key is gone
	lastChunk               // the row at src was read by a chunk, and the log said nothing yet

	expectNothing uint8 = iota - 3 // not known: the table is being loaded, or a chunk came first
	expectAbsent                   // an INSERT
	expectPresent                  // an UPDATE or DELETE
)

// keyEntry is what a buffer holds of one key.
type keyEntry struct {
	src   uint32 // buffer row of the last version
	last  uint8
	first uint8
}

// bufferedRow is one row while a buffer is sorted. It has no pointers: the collector never looks at it.
type bufferedRow struct {
	hi   uint64
	src  uint32
	op   cdc.Op
	live bool // the table's load was done when the row came
}

// collapser finds the last version of every key of a buffer. It sorts the rows by key, which the state wants anyway, and then looks at
// neighbours: two passes over memory instead of a hash look-up per row, which would miss the cache. Keys are hashes, so that the first
// radixBits bits of them tell nearly all rows apart.
type collapser struct {
	base  uint64 // smallest Hi of the shard's groups
	span  uint64 // number of Hi values of the groups; 0 means 2^64
	shift int    // scales span to fill 64 bits

	rows, other []bufferedRow
	los         []uint64 // Key.Lo by buffer row, unless keys are exact
	hist        [2][radix]uint32

	// The result: the keys in ascending order, and what the buffer has of each.
	keys []cdc.Key
	ents []keyEntry

	multi multiset // the result for a table without a key
}

const (
	digitBits = 11
	radix     = 1 << digitBits
	// smallSort is the number of rows below which two passes over the histograms cost more than comparing.
	smallSort = 512
)

func newCollapser(g cdc.GroupRange) collapser {
	c := collapser{}
	first := func(group int) uint64 { // smallest Hi of a group; 0 for the end of the range
		if group == g.Of {
			return 0
		}
		q, r := bits.Div64(uint64(group), 0, uint64(g.Of))
		if r > 0 {
			q++
		}
		return q
	}
	c.base = first(g.From)
	c.span = first(g.To) - c.base
	if c.span != 0 {
		c.shift = bits.LeadingZeros64(c.span)
	}
	return c
}

// owns reports whether a key belongs to the shard.
func (c *collapser) owns(hi uint64) bool { return c.span == 0 || hi-c.base < c.span }

// reset forgets the rows.
func (c *collapser) reset() { c.rows, c.los = c.rows[:0], c.los[:0] }

// sort orders the rows by Hi; those of equal Hi stay in the order in which they came.
func (c *collapser) sort() {
	n := len(c.rows)
	if n <= smallSort {
		slices.SortFunc(c.rows, byHi)
		return
	}
	c.other = slices.Grow(c.other[:0], n)[:n]
	clear(c.hist[0][:])
	clear(c.hist[1][:])
	for i := range c.rows {
		x := (c.rows[i].hi - c.base) << c.shift
		c.hist[0][x>>(64-2*digitBits)&(radix-1)]++
		c.hist[1][x>>(64-digitBits)]++
	}
	var a, b uint32
	for i := range radix {
		c.hist[0][i], a = a, a+c.hist[0][i]
		c.hist[1][i], b = b, b+c.hist[1][i]
	}
	from, to := c.rows, c.other
	for d := range c.hist {
		h, s := &c.hist[d], 64-(2-d)*digitBits
		for i := range from {
			x := (from[i].hi - c.base) << c.shift >> s & (radix - 1)
			to[h[x]] = from[i]
			h[x]++
		}
		from, to = to, from
	}
	// What the digits leave together is few, unless somebody has chosen keys that collide.
	moves := 0
	for i := 1; i < n; i++ {
		if from[i-1].hi <= from[i].hi {
			continue
		}
		x, j := from[i], i
		for ; j > 0 && from[j-1].hi > x.hi; j-- {
			from[j] = from[j-1]
		}
		from[j] = x
		if moves += i - j; moves > 8*n {
			slices.SortFunc(from, byHi)
			break
		}
	}
}

func byHi(a, b bufferedRow) int {
	return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.src, b.src))
}

// byLo orders rows of equal Hi.
func (c *collapser) byLo(a, b bufferedRow) int {
	return cmp.Or(cmp.Compare(c.los[a.src], c.los[b.src]), cmp.Compare(a.src, b.src))
}

// collapse fills keys and ents from the rows, and marks in states which rows are dead.
func (c *collapser) collapse(states []byte, counts *cdc.Counts) {
	c.sort()
	rows := c.rows
	c.keys, c.ents = slices.Grow(c.keys[:0], len(rows)), slices.Grow(c.ents[:0], len(rows))
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j].hi == rows[i].hi {
			j++
		}
		if len(c.los) == 0 {
			c.keys = append(c.keys, cdc.Key{Hi: rows[i].hi})
			c.ents = append(c.ents, oneKey(rows[i:j], states, counts))
			i = j
			continue
		}
		if j-i > 1 { // nearly always the same key
			slices.SortFunc(rows[i:j], c.byLo)
		}
		for i < j {
			lo, k := c.los[rows[i].src], i+1
			for k < j && c.los[rows[k].src] == lo {
				k++
			}
			c.keys = append(c.keys, cdc.Key{Hi: rows[i].hi, Lo: lo})
			c.ents = append(c.ents, oneKey(rows[i:k], states, counts))
			i = k
		}
	}
}

// oneKey collapses the rows of one key, in the order in which they came.
func oneKey(rows []bufferedRow, states []byte, counts *cdc.Counts) keyEntry {
	r := rows[0]
	e := keyEntry{src: r.src, last: lastWrite, first: expectNothing}
	switch {
	case r.op == cdc.OpRead:
		e.last = lastChunk
	case r.op == cdc.OpDelete:
		e.last, states[r.src] = lastDelete, rowDead
	}
	if r.live {
		e.first = expectPresent
		if r.op == cdc.OpInsert {
			e.first = expectAbsent
		}
	}
	for _, r := range rows[1:] {
		if r.op == cdc.OpRead {
			states[r.src] = rowDead // the buffer knows better
			counts.Skipped++
			continue
		}
		if e.last != lastDelete {
			states[e.src] = rowDead
			if e.last == lastChunk {
				counts.Skipped++
			}
		}
		if r.live && (r.op == cdc.OpInsert) != (e.last == lastDelete) {
			counts.Divergent++
		}
		e.src, e.last = r.src, lastWrite
		if r.op == cdc.OpDelete {
			e.last, states[r.src] = lastDelete, rowDead
		}
	}
	return e
}
