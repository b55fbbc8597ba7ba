package state

import (
	"errors"
	"fmt"
	"os"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Builder loads a table in bulk: the rebuild of the state from a table's data files. It is used by one goroutine; several
// builders may be at work.
type Builder struct {
	t      *Table
	rows   bool // see NewRowBuilder
	limit  int  // words
	buf    []uint64
	sorter sorter
	spills []spill
	err    error
}

// spill is a sorted part on disk, mapped and already unlinked.
type spill struct {
	m []byte
	l level
}

// NewBuilder starts a bulk load. End it with Finish or Abandon.
func (t *Table) NewBuilder() *Builder {
	// Half of the memory is the sorter's.
	return &Builder{t: t, limit: max(int(t.s.o.BuildBytes/16)/t.w, 1024) * t.w}
}

// NewRowBuilder is NewBuilder for a table without a key. Keys that are added more than once are those of equal rows, which Finish numbers
// (see cdc.Key.Nth).
func (t *Table) NewRowBuilder() *Builder {
	b := t.NewBuilder()
	b.rows = true
	return b
}

// Add takes live keys and their locations, in any order. Memory is bounded by Options.BuildBytes; what does not fit is
// sorted and spilled to disk.
func (b *Builder) Add(keys []cdc.Key, locs []Loc) error {
	if b.err != nil {
		return b.err
	}
	if len(locs) < len(keys) {
		panic("state: too few locations")
	}
	for i, k := range keys {
		if !b.t.s.o.Groups.Contains(k.Hi) || locs[i] >= pending || b.t.exact && k.Lo != 0 {
			b.err = internal(b.t.id, "state: key %016x%016x at %v does not belong here", k.Hi, k.Lo, locs[i])
			return b.err
		}
		if len(b.buf)+b.t.w > b.limit {
			if b.err = b.spill(); b.err != nil {
				return b.err
			}
		}
		if b.t.exact {
			b.buf = append(b.buf, k.Hi, uint64(locs[i]))
		} else {
			b.buf = append(b.buf, k.Hi, k.Lo, uint64(locs[i]))
		}
	}
	return nil
}

// spill writes the buffer to disk, sorted.
func (b *Builder) spill() error {
	if err := b.sort(); err != nil {
		return err
	}
	s := b.t.s
	path := s.path(fmt.Sprintf("build-%d.tmp", s.newID()))
	defer removeFile(path)
	if err := os.WriteFile(path, bytesOf(b.buf), 0o600); err != nil {
		return diskError(err, "spill to %s", s.o.Dir)
	}
	m, err := mapFile(path, int64(len(b.buf)*8))
	if err != nil {
		return diskError(err, "map %s", path)
	}
	b.spills = append(b.spills, spill{m, makeLevel(b.t.w, wordsOf(m))})
	b.buf = b.buf[:0]
	return nil
}

// sort sorts the buffer and looks for keys that stand in it twice.
func (b *Builder) sort() error {
	b.sorter.sort(b.buf, b.t.w)
	if b.rows {
		return nil
	}
	w := b.t.w
	for i := w; i < len(b.buf); i += w {
		if b.buf[i] == b.buf[i-w] && (w == exactWords || b.buf[i+1] == b.buf[i-w+1]) {
			return b.duplicate(duplicate(b.buf[i-w:i], b.buf[i:i+w]))
		}
	}
	return nil
}

func (b *Builder) duplicate(e *DuplicateKeyError) error {
	return &cdc.Error{Code: CodeDuplicateKey, Table: b.t.id, Err: e}
}

// Finish replaces the table's contents by what was added, on disk at once, and its meta. The table must have no changes
// of checkpoints that are not complete. A key that was added twice fails with CodeDuplicateKey and a DuplicateKeyError
// that names both locations; the table is then as it was. In any case the builder is done.
func (b *Builder) Finish(meta []byte) error {
	defer b.Abandon()
	if b.err != nil {
		return b.err
	}
	if err := b.sort(); err != nil {
		return err
	}
	in := []level{makeLevel(b.t.w, b.buf)}
	for _, x := range b.spills {
		in = append(in, x.l)
	}
	s := b.t.s
	ref := runRef{id: s.newID()}
	var w *runWriter
	var live int64
	merge := (&merger{unique: true, step: s.o.mergeStep}).merge
	if b.rows {
		merge = b.number
	}
	err := merge(in, nil, func(d []uint64) (err error) {
		if w == nil {
			if w, err = createRun(ref.path(s.o.Dir)); err != nil {
				return err
			}
			w.begin(b.t.id, b.t.w)
		}
		live += int64(len(d) / b.t.w)
		return w.add(d)
	})
	if err != nil {
		if w != nil {
			w.abandon()
		}
		var dup *DuplicateKeyError
		if errors.As(err, &dup) {
			return b.duplicate(dup)
		}
		return diskError(err, "write a run to %s", s.o.Dir)
	}
	return b.install(ref, w, live, meta)
}

func (b *Builder) install(ref runRef, w *runWriter, live int64, meta []byte) error {
	t, s := b.t, b.t.s
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	e := s.edit()
	busy, gone := t.open != nil || len(t.sealed) > 0, t.gone || s.closed
	s.mu.Unlock()
	if busy || gone {
		if w != nil {
			w.abandon()
		}
		return internal(t.id, "state: a table was built while it changed or was dropped (%v, %v)", busy, gone)
	}
	ref.seq = e.nextSeq
	e.nextSeq++
	st := tableState{exact: t.exact, since: ref.seq, live: live, meta: append([]byte{}, meta...)}
	e.tables = map[cdc.TableID]tableState{t.id: st}
	var r *run
	if w != nil {
		w.end()
		var err error
		if r, err = s.openNew(w, ref); err != nil {
			return diskError(err, "finish a run in %s", s.o.Dir)
		}
		e.add = []runRef{r.runRef}
	}
	if err := s.man.commit(e); err != nil {
		if r != nil {
			s.discardRun(r)
		}
		return diskError(err, "write the manifest of %s", s.o.Dir)
	}
	s.install(nil, r, func() {
		t.st = st
		s.renew(t)
	})
	s.poke()
	return nil
}

// Abandon gives everything back. It does nothing after Finish.
func (b *Builder) Abandon() {
	for _, x := range b.spills {
		unmap(x.m)
	}
	b.spills, b.buf, b.sorter = nil, nil, sorter{}
	if b.err == nil {
		b.err = internal(b.t.id, "state: the builder is done")
	}
}
