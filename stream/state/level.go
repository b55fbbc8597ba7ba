package state

import "github.com/cdc2lake/cdc2lake/cdc"

// level is a sorted sequence of entries without duplicates, in parts that are not empty: the blocks of an overlay, or a section of a run.
type level struct {
	parts []sorted
	n     int // entries
}

// makeLevel makes a level of one array.
func makeLevel(w int, d []uint64) level {
	if len(d) == 0 {
		return level{}
	}
	return level{[]sorted{makeSorted(w, d)}, len(d) / w}
}

// lookup resolves the pending ones of the keys, which are sorted.
func (l *level) lookup(keys []cdc.Key, out []Loc) {
	if len(l.parts) == 1 {
		l.parts[0].lookup(keys, out)
		return
	}
	for i := 0; len(keys) > 0; i++ {
		if i = l.seek(i, keys[0]); i == len(l.parts) {
			return
		}
		p := &l.parts[i]
		n := upTo(keys, p.key(p.len()-1))
		p.lookup(keys[:n], out)
		keys, out = keys[n:], out[n:]
	}
}

// seek returns the first part from i on that does not end below the key.
func (l *level) seek(i int, k cdc.Key) int {
	below := func(i int) bool {
		p := &l.parts[i]
		return p.key(p.len() - 1).less(k)
	}
	from, to, step := i, i, 1
	for to < len(l.parts) && below(to) {
		from, to, step = to+1, to+step, 2*step
	}
	to = min(to, len(l.parts))
	for from < to {
		if m := int(uint(from+to) / 2); below(m) {
			from = m + 1
		} else {
			to = m
		}
	}
	return from
}

// upTo returns how many of the keys are not above the last one. The first of them is not.
func upTo(keys []cdc.Key, last orderedKey) int {
	from, to, step := 1, 1, 1
	for to < len(keys) && !last.less(keys[to]) {
		from, to, step = to+1, to+step, 2*step
	}
	to = min(to, len(keys))
	for from < to {
		if m := int(uint(from+to) / 2); !last.less(keys[m]) {
			from = m + 1
		} else {
			to = m
		}
	}
	return from
}
