package binlog

import (
	"encoding/binary"
	"errors"
	"math"
)

// partialJSON is the bit of an image's options that says that it has partial updates.
const partialJSON = 1

// partialBytes is how much is collected before it is decoded, and partialKept how much memory stays for the next event.
const (
	partialBytes = 4 * arenaBytes
	partialKept  = 1 << 20
)

var errPartialOptions = errors.New("partial updates of an unknown kind")

// partials decodes the images of an event with partial updates: it makes them those of an UPDATE without, since everything else is the
// same then.
func (d *Decoder) partials(e *Event, p *plan, b []byte) error {
	w := p.table.writer
	for at := 0; at < len(b); {
		n, column, err := d.whole(p, b, at)
		if err != nil {
			d.images = nil
			return w.fault(p.layout, column, err)
		}
		if at += n; at < len(b) && len(d.images) < partialBytes {
			continue
		}
		err = p.images(e, d.images, true, false)
		w.run.base = nil
		if d.images = d.images[:0]; cap(d.images) > partialKept {
			d.images = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// whole appends the pair of images at b[at:] to d.images, and returns how long it is in b. On an error column says where it was noticed.
//
// The old image is a usual one. In front of the new one stand options and, if these say so, a bit for each JSON column: whether its
// value is a 4-byte length and partial updates.
func (d *Decoder) whole(p *plan, b []byte, at int) (length, column int, err error) {
	l, from := p.layout, at
	n, column, err := l.walk(b[at:], at, p.before, 1)
	if err != nil {
		return 0, column, err
	}
	old := b[at : at+n]
	at += n
	out := append(d.images, old...)
	options, n := lenenc(b[at:])
	switch at += n; {
	case n == 0:
		return 0, len(l.ops), errShort
	case options == 0:
		if n, column, err = l.walk(b[at:], at, p.after, 1); err != nil {
			return 0, column, err
		}
		d.images = append(out, b[at:at+n]...)
		return at + n - from, 0, nil
	case options != partialJSON:
		return 0, len(l.ops), errPartialOptions
	}
	bits := (len(l.json) + 7) / 8
	if len(b)-at < bits+l.head {
		return 0, len(l.ops), errShort
	}
	partial, nulls := b[at:at+bits], b[at+bits:at+bits+l.head]
	at += bits + l.head
	out = append(out, nulls...)
	json := 0
	for i := range l.ops {
		o := &l.ops[i]
		changed := false
		if json < len(l.json) && int(l.json[json]) == i {
			changed = partial[json>>3]&(1<<(json&7)) != 0
			json++
		}
		if nulls[o.nullByte]&o.nullMask != 0 {
			continue
		}
		if !changed {
			n, ok := o.length(b[at:])
			if !ok {
				return 0, i, errShort
			}
			out = append(out, b[at:at+n]...)
			at += n
			continue
		}
		diffs, ok := sized(b[at:])
		if !ok {
			return 0, i, errShort
		}
		at += 4 + len(diffs)
		size := len(out)
		out = append(out, make([]byte, o.form)...)
		switch {
		case o.code == opSkip: // no value is as good as any
		case old[o.nullByte]&o.nullMask != 0:
			return 0, i, errPartial
		default:
			if out, err = patchJSON(out, o.raw(b, p.before[o.step]+o.at), diffs); err != nil {
				return 0, i, err
			}
		}
		v := uint64(len(out) - size - int(o.form))
		if len(out) > math.MaxInt32 || v>>(8*o.form) != 0 {
			return 0, i, errTooLong
		}
		for k := range o.form {
			out[size+int(k)] = byte(v >> (8 * k))
		}
	}
	d.images = out
	return at - from, 0, nil
}

// sized returns the bytes that have their 4-byte length in front.
func sized(b []byte) (s []byte, ok bool) {
	if len(b) < 4 {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, false
	}
	return b[:n], true
}

// length returns how long the column's value at the start of b is, its own length included.
func (o *op) length(b []byte) (n int, ok bool) {
	if o.form == formFixed {
		return int(o.size), int(o.size) <= len(b)
	}
	v, k := o.form.length(b)
	if k == 0 || v > uint64(len(b)-k) {
		return 0, false
	}
	return k + int(v), true
}
