package state

import (
	"math/bits"
	"sort"
)

// sorter sorts entries whose Hi is uniform in some range: two scatters by what Hi should be in rank, then insertion.
// Buckets that turn out uneven are sorted by comparison, so that no distribution is worse than n log n.
type sorter struct {
	tmp []uint64
}

// sort sorts d in place; it needs as much scratch memory, which it keeps.
func (x *sorter) sort(d []uint64, w int) {
	n := len(d) / w
	if n < 2 {
		return
	}
	if cap(x.tmp) < len(d) {
		x.tmp = make([]uint64, len(d))
	}
	tmp := x.tmp[:len(d)]
	nb := min(max(n/2048, 1), 4096)
	ends := x.scatter(tmp, d, w, nb, nil)
	start := uint32(0)
	small := make([]uint32, 0, 4096)
	for _, end := range ends {
		a, b := tmp[int(start)*w:int(end)*w], d[int(start)*w:int(end)*w]
		start = end
		if m := len(a) / w; m > 8192 {
			copy(b, a)
			sort.Sort(entries{b, w})
		} else if m > 0 {
			small = x.scatter(b, a, w, max(m/4, 1), small)
			from := uint32(0)
			for _, to := range small {
				if to-from > 32 {
					sort.Sort(entries{b[int(from)*w : int(to)*w], w})
				}
				from = to
			}
			insertion(b, w)
		}
	}
}

// scatter distributes src over nb buckets in dst and returns where each ends. It uses ends if that is large enough.
func (x *sorter) scatter(dst, src []uint64, w, nb int, ends []uint32) []uint32 {
	lo, hi := src[0], src[0]
	for i := w; i < len(src); i += w {
		lo, hi = min(lo, src[i]), max(hi, src[i])
	}
	if cap(ends) < nb {
		ends = make([]uint32, nb)
	}
	ends = ends[:nb]
	clear(ends)
	// bucket = (Hi-lo)·nb/(hi-lo+1), as a multiplication
	scale := ^uint64(0)
	if span := hi - lo; span != ^uint64(0) {
		if uint64(nb) <= span {
			scale, _ = bits.Div64(uint64(nb), 0, span+1)
		}
	} else {
		scale = uint64(nb)
	}
	for i := 0; i < len(src); i += w {
		b, _ := bits.Mul64(src[i]-lo, scale)
		ends[min(b, uint64(nb-1))]++
	}
	var sum uint32
	for i, c := range ends {
		ends[i] = sum
		sum += c
	}
	if w == exactWords {
		for i := 0; i+1 < len(src); i += 2 {
			b, _ := bits.Mul64(src[i]-lo, scale)
			p := &ends[min(b, uint64(nb-1))]
			dst[*p*2], dst[*p*2+1] = src[i], src[i+1]
			*p++
		}
		return ends
	}
	for i := 0; i+2 < len(src); i += 3 {
		b, _ := bits.Mul64(src[i]-lo, scale)
		p := &ends[min(b, uint64(nb-1))]
		q := int(*p) * 3
		dst[q], dst[q+1], dst[q+2] = src[i], src[i+1], src[i+2]
		*p++
	}
	return ends
}

// insertion sorts nearly sorted entries.
func insertion(d []uint64, w int) {
	if w == exactWords {
		for i := 2; i+1 < len(d); i += 2 {
			hi, loc := d[i], d[i+1]
			j := i
			for ; j >= 2 && d[j-2] > hi; j -= 2 {
				d[j], d[j+1] = d[j-2], d[j-1]
			}
			d[j], d[j+1] = hi, loc
		}
		return
	}
	for i := 3; i+2 < len(d); i += 3 {
		hi, lo, loc := d[i], d[i+1], d[i+2]
		j := i
		for ; j >= 3 && (d[j-3] > hi || d[j-3] == hi && d[j-2] > lo); j -= 3 {
			d[j], d[j+1], d[j+2] = d[j-3], d[j-2], d[j-1]
		}
		d[j], d[j+1], d[j+2] = hi, lo, loc
	}
}

// entries sorts by comparison.
type entries struct {
	d []uint64
	w int
}

func (e entries) Len() int { return len(e.d) / e.w }
func (e entries) Less(i, j int) bool {
	a, b := e.d[i*e.w:], e.d[j*e.w:]
	return a[0] < b[0] || e.w == hashedWords && a[0] == b[0] && a[1] < b[1]
}
func (e entries) Swap(i, j int) {
	a, b := e.d[i*e.w:], e.d[j*e.w:]
	for x := range e.w {
		a[x], b[x] = b[x], a[x]
	}
}
