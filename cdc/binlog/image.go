package binlog

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/cdc2lake/cdc2lake/cdc"
)

var errNull = errors.New("NULL in a column that is NOT NULL")

// walk steps over the first count columns of a row image, notes where the key columns lie, and returns the length.
func (p *plan) walk(b []byte, count int, keys []span) (int, error) {
	nb := len(p.full)
	if len(b) < nb {
		return 0, errShort
	}
	nulls, pos, k := b[:nb], nb, 0
	for i := range p.ops[:count] {
		o := &p.ops[i]
		if nulls[o.nullByte]&o.nullMask != 0 {
			if o.key {
				return 0, errNull
			}
			continue
		}
		n := int(o.size)
		if o.lenBytes != 0 {
			l := int(o.lenBytes)
			if len(b)-pos < l {
				return 0, errShort
			}
			switch l {
			case 1:
				n = int(b[pos])
			case 2:
				n = int(binary.LittleEndian.Uint16(b[pos:]))
			default:
				n = int(littleEndian(b[pos : pos+l]))
			}
			pos += l
		}
		if len(b)-pos < n {
			return 0, errShort
		}
		if o.key {
			keys[k] = span{pos, pos + n}
			k++
		}
		pos += n
	}
	return pos, nil
}

// image decodes a row image into row r and returns its length; with keysOnly only the key columns, and the others empty.
// On an error column says whose value it is.
func (p *plan) image(cols []cdc.Vec, r int, b []byte, keysOnly bool) (length, column int, err error) {
	nb := len(p.full)
	if len(b) < nb {
		return 0, 0, errShort
	}
	nulls, pos := b[:nb], nb
	for i := range p.ops {
		o := &p.ops[i]
		skip := o.out < 0 || keysOnly && !o.key
		if nulls[o.nullByte]&o.nullMask != 0 {
			if skip {
				continue
			}
			if !o.nullable {
				return 0, i, errNull
			}
			setNull(&cols[o.out], r)
			continue
		}
		n := int(o.size)
		if o.lenBytes != 0 {
			l := int(o.lenBytes)
			if len(b)-pos < l {
				return 0, i, errShort
			}
			switch l {
			case 1:
				n = int(b[pos])
			case 2:
				n = int(binary.LittleEndian.Uint16(b[pos:]))
			default:
				n = int(littleEndian(b[pos : pos+l]))
			}
			pos += l
		}
		if len(b)-pos < n {
			return 0, i, errShort
		}
		raw := b[pos : pos+n : pos+n]
		pos += n
		if skip {
			continue
		}
		v := &cols[o.out]
		if o.nullable {
			v.Valid[r>>3] |= 1 << (uint(r) & 7)
		}
		switch o.code {
		case opI8:
			v.I32[r] = int32(int8(raw[0]))
		case opU8:
			v.I32[r] = int32(raw[0])
		case opI16:
			v.I32[r] = int32(int16(binary.LittleEndian.Uint16(raw)))
		case opU16:
			v.I32[r] = int32(binary.LittleEndian.Uint16(raw))
		case opI32:
			v.I32[r] = int32(binary.LittleEndian.Uint32(raw))
		case opU32:
			v.I64[r] = int64(binary.LittleEndian.Uint32(raw))
		case opI64:
			v.I64[r] = int64(binary.LittleEndian.Uint64(raw))
		case opU64:
			v.I64[2*r], v.I64[2*r+1] = int64(binary.LittleEndian.Uint64(raw)), 0
		case opF32:
			v.F32[r] = math.Float32frombits(binary.LittleEndian.Uint32(raw))
		case opF64:
			v.F64[r] = math.Float64frombits(binary.LittleEndian.Uint64(raw))
		case opDec64:
			if v.I64[r], err = decimal64(raw, o.groups); err != nil {
				return 0, i, err
			}
		case opDatetime:
			t, ok := logDatetime(raw)
			v.I64[r] = t
			if !ok {
				if err = o.zeroDate(v, r); err != nil {
					return 0, i, err
				}
			}
		case opTimestamp:
			t, ok := logTimestamp(raw)
			v.I64[r] = t
			if !ok {
				if err = o.zeroDate(v, r); err != nil {
					return 0, i, err
				}
			}
		case opCopy:
			v.Data = append(v.Data, raw...)
			v.Off[r+1] = int32(len(v.Data))
			if len(v.Data) > math.MaxInt32 {
				return 0, i, errTooLong
			}
		default:
			if err = o.rare(v, r, raw); err != nil {
				return 0, i, err
			}
		}
	}
	return pos, 0, nil
}

// rare decodes what image leaves to a call.
func (o *op) rare(v *cdc.Vec, r int, raw []byte) error {
	switch o.code {
	case opI24:
		v.I32[r] = int32(uint32(littleEndian(raw))<<8) >> 8
		return nil
	case opU24:
		v.I32[r] = int32(littleEndian(raw))
		return nil
	case opDec128:
		lo, hi, err := decimal128(raw, o.groups)
		v.I64[2*r], v.I64[2*r+1] = int64(lo), int64(hi)
		return err
	case opDecText:
		var err error
		if v.Data, err = appendDecimal(v.Data, raw, o.c.src.Precision, o.c.src.Scale, o.groups); err != nil {
			return err
		}
		return end(v, r)
	case opDate:
		days, ok := logDate(raw)
		v.I32[r] = days
		if !ok {
			return o.zeroDate(v, r)
		}
		return nil
	case opTime:
		var err error
		if v.Data, err = logTime(v.Data, raw, o.c.src.FSP); err != nil {
			return err
		}
		return end(v, r)
	case opYear:
		v.I32[r] = 0
		if raw[0] != 0 {
			v.I32[r] = 1900 + int32(raw[0])
		}
		return nil
	case opText:
		return o.c.putText(v, r, raw)
	case opBinary:
		return o.c.putBinary(v, r, raw)
	case opBit:
		return o.c.putBit(v, r, raw)
	case opEnum:
		return o.c.putEnum(v, r, int(littleEndian(raw)))
	case opSet:
		return o.c.putSet(v, r, littleEndian(raw))
	case opJSON:
		var err error
		if v.Data, err = appendJSON(v.Data, raw); err != nil {
			return err
		}
		return end(v, r)
	case opHashInt:
		u := littleEndian(raw)
		if bits := 8 * len(raw); !o.unsigned {
			u = uint64(int64(u<<(64-bits)) >> (64 - bits))
		}
		return o.c.putHashedInt(v, r, u)
	default:
		panic("binlog: operation without a decoder")
	}
}

// zeroDate stores what is no calendar date; the value's valid bit was set already.
func (o *op) zeroDate(v *cdc.Vec, r int) error {
	if o.nullable {
		v.Valid[r>>3] &^= 1 << (uint(r) & 7)
	}
	return o.c.putZeroDate(v, r)
}

// empty zeroes the columns of row r that a delete does not have.
func (w *writer) empty(r int) {
	for _, i := range w.nonKey {
		v := &w.b.Cols[i]
		setZero(v, r)
		if v.Valid != nil {
			v.Nulls++
		}
	}
}
