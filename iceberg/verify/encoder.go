package verify

import (
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

// key appends the key of row r, as cdc.Batch.AppendKey does. Equal keys, and only these, are equal bytes. In a table without a key it is
// the hash of the row, so that what is compared is how many rows there are that are equal.
func (e *encoder) key(b []byte, cols []cdc.Vec, m []int, r int) []byte {
	if e.schema.Keyless() {
		at := len(b)
		b = e.row(b, cols, m, r)
		h := xxh3.Hash128(b[at:]).Bytes()
		return append(b[:at], h[:]...)
	}
	for _, i := range e.schema.Key {
		b = cols[m[i]].AppendValue(b, r)
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
		b = v.AppendValue(b, r)
	}
	return b
}

// keyBatch makes a batch of keys, at most cdc.MaxBatchRows of them.
func (e *encoder) keyBatch(keys []string) (*cdc.Batch, error) {
	list := make([][]byte, len(keys))
	for i, k := range keys {
		list[i] = []byte(k)
	}
	return cdc.KeyBatch(e.schema, list, nil)
}
