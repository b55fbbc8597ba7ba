package state

import (
	"encoding/binary"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// encoder appends values in a compact form; decoder reads them back and remembers the first value that is cut short, so
// that callers check once.
type encoder []byte

func (e *encoder) uint(v uint64)  { *e = binary.AppendUvarint(*e, v) }
func (e *encoder) fixed(v uint64) { *e = binary.LittleEndian.AppendUint64(*e, v) }
func (e *encoder) bytes(b []byte) { e.uint(uint64(len(b))); *e = append(*e, b...) }
func (e *encoder) bool(b bool) {
	if b {
		e.uint(1)
	} else {
		e.uint(0)
	}
}
func (e *encoder) table(t cdc.TableID) { e.bytes([]byte(t.Database)); e.bytes([]byte(t.Name)) }

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.bad, d.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// bytes returns a slice of the input.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) bool() bool { return d.uint() == 1 }

// count reads the number of elements that follow, each of at least one byte.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) table() cdc.TableID {
	return cdc.TableID{Database: string(d.bytes()), Name: string(d.bytes())}
}
