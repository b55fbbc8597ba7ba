package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// maxPlans bounds the plans that are kept: table ids grow with every DDL and restart of the server.
const maxPlans = 1 << 14

// dummyTableID is in rows events that only end a statement.
const dummyTableID = 0xffffff

// tableMap makes the table's plan the current one of its id, unless the map is the one that the plan was made from.
func (d *Decoder) tableMap(e *Event, body []byte) error {
	if len(body) < 8 {
		return d.bad(e, errTableMap)
	}
	id := littleEndian(body[:6])
	p := d.last
	if d.lastID != id || p == nil {
		p = d.plans[id]
	}
	if p != nil && !p.passed && bytes.Equal(p.body, body) {
		d.lastID, d.last = id, p
		return nil
	}
	_, database, table, _, err := tableMapName(body)
	if err != nil {
		return d.bad(e, err)
	}
	if len(d.plans) >= maxPlans {
		clear(d.plans)
	}
	p = &plan{body: bytes.Clone(body)}
	d.key = tableKey(d.key, database, table)
	p.watch = d.watch[string(d.key)]
	if t := d.tables[string(d.key)]; t != nil && t.Skip {
		p.passed = true
	} else if t != nil {
		m, err := parseTableMap(body)
		if err != nil {
			return d.bad(e, err)
		}
		l, cerr := compilePlan(t, m)
		if cerr != nil {
			if err := d.settle(t, &fault{err: cerr}); err != nil {
				return err
			}
		} else {
			p.bind(t, l)
		}
	}
	d.plans[id] = p
	d.lastID, d.last = id, p
	return nil
}

func (p *plan) bind(t *Table, l *layout) {
	p.table, p.layout = t, l
	p.full = make([]byte, (len(l.ops)+7)/8)
	for i := range l.ops {
		p.full[i>>3] |= 1 << (i & 7)
	}
	p.before, p.after = make([]int32, l.places()), make([]int32, l.places())
}

// rows decodes a rows event: table id 6, flags 2, in version 2 the length (itself included) of extra data and those, the
// number of columns, the bitmap of columns that are present (two of an update), the images.
// MariaDB can compress the images.
func (d *Decoder) rows(e *Event, b []byte, compressed bool) error {
	if len(b) < 8 {
		return d.bad(e, errShortEvent)
	}
	id := littleEndian(b[:6])
	flags := binary.LittleEndian.Uint16(b[6:])
	p := d.last
	if d.lastID != id || p == nil {
		if p = d.plans[id]; p == nil {
			if id == dummyTableID {
				return nil
			}
			return d.bad(e, errors.New("rows without a table map"))
		}
		d.lastID, d.last = id, p
	}
	insert := e.Type == WriteRowsV1 || e.Type == WriteRowsV2
	if p.watch != (cdc.TableID{}) && !insert {
		e.Table, e.RowFlags, e.Body = p.watch, flags, b
		if err := d.h.Event(e); err != nil {
			return err
		}
	}
	t := p.table
	if t == nil || t.Skip || t.gone {
		return nil
	}
	fail := func(err *cdc.Error) error { return d.settle(t, &fault{err: err}) }
	b = b[8:]
	if e.Type >= WriteRowsV2 {
		if len(b) < 2 {
			return d.bad(e, errShortEvent)
		}
		n := int(binary.LittleEndian.Uint16(b))
		if n < 2 || n > len(b) {
			return d.bad(e, errShortEvent)
		}
		b = b[n:]
	}
	count, n := lenenc(b)
	if n == 0 {
		return d.bad(e, errShortEvent)
	}
	if count != uint64(len(p.layout.ops)) {
		return fail(cdc.Errorf(CodeMismatch, t.schema.Table, "rows of %d columns before position %d, the table map has %d", count, e.End, len(p.layout.ops)))
	}
	b = b[n:]
	update := e.Type == UpdateRowsV1 || e.Type == UpdateRowsV2 || e.Type == PartialUpdateRowsEvent
	bitmaps := 1
	if update {
		bitmaps = 2
	}
	for range bitmaps {
		if len(b) < len(p.full) {
			return d.bad(e, errShortEvent)
		}
		for i, all := range p.full {
			// The unused bits of the last byte may be set.
			if b[i]&all != all {
				return fail(cdc.Errorf(CodeRowImage, t.schema.Table, "before position %d", e.End))
			}
		}
		b = b[len(p.full):]
	}
	if compressed {
		var err error
		if b, err = d.inflater.record(b); err != nil {
			return d.bad(e, err)
		}
	}
	if len(b) == 0 {
		return nil
	}
	if !t.touched {
		t.touched = true
		d.touch = append(d.touch, t)
	}
	if t.writer.b == nil {
		d.open = append(d.open, t)
	}
	t.writer.micros, t.writer.pos = d.micros, d.pos
	var err error
	if e.Type == PartialUpdateRowsEvent {
		err = d.partials(e, p, b)
	} else {
		err = p.images(e, b, update, insert)
	}
	t.writer.run.base = nil
	if err == nil {
		return nil
	}
	var f *fault // allocates: errors.As lets it escape
	if errors.As(err, &f) && f.end == 0 {
		f.end = e.End
	}
	return d.settle(t, err)
}

// images takes the images of a rows event: one a row, two of an update.
func (p *plan) images(e *Event, b []byte, update, insert bool) error {
	w := p.table.writer
	if update && w.foldsUpdates(p.layout) {
		return p.fold(w, b, e.End)
	}
	direct := p.layout.direct(len(b))
	if direct {
		if err := w.decode(); err != nil {
			return err
		}
		w.run.base = b
	}
	var err error
	switch {
	case update && w.schema.Keyless():
		err = p.replacements(w, b, e.End)
	case update:
		err = p.updates(w, b, e.End)
	case insert:
		err = p.single(w, b, cdc.OpInsert, e.End)
	default:
		err = p.single(w, b, cdc.OpDelete, e.End)
	}
	if err == nil && direct {
		err = w.decode()
	}
	return err
}

// single takes inserts or deletes.
func (p *plan) single(w *writer, b []byte, op cdc.Op, end uint32) error {
	for at := 0; at < len(b); {
		n, err := w.image(p.layout, op == cdc.OpDelete && !w.schema.Keyless(), b[at:], at)
		if err != nil {
			return err
		}
		if err := w.take(op, b[at:at+n], end); err != nil {
			return err
		}
		p.layout.last = n
		at += n
	}
	return nil
}

// updates takes pairs of images. Where the key differs, the old row is deleted and the new one inserted.
func (p *plan) updates(w *writer, b []byte, end uint32) error {
	l := p.layout
	for at := 0; at < len(b); {
		old := at
		n, column, err := l.walk(b[old:], old, p.before, 1)
		if err != nil {
			return w.fault(l, column, err)
		}
		at += n
		op := cdc.OpUpdate
		if n, err = w.image(l, false, b[at:], at); err != nil {
			return err
		}
		after := w.run.starts[w.run.rows:]
		if !l.same(b, p.before, after, pitch, int32(at+l.head)-after[0]) {
			op = cdc.OpInsert
			if _, err := w.image(l, true, b[old:at], old); err != nil {
				return err
			}
			if err := w.take(cdc.OpDelete, b[old:at], end); err != nil {
				return err
			}
			if _, err := w.image(l, false, b[at:], at); err != nil {
				return err
			}
		}
		if err := w.take(op, b[at:at+n], end); err != nil {
			return err
		}
		l.last = 2 * n
		at += n
	}
	return nil
}

// replacements takes the pairs of images of a table without a key: one of the rows that are equal to the old one is deleted, and the
// new one inserted.
func (p *plan) replacements(w *writer, b []byte, end uint32) error {
	for at := 0; at < len(b); {
		for _, op := range [2]cdc.Op{cdc.OpDelete, cdc.OpInsert} {
			n, err := w.image(p.layout, false, b[at:], at)
			if err != nil {
				return err
			}
			if err := w.take(op, b[at:at+n], end); err != nil {
				return err
			}
			p.layout.last = n
			at += n
		}
	}
	return nil
}

// fold takes pairs of images while UPDATEs are folded.
func (p *plan) fold(w *writer, b []byte, end uint32) error {
	l := p.layout
	for at := 0; at < len(b); {
		old := at
		n, column, err := l.walk(b[old:], old, p.before, 1)
		if err != nil {
			return w.fault(l, column, err)
		}
		at += n
		if n, column, err = l.walk(b[at:], at, p.after, 1); err != nil {
			return w.fault(l, column, err)
		}
		pair := b[old : at+n]
		switch {
		case len(pair) >= arenaBytes:
			err = p.large(w, pair, end)
		case !w.fold.on || n > largeImage || !l.same(b, p.before, p.after, 1, 0):
			err = p.updates(w, pair, end)
		default:
			err = w.update(l, b[at:at+n], end)
		}
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// large takes a pair of images where it stands: a copy's memory would be kept as long as the table.
func (p *plan) large(w *writer, pair []byte, end uint32) error {
	if err := w.decode(); err != nil {
		return err
	}
	w.run.base = pair
	err := p.updates(w, pair, end)
	if err == nil {
		err = w.decode()
	}
	w.run.base = nil
	return err
}
