package state

import (
	"bytes"
	"fmt"
	"sort"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// maxRuns is the number of run files at which Complete waits for the merger.
const maxRuns = 32

// Complete makes checkpoint k, the oldest sealed one, permanent: its overlays become one run file. meta holds, for every
// table that k changed, what Meta shall return from now on; other tables may be in it too. On an error the checkpoint
// stays sealed, and Complete may be called again.
func (s *Shard) Complete(k uint64, meta map[cdc.TableID][]byte) error {
	if err := s.awaitMerger(); err != nil {
		return err
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return internal(cdc.TableID{}, "state: complete %d after close", k)
	}
	if len(s.epochs) == 0 || s.epochs[0].k != k {
		s.mu.Unlock()
		return internal(cdc.TableID{}, "state: checkpoint %d is not the oldest sealed one", k)
	}
	e := s.edit()
	parts := s.parts(k, s.epochs[0].tables)
	for id := range meta {
		if s.tables[id] == nil {
			s.mu.Unlock()
			return internal(id, "state: checkpoint %d has a meta of an unknown table", k)
		}
	}
	s.mu.Unlock()
	for _, p := range parts {
		if meta[p.t.id] == nil {
			return internal(p.t.id, "state: checkpoint %d has changes without a meta", k)
		}
	}

	e.k = k
	seq := e.nextSeq
	r, err := s.writeParts(parts, seq)
	if err != nil {
		return diskError(err, "write checkpoint %d to %s", k, s.o.Dir)
	}
	e.nextID, e.nextSeq = s.peekID(), seq+1
	if r != nil {
		e.add = []runRef{r.runRef}
	}
	e.tables = map[cdc.TableID]tableState{}
	s.mu.Lock()
	for id, b := range meta {
		if t := s.tables[id]; t != nil {
			st := t.st
			st.meta = bytes.Clone(b)
			e.tables[id] = st
		}
	}
	for _, p := range parts {
		st := e.tables[p.t.id]
		if p.o.cleared {
			st.since, st.live = seq, 0
		}
		st.live += p.o.delta
		e.tables[p.t.id] = st
	}
	s.mu.Unlock()
	if err := s.man.commit(e); err != nil {
		if r != nil {
			s.discardRun(r)
		}
		return diskError(err, "write the manifest of %s", s.o.Dir)
	}

	s.install(nil, r, func() {
		s.epochs = s.epochs[1:]
		for id, st := range e.tables {
			s.tables[id].st = st
		}
		for _, p := range parts {
			p.t.sealed = p.t.sealed[1:]
			s.retired = append(s.retired, p.o)
			s.renew(p.t)
		}
	})
	s.poke()
	return nil
}

// part is a table's share of a checkpoint.
type part struct {
	t *Table
	o *overlay
	// bottom: the table has nothing older, so that tombstones need not be kept.
	bottom bool
}

// parts returns the overlays of checkpoint k in order of their tables. Called with mu held.
func (s *Shard) parts(k uint64, tables []*Table) []part {
	var out []part
	for _, t := range tables {
		if len(t.sealed) == 0 || t.sealed[0].k != k { // discarded since
			continue
		}
		o := t.sealed[0].o
		out = append(out, part{t, o, o.cleared || len(t.view.sections) == 0})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].t.id.Less(out[j].t.id) })
	return out
}

// writeParts writes the run file of a checkpoint; nil if there is nothing to write.
func (s *Shard) writeParts(parts []part, seq uint64) (*run, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	ref := runRef{id: s.newID(), seq: seq}
	w, err := createRun(ref.path(s.o.Dir))
	if err != nil {
		return nil, err
	}
	m := merger{step: s.o.mergeStep}
	var in []level
	for _, p := range parts {
		w.begin(p.t.id, p.t.w)
		in = p.o.newestFirst(in[:0])
		m.dropTombstones = p.bottom
		if err := m.merge(in, nil, w.add); err != nil {
			w.abandon()
			return nil, err
		}
		w.end()
	}
	if len(w.dir) == 0 {
		w.abandon()
		return nil, nil
	}
	return s.openNew(w, ref)
}

// openNew finishes a run file and maps it.
func (s *Shard) openNew(w *runWriter, ref runRef) (*run, error) {
	var err error
	if ref.size, ref.sum, err = w.finish(); err == nil {
		var r *run
		if r, err = openRun(s.o.Dir, ref, false); err == nil {
			return r, nil
		}
	}
	w.abandon()
	return nil, err
}

func (s *Shard) discardRun(r *run) {
	path := r.path(s.o.Dir)
	r.release()
	removeFile(path)
}

func (s *Shard) peekID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextID
}

// awaitMerger waits while there are too many runs: a look-up goes through all of them.
func (s *Shard) awaitMerger() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.runs) >= maxRuns && !s.closed && !s.o.manualMerge {
		if s.mergeErr != nil {
			return fmt.Errorf("merging: %w", s.mergeErr)
		}
		s.poke()
		s.changed.Wait()
	}
	return nil
}
