package stream

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// fakeCatalog holds the tables that all processes commit to, and watches the invariants of docs/protocol.md's model:
// I1 a loaded table equals the source as of its marker's position, and no key is there twice; I2 markers only move
// forward; I3 what a snapshot references is never cleaned away; I4 a number is decided once. (I5, that it ends well once the
// faults stop, is what the tests wait for.)
type fakeCatalog struct {
	db *fakeDB

	mu         sync.Mutex // guards all below
	tables     map[cdc.TableID]*fakeTable
	decided    map[[2]uint64]string
	files      []fakeFile
	violations []string
	commits    int
	// saw is told of each commit, under mu.
	saw func(gen cdc.Generation, t cdc.TableID, id cdc.CheckpointID, rows map[int64]int64)
}

type fakeTable struct {
	rows     map[int64]int64
	def      int
	old      map[int64]bool // keys of rows from before the load of marker.Load.Base, or, when it is done, of those that were left then
	marker   *cdc.Marker    // of the newest snapshot
	ancestry map[cdc.CheckpointID]int
	snap     int // counts snapshots
}

type fakeFile struct {
	table      cdc.TableID
	gen        cdc.Generation
	used, gone bool
}

// fakePart is the payload of a part.
type fakePart struct {
	Parent  int
	Def     int
	Set     map[int64]int64
	Del     map[int64]bool
	Files   []int
	Load    cdc.LoadState
	Pos     cdc.Position
	Gen     cdc.Generation
	Replace bool
	Drop    bool
}

func newFakeCatalog(db *fakeDB) *fakeCatalog {
	return &fakeCatalog{db: db, tables: map[cdc.TableID]*fakeTable{}, decided: map[[2]uint64]string{}}
}

func (c *fakeCatalog) violate(format string, args ...any) {
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

func (c *fakeCatalog) newFile(t cdc.TableID, gen cdc.Generation) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, fakeFile{table: t, gen: gen})
	return len(c.files) - 1
}

// sawDecision checks I4.
func (c *fakeCatalog) sawDecision(id cdc.CheckpointID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]uint64{id.Epoch, id.K}
	if n, ok := c.decided[key]; ok && n != id.Nonce {
		c.violate("I4: record %d of epoch %d was decided twice", id.K, id.Epoch)
	}
	c.decided[key] = id.Nonce
}

// swap commits a part if the table is still at snapshot snap.
func (c *fakeCatalog) swap(gen cdc.Generation, tid cdc.TableID, snap int, id cdc.CheckpointID, p *fakePart) (now int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tables[tid]
	if t.snap != snap {
		return t.snap, false
	}
	if p.Replace {
		t.rows, t.old = map[int64]int64{}, nil
	} else {
		for k := range t.rows {
			t.rows[k] += int64(p.Def-t.def) * bump
		}
	}
	if p.Load.Base != 0 && (t.marker == nil || p.Load.Base != t.marker.Load.Base) {
		t.old = map[int64]bool{}
		for k := range t.rows {
			t.old[k] = true
		}
	}
	dropped := p.Drop || t.marker != nil && t.marker.Load.Phase == cdc.LoadDone
	for k := range p.Del {
		if _, ok := t.rows[k]; !ok && dropped && t.old[k] {
			continue // it went with its file
		}
		if _, ok := t.rows[k]; !ok {
			c.violate("I1: %s: key %d is deleted and was not there", tid, k)
		}
		delete(t.rows, k)
		if !dropped {
			delete(t.old, k)
		}
	}
	if p.Drop {
		for k := range t.old {
			delete(t.rows, k)
		}
	}
	for k, v := range p.Set {
		if _, ok := t.rows[k]; ok {
			c.violate("I1: %s: key %d is there twice", tid, k)
		}
		t.rows[k] = v
		delete(t.old, k)
	}
	for _, f := range p.Files {
		c.files[f].used = true
		if c.files[f].gone {
			c.violate("I3: %s: file %d was cleaned away and is committed", tid, f)
		}
	}
	if m := t.marker; m != nil {
		older := m.ID.Epoch < id.Epoch || m.ID.Epoch == id.Epoch && m.ID.K < id.K
		if !older || posOf(p.Pos) < posOf(m.Position) {
			c.violate("I2: %s goes from %+v at %s to %+v at %s", tid, m.ID, m.Position, id, p.Pos)
		}
	}
	t.snap++
	c.commits++
	t.def = p.Def
	t.marker = &cdc.Marker{ID: id, Generation: p.Gen.Number, Position: p.Pos, Load: p.Load}
	t.ancestry[id] = t.snap
	if p.Load.Phase == cdc.LoadDone {
		if want := c.db.at(tid, posOf(p.Pos)); !c.db.allowed(tid, posOf(p.Pos), want, t.rows) {
			c.violate("I1: %s at %s is not the source's: %s", tid, p.Pos, difference(want, t.rows))
		}
	}
	if c.saw != nil {
		c.saw(gen, tid, id, t.rows)
	}
	return t.snap, true
}

func difference(want, got map[int64]int64) string {
	s := ""
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			s += fmt.Sprintf(" %d:%d(%d,%t)", k, v, g, ok)
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			s += fmt.Sprintf(" %d:none(%d)", k, v)
		}
	}
	return s
}

// clean is step 6.
func (c *fakeCatalog) clean(gen cdc.Generation, named []cdc.Part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := map[int]bool{}
	for _, n := range named {
		var p fakePart
		if json.Unmarshal(n.Payload, &p) == nil {
			for _, f := range p.Files {
				keep[f] = true
			}
		}
	}
	for i := range c.files {
		f := &c.files[i]
		t := c.tables[f.table]
		if t != nil && t.marker != nil && t.marker.Gen() == gen && f.gen.Less(gen) && !f.used && !keep[i] {
			f.gone = true
		}
	}
}
