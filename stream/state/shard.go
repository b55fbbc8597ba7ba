package state

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Options configure a shard.
type Options struct {
	// Dir is the shard's own directory. It is made if need be.
	Dir string
	// Groups are the slot's key groups. What another range has left in Dir is removed.
	Groups cdc.GroupRange
	// BuildBytes bounds the memory of each Builder; 0 means 64 MiB.
	BuildBytes int64
	// Log gets a line when the state starts empty and when merging fails; nil for none.
	Log *slog.Logger

	manualMerge bool // tests call mergeOnce themselves
	mergeStep   int  // see merger.step; tests make it small
	blockWords  int  // a power of two that takes the place of blockWords if it is not 0
	scrubBlocks bool // see blocks.scrub
}

// Shard is the state of one slot over all its tables.
type Shard struct {
	o     Options
	lock  *os.File
	fresh string
	log   *slog.Logger

	// wmu is held by what changes the catalog: Complete, Drop, Finish, the end of a merge. It is taken before mu.
	wmu sync.Mutex
	man manifest // guarded by wmu

	// mu guards the fields below and those of the tables. It is held for moments only, never across I/O.
	mu       sync.Mutex
	changed  *sync.Cond // on mu: runs, mergeErr or closed have changed
	tables   map[cdc.TableID]*Table
	dirty    []*Table   // may have an open overlay
	epochs   []epoch    // sealed checkpoints, oldest first
	retired  []*overlay // of checkpoints that are complete: their blocks can be used again, see reclaim
	runs     []*run     // oldest first; replaced as a whole
	nextID   uint64
	mergeErr error
	closed   bool
	stats    counters

	// These belong to the shard's goroutine.
	blocks  blocks
	merger  merger
	reading int // how many Iterates read the open overlay

	kick chan struct{} // capacity 1: there may be something to merge
	stop chan struct{}
	done sync.WaitGroup
}

// epoch lists the tables with an overlay of a sealed checkpoint.
type epoch struct {
	k      uint64
	tables []*Table
}

// Fresh reports whether Open found nothing it could use: every table has to be built.
func (s *Shard) Fresh() bool { return s.fresh != "" }

// FreshReason says why the shard is fresh; empty if it is not.
func (s *Shard) FreshReason() string { return s.fresh }

// Table returns a table, which starts empty if the shard does not have it, or has it with the other kind of keys.
func (s *Shard) Table(id cdc.TableID, exact bool) *Table {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[id]; t != nil {
		if t.exact == exact {
			return t
		}
		s.forget(t)
	}
	st, ok := s.man.c.tables[id]
	if !ok || st.exact != exact {
		st = tableState{exact: exact, since: s.man.c.nextSeq}
	}
	t := &Table{s: s, id: id, exact: exact, w: words(exact), st: st}
	t.view = makeView(id, t.w, st.since, s.runs)
	s.tables[id] = t
	return t
}

// forget takes a table out of memory. Called with mu held.
func (s *Shard) forget(t *Table) {
	t.discard(0)
	t.gone = true
	t.view.release()
	t.view = &view{}
	t.view.refs.Store(1)
	delete(s.tables, t.id)
}

// Drop removes a table and its meta. The Table must not be used any more.
func (s *Shard) Drop(id cdc.TableID) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	if t := s.tables[id]; t != nil {
		s.forget(t)
	}
	e := s.edit()
	s.mu.Unlock()
	if _, ok := s.man.c.tables[id]; !ok {
		return
	}
	e.drop = []cdc.TableID{id}
	if err := s.man.commit(e); err != nil {
		// The table is gone here; on disk it may stand as of its last checkpoint, until the next edit.
		s.log.Warn("state: drop table", "table", id.String(), "error", err)
		delete(s.man.c.tables, id)
	}
	s.poke()
}

// edit starts an edit of the catalog. Called with wmu and mu held.
func (s *Shard) edit() *edit {
	return &edit{k: s.man.c.k, nextID: s.nextID, nextSeq: s.man.c.nextSeq}
}

// Seal freezes the open overlays as those of checkpoint k and opens new ones. k is larger than the last one sealed.
func (s *Shard) Seal(k uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.epochs); n > 0 && s.epochs[n-1].k >= k {
		panic("state: checkpoints sealed out of order")
	}
	s.reclaim()
	e := epoch{k: k}
	var used int64
	for _, t := range s.dirty {
		if t.open == nil {
			continue
		}
		if !t.open.empty() {
			used += t.open.bytes()
			t.sealed = append(t.sealed[:len(t.sealed):len(t.sealed)], sealedOverlay{k, t.open})
			e.tables = append(e.tables, t)
		}
		t.open = nil
	}
	s.dirty = nil
	s.epochs = append(s.epochs, e)
	// As much again as this checkpoint took is kept for the next one.
	s.blocks.trim(used)
}

// reclaim takes the blocks of complete checkpoints back. A Lookup may have read them until now, but not any more: it is the same goroutine
// that comes here. Called with mu held.
func (s *Shard) reclaim() {
	if s.reading > 0 {
		return
	}
	for i, o := range s.retired {
		o.free(&s.blocks)
		s.retired[i] = nil
	}
	s.retired = s.retired[:0]
}

// Abort drops the open and all sealed overlays: the state is that of the last complete checkpoint.
func (s *Shard) Abort() {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		t.discard(0)
	}
	s.dirty, s.epochs, s.retired, s.blocks = nil, nil, nil, blocks{max: s.blocks.max, scrub: s.blocks.scrub}
}

// Close stops merging and gives everything back. What is not complete is lost.
func (s *Shard) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	close(s.stop)
	s.done.Wait()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		s.forget(t)
	}
	for _, r := range s.runs {
		r.release()
	}
	s.runs, s.dirty, s.epochs, s.retired = nil, nil, nil, nil
	s.man.close()
	return s.lock.Close()
}

// newID returns a number for a file.
func (s *Shard) newID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	return s.nextID - 1
}

// poke tells the merger to look.
func (s *Shard) poke() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// install takes runs out and puts one in, in one step for every reader, together with what change does under mu. Called
// with wmu held, after the catalog was changed.
func (s *Shard) install(remove []*run, add *run, change func()) {
	s.mu.Lock()
	runs := make([]*run, 0, len(s.runs)+1)
	for _, r := range s.runs {
		if !slices.Contains(remove, r) {
			runs = append(runs, r)
		}
	}
	touched := tablesOf(remove)
	if add != nil {
		i := len(runs)
		for i > 0 && runs[i-1].seq > add.seq {
			i--
		}
		runs = slices.Insert(runs, i, add)
		touched = append(touched, tablesOf([]*run{add})...)
	}
	s.runs = runs
	s.changed.Broadcast()
	if change != nil {
		change()
	}
	for _, id := range touched {
		if t := s.tables[id]; t != nil {
			s.renew(t)
		}
	}
	s.mu.Unlock()
	for _, r := range remove {
		removeFile(r.path(s.o.Dir))
		r.release()
	}
}

// renew gives a table the view of the present runs. Called with mu held.
func (s *Shard) renew(t *Table) {
	old := t.view
	t.view = makeView(t.id, t.w, t.st.since, s.runs)
	old.release()
}

func (s *Shard) path(name string) string { return filepath.Join(s.o.Dir, name) }
