package cdc

import (
	"encoding/binary"
	"fmt"
	"math"
)

// AppendValue appends row r of a vector, which is not NULL, as bytes from which SetValue makes it again. Equal values, and only
// these, are equal bytes.
func (v *Vec) AppendValue(b []byte, r int) []byte {
	le := binary.LittleEndian
	switch v.Layout {
	case LayoutU8:
		return le.AppendUint64(b, uint64(v.U8[r]))
	case LayoutI32:
		return le.AppendUint64(b, uint64(int64(v.I32[r])))
	case LayoutI64:
		return le.AppendUint64(b, uint64(v.I64[r]))
	case LayoutI128:
		return le.AppendUint64(le.AppendUint64(b, uint64(v.I64[2*r])), uint64(v.I64[2*r+1]))
	case LayoutF32:
		return le.AppendUint32(b, math.Float32bits(v.F32[r]))
	case LayoutF64:
		return le.AppendUint64(b, math.Float64bits(v.F64[r]))
	default:
		s := v.Bytes(r)
		return append(le.AppendUint32(b, uint32(len(s))), s...)
	}
}

// SetValue takes the value at the start of b, as AppendValue made it, into row r, and returns what follows it. Rows of LayoutBytes
// have to be set in order.
func (v *Vec) SetValue(r int, b []byte) ([]byte, error) {
	le := binary.LittleEndian
	n := 8
	switch v.Layout {
	case LayoutI128:
		n = 16
	case LayoutF32, LayoutBytes:
		n = 4
	}
	if len(b) < n {
		return nil, fmt.Errorf("a value ends after %d bytes", len(b))
	}
	switch v.Layout {
	case LayoutU8:
		v.U8[r] = b[0]
	case LayoutI32:
		v.I32[r] = int32(le.Uint32(b))
	case LayoutI64:
		v.I64[r] = int64(le.Uint64(b))
	case LayoutI128:
		v.I64[2*r], v.I64[2*r+1] = int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	case LayoutF32:
		v.F32[r] = math.Float32frombits(le.Uint32(b))
	case LayoutF64:
		v.F64[r] = math.Float64frombits(le.Uint64(b))
	default:
		size := int64(le.Uint32(b))
		if int64(len(b)-n) < size {
			return nil, fmt.Errorf("a value of %d bytes ends after %d", size, len(b)-n)
		}
		v.Data = append(v.Data, b[n:n+int(size)]...)
		if len(v.Data) > math.MaxInt32 {
			return nil, fmt.Errorf("more than 2 GiB of values")
		}
		v.Off[r+1] = int32(len(v.Data))
		n += int(size)
	}
	return b[n:], nil
}

// AppendKey appends the key of row r: the values of the key columns in key order.
func (b *Batch) AppendKey(to []byte, r int) []byte {
	for _, i := range b.Schema.Key {
		to = b.Cols[i].AppendValue(to, r)
	}
	return to
}

// KeyBatch makes a batch of at most MaxBatchRows deletes with the keys that AppendKey made; hash computes their hashes.
func KeyBatch(s *Schema, keys [][]byte, h *KeyHasher) (*Batch, error) {
	b := NewBatchPool(s).Get()
	for b.Cap() < len(keys) {
		b.Grow()
	}
	inKey := make([]bool, len(s.Columns))
	for _, i := range s.Key {
		inKey[i] = true
	}
	for r, k := range keys {
		rest := k
		for _, i := range s.Key {
			var err error
			if rest, err = b.Cols[i].SetValue(r, rest); err != nil {
				return nil, Errorf(CodeCorrupt, s.Table, "key of column %s: %w", s.Columns[i].Name, err)
			}
			if b.Cols[i].Valid != nil {
				b.Cols[i].SetValid(r)
			}
		}
		if len(rest) > 0 {
			return nil, Errorf(CodeCorrupt, s.Table, "a key has %d bytes too many", len(rest))
		}
		for i := range b.Cols {
			if v := &b.Cols[i]; !inKey[i] {
				if v.Layout == LayoutBytes {
					v.Off[r+1] = int32(len(v.Data))
				}
				if v.Valid != nil {
					v.Nulls++
				}
			}
		}
		b.Ops[r] = OpDelete
	}
	b.N = len(keys)
	if h != nil {
		h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
	}
	return b, nil
}
