package state

import "github.com/cdc2lake/cdc2lake/cdc"

// An entry is words in native byte order: Hi, Loc for exact tables; Hi, Lo, Loc for hashed ones. A location of None is a
// tombstone: the key was deleted, whatever is below.
const (
	exactWords  = 2
	hashedWords = 3
)

func words(exact bool) int {
	if exact {
		return exactWords
	}
	return hashedWords
}

// page is the number of entries per fence: 64 keep the fences at one bit a key, and the guess within a page, whose error
// grows with the square root, within a cache line or two.
const page = 64

// sorted is an immutable array of entries in ascending order of (Hi, Lo), without duplicates. It lies in memory or in a
// mapped file.
type sorted struct {
	w     int
	d     []uint64
	fence []uint64 // Hi of every page-th entry
}

func makeSorted(w int, d []uint64) sorted {
	s := sorted{w: w, d: d, fence: make([]uint64, 0, (len(d)/w+page-1)/page)}
	for i := 0; i < len(d); i += page * w {
		s.fence = append(s.fence, d[i])
	}
	return s
}

func (s *sorted) len() int { return len(s.d) / s.w }

// dense is the number of entries per key up to which walking from entry to entry is faster than searching.
const dense = 8

// lookup resolves the pending ones of the keys, which are sorted.
func (s *sorted) lookup(keys []cdc.Key, out []Loc) {
	n := s.len()
	switch {
	case n == 0 || len(keys) == 0 || keys[len(keys)-1].Hi < s.d[0] || keys[0].Hi > s.d[len(s.d)-s.w]:
	case n <= dense*len(keys):
		s.walk(keys, out)
	default:
		s.search(keys, out)
	}
}

// walk is lookup for keys that are about as dense as the entries.
func (s *sorted) walk(keys []cdc.Key, out []Loc) {
	w, d := s.w, s.d
	p := 0
	for i := range keys {
		if out[i] != pending {
			continue
		}
		hi := keys[i].Hi
		for p < len(d) && d[p] < hi {
			p += w
		}
		if w == exactWords {
			if p < len(d) && d[p] == hi {
				out[i] = Loc(d[p+1])
			}
			continue
		}
		// The keys to come are larger still, so that what is passed here is passed for good.
		for lo := keys[i].Lo; p < len(d) && d[p] == hi && d[p+1] < lo; {
			p += w
		}
		if p < len(d) && d[p] == hi && d[p+1] == keys[i].Lo {
			out[i] = Loc(d[p+2])
		}
	}
}

// crowd is the number of entries with one Hi that search looks at one by one: beyond, they are equal rows of a table without a key.
const crowd = 8

// search is lookup for keys that are far apart. Two passes over small blocks: the first finds every key's likely place
// from the fences alone and touches it, so that the misses of a block overlap instead of adding up.
func (s *sorted) search(keys []cdc.Key, out []Loc) {
	n := s.len()
	const block = 16
	var at [block]int
	var touch uint64
	w, d, fence := s.w, s.d, s.fence
	last := d[len(d)-w]
	perHi := float64(len(fence)) / (float64((last-fence[0])>>1) + 1) // fences per two units of Hi
	f := 0
	for len(keys) > 0 {
		m := min(block, len(keys))
		for j := range m {
			if out[j] != pending {
				at[j] = -1
				continue
			}
			hi := keys[j].Hi
			f = seekFence(fence, f, hi, perHi)
			a, b, size := fence[f], last, page
			if f+1 < len(fence) {
				b = fence[f+1]
			} else {
				size = n - f*page
			}
			p := f * page
			if hi >= b {
				p += size - 1
			} else if hi > a {
				p += min(int(float64(size)*float64(int64((hi-a)>>1))/(float64(int64((b-a)>>1))+1)), size-1)
			}
			at[j] = p
			touch |= d[p*w]
		}
		for j := range m {
			p := at[j]
			if p < 0 {
				continue
			}
			hi := keys[j].Hi
			if d[p*w] < hi {
				for p++; p < n && d[p*w] < hi; p++ {
				}
			} else {
				for ; p > 0 && d[(p-1)*w] >= hi; p-- {
				}
			}
			for first := p; p < n && d[p*w] == hi; p++ {
				if w == exactWords || d[p*w+1] == keys[j].Lo {
					out[j] = Loc(d[p*w+w-1])
					break
				}
				if d[p*w+1] > keys[j].Lo {
					break
				}
				if p-first == crowd {
					p = s.lowerBound(p, n, keys[j]) - 1
				}
			}
		}
		keys, out = keys[m:], out[m:]
	}
	keepAlive(touch)
}

//go:noinline
func keepAlive(uint64) {}

// seekFence returns the last fence below hi, or 0. Fence f is a known one: f is 0, or fence[f] < hi.
func seekFence(fence []uint64, f int, hi uint64, perHi float64) int {
	for range 4 {
		if f+1 >= len(fence) || fence[f+1] >= hi {
			return f
		}
		f++
	}
	lo, up := f, len(fence) // fence[lo] < hi; fence[up] >= hi, or up is the end
	g := lo + 1 + int(min(float64(int64((hi-fence[lo])>>1))*perHi, float64(up-lo-2)))
	if fence[g] < hi {
		lo = g
		for step := 1; lo+step < up; step *= 2 {
			if fence[lo+step] >= hi {
				up = lo + step
				break
			}
			lo += step
		}
	} else {
		up = g
		for step := 1; up-step > lo; step *= 2 {
			if fence[up-step] < hi {
				lo = up - step
				break
			}
			up -= step
		}
	}
	for up-lo > 1 {
		if m := int(uint(lo+up) / 2); fence[m] < hi {
			lo = m
		} else {
			up = m
		}
	}
	return lo
}

// lowerBound returns the first entry in [from, to) that is not below the key, or to.
func (s *sorted) lowerBound(from, to int, k cdc.Key) int {
	for from < to {
		m := int(uint(from+to) / 2)
		if s.key(m).less(k) {
			from = m + 1
		} else {
			to = m
		}
	}
	return from
}

func (s *sorted) key(i int) orderedKey {
	k := orderedKey{Hi: s.d[i*s.w]}
	if s.w == hashedWords {
		k.Lo = s.d[i*s.w+1]
	}
	return k
}

type orderedKey cdc.Key

func (a orderedKey) less(b cdc.Key) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }
