package binlog

import "encoding/binary"

// form says how long a value is.
type form uint8

const (
	formFixed  form = iota // as long as the type says
	form1                  // a length of one byte, little endian, stands in front
	form2                  // of two bytes
	form3                  // of three
	form4                  // of four
	formLenenc             // a length-encoded integer
)

// layout is how a table's rows stand in images: a bitmap of NULLs, then the values that are not NULL. Columns of fixed size that are
// never NULL stand at a fixed distance from each other, so that an image is walked not by column but by step.
type layout struct {
	ops    []op
	keys   []*op // of the key columns
	steps  []step
	nullAt int     // where the bitmap starts
	head   int     // where the values start
	must   []byte  // bits of the columns that are never NULL
	must8  uint64  // the same, little endian, if there are at most 64
	tail   int     // bytes behind the last step
	last   int     // bytes that the row which was taken last had in its event
	json   []int32 // the JSON columns, also those that are left out
}

// step is a run of columns of fixed size that are never NULL, and the column behind them, which is of another kind.
type step struct {
	skip     int32 // bytes of the run
	size     int32 // of the column's value, with formFixed
	nullByte int32 // from the start of the image
	nullMask uint8
	form     form
	column   int32
}

// newLayout lays the columns out: head is where the values start, nullAt where the bitmap does.
func newLayout(ops []op, nullAt, head int) *layout {
	l := &layout{ops: ops, nullAt: nullAt, head: head, must: make([]byte, head-nullAt)}
	skip := int32(0)
	for i := range ops {
		o := &ops[i]
		if o.key {
			l.keys = append(l.keys, o)
		}
		if !o.null {
			l.must[o.nullByte] |= o.nullMask
		}
		o.step, o.at = int32(len(l.steps)), skip
		if !o.null && o.form == formFixed {
			skip += o.size
			continue
		}
		l.steps = append(l.steps, step{skip: skip, size: o.size, nullByte: o.nullByte + int32(nullAt), nullMask: o.nullMask, form: o.form, column: int32(i)})
		skip = 0
	}
	l.tail = int(skip)
	if len(l.must) <= 8 {
		l.must8 = littleEndian(l.must)
	}
	return l
}

// places is how many positions walk notes: one a step, and one of what follows the last.
func (l *layout) places() int { return len(l.steps) + 1 }

// walk steps over the image at the start of b and returns its length. It notes in starts, each pitch from the one before, where the
// steps lie, at being the position of b. On an error column says where it was noticed.
func (l *layout) walk(b []byte, at int, starts []int32, pitch int) (length, column int, err error) {
	if len(b) < l.head {
		return 0, 0, errShort
	}
	if l.must8 != 0 && len(b) >= l.nullAt+8 {
		if binary.LittleEndian.Uint64(b[l.nullAt:])&l.must8 != 0 {
			return 0, l.missing(b), errNull
		}
	} else {
		for i, m := range l.must {
			if b[l.nullAt+i]&m != 0 {
				return 0, l.missing(b), errNull
			}
		}
	}
	pos, next := l.head, 0
	for k := range l.steps {
		s := &l.steps[k]
		starts[next] = int32(at + pos)
		next += pitch
		pos += int(s.skip)
		// Whether a value is NULL cannot be predicted: its length counts nothing then.
		keep := int(unset(b[s.nullByte] & s.nullMask))
		switch n := len(b) - pos; {
		case s.form == formFixed:
			pos += int(s.size) & keep
		case n >= 1 && (s.form == form1 || s.form == formLenenc && b[pos] < 0xfb):
			pos += (1 + int(b[pos])) & keep
		case s.form == form2 && n >= 2:
			pos += (2 + int(binary.LittleEndian.Uint16(b[pos:]))) & keep
		case keep == 0:
		default:
			v, k := s.form.length(b[min(pos, len(b)):])
			if k == 0 || v > uint64(len(b)) {
				return 0, int(s.column), errShort
			}
			pos += k + int(v)
		}
	}
	starts[next] = int32(at + pos)
	if pos += l.tail; pos > len(b) {
		return 0, len(l.ops) - 1, errShort
	}
	return pos, 0, nil
}

// unset returns all ones if b is 0, and 0 otherwise.
func unset(b byte) int32 { return (int32(b) - 1) >> 31 }

// missing returns the first column that must not be NULL and is.
func (l *layout) missing(b []byte) int {
	for i := range l.ops {
		if o := &l.ops[i]; !o.null && b[l.nullAt+int(o.nullByte)]&o.nullMask != 0 {
			return i
		}
	}
	return len(l.ops)
}

// length reads the length in front of a value, and how many bytes it takes itself: 0 if b is too short for it.
func (f form) length(b []byte) (v uint64, n int) {
	switch {
	case f == formLenenc:
		return lenenc(b)
	case len(b) < int(f):
		return 0, 0
	}
	return littleEndian(b[:f]), int(f)
}

// raw returns the bytes of the column's value at p, which walk has stepped over.
func (o *op) raw(b []byte, p int32) []byte {
	if o.form == formFixed {
		return b[p : p+o.size : p+o.size]
	}
	if n := int32(b[p]); o.form == form1 || o.form == formLenenc && n < 0xfb {
		return b[p+1 : p+1+n : p+1+n]
	}
	v, n := o.form.length(b[p:])
	from := int(p) + n
	return b[from : from+int(v) : from+int(v)]
}

// same reports whether the key columns of two images in b are the same bytes. before and after are what walk noted of them, the latter
// pitch apart and shift bytes less than where they stand.
func (l *layout) same(b []byte, before, after []int32, pitch, shift int32) bool {
	for _, o := range l.keys {
		if string(o.raw(b, before[o.step]+o.at)) != string(o.raw(b, after[o.step*pitch]+o.at+shift)) {
			return false
		}
	}
	return true
}
