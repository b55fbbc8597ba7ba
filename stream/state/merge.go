package state

import (
	"math/bits"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// mergeEntries is how many entries of one input a merge handles at a time: inputs and outputs of a step stay in the cache.
const mergeEntries = 1024

// merger merges sorted arrays by ranges of keys: the pieces of a range are merged two by two in cache, smallest
// neighbours first. Its scratch memory is bounded by the number of inputs and is used again.
type merger struct {
	// unique: a key in two inputs is an error.
	unique bool
	// dropTombstones: nothing lies below, so tombstones are left out.
	dropTombstones bool
	// step takes the place of mergeEntries if it is not 0.
	step int

	free [][]uint64
}

type piece struct {
	d   []uint64
	own bool // d is scratch memory
}

// cursor is how far a merge has come in an input.
type cursor struct {
	in   *level
	part int
	at   int // entry of the part
}

// ahead returns the key that stands step entries ahead, or that of the next part if this one ends before; false at the end.
func (c *cursor) ahead(step int) (orderedKey, bool) {
	p := &c.in.parts[c.part]
	switch {
	case c.at+step < p.len():
		return p.key(c.at + step), true
	case c.part+1 < len(c.in.parts):
		return c.in.parts[c.part+1].key(0), true
	}
	return orderedKey{}, false
}

// merge hands the merged entries of the inputs, newest first, to emit in ascending order. The slice given to emit is valid during the
// call. Parts of the inputs that are not needed any more are given to done, unless it is nil.
func (m *merger) merge(in []level, done func(d []uint64), emit func(d []uint64) error) error {
	step := mergeEntries
	if m.step > 0 {
		step = m.step
	}
	var at []cursor
	for i := range in {
		if in[i].n > 0 {
			at = append(at, cursor{in: &in[i]})
		}
	}
	pieces := make([]piece, 0, len(at))
	for len(at) > 0 {
		w := at[0].in.parts[0].w
		// The bound is the smallest of the keys that stand one step ahead: no input gives more than that.
		var bound orderedKey
		bounded := false
		for i := range at {
			if k, ok := at[i].ahead(step); ok && (!bounded || k.less(cdc.Key(bound))) {
				bound, bounded = k, true
			}
		}
		pieces = pieces[:0]
		for i := range at {
			c := &at[i]
			p := &c.in.parts[c.part]
			to := p.len()
			if bounded {
				to = p.lowerBound(c.at, min(c.at+step, to), cdc.Key(bound))
			}
			if to > c.at {
				pieces = append(pieces, piece{d: p.d[c.at*w : to*w]})
				c.at = to
			}
		}
		for len(pieces) > 1 {
			best := 0
			for i := 1; i+1 < len(pieces); i++ {
				if len(pieces[i].d)+len(pieces[i+1].d) < len(pieces[best].d)+len(pieces[best+1].d) {
					best = i
				}
			}
			a, b := pieces[best], pieces[best+1]
			d, x, y := merge2(m.scratch(len(a.d)+len(b.d)), a.d, b.d, w)
			if m.unique && x >= 0 {
				return duplicate(a.d[x:x+w], b.d[y:y+w])
			}
			m.recycle(a)
			m.recycle(b)
			pieces[best] = piece{d, true}
			pieces = append(pieces[:best+1], pieces[best+2:]...)
		}
		if len(pieces) == 1 {
			p := pieces[0]
			if m.dropTombstones {
				p = m.live(p, w)
			}
			if len(p.d) > 0 {
				if err := emit(p.d); err != nil {
					return err
				}
			}
			m.recycle(p)
		}
		n := 0
		for _, c := range at {
			if p := &c.in.parts[c.part]; c.at == p.len() {
				if done != nil {
					done(p.d)
				}
				c.part, c.at = c.part+1, 0
			}
			if c.part < len(c.in.parts) {
				at[n] = c
				n++
			}
		}
		at = at[:n]
	}
	return nil
}

// live leaves the tombstones out.
func (m *merger) live(p piece, w int) piece {
	first := -1
	for i := w - 1; i < len(p.d); i += w {
		if Loc(p.d[i]) == None {
			first = i - (w - 1)
			break
		}
	}
	if first < 0 {
		return p
	}
	d := p.d
	if !p.own {
		d = append(m.scratch(len(p.d)), p.d...)
	}
	n := first
	for i := first; i < len(d); i += w {
		if Loc(d[i+w-1]) != None {
			copy(d[n:n+w], d[i:i+w])
			n += w
		}
	}
	return piece{d[:n], true}
}

func (m *merger) scratch(n int) []uint64 {
	for i := len(m.free) - 1; i >= 0; i-- {
		if b := m.free[i]; cap(b) >= n {
			m.free = append(m.free[:i], m.free[i+1:]...)
			return b[:0]
		}
	}
	return make([]uint64, 0, 1<<bits.Len(uint(n))) // rounded up, so that it fits again
}

func (m *merger) recycle(p piece) {
	if p.own && len(m.free) < 16 {
		m.free = append(m.free, p.d[:0])
	}
}

// merge2 merges a (newer) and b (older) into dst, which has room for both. Where both have a key, a's entry is taken;
// and where such a key stands in both is returned, or -1.
func merge2(dst, a, b []uint64, w int) (out []uint64, dupA, dupB int) {
	if len(a)*8 < len(b) || len(b)*8 < len(a) {
		return mergeSpans(dst, a, b, w)
	}
	dupA, dupB = -1, -1
	dst = dst[:len(a)+len(b)]
	i, j, n := 0, 0, 0
	if w == exactWords {
		for i+1 < len(a) && j+1 < len(b) {
			x, y := a[i], b[j]
			if x < y {
				dst[n], dst[n+1] = x, a[i+1]
				i += 2
			} else if y < x {
				dst[n], dst[n+1] = y, b[j+1]
				j += 2
			} else {
				dupA, dupB = i, j
				dst[n], dst[n+1] = x, a[i+1]
				i += 2
				j += 2
			}
			n += 2
		}
	} else {
		for i+2 < len(a) && j+2 < len(b) {
			x, y := a[i], b[j]
			if x < y || x == y && a[i+1] < b[j+1] {
				dst[n], dst[n+1], dst[n+2] = x, a[i+1], a[i+2]
				i += 3
			} else if y < x || b[j+1] < a[i+1] {
				dst[n], dst[n+1], dst[n+2] = y, b[j+1], b[j+2]
				j += 3
			} else {
				dupA, dupB = i, j
				dst[n], dst[n+1], dst[n+2] = x, a[i+1], a[i+2]
				i += 3
				j += 3
			}
			n += 3
		}
	}
	n += copy(dst[n:], a[i:])
	n += copy(dst[n:], b[j:])
	return dst[:n], dupA, dupB
}

// mergeSpans is merge2 for inputs of very different size: what lies between two entries of the smaller one is copied
// as a whole.
func mergeSpans(dst, a, b []uint64, w int) (out []uint64, dupA, dupB int) {
	small, big, bigNewer := a, b, false
	if len(a) > len(b) {
		small, big, bigNewer = b, a, true
	}
	dupSmall, dupBig := -1, -1
	from := 0
	for i := 0; i < len(small); i += w {
		hi := small[i]
		j := from
		for j < len(big) && big[j] < hi {
			j += w
		}
		var equal bool
		if w == exactWords {
			equal = j < len(big) && big[j] == hi
		} else {
			lo := small[i+1]
			for j < len(big) && big[j] == hi && big[j+1] < lo {
				j += w
			}
			equal = j < len(big) && big[j] == hi && big[j+1] == lo
		}
		dst = append(dst, big[from:j]...)
		from = j
		e := small[i : i+w]
		if equal {
			dupSmall, dupBig = i, j
			from += w
			if bigNewer {
				e = big[j : j+w]
			}
		}
		dst = append(dst, e...)
	}
	dst = append(dst, big[from:]...)
	if bigNewer {
		return dst, dupBig, dupSmall
	}
	return dst, dupSmall, dupBig
}

func duplicate(a, b []uint64) *DuplicateKeyError {
	e := &DuplicateKeyError{Key: cdc.Key{Hi: a[0]}, A: Loc(a[len(a)-1]), B: Loc(b[len(b)-1])}
	if len(a) == hashedWords {
		e.Key.Lo = a[1]
	}
	return e
}
