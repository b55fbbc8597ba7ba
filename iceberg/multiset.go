package iceberg

import (
	"slices"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// A table without a key is a multiset. The state numbers equal rows from 0 (see cdc.Key.Nth), so that how many there are is found by
// looking for the first number that it does not have. Which of them an event meant nobody can tell, and it does not matter: what counts
// is how many there are in the end. The last numbers go first, and come first.

// rowEntry is what a buffer does to the rows that are equal to each other.
type rowEntry struct {
	from, to int32 // its events are collapser.rows[from:to]
	net      int32 // rows that came, less rows that went
	low      int32 // the smallest value that net had on the way; 0 at most
}

// multiset is what sealing a table without a key needs for a moment.
type multiset struct {
	ents  []rowEntry // one per collapser.keys
	count []uint64   // how many the state has of each
	above []uint64   // it has fewer than so many; 0: not known yet
	open  []int32    // entries whose count is not known yet
	probe []cdc.Key
	locs  []state.Loc

	come   []cdc.Key // of rows that are written
	src    []uint32  // their buffer rows
	gone   []cdc.Key // of rows that are deleted
	goneAt []state.Loc
	none   []state.Loc
}

// tally finds out what the buffer does to each row. No row is to be written yet.
func (c *collapser) tally(states []byte) {
	c.sort()
	rows, m := c.rows, &c.multi
	c.keys, m.ents = c.keys[:0], m.ents[:0]
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j].hi == rows[i].hi {
			j++
		}
		if j-i > 1 {
			slices.SortFunc(rows[i:j], c.byLo)
		}
		for i < j {
			lo := c.los[rows[i].src]
			e := rowEntry{from: int32(i)}
			for ; i < j && c.los[rows[i].src] == lo; i++ {
				states[rows[i].src] = rowDead
				if rows[i].op == cdc.OpDelete {
					e.net--
					e.low = min(e.low, e.net)
				} else {
					e.net++
				}
			}
			e.to = int32(i)
			c.keys, m.ents = append(c.keys, cdc.Key{Hi: rows[e.from].hi, Lo: lo}), append(m.ents, e)
		}
	}
}

// countRows finds out how many rows the state has of each of the keys: it looks whether it has number 0, 1, 3, 7 and so on, and then
// between the last one that it has and the first that it has not.
func (t *tableWriter) countRows() {
	c := &t.w.coll
	m, n := &c.multi, len(c.keys)
	m.count, m.above, m.open = slices.Grow(m.count[:0], n)[:n], slices.Grow(m.above[:0], n)[:n], m.open[:0]
	clear(m.count)
	clear(m.above)
	for i := range m.ents {
		if e := &m.ents[i]; e.net != 0 || e.low != 0 {
			m.open = append(m.open, int32(i))
		}
	}
	next := func(i int32) uint64 {
		switch n := m.count[i]; {
		case m.above[i] != 0:
			return (n + m.above[i] - 1) / 2
		case n > 0:
			return 2*n - 1
		}
		return 0
	}
	for len(m.open) > 0 {
		m.probe = m.probe[:0]
		for _, i := range m.open {
			m.probe = append(m.probe, c.keys[i].Nth(next(i)))
		}
		m.locs = slices.Grow(m.locs[:0], len(m.probe))[:len(m.probe)]
		t.keys.Lookup(m.probe, m.locs)
		left := m.open[:0]
		for j, i := range m.open {
			at := next(i)
			if m.locs[j] == state.None {
				m.above[i] = at + 1
			} else {
				m.count[i] = at + 1
			}
			if m.above[i] == 0 || m.count[i] < m.above[i]-1 {
				left = append(left, i)
			}
		}
		m.open = left
	}
}

// balance decides how many rows of each key are written, and which are deleted.
func (t *tableWriter) balance() error {
	w, p := t.w, t.current()
	c := &w.coll
	m := &c.multi
	t.countRows()
	loading := !t.live || slices.ContainsFunc(t.held, func(h heldBatch) bool { return !h.live })
	m.come, m.src, m.gone = m.come[:0], m.src[:0], m.gone[:0]
	for i := range m.ents {
		e, k := &m.ents[i], c.keys[i]
		have := int64(m.count[i])
		want := have + int64(e.net)
		if loading {
			want = t.owe(k, want)
		} else if missing := -(have + int64(e.low)); missing > 0 {
			// A row was deleted that is not there.
			want += missing
			p.counts.Divergent += missing
		}
		for n := want; n < have; n++ {
			m.gone = append(m.gone, k.Nth(uint64(n)))
		}
		for j := e.to - 1; have < want; j-- {
			if r := &c.rows[j]; r.op != cdc.OpDelete {
				w.states[r.src] = rowLive
				m.come, m.src = append(m.come, k.Nth(uint64(have))), append(m.src, r.src)
				have++
			}
		}
	}
	m.goneAt = slices.Grow(m.goneAt[:0], len(m.gone))[:len(m.gone)]
	t.keys.Lookup(m.gone, m.goneAt)
	for i, l := range m.goneAt {
		if l == state.None {
			return cdc.Errorf(cdc.CodeInternal, t.id, "slot %d: the state lacks row %x/%x", w.o.slot, m.gone[i].Hi, m.gone[i].Lo)
		}
	}
	if len(p.deleted) >= mostDeleted {
		p.settle()
	}
	p.deleted = append(p.deleted, m.goneAt...)
	return nil
}

// owe returns how many rows of a key there are while the table is loaded: no less than none. The log may delete rows that the load has
// still to bring; they are owed, and are not written when they come.
func (t *tableWriter) owe(k cdc.Key, rows int64) int64 {
	rows -= t.owed[k]
	if rows >= 0 {
		delete(t.owed, k)
		return rows
	}
	if t.owed == nil {
		t.owed = map[cdc.Key]int64{}
	}
	t.owed[k] = -rows
	return 0
}

// settleOwed counts what was deleted and never came.
func (t *tableWriter) settleOwed() {
	if len(t.owed) == 0 {
		return
	}
	p := t.current()
	for _, n := range t.owed {
		p.counts.Divergent += n
	}
	t.owed = nil
}

// storeRows puts the new locations.
func (t *tableWriter) storeRows() {
	m := &t.w.coll.multi
	m.none = m.none[:0]
	for range max(len(m.gone), len(m.come)) {
		m.none = append(m.none, state.None)
	}
	t.keys.Put(m.gone, m.none[:len(m.gone)], m.goneAt)
	m.locs = m.locs[:0]
	for _, s := range m.src {
		m.locs = append(m.locs, t.w.locs[s])
	}
	t.keys.Put(m.come, m.locs, m.none[:len(m.come)])
}
