package state

// overlay holds what one checkpoint changed in one table: a few sorted arrays, newest last, each at least twice as long
// as the next. Arrays are immutable, so that readers need no lock.
type overlay struct {
	levels []sorted
	// cleared hides everything below: the table was emptied before the changes in levels.
	cleared bool
	// delta is the change of the number of live keys, counted from zero if cleared.
	delta int64
}

func (o *overlay) empty() bool { return o == nil || len(o.levels) == 0 && !o.cleared }

// put adds sorted entries, which the overlay keeps. Each entry is merged log2(puts) times.
func (o *overlay) put(w int, d []uint64) {
	levels := append(make([]sorted, 0, len(o.levels)+1), o.levels...)
	for len(levels) > 0 && len(levels[len(levels)-1].d) < 2*len(d) {
		old := levels[len(levels)-1].d
		d, _, _ = merge2(make([]uint64, 0, len(d)+len(old)), d, old, w)
		levels = levels[:len(levels)-1]
	}
	o.levels = append(levels, makeSorted(w, d))
}

// newestFirst appends the overlay's arrays to in.
func (o *overlay) newestFirst(in []sorted) []sorted {
	for i := len(o.levels) - 1; i >= 0; i-- {
		in = append(in, o.levels[i])
	}
	return in
}

func (o *overlay) bytes() int64 {
	if o == nil {
		return 0
	}
	var n int64
	for i := range o.levels {
		n += 8 * int64(cap(o.levels[i].d)+cap(o.levels[i].fence))
	}
	return n
}
