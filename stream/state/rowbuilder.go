package state

import "github.com/cdc2lake/cdc2lake/cdc"

// number is merger.merge for levels of one part each in which a key can stand many times: it numbers the entries of each.
func (b *Builder) number(in []level, _ func([]uint64), emit func([]uint64) error) error {
	h := make(rowHeap, 0, len(in))
	for i := range in {
		if in[i].n > 0 {
			h = append(h, in[i].parts[0].d)
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	out := make([]uint64, 0, mergeEntries*hashedWords)
	var key cdc.Key // of the row at hand
	var last cdc.Key
	n, first := uint64(0), true
	for len(h) > 0 {
		d := h[0]
		k := cdc.Key{Hi: d[0], Lo: d[1]}
		if n++; first || k != key {
			key, n = k, 0
		}
		x := key.Nth(n)
		if !first && !orderedKey(last).less(x) {
			return internal(b.t.id, "state: two rows that are not equal come to the key %016x%016x", x.Hi, x.Lo)
		}
		first, last = false, x
		out = append(out, x.Hi, x.Lo, d[2])
		if len(out) == cap(out) {
			if err := emit(out); err != nil {
				return err
			}
			out = out[:0]
		}
		if h[0] = d[hashedWords:]; len(h[0]) == 0 {
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		if len(h) > 1 {
			h.down(0)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return emit(out)
}

// rowHeap has the arrays whose next entry is the smallest in front.
type rowHeap [][]uint64

func (h rowHeap) less(i, j int) bool {
	a, b := h[i], h[j]
	if a[0] != b[0] {
		return a[0] < b[0]
	}
	if a[1] != b[1] {
		return a[1] < b[1]
	}
	return a[2] < b[2]
}

func (h rowHeap) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
