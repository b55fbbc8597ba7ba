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
		ops, cerr := compilePlan(t, m)
		if cerr != nil {
			if err := d.settle(t, &fault{cerr}); err != nil {
				return err
			}
		} else {
			p.bind(t, ops)
		}
	}
	d.plans[id] = p
	d.lastID, d.last = id, p
	return nil
}

func (p *plan) bind(t *Table, ops []op) {
	p.table, p.ops = t, ops
	p.full = make([]byte, (len(ops)+7)/8)
	keys := 0
	for i := range ops {
		p.full[i>>3] |= 1 << (i & 7)
		if ops[i].key {
			p.keyEnd = i + 1
			keys++
		}
	}
	p.before, p.after = make([]span, keys), make([]span, keys)
}

// rows decodes a rows event: table id 6, flags 2, in version 2 the length (itself included) of extra data and those, the
// number of columns, the bitmap of columns that are present (two of an update), the images.
func (d *Decoder) rows(e *Event, b []byte) error {
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
	fail := func(err *cdc.Error) error { return d.settle(t, &fault{err}) }
	if e.Type == PartialUpdateRowsEvent {
		return fail(cdc.Errorf(CodePartialJSON, t.schema.Table, "before position %d", e.End))
	}
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
	if count != uint64(len(p.ops)) {
		return fail(cdc.Errorf(CodeMismatch, t.schema.Table, "rows of %d columns before position %d, the table map has %d", count, e.End, len(p.ops)))
	}
	b = b[n:]
	update := e.Type == UpdateRowsV1 || e.Type == UpdateRowsV2
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
	switch {
	case insert:
		err = p.inserts(b)
	case update:
		err = p.updates(b)
	default:
		err = p.deletes(b)
	}
	if err == nil {
		return nil
	}
	var f *fault
	if errors.As(err, &f) {
		f.err.Msg += " (before position " + uintText(uint64(e.End)) + ")"
	}
	return d.settle(t, err)
}

func (p *plan) inserts(b []byte) error {
	for len(b) > 0 {
		n, err := p.row(b, cdc.OpInsert)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (p *plan) deletes(b []byte) error {
	for len(b) > 0 {
		n, err := p.row(b, cdc.OpDelete)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// updates decodes pairs of images. Where the key differs, the old row is deleted and the new one inserted.
func (p *plan) updates(b []byte) error {
	for len(b) > 0 {
		n, err := p.walk(b, len(p.ops), p.before)
		if err != nil {
			return p.value(len(p.ops), err)
		}
		before := b[:n]
		b = b[n:]
		if _, err := p.walk(b, p.keyEnd, p.after); err != nil {
			return p.value(len(p.ops), err)
		}
		op := cdc.OpUpdate
		for i, s := range p.before {
			if a := p.after[i]; !bytes.Equal(before[s.from:s.to], b[a.from:a.to]) {
				op = cdc.OpInsert
				break
			}
		}
		if op == cdc.OpInsert {
			if _, err := p.row(before, cdc.OpDelete); err != nil {
				return err
			}
		}
		if n, err = p.row(b, op); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// row decodes one image as a row of the open batch and returns its length.
func (p *plan) row(b []byte, op cdc.Op) (int, error) {
	w := p.table.writer
	r, err := w.open()
	if err != nil {
		return 0, err
	}
	if op == cdc.OpDelete {
		w.empty(r)
	}
	n, column, err := p.image(w.b.Cols, r, b, op == cdc.OpDelete)
	if err != nil {
		return 0, p.value(column, err)
	}
	w.close(op, n)
	return n, nil
}

func (p *plan) value(column int, err error) error {
	name := "of the key"
	if column < len(p.ops) {
		name = p.table.source.Columns[column].Name
	}
	return &fault{valueError(p.table.schema.Table, name, err)}
}
