package model

// emit takes an action and the state it leads to.
type emit func(a uint32, n *State)

type model struct {
	r Rules
	b Bounds
	// most is how many transactions a checkpoint may hold.
	most int
}

func (s *State) die(i int) { s.Procs[i] = Proc{} }

// restart is a new generation of the same process.
func (s *State) restart(i int) {
	p := &s.Procs[i]
	*p = Proc{Step: starting, Nonce: p.Nonce, Resuming: p.Resuming, Pausing: p.Pausing}
}

// step emits all that process i can do next. If calm, no fault is left, and it does what the program does first.
func (m *model) step(s *State, i int, calm bool, emit emit) {
	switch s.Procs[i].Step {
	case dead:
	case starting:
		m.start(s, i, calm, emit)
	case fencing:
		m.put(s, i, calm, emit, actFence, func(_ *State, q *Proc) { q.Step = readingAgain }, func(n *State, _ *Proc) { n.restart(i) })
	case readingAgain:
		n := *s
		m.again(&n, i)
		emit(does(actAgain, i, 0), &n)
	case committing:
		m.judge(s, i, calm, emit)
	case sending:
		m.send(s, i, calm, emit)
	case catchingUp:
		m.catchUp(s, i, emit)
	case running:
		m.run(s, i, calm, emit)
	case cleaning:
		m.remove(s, i, emit)
	case deciding:
		m.put(s, i, calm, emit, actRecord, func(n *State, q *Proc) {
			q.Step = readingAgain
			if !m.r.AgainData { // the answer of the PUT is taken for the decision
				m.again(n, i)
			}
		}, func(n *State, _ *Proc) { n.die(i) })
	}
	m.seal(s, i, calm, emit)
}

// start reads the newest record (step 1).
func (m *model) start(s *State, i int, calm bool, emit emit) {
	n := *s
	q := &n.Procs[i]
	r := Record{Nonce: q.Nonce}
	newest := n.newest()
	if newest != nil {
		r.Epoch, r.N, r.Last, r.LastNonce, r.Position, r.Tells = newest.Epoch, newest.N+1, newest.Last, newest.LastNonce, newest.Position, newest.Tells
	}
	if m.lost(&n, newest) { // the markers are the truth
		r.Last, r.LastNonce, r.Position = 0, 0, txns
		for t := range n.Tables {
			tb := &n.Tables[t]
			k := m.marker(tb)
			r.Epoch, r.N = max(r.Epoch, tb.Property.Epoch), max(r.N, tb.Property.K+1)
			r.Tells[t] = Tells{k.Epoch, k.K, k.Nonce, k.Position, 0}
			r.Position = min(r.Position, k.Position)
		}
		if m.r.Epoch {
			r.Epoch++
		}
	}
	if r.N > m.b.Records && !calm {
		return
	}
	r.Generation = r.N
	q.Record, q.Step = r, fencing
	if !m.r.FenceFirst {
		q.Step = readingAgain
	}
	emit(does(actReads, i, int(r.N)), &n)
}

// again reads the store after a PUT (step 3): the record in hand counts only if it is the newest, and ours. Then its parts are
// committed, or after a fence those of the last record that was decided (step 4).
func (m *model) again(n *State, i int) {
	q := &n.Procs[i]
	newest := n.newest()
	look := m.r.AgainData
	if !q.Record.Data {
		look = m.r.FenceFirst && m.r.AgainFence
	}
	if look && (newest == nil || newest.Epoch != q.Record.Epoch || newest.N != q.Record.N || newest.Nonce != q.Nonce || !q.Record.Data && m.lost(n, newest)) {
		n.die(i)
		return
	}
	if (m.r.FenceFirst || q.Record.Data) && n.Decided[q.Record.Epoch%3][q.Record.N%16] != q.Nonce {
		n.breaks(4)
	}
	if !q.Record.Data {
		q.Epoch, q.Generation, q.N, q.Finishing = q.Record.Epoch, q.Record.N, q.Record.N, true
		if m.r.FenceFirst {
			q.N++
		}
		if last := n.record(q.Record.Epoch, q.Record.Last); last != nil && q.Record.Last != 0 && last.Data {
			q.Record = *last
		}
	}
	q.Step, q.Table = committing, 0
	m.skip(n, i)
	if !m.r.FinishFirst && q.Finishing {
		q.Step = catchingUp
	}
}

// judge reads a table again: the part is committed, can be, or is void (step 9).
func (m *model) judge(s *State, i int, calm bool, emit emit) {
	n := *s
	q := &n.Procs[i]
	t := q.Table
	tb, part := &n.Tables[t], &q.Record.Parts[t]
	is := func(k Marker) bool {
		return k.Epoch == q.Record.Epoch && k.K == q.Record.N && k.Nonce == q.Record.Nonce
	}
	kind := actVoid
	switch {
	case m.r.StopNewer && less(q.Epoch, q.Generation, tb.Property.Epoch, tb.Property.Generation):
		n.die(i)
		kind = actStops
	case is(m.marker(tb)):
		q.Views[t].Parent = tb.Head.Ours
		if !m.r.OwnParent {
			q.Views[t].Parent = tb.Head.ID
		}
		m.next(&n, i)
		kind = actHas
	case (tb.Head.ID == part.Parent || !m.r.VoidForeign) && !(m.r.VoidUndone && is(tb.Property)):
		q.Version, q.Parent, q.Step = tb.Version, tb.Head.ID, sending
		if part.Delete[0].File != 0 {
			q.DeleteFile = n.file(File{Epoch: q.Epoch, Generation: q.Generation, Table: t})
		}
		kind = actWill
	case q.Finishing: // catching up takes the marker's position
		m.next(&n, i)
	default:
		n.restart(i)
		kind = actForeign
	}
	emit(does(kind, i, int(t)), &n)
	if !calm && s.Left.Pauses > 0 && t == 0 {
		n = *s
		n.Left.Pauses--
		n.Procs[i].Pausing |= 1 << t
		m.next(&n, i)
		emit(does(actDrops, i, int(t)), &n)
	}
	if !calm && !m.r.CleanLate && s.Procs[i].Finishing {
		m.list(s, i, emit)
	}
}

// send is the commit, asserting what judge has read.
func (m *model) send(s *State, i int, calm bool, emit emit) {
	p := &s.Procs[i]
	r := Request{true, p.Table + 1, p.Version, p.Parent, p.DeleteFile, p.Record}
	n := *s
	if q := &n.Procs[i]; m.commit(&n, &r) {
		q.Views[q.Table].Parent = n.Tables[q.Table].Head.ID
		m.next(&n, i)
	} else {
		q.Step, q.DeleteFile = committing, 0
	}
	emit(does(actCommits, i, int(p.Table)), &n)
	if calm || s.Left.Timeouts == 0 {
		return
	}
	unknown := *s
	unknown.Left.Timeouts--
	unknown.Procs[i].Step, unknown.Procs[i].DeleteFile = committing, 0
	n = unknown
	if m.commit(&n, &r) {
		emit(does(actCommitLands, i, int(p.Table)), &n)
	}
	n = unknown
	if n.fly(r) {
		emit(does(actCommitFlies, i, int(p.Table)), &n)
	}
}

// next goes on with the following table of the record in hand.
func (m *model) next(n *State, i int) {
	q := &n.Procs[i]
	q.Table++
	q.Step, q.Version, q.Parent, q.DeleteFile = committing, 0, 0, 0
	m.skip(n, i)
}

// skip passes over tables without a part; after the last, the record is complete (step 10).
func (m *model) skip(n *State, i int) {
	q := &n.Procs[i]
	for q.Table < tables && !q.Record.Parts[q.Table].On {
		q.Table++
	}
	if q.Table < tables {
		return
	}
	q.Table = 0
	if q.Finishing {
		q.Step = catchingUp
		return
	}
	m.complete(n, i)
}

// complete: every table has its part of the record in hand, or is paused. The state takes what the parts did.
func (m *model) complete(n *State, i int) {
	q := &n.Procs[i]
	for t := range q.Views {
		v, part := &q.Views[t], &q.Record.Parts[t]
		if q.Pausing>>t&1 == 1 {
			v.Tells.Paused = 1 // its part is dropped; entry and marker stay
			continue
		}
		v.Tells = q.Record.Tells[t]
		if !part.On {
			continue
		}
		v.Load, v.Definition = part.Load, part.Definition
		if part.Compacted != 0 {
			for r, x := range n.Files[part.Compacted].Rows {
				for _, f := range part.Out {
					if x != 0 && f != 0 && v.Index[keyOf(x)].File == f {
						v.Index[keyOf(x)] = Loc{part.Compacted, uint8(r)} // #nosec G115 -- two rows
					}
				}
			}
		}
		for k := range v.Index {
			for _, l := range part.Delete {
				if v.Index[k] == l {
					v.Index[k] = Loc{}
				}
			}
		}
		for _, f := range part.Add {
			for r, x := range n.Files[f].Rows {
				if f != 0 && x != 0 {
					v.Index[keyOf(x)] = Loc{f, uint8(r)} // #nosec G115 -- two rows
				}
			}
		}
	}
	if r := n.record(q.Record.Epoch, q.Record.N); r != nil && r.Nonce == q.Record.Nonce { // still there: the store was not lost
		n.prune(q.Record.Epoch, q.Record.N)
	}
	q.N, q.Step, q.Record, q.Pausing, q.Table = q.Record.N+1, running, Record{}, 0, 0
}

// catchUp makes the state that of the tables, and finds out where each goes on (step 5).
func (m *model) catchUp(s *State, i int, emit emit) {
	n := *s
	q := &n.Procs[i]
	lowest := uint8(txns)
	for t := range n.Tables {
		tb, e := &n.Tables[t], q.Record.Tells[t]
		if m.r.StopNewer && less(q.Epoch, q.Generation, tb.Property.Epoch, tb.Property.Generation) {
			n.die(i)
			emit(does(actStops, i, t), &n)
			return
		}
		if p := tb.Property; m.r.NumbersBelow && p.Epoch == q.Epoch && p.K > q.Generation && p.Generation != q.Generation {
			n.restart(i) // the store has lost records since the fence: starting over finds that out
			emit(does(actForeign, i, t), &n)
			return
		}
		k := m.marker(tb)
		position := e.Position
		mine := k.Epoch == e.Epoch && k.K == e.K && k.Nonce == e.Nonce
		switch {
		case tb.Head.Ours == 0: // in the control, the property has to do
			k = tb.Property
			position = k.Position
			if m.r.MarkerExpired {
				e.Paused = 2
			}
		case !m.r.PositionEach: // control: one position for all
			position = max(q.Record.Position, k.Position)
			if q.Record.Parts[t].On && !mine || q.Resuming && t == 0 {
				position = k.Position
			}
			e.Paused = 0
		case e.Paused == 1 && q.Resuming:
			position, e.Paused = k.Position, 0
			if !m.r.ReplayResumed {
				position = q.Record.Position
			}
		case e.Paused == 1 || !mine:
			position = k.Position
		}
		if q.Pausing>>t&1 == 1 && e.Paused == 0 {
			position, e.Paused = k.Position, 1
		}
		if e.Paused == 0 {
			lowest = min(lowest, position)
		}
		definition := k.Definition
		if !m.r.DDLFromMarker {
			definition = m.definitionAt(t, n.Server)
		}
		_, index, _ := n.rows(&tb.Head)
		q.Views[t] = View{tb.Head.ID, definition, Tells{k.Epoch, k.K, k.Nonce, position, e.Paused}, k.Load, index}
	}
	q.Step, q.Finishing, q.Resuming, q.Pausing, q.Record = running, false, false, 0, Record{}
	if m.b.Load {
		q.Loading = Loading{Load: q.Views[1].Load, Delivered: lowest}
	}
	emit(does(actCatchesUp, i, 0), &n)
}

// run is what a process does between two records: prepare the next one, load, compact, pause, resume, clean, look around.
func (m *model) run(s *State, i int, calm bool, emit emit) {
	p := &s.Procs[i]
	paused := p.Views[0].Tells.Paused == 1
	if paused {
		n := *s
		n.Procs[i].Resuming = true
		n.restart(i)
		emit(does(actResumes, i, 0), &n)
		if calm {
			return
		}
	}
	lowest, moved := uint8(txns), false
	for t := range p.Views {
		if v := &p.Views[t]; v.Tells.Paused == 0 {
			lowest = min(lowest, v.Tells.Position)
			moved = moved || s.Tables[t].Head.ID != v.Parent
		}
	}
	if lowest == txns && moved { // idle tables are looked at, too
		n := *s
		n.restart(i)
		emit(does(actMoved, i, 0), &n)
	}
	if !calm {
		m.list(s, i, emit)
	}
	if p.N > m.b.Records && !calm {
		return
	}
	m.prepares(s, i, lowest, calm, emit)
	if calm {
		return
	}
	if s.Left.Compacts > 0 && p.Compaction.Table == 0 && s.Tables[0].Head.ID == p.Views[0].Parent && !paused {
		m.compact(s, i, emit)
	}
	if s.Left.Pauses > 0 && !paused {
		n := *s
		n.Left.Pauses--
		n.Procs[i].Views[0].Tells.Paused = 1
		n.Procs[i].Compaction = Compaction{}
		emit(does(actPauses, i, 0), &n)
	}
}

// list looks for files that older generations left behind (step 6); they go at some later time.
func (m *model) list(s *State, i int, emit emit) {
	p := &s.Procs[i]
	if p.Pruned || s.Left.Cleans == 0 {
		return
	}
	n := *s
	var named [maxFiles]bool
	for j := range n.Records {
		for t := range n.Records[j].Parts {
			if part := &n.Records[j].Parts[t]; m.r.CleanNamed {
				named[part.Compacted] = true
				for _, f := range part.Add {
					named[f] = true
				}
			}
		}
	}
	any := false
	for f := 1; f < maxFiles; f++ {
		x := &n.Files[f]
		if x.Epoch != 0 && !x.Gone && !x.Used && !named[f] && less(x.Epoch, x.Generation, p.Epoch, p.Generation) &&
			(!m.r.CleanOwn || n.Tables[x.Table].Property.Epoch == p.Epoch && n.Tables[x.Table].Property.Generation == p.Generation) {
			x.Listed |= 1 << i
			any = true
		}
	}
	if any {
		n.Left.Cleans--
		n.Procs[i].Back, n.Procs[i].Step = p.Step, cleaning
		emit(does(actLists, i, 0), &n)
	}
}

// remove deletes the listed files.
func (m *model) remove(s *State, i int, emit emit) {
	n := *s
	for f := range n.Files {
		if n.Files[f].Listed>>i&1 == 1 {
			n.Files[f].Listed &^= 1 << i
			if n.Files[f].Gone = true; n.Files[f].Used {
				n.breaks(3)
			}
		}
	}
	n.Procs[i].Step, n.Procs[i].Back, n.Procs[i].Pruned = s.Procs[i].Back, dead, true
	emit(does(actRemoves, i, 0), &n)
}
