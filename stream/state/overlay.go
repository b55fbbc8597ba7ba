package state

// overlay holds what one checkpoint changed in one table: a few levels, newest last, each at least twice as long as the next. What is
// sealed is immutable; the levels of an open overlay are read by the shard's goroutine alone, which therefore uses their blocks again
// when it merges them.
type overlay struct {
	levels []level
	// cleared hides everything below: the table was emptied before the changes in levels.
	cleared bool
	// delta is the change of the number of live keys, counted from zero if cleared.
	delta int64
}

func (o *overlay) empty() bool { return o == nil || len(o.levels) == 0 && !o.cleared }

// put adds a level. Each entry is merged log2(puts) times. done gets the blocks that are merged into others; nil: somebody reads them.
func (o *overlay) put(m *merger, b *blocks, done func([]uint64), w int, l level) {
	n, from := l.n, len(o.levels)
	for from > 0 && o.levels[from-1].n < 2*n {
		from--
		n += o.levels[from].n
	}
	levels := append(make([]level, 0, from+1), o.levels[:from]...)
	if from < len(o.levels) {
		in := []level{l}
		for i := len(o.levels) - 1; i >= from; i-- {
			in = append(in, o.levels[i])
		}
		x := levelWriter{b: b, w: w, left: n}
		_ = m.merge(in, done, func(d []uint64) error { // it does not fail
			x.add(d)
			return nil
		})
		l = x.finish()
	}
	o.levels = append(levels, l)
}

// newestFirst appends the overlay's levels to in.
func (o *overlay) newestFirst(in []level) []level {
	for i := len(o.levels) - 1; i >= 0; i-- {
		in = append(in, o.levels[i])
	}
	return in
}

// free gives all blocks back.
func (o *overlay) free(b *blocks) {
	for i := range o.levels {
		b.putLevel(&o.levels[i])
	}
	o.levels = nil
}

func (o *overlay) bytes() int64 {
	if o == nil {
		return 0
	}
	var n int64
	for i := range o.levels {
		for j := range o.levels[i].parts {
			n += 8 * int64(cap(o.levels[i].parts[j].d))
		}
	}
	return n
}
