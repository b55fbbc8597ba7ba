package binlog

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/cdc2lake/cdc2lake/cdc"
)

var errNull = errors.New("NULL in a column that is NOT NULL")

// positions returns where the column's values stand, less o.at and negative for NULL, and sets the validity of rows at and
// following.
func (r *run) positions(o *op, v *cdc.Vec, at int, base []byte) []int32 {
	n := r.rows
	pos := r.starts[int(o.step)*pitch:][:n]
	if !o.null {
		if o.nullable {
			for i := at; i < at+n; i++ {
				v.Valid[i>>3] |= 1 << (uint(i) & 7)
			}
		}
		return pos
	}
	images := r.starts[:n]
	out := r.pos[:n]
	bitmap := r.l.nullAt - r.l.head + int(o.nullByte) // as seen from the values
	mask := o.nullMask
	present := int32(0)
	for i := 0; i < n; {
		row := at + i
		to := min(n, i+8-row&7)
		valid, one := byte(0), byte(1)<<(row&7)
		for ; i < to; i++ {
			keep := unset(base[int(images[i])+bitmap] & mask)
			present -= keep
			valid |= one & byte(keep)
			one += one
			out[i] = pos[i] | ^keep
		}
		v.Valid[row>>3] |= valid
	}
	v.Nulls += n - int(present)
	return out
}

// column decodes a column of the run's rows into rows at and following. On an error i says in which row of the run.
func (r *run) column(o *op, v *cdc.Vec, at int, base []byte) (i int, err error) {
	pos := r.positions(o, v, at, base)
	to := at + len(pos)
	switch o.code {
	case opI8:
		out, d := v.I32[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int32(int8(base[p+d]))
			}
		}
	case opU8:
		out, d := v.I32[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int32(base[p+d])
			}
		}
	case opI16:
		out, d := v.I32[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int32(int16(binary.LittleEndian.Uint16(base[p+d:])))
			}
		}
	case opU16:
		out, d := v.I32[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int32(binary.LittleEndian.Uint16(base[p+d:]))
			}
		}
	case opI32:
		out, d := v.I32[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int32(binary.LittleEndian.Uint32(base[p+d:]))
			}
		}
	case opU32:
		out, d := v.I64[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int64(binary.LittleEndian.Uint32(base[p+d:]))
			}
		}
	case opI64:
		out, d := v.I64[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = int64(binary.LittleEndian.Uint64(base[p+d:]))
			}
		}
	case opU64:
		out, d := v.I64[2*at : 2*to][:2*len(pos)], o.at
		for i, p := range pos {
			if out[2*i], out[2*i+1] = 0, 0; p >= 0 {
				out[2*i] = int64(binary.LittleEndian.Uint64(base[p+d:]))
			}
		}
	case opF32:
		out, d := v.F32[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = math.Float32frombits(binary.LittleEndian.Uint32(base[p+d:]))
			}
		}
	case opF64:
		out, d := v.F64[at:to][:len(pos)], o.at
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				out[i] = math.Float64frombits(binary.LittleEndian.Uint64(base[p+d:]))
			}
		}
	case opDec64:
		return o.decimals(v.I64[at:to], base, pos)
	case opDatetime, opTimestamp:
		return o.times(v, at, base, pos)
	case opCopy:
		return o.copies(v, at, base, pos)
	case opRowDatetime:
		return o.parts(v, at, base, pos)
	case opRowDec64:
		out := v.I64[at:to][:len(pos)]
		for i, p := range pos {
			if out[i] = 0; p >= 0 {
				if out[i], err = parseDecimal64(o.raw(base, p+o.at), o.c.src.Scale); err != nil {
					return i, err
				}
			}
		}
	default:
		for i, p := range pos {
			if p < 0 {
				setZero(v, at+i)
			} else if err = o.rare(v, at+i, o.raw(base, p+o.at)); err != nil {
				return i, err
			}
		}
	}
	return 0, nil
}

// word returns the eight bytes at p, big endian; fewer at the end of base have zeros behind them.
func word(base []byte, p int32) uint64 {
	if b := base[p:]; len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var b [8]byte
	copy(b[:], base[p:])
	return binary.BigEndian.Uint64(b[:])
}

// decimals decodes DECIMALs of up to 18 digits.
func (o *op) decimals(to []int64, base []byte, pos []int32) (i int, err error) {
	for i, p := range pos {
		to[i] = 0
		if p < 0 {
			continue
		}
		p += o.at
		if o.size > 8 {
			to[i], err = decimal64(base[p:p+o.size], o.groups)
		} else {
			to[i], err = decimalWord(word(base, p)>>(64-8*uint(o.size)), uint(o.size), o.groups)
		}
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}

// times decodes DATETIMEs and TIMESTAMPs.
func (o *op) times(v *cdc.Vec, at int, base []byte, pos []int32) (i int, err error) {
	to := v.I64[at : at+len(pos)]
	datetime := o.code == opDatetime
	for i, p := range pos {
		to[i] = 0
		if p < 0 {
			continue
		}
		var ok bool
		if x := word(base, p+o.at); datetime {
			to[i], ok = logDatetime(x, int(o.size)-5)
		} else {
			to[i], ok = logTimestamp(x, int(o.size)-4)
		}
		if !ok {
			if err = o.zeroDate(v, at+i); err != nil {
				return i, err
			}
		}
	}
	return 0, nil
}

// parts decodes DATETIMEs and TIMESTAMPs of the binary protocol.
func (o *op) parts(v *cdc.Vec, at int, base []byte, pos []int32) (i int, err error) {
	to := v.I64[at : at+len(pos)]
	for i, p := range pos {
		to[i] = 0
		if p < 0 {
			continue
		}
		days, micros, ok, err := rowDatetime(o.raw(base, p+o.at))
		if err == nil && !ok {
			err = o.zeroDate(v, at+i)
		} else {
			to[i] = days*86400e6 + micros
		}
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}

// copies appends values that need no conversion.
func (o *op) copies(v *cdc.Vec, at int, base []byte, pos []int32) (i int, err error) {
	data, off := v.Data, v.Off[at+1:at+1+len(pos)]
	switch o.form {
	case form1, formLenenc:
		for i, p := range pos {
			if p >= 0 {
				if b := base[p+o.at:]; b[0] < 0xfb || o.form == form1 {
					data = append(data, b[1:1+int(b[0])]...)
				} else {
					data = append(data, o.raw(base, p+o.at)...)
				}
			}
			off[i] = int32(len(data))
		}
	case form2:
		for i, p := range pos {
			if p >= 0 {
				b := base[p+o.at:]
				data = append(data, b[2:2+int(binary.LittleEndian.Uint16(b))]...)
			}
			off[i] = int32(len(data))
		}
	default:
		for i, p := range pos {
			if p >= 0 {
				data = append(data, o.raw(base, p+o.at)...)
			}
			off[i] = int32(len(data))
		}
	}
	v.Data = data
	if len(data) > math.MaxInt32 {
		return len(pos) - 1, errTooLong
	}
	return 0, nil
}

// rare decodes what column leaves to a call.
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
		t, err := logTime(raw)
		if err != nil {
			return err
		}
		v.Data = t.append(v.Data, o.c.src.FSP)
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
	case opGeometry:
		var err error
		if v.Data, err = appendGeometry(v.Data, raw); err != nil {
			return err
		}
		return end(v, r)
	case opBoolean, opMicros, opRowMicros, opWKB:
		return o.chosen(v, r, raw)
	case opUUID:
		v.Data = appendUUID(v.Data, raw)
		return end(v, r)
	case opINET4:
		v.Data = appendINET4(v.Data, raw)
		return end(v, r)
	case opINET6:
		v.Data = appendINET6(v.Data, raw)
		return end(v, r)
	case opInflate:
		return o.c.putInflated(v, r, raw)
	case opHashInt:
		u := littleEndian(raw)
		if bits := 8 * len(raw); !o.unsigned {
			u = uint64(int64(u<<(64-bits)) >> (64 - bits))
		}
		return o.c.putHashedInt(v, r, u)
	default:
		return o.printed(v, r, raw)
	}
}

// printed decodes what stands in rows of the binary protocol otherwise than in the log.
func (o *op) printed(v *cdc.Vec, r int, raw []byte) error {
	switch o.code {
	case opRowDec128:
		lo, hi, err := parseDecimal(raw, o.c.src.Scale)
		v.I64[2*r], v.I64[2*r+1] = int64(lo), int64(hi)
		return err
	case opRowDecText:
		var err error
		if v.Data, err = normalDecimal(v.Data, raw); err != nil {
			return err
		}
		return end(v, r)
	case opRowDate:
		days, _, ok, err := rowDatetime(raw)
		v.I32[r] = int32(days)
		if err == nil && !ok {
			err = o.zeroDate(v, r)
		}
		return err
	case opRowTime:
		t, err := rowTime(raw)
		if err != nil {
			return err
		}
		v.Data = t.append(v.Data, o.c.src.FSP)
		return end(v, r)
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

// empty zeroes the columns of rows [from, to) that a delete does not have.
func (w *writer) empty(from, to int) {
	for _, i := range w.nonKey {
		v := &w.b.Cols[i]
		for r := from; r < to; r++ {
			setZero(v, r)
		}
		if v.Valid != nil {
			v.Nulls += to - from
		}
	}
}
