package iceberg

import (
	"math/bits"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// rowState says what became of a row in a shard's buffer.
type rowState uint8

const (
	rowDead   rowState = iota // replaced, skipped, or a delete: nothing to write
	rowLive                   // the last version of its key
	rowStored                 // written; only while sealing
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

// keyEntry is a key's state within a buffer. It has no pointers: the collector never looks at it.
type keyEntry struct {
	lo    uint64
	src   uint32 // buffer row of the last version
	last  uint8
	first uint8
}

// collapser maps the keys of one table's buffered rows to their last version. It is an open-addressing table whose slots are
// ordered: a slot's place grows with Key.Hi and neighbours are kept sorted, so that reading it from left to right yields the keys
// in the order that the state wants, without a sort. Keys are hashes, so slots fill evenly.
type collapser struct {
	base  uint64 // smallest Hi of the shard's groups
	span  uint64 // number of Hi values of the groups; 0 means 2^64
	shift int    // scales span to fill 64 bits
	norm  uint64 // span << shift

	mul  uint64 // home slot = high word of (hi-base)<<shift * mul
	his  []uint64
	ids  []uint32 // index into ents plus one; 0: empty slot
	ents []keyEntry
}

// overflow is the room behind the last home slot.
const overflow = 64

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
		c.norm = c.span << c.shift
	}
	return c
}

// owns reports whether a key belongs to the shard.
func (c *collapser) owns(hi uint64) bool { return c.span == 0 || hi-c.base < c.span }

func (c *collapser) home(hi uint64) int {
	i, _ := bits.Mul64((hi-c.base)<<c.shift, c.mul)
	return int(i)
}

// reset empties the table and gives back memory that the last buffer did not come near to using.
func (c *collapser) reset() {
	if len(c.ids) > 1<<12 && len(c.ents) < len(c.ids)/16 {
		c.his, c.ids, c.ents = nil, nil, nil
		return
	}
	clear(c.ids)
	c.ents = c.ents[:0]
}

// grow makes room for n keys in all.
func (c *collapser) grow(n int) {
	size := 64
	for size < 2*n {
		size *= 2
	}
	for !c.rebuild(size) {
		size *= 2
	}
}

func (c *collapser) rebuild(size int) bool {
	his, ids := c.his, c.ids
	c.his, c.ids = make([]uint64, size+overflow), make([]uint32, size+overflow)
	if c.span == 0 {
		c.mul = uint64(size)
	} else {
		c.mul, _ = bits.Div64(uint64(size), 0, c.norm)
	}
	i := 0
	for j, id := range ids {
		if id == 0 {
			continue
		}
		i = max(i, c.home(his[j]))
		if i >= len(c.ids) {
			c.his, c.ids = his, ids
			return false
		}
		c.his[i], c.ids[i] = his[j], id
		i++
	}
	return true
}

// find returns the entry of the key and whether it was there. The entry of a new key has only lo set; it is valid until the next
// call.
func (c *collapser) find(hi, lo uint64) (*keyEntry, bool) {
	if 2*(len(c.ents)+1) > len(c.ids)-overflow {
		c.grow(2 * (len(c.ents) + 1))
	}
	for {
		i := c.home(hi)
		for ; i < len(c.ids); i++ {
			id := c.ids[i]
			if id == 0 {
				break
			}
			if h := c.his[i]; h < hi {
				continue
			} else if h > hi {
				break
			}
			if e := &c.ents[id-1]; e.lo == lo {
				return e, true
			} else if e.lo > lo {
				break
			}
		}
		// Move what is greater one slot to the right.
		j := i
		for j < len(c.ids) && c.ids[j] != 0 {
			j++
		}
		if j >= len(c.ids) {
			c.grow(2 * len(c.ids))
			continue
		}
		copy(c.his[i+1:j+1], c.his[i:j])
		copy(c.ids[i+1:j+1], c.ids[i:j])
		c.ents = append(c.ents, keyEntry{lo: lo})
		c.his[i], c.ids[i] = hi, uint32(len(c.ents))
		return &c.ents[len(c.ents)-1], false
	}
}

// sorted appends the keys in ascending order and the index of their entries.
func (c *collapser) sorted(keys []cdc.Key, order []uint32) ([]cdc.Key, []uint32) {
	for i, id := range c.ids {
		if id != 0 {
			keys = append(keys, cdc.Key{Hi: c.his[i], Lo: c.ents[id-1].lo})
			order = append(order, id-1)
		}
	}
	return keys, order
}
