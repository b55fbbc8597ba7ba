package model

// rows returns a snapshot's rows and where they are, by key; twice says that a key is there twice.
func (s *State) rows(sn *Snapshot) (rows [keys]uint8, at [keys]Loc, twice bool) {
	for _, e := range sn.Entries {
		for r := range uint8(keys) {
			if e.File == 0 {
				continue
			}
			if x := s.Files[e.File].Rows[r]; x != 0 && e.Deleted>>r&1 == 0 {
				k := keyOf(x)
				twice = twice || rows[k] != 0
				rows[k], at[k] = x, Loc{e.File, r}
			}
		}
	}
	return rows, at, twice
}

// expected returns the rows that a snapshot has to hold at a position: those of MySQL, without what somebody else deleted.
func expected(t int, sn *Snapshot, position uint8) [keys]uint8 {
	want := rowsAt(t, position)
	for k, x := range want {
		if x != 0 && (x == sn.Foreign[0] || x == sn.Foreign[1]) {
			want[k] = 0
		}
	}
	return want
}

// check looks at a table after every commit, ours or not.
func (m *model) check(s *State, t int) {
	tb := &s.Tables[t]
	h := &tb.Head
	for _, e := range h.Entries {
		if e.File != 0 && s.Files[e.File].Gone || e.DeleteFile != 0 && s.Files[e.DeleteFile].Gone {
			s.breaks(3)
		}
		if e.File != 0 {
			s.Files[e.File].Used = true
		}
		if e.DeleteFile != 0 {
			s.Files[e.DeleteFile].Used = true
		}
	}
	if h.Ours == 0 {
		return // the marker is gone, and with it what the rows are to be compared with
	}
	rows, _, twice := s.rows(h)
	switch {
	case twice:
		s.breaks(1)
	case h.Marker.Load.Bits&loadDone != 0:
		if rows != expected(t, h, h.Marker.Position) {
			s.breaks(1)
		}
	default:
		for k, x := range rows {
			if x != 0 && log[x&15][t][k] != written {
				s.breaks(1)
			}
		}
	}
	// A rollback takes the rows back, and not the schema.
	if !tb.Rolled && tb.Definition != m.definitionAt(t, h.Marker.Position) {
		s.breaks(6)
	}
}

func (sn *Snapshot) add(e Entry) {
	for i := range sn.Entries {
		if sn.Entries[i].File == 0 {
			sn.Entries[i] = e
			return
		}
	}
	panic("a snapshot has more files than the model has room for")
}

func (sn *Snapshot) drop(file uint8) {
	j := 0
	for _, e := range sn.Entries {
		if e.File != file {
			sn.Entries[j] = e
			j++
		}
	}
	for ; j < len(sn.Entries); j++ {
		sn.Entries[j] = Entry{}
	}
}

// marker returns what says how far a table is.
func (m *model) marker(tb *Table) Marker {
	if m.r.ByAncestry {
		return tb.Head.Marker
	}
	return tb.Property
}

// commit is the catalog's compare-and-swap, with the part of table r.Table-1.
func (m *model) commit(s *State, r *Request) bool {
	t := int(r.Table) - 1
	tb, p := &s.Tables[t], &r.Record.Parts[t]
	if m.r.SwapVersion && tb.Version != r.Version || tb.Head.ID != r.Parent {
		return false
	}
	h := tb.Head
	for _, f := range p.Out {
		if f != 0 {
			h.drop(f)
		}
	}
	if p.Compacted != 0 {
		h.add(Entry{File: p.Compacted})
	}
	for _, f := range p.Add {
		if f != 0 {
			h.add(Entry{File: f})
		}
	}
	for _, l := range p.Delete {
		for i := range h.Entries {
			if e := &h.Entries[i]; l.File != 0 && e.File == l.File {
				e.Deleted |= 1 << l.Row
				e.DeleteFile = r.DeleteFile
			}
		}
	}
	was := h.Marker
	h.Marker = Marker{r.Record.Epoch, r.Record.Generation, r.Record.N, r.Record.Nonce, p.Position, p.Definition, p.Load}
	if !less(was.Epoch, was.K, h.Marker.Epoch, h.Marker.K) || h.Marker.Position < was.Position {
		s.breaks(2)
	}
	tb.Version++
	h.ID, h.Ours = tb.Version, tb.Version
	m.keep(tb)
	tb.Head, tb.Property = h, h.Marker
	if m.r.DDLInPart {
		tb.Definition = max(tb.Definition, p.Definition) // the schema is not taken back
	}
	m.check(s, t)
	return true
}

// keep remembers the head as what a rollback can go to.
func (m *model) keep(tb *Table) {
	if m.b.Rolls > 0 {
		tb.Before = [2]Snapshot{tb.Head, tb.Before[0]}
	}
}
