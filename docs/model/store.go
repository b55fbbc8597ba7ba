package model

// newest returns the newest record; nil if there is none.
func (s *State) newest() *Record {
	var r *Record
	for i := range s.Records {
		if s.Records[i].Epoch != 0 {
			r = &s.Records[i]
		}
	}
	return r
}

func (s *State) record(epoch, n uint8) *Record {
	for i := range s.Records {
		if s.Records[i].Epoch == epoch && s.Records[i].N == n && epoch != 0 {
			return &s.Records[i]
		}
	}
	return nil
}

// insert is a PUT with If-None-Match: *.
func (m *model) insert(s *State, r *Record) bool {
	if old := s.record(r.Epoch, r.N); old != nil {
		if m.r.ConditionalPut {
			return false
		}
		*old = *r
		return true
	}
	if s.Records[maxRecords-1].Epoch != 0 {
		s.Broken = full
		return false
	}
	i := maxRecords - 1
	for ; i > 0 && (s.Records[i-1].Epoch == 0 || less(r.Epoch, r.N, s.Records[i-1].Epoch, s.Records[i-1].N)); i-- {
		s.Records[i] = s.Records[i-1]
	}
	s.Records[i] = *r
	if first := &s.Decided[r.Epoch%3][r.N%16]; *first == 0 {
		*first = r.Nonce
	}
	return true
}

// prune deletes the records before one that is complete.
func (s *State) prune(epoch, n uint8) {
	old := s.Records
	s.Records = [maxRecords]Record{}
	j := 0
	for _, r := range old {
		if r.Epoch != 0 && !less(r.Epoch, r.N, epoch, n) {
			s.Records[j] = r
			j++
		}
	}
}

// lost says whether the store is empty, or older than what it or the tables speak of (step 1).
func (m *model) lost(s *State, newest *Record) bool {
	if newest == nil || !m.r.Epoch {
		return newest == nil
	}
	for t := range s.Tables {
		if p := s.Tables[t].Property; less(newest.Epoch, newest.N, p.Epoch, p.K) {
			return true
		}
	}
	last := s.record(newest.Epoch, newest.Last)
	return newest.Last != 0 && (last == nil || !last.Data || last.Nonce != newest.LastNonce)
}

// put is one attempt to write the record in hand: won is called if it stands and is ours, taken if its number is somebody else's.
func (m *model) put(s *State, i int, calm bool, emit emit, kind action, won, taken func(*State, *Proc)) {
	p := &s.Procs[i]
	if p.Unknown { // read before anything else
		n := *s
		q := &n.Procs[i]
		q.Unknown = false
		switch r := n.record(q.Record.Epoch, q.Record.N); {
		case r == nil: // the same PUT again
		case r.Nonce == q.Nonce || !m.r.ResolveByNonce:
			won(&n, q)
		default:
			taken(&n, q)
		}
		emit(does(kind+putResolves, i, int(p.Record.N)), &n)
		return
	}
	n := *s
	if m.insert(&n, &p.Record) {
		won(&n, &n.Procs[i])
	} else if r := n.record(p.Record.Epoch, p.Record.N); r != nil && r.Nonce == p.Nonce || !m.r.ResolveByNonce {
		won(&n, &n.Procs[i])
	} else {
		taken(&n, &n.Procs[i])
	}
	emit(does(kind, i, int(p.Record.N)), &n)
	if calm || s.Left.Timeouts == 0 {
		return
	}
	n = *s
	m.insert(&n, &p.Record)
	n.Left.Timeouts--
	n.Procs[i].Unknown = true
	emit(does(kind+putLands, i, int(p.Record.N)), &n)
	n = *s
	n.Left.Timeouts--
	n.Procs[i].Unknown = true
	if n.fly(Request{On: true, Record: p.Record}) {
		emit(does(kind+putFlies, i, int(p.Record.N)), &n)
	}
}

// fly leaves a request on its way.
func (s *State) fly(r Request) bool {
	for i := range s.Flying {
		if !s.Flying[i].On {
			s.Flying[i] = r
			return true
		}
	}
	return false
}
