package model

// faults emits what happens to the processes: starts, late landings, the loss of the store, foreign actors, and MySQL's commits.
func (m *model) faults(s *State, emit emit) {
	for i := range s.Procs {
		if s.Procs[i].Step == dead && s.Left.Starts > 0 {
			n := *s
			n.Left.Starts--
			n.Nonces++
			n.Procs[i] = Proc{Step: starting, Nonce: n.Nonces}
			emit(does(actStarts, i, int(n.Nonces)), &n)
			break
		}
	}
	if s.Server < txns {
		n := *s
		n.Server++
		emit(does(actServer, 0, int(n.Server)), &n)
	}
	for i := range s.Flying {
		r := s.Flying[i]
		if !r.On {
			continue
		}
		n := *s
		n.Flying[i] = Request{}
		if r.Table == 0 && m.insert(&n, &r.Record) || r.Table != 0 && m.commit(&n, &r) {
			emit(does(actLands, int(r.Record.Nonce)-1, int(r.Record.N)), &n)
		}
	}
	if s.Left.Lost > 0 {
		n := *s
		n.Left.Lost--
		n.Records, n.Decided = [maxRecords]Record{}, [3][16]uint8{}
		emit(does(actLost, 0, 0), &n)
	}
	for t := range s.Tables {
		m.foreign(s, t, emit)
	}
}

// foreign emits what somebody else does to a table.
func (m *model) foreign(s *State, t int, emit emit) {
	rows, at, _ := s.rows(&s.Tables[t].Head)
	does1 := func(kind action, arg int, f func(n *State, tb *Table)) {
		n := *s
		tb := &n.Tables[t]
		tb.Version++
		f(&n, tb)
		m.check(&n, t)
		emit(does(kind, t, arg), &n)
	}
	if s.Left.Rewrites > 0 && rows != ([keys]uint8{}) {
		does1(actRewrites, 0, func(n *State, tb *Table) {
			n.Left.Rewrites--
			f := File{Table: uint8(t), Rows: rows} // #nosec G115 -- two tables
			if rows[0] == 0 {
				f.Rows = [keys]uint8{rows[1]}
			}
			m.keep(tb)
			tb.Head.Entries = [maxEntries]Entry{{File: n.file(f)}}
			tb.Head.ID = tb.Version
		})
	}
	for k := range rows {
		if s.Left.Deletes > 0 && rows[k] != 0 {
			does1(actDeletes, k, func(n *State, tb *Table) {
				n.Left.Deletes--
				m.keep(tb)
				for i := range tb.Head.Entries {
					if e := &tb.Head.Entries[i]; e.File == at[k].File {
						e.Deleted |= 1 << at[k].Row
					}
				}
				to := 0
				if tb.Head.Foreign[0] != 0 {
					to = 1
				}
				tb.Head.Foreign[to] = rows[k]
				tb.Head.ID = tb.Version
			})
		}
	}
	for o := range s.Tables[t].Before {
		if s.Left.Rolls > 0 && s.Tables[t].Before[o].ID != 0 {
			does1(actRolls, o, func(n *State, tb *Table) {
				n.Left.Rolls--
				tb.Head, tb.Before, tb.Rolled = tb.Before[o], [2]Snapshot{}, true
			})
		}
	}
	if s.Left.Expiries > 0 {
		does1(actExpires, 0, func(n *State, tb *Table) {
			n.Left.Expiries--
			tb.Before = [2]Snapshot{}
			if tb.Head.ID != tb.Head.Ours { // the head is somebody else's: the snapshot with our marker goes
				tb.Head.Ours, tb.Head.Marker = 0, Marker{}
			}
			// Files that only expired snapshots referred to go with them.
			var live [maxFiles]bool
			for _, e := range tb.Head.Entries {
				live[e.File], live[e.DeleteFile] = true, true
			}
			for f := 1; f < maxFiles; f++ {
				if x := &n.Files[f]; int(x.Table) == t && x.Used && !live[f] {
					x.Gone = true
				}
			}
		})
	}
}
