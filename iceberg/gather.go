package iceberg

import (
	"encoding/binary"
	"slices"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// gather appends rows of a batch to the set, column by column. rows is ascending.
func (s *colSet) gather(l *parquetLayout, b *cdc.Batch, rows []int32) {
	if len(rows) == 0 {
		return
	}
	for i := range l.cols {
		gatherColumn(&l.cols[i], &s.cols[i], &b.Cols[i], rows)
	}
	s.n += len(rows)
}

func gatherColumn(l *columnLayout, d *colBuf, v *cdc.Vec, rows []int32) {
	k := len(rows)
	// Nulls of a batch counts all its rows, and those of other shards too: it only tells that no row is NULL.
	nulls := l.nullable && v.Nulls > 0
	if l.optional {
		d.def = gatherLevels(d.def, v, rows, nulls)
	}
	// A contiguous run is copied whole.
	run := int(rows[k-1]-rows[0]) == k-1 && !nulls
	from := int(rows[0])
	switch l.to {
	case physBool:
		d.bools = slices.Grow(d.bools, k)
		for _, r := range rows {
			if !nulls || !v.IsNull(int(r)) {
				d.bools = append(d.bools, v.U8[r] != 0)
			}
		}
	case physInt32:
		if l.from == cdc.LayoutI32 {
			d.i32 = gatherFixed(d.i32, v.I32, v.Valid, rows, run, nulls)
		} else {
			d.i32 = gatherConv(d.i32, v.I64, v, rows, nulls) // decimals of up to 9 digits
		}
	case physInt64:
		if l.from == cdc.LayoutI64 {
			d.i64 = gatherFixed(d.i64, v.I64, v.Valid, rows, run, nulls)
		} else {
			d.i64 = gatherConv(d.i64, v.I32, v, rows, nulls)
		}
	case physFloat:
		d.f32 = gatherFixed(d.f32, v.F32, v.Valid, rows, run, nulls)
	case physDouble:
		if l.from == cdc.LayoutF64 {
			d.f64 = gatherFixed(d.f64, v.F64, v.Valid, rows, run, nulls)
		} else {
			d.f64 = gatherConv(d.f64, v.F32, v, rows, nulls)
		}
	case physFixed:
		gatherDecimals(l, d, v, rows, nulls)
	case physBytes, physFloats:
		gatherBytes(d, v, rows, run, from, nulls)
	}
}

// gatherLevels appends a definition level per row.
func gatherLevels(def []int16, v *cdc.Vec, rows []int32, nulls bool) []int16 {
	n := len(def)
	def = slices.Grow(def, len(rows))[:n+len(rows)]
	out := def[n:]
	if !nulls {
		for i := range out {
			out[i] = 1
		}
		return def
	}
	for i, r := range rows {
		out[i] = int16(v.Valid[r>>3] >> (uint(r) & 7) & 1)
	}
	return def
}

// gatherFixed appends the values of rows that are not NULL. Without branches: a NULL's slot is overwritten by the next value.
func gatherFixed[T any](dst, src []T, valid []byte, rows []int32, run, nulls bool) []T {
	n := len(dst)
	if run {
		return append(dst, src[rows[0]:int(rows[0])+len(rows)]...)
	}
	dst = slices.Grow(dst, len(rows))[:n+len(rows)]
	out := dst[n:]
	if !nulls {
		for i, r := range rows {
			out[i] = src[r]
		}
		return dst
	}
	k := 0
	for _, r := range rows {
		out[k] = src[r]
		k += int(valid[r>>3] >> (uint(r) & 7) & 1)
	}
	return dst[:n+k]
}

type number interface {
	~int32 | ~int64 | ~float32 | ~float64
}

// gatherConv is gatherFixed with a conversion that loses nothing (see holds).
func gatherConv[D, S number](dst []D, src []S, v *cdc.Vec, rows []int32, nulls bool) []D {
	dst = slices.Grow(dst, len(rows))
	for _, r := range rows {
		if !nulls || !v.IsNull(int(r)) {
			dst = append(dst, D(src[r]))
		}
	}
	return dst
}

// gatherDecimals appends unscaled values as big-endian two's complement of the column's width.
func gatherDecimals(l *columnLayout, d *colBuf, v *cdc.Vec, rows []int32, nulls bool) {
	d.fixed = slices.Grow(d.fixed, len(rows)*l.width)
	var w [16]byte
	for _, r := range rows {
		if nulls && v.IsNull(int(r)) {
			continue
		}
		var lo, hi int64
		if l.from == cdc.LayoutI128 {
			lo, hi = v.I64[2*r], v.I64[2*r+1]
		} else {
			lo = v.I64[r]
			hi = lo >> 63
		}
		binary.BigEndian.PutUint64(w[:8], uint64(hi))
		binary.BigEndian.PutUint64(w[8:], uint64(lo))
		d.fixed = append(d.fixed, w[16-l.width:]...)
	}
}

func gatherBytes(d *colBuf, v *cdc.Vec, rows []int32, run bool, from int, nulls bool) {
	d.off = slices.Grow(d.off, len(rows))
	if run {
		lo, hi := v.Off[from], v.Off[from+len(rows)]
		shift := int32(len(d.data)) - lo
		d.data = append(d.data, v.Data[lo:hi]...)
		for _, o := range v.Off[from+1 : from+len(rows)+1] {
			d.off = append(d.off, o+shift)
		}
		return
	}
	// Rows are about as long as their neighbours.
	last := int(rows[len(rows)-1]) + 1
	d.data = slices.Grow(d.data, int(int64(v.Off[last])*int64(len(rows))/int64(last)))
	data, off := d.data, d.off
	for _, r := range rows {
		if nulls && v.IsNull(int(r)) {
			continue
		}
		data = append(data, v.Data[v.Off[r]:v.Off[r+1]]...)
		off = append(off, int32(len(data)))
	}
	d.data, d.off = data, off
}
