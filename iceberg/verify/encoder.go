package verify

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// hash is that of a whole row.
type hash = xxh3.Uint128

// encoder turns rows into keys and hashes, the same for both sides: columns go by name, values by their Iceberg type. It is immutable.
type encoder struct {
	schema *cdc.Schema
	cols   []int // to compare, indexes into schema.Columns
}

func newEncoder(s *cdc.Schema) *encoder {
	e := &encoder{schema: s}
	for i := range s.Columns {
		if !s.Columns[i].Meta {
			e.cols = append(e.cols, i)
		}
	}
	return e
}

// mapping finds the encoder's columns in another definition of the table. It fails if they are not the same.
func (e *encoder) mapping(s *cdc.Schema) ([]int, error) {
	m := make([]int, len(e.schema.Columns))
	for i := range m {
		m[i] = -1
	}
	for _, i := range e.cols {
		want := &e.schema.Columns[i]
		j := s.Column(want.Name)
		if j < 0 {
			return nil, notSame(s.Table, "column "+want.Name+" is not in the Iceberg table")
		}
		if got := &s.Columns[j]; got.Type != want.Type {
			return nil, notSame(s.Table, "column "+want.Name+" is "+want.Type.String()+" in the source and "+got.Type.String()+" in the Iceberg table")
		}
		m[i] = j
	}
	for j := range s.Columns {
		if !s.Columns[j].Meta && e.schema.Column(s.Columns[j].Name) < 0 {
			return nil, notSame(s.Table, "column "+s.Columns[j].Name+" is not in the source")
		}
	}
	return m, nil
}

func notSame(t cdc.TableID, why string) error {
	return &cdc.Error{Code: CodeNotComparable, Table: t, Msg: why}
}

// identity is the mapping of the encoder's own definition.
func (e *encoder) identity() []int {
	m := make([]int, len(e.schema.Columns))
	for i := range m {
		m[i] = i
	}
	return m
}

// key appends the key of row r: the columns' values in key order. Equal keys, and only these, are equal bytes. In a table without a key
// it is the hash of the row, so that what is compared is how many rows there are that are equal.
func (e *encoder) key(b []byte, cols []cdc.Vec, m []int, r int) []byte {
	if e.schema.Keyless() {
		at := len(b)
		b = e.row(b, cols, m, r)
		h := xxh3.Hash128(b[at:]).Bytes()
		return append(b[:at], h[:]...)
	}
	for _, i := range e.schema.Key {
		b = appendValue(b, &cols[m[i]], r)
	}
	return b
}

// row appends all values of row r.
func (e *encoder) row(b []byte, cols []cdc.Vec, m []int, r int) []byte {
	for _, i := range e.cols {
		v := &cols[m[i]]
		if v.IsNull(r) {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		b = appendValue(b, v, r)
	}
	return b
}

func appendValue(b []byte, v *cdc.Vec, r int) []byte {
	le := binary.LittleEndian
	switch v.Layout {
	case cdc.LayoutU8:
		return le.AppendUint64(b, uint64(v.U8[r]))
	case cdc.LayoutI32:
		return le.AppendUint64(b, uint64(int64(v.I32[r])))
	case cdc.LayoutI64:
		return le.AppendUint64(b, uint64(v.I64[r]))
	case cdc.LayoutI128:
		return le.AppendUint64(le.AppendUint64(b, uint64(v.I64[2*r])), uint64(v.I64[2*r+1]))
	case cdc.LayoutF32:
		return le.AppendUint32(b, math.Float32bits(v.F32[r]))
	case cdc.LayoutF64:
		return le.AppendUint64(b, math.Float64bits(v.F64[r]))
	default:
		s := v.Bytes(r)
		return append(le.AppendUint32(b, uint32(len(s))), s...)
	}
}

// keyBatch makes a batch of the key columns alone from keys, at most cdc.MaxBatchRows of them.
func (e *encoder) keyBatch(keys []string) *cdc.Batch {
	ks := &cdc.Schema{Table: e.schema.Table, Version: e.schema.Version}
	for n, i := range e.schema.Key {
		c := e.schema.Columns[i]
		c.Nullable = false
		ks.Columns = append(ks.Columns, c)
		ks.Key = append(ks.Key, n)
	}
	b := cdc.NewBatchPool(ks).Get()
	for b.Cap() < len(keys) {
		b.Grow()
	}
	b.N = len(keys)
	for r, k := range keys {
		rest := []byte(k)
		for i := range b.Cols {
			rest = setValue(&b.Cols[i], r, rest)
		}
	}
	return b
}

// setValue is the inverse of appendValue; it returns what follows the value.
func setValue(v *cdc.Vec, r int, b []byte) []byte {
	le := binary.LittleEndian
	switch v.Layout {
	case cdc.LayoutU8:
		v.U8[r] = b[0]
	case cdc.LayoutI32:
		v.I32[r] = int32(le.Uint32(b))
	case cdc.LayoutI64:
		v.I64[r] = int64(le.Uint64(b))
	case cdc.LayoutI128:
		v.I64[2*r], v.I64[2*r+1] = int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
		return b[16:]
	case cdc.LayoutF32:
		v.F32[r] = math.Float32frombits(le.Uint32(b))
		return b[4:]
	case cdc.LayoutF64:
		v.F64[r] = math.Float64frombits(le.Uint64(b))
	default:
		n := int(le.Uint32(b))
		v.Data = append(v.Data, b[4:4+n]...)
		v.Off[r+1] = int32(len(v.Data))
		return b[4+n:]
	}
	return b[8:]
}
