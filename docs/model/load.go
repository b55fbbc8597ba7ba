package model

// The load of table 1: a chunk for each key, read by a SELECT of one moment, whose row is put among the log's events.

// loadAt returns the progress that a checkpoint at a position holds.
func (m *model) loadAt(l *Load, position uint8) Load {
	if l.Bits&loadEnded != 0 && position >= l.End {
		return Load{Bits: loadDone}
	}
	return *l
}

// loads emits what can happen between two checkpoints while tables are loaded.
func (m *model) loads(s *State, i int, lowest uint8, calm bool, emit emit) {
	p := &s.Procs[i]
	l := &p.Loading
	v := &p.Views[1]
	any := false
	does1 := func(kind action, arg uint8, f func(n *State, q *Proc)) {
		if calm && any {
			return
		}
		any = true
		n := *s
		f(&n, &n.Procs[i])
		emit(does(kind, i, int(arg)), &n)
	}
	if l.Delivered < s.Server && l.Delivered < lowest+2 {
		does1(actDelivers, l.Delivered+1, func(_ *State, q *Proc) { q.Loading.Delivered++ })
	}
	reading := v.Tells.Paused == 0 && l.Load.Bits&loadDone == 0 && v.Load.Bits&loadDone == 0
	if reading && l.Chunk != 0 {
		from := l.Since
		if !m.r.ChunkVisible { // control: the SELECT sees what another replica has
			from = 1
		}
		for moment := from; moment <= s.Server; moment++ {
			if calm && moment < s.Server {
				continue
			}
			does1(actChunk, moment, func(n *State, q *Proc) { m.apply(n, q, moment) })
		}
	}
	if reading && l.Chunk == 0 {
		for k := range uint8(keys) {
			if l.Load.Bits>>k&1 == 0 {
				does1(actReadsChunk, k, func(_ *State, q *Proc) {
					q.Loading.Chunk, q.Loading.Since = k+1, max(q.Loading.Delivered, q.Views[1].Tells.Position)
					if !m.r.LoadProgress { // control: progress is kept apart from the rows
						q.Loading.Load.Bits |= 1 << k
					}
				})
			}
		}
		if l.Load.Bits == loadRead {
			does1(actLoadEnds, s.Server, func(n *State, q *Proc) {
				q.Loading.Load.Bits |= loadEnded
				if q.Loading.Load.End = n.Server; !m.r.LoadEnd {
					q.Loading.Load.End = 0
				}
			})
		}
	}
	if l.Delivered > lowest || l.Rows != [keys]uint8{} || m.loadAt(&l.Load, max(v.Tells.Position, l.Delivered)) != v.Load && v.Load.Bits&loadDone == 0 {
		does1(actPrepares, l.Delivered, func(n *State, _ *Proc) { m.build(n, i, l.Delivered, false) })
	}
}

// apply is the arrival of a chunk that was read at a moment.
func (m *model) apply(n *State, q *Proc, moment uint8) {
	l, v := &q.Loading, &q.Views[1]
	k := int(l.Chunk - 1)
	stream := max(l.Delivered, v.Tells.Position)
	since := l.Since
	l.Chunk, l.Since = 0, 0
	if m.definitionAt(1, moment) != m.definitionAt(1, stream) && m.r.ChunkDDL {
		return // it is read again
	}
	l.Load.Bits |= 1 << k
	x := rowsAt(1, moment)[k]
	if x == 0 {
		return
	}
	if m.definitionAt(1, moment) != m.definitionAt(1, stream) {
		n.breaks(6)
	}
	known := v.Index[k].File != 0
	if last, _ := m.last(1, k, v.Tells.Position, stream); last != none {
		known = last == written
	}
	if known && m.r.ChunkUnknown {
		return
	}
	for t := since + 1; t <= stream; t++ {
		if log[t][1][k] == deleted && m.r.ChunkRemember {
			return
		}
	}
	l.Rows[k], l.At[k] = x, stream+1
}
