package model

import (
	"fmt"
	"slices"
)

// Size of the model's world: what a program whose trace is checked has to keep to.
const (
	Tables       = tables
	Keys         = keys
	Transactions = txns
)

// Change says what transaction x (from 1) does to a key of a table.
func Change(x, table, key int) (writes, deletes bool) {
	return log[x][table][key] == written, log[x][table][key] == deleted
}

// Trace follows what a real program is seen to do: records that come to stand in the store, and commits that come to stand in the tables.
// It keeps all states that the model may be in, and fails when there is none left that allows what was seen. Before the first event,
// record 1 is in the store, both tables stand at position 0 and are empty.
type Trace struct {
	m      *model
	states []State
	slots  map[string]int // of generations that may still do something
	seen   []string
	ended  error
}

// NewTrace begins a trace of a program that keeps to the rules.
func NewTrace(r Rules) *Trace {
	m := &model{r: r, b: Bounds{Timeouts: 1, Records: 200}, most: txns}
	return &Trace{m: m, states: []State{*m.first()}, slots: map[string]int{}}
}

// States is the number of states that the model may be in.
func (t *Trace) States() int { return len(t.states) }

// Dead says that a generation does nothing any more.
func (t *Trace) Dead(generation string) {
	i, ok := t.slots[generation]
	if !ok {
		return
	}
	delete(t.slots, generation)
	for j := range t.states {
		t.states[j].die(i)
		t.states[j].canonical()
	}
}

// Fence says that the fence with number n is in the store: the first that is seen of a generation.
func (t *Trace) Fence(generation string, n int) error {
	taken := map[int]bool{}
	for _, i := range t.slots {
		taken[i] = true
	}
	slot := 0
	for ; taken[slot]; slot++ {
	}
	if slot == maxProcs {
		return fmt.Errorf("%d generations are alive: more than the model has room for", slot+1)
	}
	for j := range t.states {
		s := &t.states[j]
		s.Nonces++
		s.Procs[slot] = Proc{Step: starting, Nonce: s.Nonces}
	}
	t.slots[generation] = slot
	return t.visible(fmt.Sprintf("generation %s has written fence %d", generation, n), generation, false, func(s *State) bool {
		r := s.newest()
		return !r.Data && int(r.N) == n && r.Nonce == s.Procs[slot].Nonce
	})
}

// Covers is what a record says of a table.
type Covers struct {
	Position int
	Part     bool // the record has a part for it
}

// Data says that record n of a generation is in the store.
func (t *Trace) Data(generation string, n int, covers [Tables]Covers) error {
	slot, ok := t.slots[generation]
	if !ok {
		return fmt.Errorf("generation %s has written record %d, and no fence before", generation, n)
	}
	return t.visible(fmt.Sprintf("generation %s has written record %d: %v", generation, n, covers), generation, false, func(s *State) bool {
		r := s.newest()
		if !r.Data || int(r.N) != n || r.Nonce != s.Procs[slot].Nonce {
			return false
		}
		for i, c := range covers {
			if int(r.Tells[i].Position) != c.Position || r.Parts[i].On != c.Part {
				return false
			}
		}
		return true
	})
}

// Commit says that a generation has committed a table's part of record n, and what the table holds now: the version of each key, 0 if
// it is not there.
func (t *Trace) Commit(generation string, table, n int, rows [Keys]int) error {
	if _, ok := t.slots[generation]; !ok {
		return fmt.Errorf("generation %s has committed to table %d, and written no fence", generation, table)
	}
	return t.visible(fmt.Sprintf("generation %s has committed to table %d for record %d: %v", generation, table, n, rows), generation, true, func(s *State) bool {
		h := &s.Tables[table].Head
		have, _, _ := s.rows(h)
		for k, v := range rows {
			if v == 0 && have[k] != 0 || v != 0 && have[k] != row(k, uint8(v)) { // #nosec G115 -- four transactions
				return false
			}
		}
		return h.ID == s.Tables[table].Version && int(h.Marker.K) == n
	})
}

// visible goes on with the states that some silent steps, and one step of the generation that can be seen lead to: a commit, or a record.
func (t *Trace) visible(what, generation string, commit bool, fits func(*State) bool) error {
	if t.ended != nil {
		return t.ended
	}
	t.seen = append(t.seen, what)
	known := map[uint64]bool{}
	add := func(to *[]State, s *State) {
		s.Flying, s.Left = [2]Request{}, t.m.b // what timed out and has not landed will not
		s.Decided = [3][16]uint8{}             // holds few numbers
		for _, r := range s.Records {
			s.Decided[r.Epoch%3][r.N%16] = r.Nonce
		}
		s.canonical()
		if h := s.hash(); !known[h] {
			known[h] = true
			*to = append(*to, *s)
		}
	}
	var all, next []State
	for i := range t.states {
		add(&all, &t.states[i])
	}
	broken := uint8(0)
	for i := 0; i < len(all); i++ {
		before := all[i] // all grows
		for _, slot := range t.slots {
			t.m.step(&before, slot, false, func(_ uint32, s *State) {
				if s.Broken != 0 {
					broken = s.Broken
					return
				}
				inserted, committed := changes(&before, s)
				switch {
				case !inserted && !committed:
					add(&all, s)
				case slot == t.slots[generation] && inserted == !commit && committed == commit && fits(s):
					add(&next, s)
				}
			})
		}
	}
	if t.states = next; len(next) == 0 {
		t.ended = fmt.Errorf("the model does not allow this (of %d states, broken %d): %s", len(all), broken, what)
		for i, s := range slices.Backward(t.seen[:len(t.seen)-1]) {
			t.ended = fmt.Errorf("%w\n%4d %s", t.ended, i+1, s)
		}
	}
	return t.ended
}

// changes says whether a step has put a record into the store, or committed.
func changes(before, after *State) (inserted, committed bool) {
	for i := range after.Records {
		if r := &after.Records[i]; r.Epoch != 0 && before.record(r.Epoch, r.N) == nil {
			inserted = true
		}
	}
	for t := range after.Tables {
		committed = committed || after.Tables[t].Version != before.Tables[t].Version
	}
	return inserted, committed
}
