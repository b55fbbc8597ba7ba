package model

// prepares emits the checkpoints that can be prepared now.
func (m *model) prepares(s *State, i int, lowest uint8, calm bool, emit emit) {
	p := &s.Procs[i]
	if m.b.Load {
		m.loads(s, i, lowest, calm, emit)
		return
	}
	if m.b.Shards {
		sealed := uint8(1<<keys - 1)
		if p.Barrier.To == 0 || p.Barrier.Sealed != sealed && m.r.AllAcks {
			return
		}
		n := *s
		m.build(&n, i, p.Barrier.To-1, false)
		n.Procs[i].Barrier = Barrier{}
		emit(does(actPrepares, i, int(p.Barrier.To-1)), &n)
		return
	}
	for d := m.most; d >= 0; d-- {
		to := lowest + uint8(d) // #nosec G115 -- four transactions
		if to > txns {
			continue
		}
		for c := range 2 {
			if c == 1 && p.Compaction.Table == 0 || d == 0 && c == 0 {
				continue
			}
			n := *s
			m.build(&n, i, to, c == 1)
			emit(does(actPrepares, i, int(to)|c<<4), &n)
			if calm {
				return
			}
		}
	}
}

// seal lets shards end their share of the next checkpoint, whatever the process does with the one before.
func (m *model) seal(s *State, i int, calm bool, emit emit) {
	p := &s.Procs[i]
	if !m.b.Shards || p.Finishing || p.N > m.b.Records && !calm {
		return
	}
	from := p.Views
	switch p.Step {
	case running:
	case deciding, readingAgain, committing, sending:
		if !p.Record.Data {
			return
		}
		for t := range from {
			from[t].Tells.Position = p.Record.Tells[t].Position
		}
	default:
		return
	}
	lowest := uint8(txns)
	for t := range from {
		if from[t].Tells.Paused == 0 {
			lowest = min(lowest, from[t].Tells.Position)
		}
	}
	if p.Barrier.To == 0 { // the coordinator asks for a barrier
		for d := uint8(2); d >= 1; d-- {
			if lowest+d > txns {
				continue
			}
			n := *s
			n.Procs[i].Barrier.To = lowest + d + 1
			emit(does(actBarrier, i, int(lowest+d)), &n)
			if calm {
				return
			}
		}
		return
	}
	for slot := range keys {
		if p.Barrier.Sealed>>slot&1 == 1 {
			continue
		}
		n := *s
		q := &n.Procs[i]
		q.Barrier.Sealed |= 1 << slot
		for t := range from {
			if from[t].Tells.Paused != 0 {
				continue
			}
			last, x := m.last(t, slot, from[t].Tells.Position, max(from[t].Tells.Position, p.Barrier.To-1))
			if last == written {
				q.Barrier.Files[t][slot] = n.file(File{Epoch: q.Epoch, Generation: q.Generation, Table: uint8(t), Rows: [keys]uint8{row(slot, x)}}) // #nosec G115 -- two tables
			}
		}
		emit(does(actSeals, i, slot), &n)
		if calm {
			return
		}
	}
}

// last returns what the log did to a key last, after from and up to to, and in which transaction.
func (m *model) last(t, key int, from, to uint8) (effect, uint8) {
	for x := to; x > from; x-- {
		if e := log[x][t][key]; e != none {
			return e, x
		}
	}
	return none, 0
}

// build makes the next record, up to position to (step 7), in place. Files are stored here.
func (m *model) build(n *State, i int, to uint8, compaction bool) {
	q := &n.Procs[i]
	r := Record{Epoch: q.Epoch, N: q.N, Generation: q.Generation, Nonce: q.Nonce, Data: true, Last: q.N, LastNonce: q.Nonce, Position: to}
	for t := range q.Views {
		v := q.Views[t] // a copy
		r.Tells[t] = v.Tells
		if v.Tells.Paused != 0 {
			continue
		}
		position, from := max(v.Tells.Position, to), v.Tells.Position
		if !m.r.SkipCovered { // control: every table takes the stream's position
			position, from = to, to-min(to, 2)
		}
		part := Part{Parent: v.Parent, Position: position, Definition: v.Definition, Load: v.Load}
		deletes, event := 0, false
		del := func(l Loc) {
			if l.File != 0 {
				part.Delete[deletes] = l
				deletes++
			}
		}
		if compaction && int(q.Compaction.Table) == t+1 {
			part.Compacted, part.Out = q.Compaction.File, q.Compaction.Out
			for c, src := range q.Compaction.From {
				if src.File == 0 {
					continue
				}
				live := false
				for k := range v.Index {
					if v.Index[k] == src {
						v.Index[k] = Loc{part.Compacted, uint8(c)} // #nosec G115 -- two rows
						live = true
					}
				}
				if !live && m.r.MapDeletes { // deleted since the compaction read it
					del(Loc{part.Compacted, uint8(c)}) // #nosec G115 -- two rows
				}
			}
		}
		for x := from + 1; x <= position; x++ {
			for k := range keys {
				if log[x][t][k] != none && part.Definition != m.definitionAt(t, x) {
					n.breaks(6) // the row is read under another definition
				}
			}
			if m.alters(t, x) {
				part.Definition++
				event = m.r.AnyEvent
			}
		}
		if !m.r.DDLInPart && n.Tables[t].Definition < part.Definition { // control: it changes at once
			n.Tables[t].Definition = part.Definition
			m.check(n, t)
		}
		f := File{Epoch: q.Epoch, Generation: q.Generation, Table: uint8(t)} // #nosec G115 -- two tables
		for k := range keys {
			last, x := m.last(t, k, from, position)
			chunk := uint8(0)
			if m.b.Load && t == 1 && q.Loading.Rows[k] != 0 && (last == none || x < q.Loading.At[k]) {
				last, chunk = written, q.Loading.Rows[k]
			}
			if last == none {
				continue
			}
			event = event || m.r.AnyEvent
			del(v.Index[k])
			if last == written {
				new := row(k, x)
				if chunk != 0 {
					new = chunk
				}
				at := 0
				if f.Rows[0] != 0 {
					at = 1
				}
				f.Rows[at] = new
			}
		}
		switch {
		case m.b.Shards:
			part.Add = q.Barrier.Files[t]
		case f.Rows[0] != 0:
			part.Add[0] = n.file(f)
		}
		if m.b.Load && t == 1 {
			part.Load = m.loadAt(&q.Loading.Load, position)
			event = event || part.Load != v.Load
		}
		if event || part.Add != [keys]uint8{} || deletes > 0 || part.Compacted != 0 || !m.r.SkipCovered {
			part.On = true
			r.Parts[t] = part
			r.Tells[t] = Tells{q.Epoch, q.N, q.Nonce, position, 0}
		}
		r.Tells[t].Position = position
	}
	if compaction {
		q.Compaction = Compaction{}
	}
	q.Loading.Rows, q.Loading.At = [keys]uint8{}, [keys]uint8{}
	q.Record, q.Step = r, deciding
}

// compact rewrites the files of table 0 into one, to be committed with a later record.
func (m *model) compact(s *State, i int, emit emit) {
	n := *s
	n.Left.Compacts--
	h := &n.Tables[0].Head
	rows, at, _ := n.rows(h)
	if rows == ([keys]uint8{}) {
		return
	}
	q := &n.Procs[i]
	f := File{Epoch: q.Epoch, Generation: q.Generation}
	c := 0
	for k := range rows {
		if rows[k] != 0 {
			f.Rows[c], q.Compaction.From[c] = rows[k], at[k]
			c++
		}
	}
	for j := range q.Compaction.Out {
		q.Compaction.Out[j] = h.Entries[j].File
	}
	q.Compaction.Table, q.Compaction.File = 1, n.file(f)
	emit(does(actCompacts, i, 0), &n)
}
