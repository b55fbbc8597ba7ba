package state

import (
	"fmt"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Table is a table's part of a shard. Its methods belong to the shard's goroutine, except Meta, Len and NewBuilder.
type Table struct {
	s     *Shard
	id    cdc.TableID
	exact bool
	w     int

	// Guarded by s.mu, and replaced, never changed, except open, which belongs to the shard's goroutine.
	open   *overlay
	sealed []sealedOverlay // oldest first; replaced as a whole
	view   *view
	st     tableState // as of the last complete checkpoint
	gone   bool       // dropped
}

type sealedOverlay struct {
	k uint64
	o *overlay
}

// layers are the sources of a look-up, newest first.
type layers struct {
	mem  []level
	view *view // nil if something above hides it
}

// layers returns what the table consists of now. Release the view afterwards.
func (t *Table) layers() layers {
	var l layers
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.open != nil {
		l.mem = t.open.newestFirst(l.mem)
		if t.open.cleared {
			return l
		}
	}
	for i := len(t.sealed) - 1; i >= 0; i-- {
		o := t.sealed[i].o
		l.mem = o.newestFirst(l.mem)
		if o.cleared {
			return l
		}
	}
	l.view = t.view.acquire()
	return l
}

func (l *layers) release() {
	if l.view != nil {
		l.view.release()
	}
}

// Lookup sets out[i] to the location of keys[i], or None. Keys are sorted by (Hi, Lo) without duplicates and belong to
// the slot's key groups; Lo is 0 for exact tables.
func (t *Table) Lookup(keys []cdc.Key, out []Loc) {
	t.check(keys, len(out))
	out = out[:len(keys)]
	for i := range out {
		out[i] = pending
	}
	l := t.layers()
	for i := range l.mem {
		l.mem[i].lookup(keys, out)
	}
	if l.view != nil {
		for i := range l.view.sections {
			l.view.sections[i].lookup(keys, out)
		}
	}
	l.release()
	for i := range out {
		if out[i] == pending {
			out[i] = None
		}
	}
}

// Put sets the locations of keys, sorted as for Lookup, in the open overlay; None deletes. old is what Lookup says of the
// keys now: it keeps Len exact. If old is nil, Put looks the keys up itself.
func (t *Table) Put(keys []cdc.Key, locs, old []Loc) {
	if len(keys) == 0 {
		return
	}
	t.check(keys, len(locs))
	if old == nil {
		old = make([]Loc, len(keys))
		t.Lookup(keys, old)
	}
	var delta int64
	for i, l := range locs[:len(keys)] {
		if l == pending {
			panic("state: file number out of range")
		}
		if l != None {
			delta++
		}
		if old[i] != None {
			delta--
		}
	}
	t.s.mu.Lock()
	o := t.dirty()
	t.s.reclaim()
	t.s.mu.Unlock()
	done := t.s.blocks.put
	if t.s.reading > 0 {
		done = nil
	}
	next := *o
	next.put(&t.s.merger, &t.s.blocks, done, t.w, t.newLevel(keys, locs))
	next.delta += delta
	t.s.mu.Lock()
	*o = next
	t.s.mu.Unlock()
}

// newLevel writes the entries to blocks.
func (t *Table) newLevel(keys []cdc.Key, locs []Loc) level {
	x := levelWriter{b: &t.s.blocks, w: t.w, left: len(keys)}
	for len(keys) > 0 {
		n := min(len(keys), x.open()/t.w)
		d := x.d
		if t.exact {
			for i, k := range keys[:n] {
				d = append(d, k.Hi, uint64(locs[i]))
			}
		} else {
			for i, k := range keys[:n] {
				d = append(d, k.Hi, k.Lo, uint64(locs[i]))
			}
		}
		x.d = d
		keys, locs = keys[n:], locs[n:]
	}
	return x.finish()
}

// Clear empties the table in the open overlay: everything put before is hidden, and gone once the checkpoint is complete.
func (t *Table) Clear() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	o := t.dirty()
	*o = overlay{cleared: true}
}

// dirty returns the open overlay. Called with s.mu held.
func (t *Table) dirty() *overlay {
	if t.gone {
		panic("state: table " + t.id.String() + " was dropped")
	}
	if t.open == nil {
		t.open = &overlay{}
		t.s.dirty = append(t.s.dirty, t)
	}
	return t.open
}

// Discard drops what was put for checkpoint k and later ones, and the open overlay: when the table pauses, or its part
// of k is void. Discard(^uint64(0)) drops the open overlay only.
func (t *Table) Discard(k uint64) {
	t.s.wmu.Lock()
	defer t.s.wmu.Unlock()
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.discard(k)
}

func (t *Table) discard(k uint64) {
	t.open = nil
	for i, x := range t.sealed {
		if x.k >= k {
			t.sealed = t.sealed[:i:i]
			return
		}
	}
}

// Len returns the number of live keys, open and sealed overlays included.
func (t *Table) Len() int64 {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	n := t.st.live
	add := func(o *overlay) {
		if o.cleared {
			n = 0
		}
		n += o.delta
	}
	for _, x := range t.sealed {
		add(x.o)
	}
	if t.open != nil {
		add(t.open)
	}
	return n
}

// Meta returns what was given to the last Complete or Finish that named the table; nil if none did since the table is
// empty: then it has to be built. Do not change it.
func (t *Table) Meta() []byte {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.st.meta
}

// Iterate calls f for every live key, in order of (Hi, Lo), until it fails.
func (t *Table) Iterate(f func(cdc.Key, Loc) error) error {
	l := t.layers()
	defer l.release()
	in := l.mem
	if l.view != nil {
		in = append(in, l.view.sections...)
	}
	t.s.reading++
	defer func() { t.s.reading-- }()
	m := merger{dropTombstones: true, step: t.s.o.mergeStep}
	return m.merge(in, nil, func(d []uint64) error {
		for i := 0; i < len(d); i += t.w {
			k := cdc.Key{Hi: d[i]}
			if !t.exact {
				k.Lo = d[i+1]
			}
			if err := f(k, Loc(d[i+t.w-1])); err != nil {
				return err
			}
		}
		return nil
	})
}

// check panics if the keys are not what the contract says: a wrong order would give wrong answers silently.
func (t *Table) check(keys []cdc.Key, n int) {
	if n < len(keys) {
		panic("state: too few locations")
	}
	if len(keys) == 0 {
		return
	}
	for i := 1; i < len(keys); i++ {
		if keys[i-1].Hi > keys[i].Hi || keys[i-1].Hi == keys[i].Hi && keys[i-1].Lo >= keys[i].Lo {
			panic(fmt.Sprintf("state: keys %d and %d of %s are not in order", i-1, i, t.id))
		}
	}
	if !t.s.o.Groups.Contains(keys[0].Hi) || !t.s.o.Groups.Contains(keys[len(keys)-1].Hi) {
		panic("state: key of " + t.id.String() + " outside the slot's groups")
	}
}
