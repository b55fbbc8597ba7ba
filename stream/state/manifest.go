package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// The manifest says which run files there are and what they mean. It is a log of edits, so that a checkpoint costs what
// it changed, not what there is:
//
//	8 bytes  manifestMagic, native byte order
//	edit     length, XXH3 of the payload: 8 bytes each, little endian; payload
//	…
//
// The first edit describes everything. A torn or damaged edit ends the log: what stands before it is the state of an
// older checkpoint, with the meta of that checkpoint. The log is written anew, to another file that takes its name, when
// it is opened and when it has grown.
const (
	manifestMagic = 0x31304e414d533243 // "C2SMAN01": the last two digits are the format's version
	manifestName  = "manifest"
	manifestSlack = 1 << 20 // rewrite when edits outgrow the first by this and its own size
)

// tableState is what the manifest holds of a table.
type tableState struct {
	exact bool
	// since: sections in runs with a smaller seq belong to earlier contents and are dead.
	since uint64
	live  int64
	meta  []byte
}

// catalog is the manifest's content.
type catalog struct {
	groups  cdc.GroupRange
	k       uint64 // the last complete checkpoint, for people
	nextID  uint64
	nextSeq uint64
	runs    []runRef // oldest first
	tables  map[cdc.TableID]tableState
}

// edit changes a catalog.
type edit struct {
	k       uint64
	nextID  uint64
	nextSeq uint64
	remove  []uint64 // run ids
	add     []runRef // put in their place by seq
	drop    []cdc.TableID
	tables  map[cdc.TableID]tableState
}

func (c *catalog) apply(e *edit) {
	c.k, c.nextID, c.nextSeq = e.k, e.nextID, e.nextSeq
	runs := make([]runRef, 0, len(c.runs)+len(e.add))
next:
	for _, r := range c.runs {
		for _, id := range e.remove {
			if r.id == id {
				continue next
			}
		}
		runs = append(runs, r)
	}
	for _, r := range e.add {
		i := len(runs)
		for i > 0 && runs[i-1].seq > r.seq {
			i--
		}
		runs = append(runs[:i], append([]runRef{r}, runs[i:]...)...)
	}
	c.runs = runs
	for _, id := range e.drop {
		delete(c.tables, id)
	}
	for id, t := range e.tables {
		c.tables[id] = t
	}
}

// whole is the edit that makes the catalog out of an empty one.
func (c *catalog) whole() *edit {
	return &edit{k: c.k, nextID: c.nextID, nextSeq: c.nextSeq, add: c.runs, tables: c.tables}
}

func (e *edit) encode(groups cdc.GroupRange) []byte {
	var b encoder
	for _, v := range []int{groups.From, groups.To, groups.Of} {
		b.uint(uint64(v))
	}
	b.uint(e.k)
	b.uint(e.nextID)
	b.uint(e.nextSeq)
	b.uint(uint64(len(e.remove)))
	for _, id := range e.remove {
		b.uint(id)
	}
	b.uint(uint64(len(e.add)))
	for _, r := range e.add {
		b.uint(r.id)
		b.uint(r.seq)
		b.uint(uint64(r.size))
		b.fixed(r.sum)
	}
	b.uint(uint64(len(e.drop)))
	for _, id := range e.drop {
		b.table(id)
	}
	b.uint(uint64(len(e.tables)))
	for id, t := range e.tables {
		b.table(id)
		b.bool(t.exact)
		b.uint(t.since)
		b.uint(uint64(t.live))
		b.bool(t.meta != nil)
		if t.meta != nil {
			b.bytes(t.meta)
		}
	}
	return b
}

func decodeEdit(p []byte) (e edit, groups cdc.GroupRange, err error) {
	d := decoder{b: p}
	groups = cdc.GroupRange{From: int(d.uint()), To: int(d.uint()), Of: int(d.uint())}
	e.k, e.nextID, e.nextSeq = d.uint(), d.uint(), d.uint()
	for range d.count() {
		e.remove = append(e.remove, d.uint())
	}
	for range d.count() {
		e.add = append(e.add, runRef{id: d.uint(), seq: d.uint(), size: int64(d.uint()), sum: d.fixed()})
	}
	for range d.count() {
		e.drop = append(e.drop, d.table())
	}
	n := d.count()
	e.tables = make(map[cdc.TableID]tableState, n)
	for range n {
		id := d.table()
		var t tableState
		t.exact, t.since, t.live = d.bool(), d.uint(), int64(d.uint())
		if d.bool() {
			t.meta = append([]byte{}, d.bytes()...)
		}
		e.tables[id] = t
	}
	if d.bad || len(d.b) > 0 {
		return e, groups, errors.New("an edit is damaged")
	}
	return e, groups, nil
}

// readManifest replays the log. torn says that its end is damaged and was left out.
func readManifest(dir string) (c *catalog, torn bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, false, err
	}
	if len(b) < 8 || binary.NativeEndian.Uint64(b) != manifestMagic {
		return nil, false, errors.New("the manifest is not of this version")
	}
	b = b[8:]
	for len(b) > 0 {
		if len(b) < 16 {
			torn = true
			break
		}
		n, sum := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		if n > uint64(len(b)-16) || xxh3.Hash(b[16:16+n]) != sum {
			torn = true
			break
		}
		e, groups, err := decodeEdit(b[16 : 16+n])
		if err != nil {
			return nil, false, fmt.Errorf("the manifest: %w", err)
		}
		if c == nil {
			c = &catalog{groups: groups, tables: map[cdc.TableID]tableState{}}
		}
		if c.groups != groups {
			return nil, false, errors.New("the manifest mixes key groups")
		}
		c.apply(&e)
		b = b[16+n:]
	}
	if c == nil {
		return nil, torn, errors.New("the manifest is empty")
	}
	return c, torn, nil
}

// manifest writes the log.
type manifest struct {
	dir    string
	f      *os.File
	c      catalog
	size   int64
	whole  int64 // size of the first edit
	broken bool  // the log's end is in doubt: write it anew
}

// commit writes an edit and applies it. On an error the edit does not count.
func (m *manifest) commit(e *edit) error {
	if m.f == nil || m.broken || m.size > 2*m.whole+manifestSlack {
		if err := m.rewrite(); err != nil {
			return err
		}
	}
	n, err := m.f.Write(frame(e.encode(m.c.groups)))
	m.size += int64(n)
	if err != nil {
		m.broken = true
		return err
	}
	m.c.apply(e)
	return nil
}

// rewrite replaces the log by one edit that describes the catalog.
func (m *manifest) rewrite() error {
	b := binary.NativeEndian.AppendUint64(nil, manifestMagic)
	b = append(b, frame(m.c.whole().encode(m.c.groups))...)
	tmp := filepath.Join(m.dir, manifestName+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = os.Rename(tmp, filepath.Join(m.dir, manifestName))
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	m.close()
	m.f, m.size, m.whole, m.broken = f, int64(len(b)), int64(len(b)), false
	return nil
}

func (m *manifest) close() {
	if m.f != nil {
		_ = m.f.Close()
		m.f = nil
	}
}

func frame(p []byte) []byte {
	b := make([]byte, 0, 16+len(p))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(p)))
	b = binary.LittleEndian.AppendUint64(b, xxh3.Hash(p))
	return append(b, p...)
}
