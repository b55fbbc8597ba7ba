package iceberg

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/big"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// partition is one tuple of partition values.
type partition struct {
	values map[int]any // by partition field id; NULL is absent
	path   string      // "a=1/b=2"
	file   *openFile   // the open file of the table there, or nil
	rows   []partRow   // while sealing
}

// partitioner assigns rows to partitions. It is used by one goroutine.
type partitioner struct {
	target *writeTarget
	fields []partField
	byKey  map[string]*partition
	key    []byte
}

// partField computes one partition field over the selected rows of a batch.
type partField struct {
	field iceberggo.PartitionField
	col   int
	typ   cdc.Type // of the table's column
	from  cdc.Layout
	// fixed computes integer results; text those that are bytes. Exactly one is set.
	fixed func(v *cdc.Vec, rows []int32, out []int64)
	text  func(v *cdc.Vec, row int32, scratch []byte) []byte
	value func(code int64, text []byte) any // the result as iceberg-go wants it

	codes []int64
}

// newPartitioner returns nil for tables that are not partitioned.
func newPartitioner(t *writeTarget) (*partitioner, error) {
	if t.spec.IsUnpartitioned() {
		return nil, nil
	}
	p := &partitioner{target: t, byKey: map[string]*partition{}}
	for _, f := range t.spec.Fields() {
		if _, void := f.Transform.(iceberggo.VoidTransform); void {
			continue // always NULL
		}
		col := -1
		for i, c := range t.schema.Fields() {
			if c.ID == f.SourceID() {
				col = i
			}
		}
		if col < 0 {
			return nil, cdc.Errorf(codePartition, t.source.Table, "partition field %s has no source column %d", f.Name, f.SourceID())
		}
		typ, _ := cdcType(t.schema.Fields()[col].Type)
		pf := partField{field: f, col: col, typ: typ, from: t.source.Columns[col].Type.Layout()}
		if !pf.plan() {
			return nil, cdc.Errorf(codePartition, t.source.Table, "partition field %s is %s of %s", f.Name, f.Transform, typ)
		}
		p.fields = append(p.fields, pf)
	}
	return p, nil
}

// assign appends to out the partition of every selected row.
func (p *partitioner) assign(b *cdc.Batch, rows []int32, out []*partition) []*partition {
	for i := range p.fields {
		f := &p.fields[i]
		if f.fixed != nil {
			if cap(f.codes) < len(rows) {
				f.codes = make([]int64, max(len(rows), 1024))
			}
			f.codes = f.codes[:len(rows)]
			f.fixed(&b.Cols[f.col], rows, f.codes)
		}
	}
	var last *partition
	var lastKey []byte
	for j, r := range rows {
		k := p.key[:0]
		for i := range p.fields {
			f := &p.fields[i]
			v := &b.Cols[f.col]
			switch {
			case v.IsNull(int(r)):
				k = append(k, 0)
			case f.fixed != nil:
				k = binary.LittleEndian.AppendUint64(append(k, 1), uint64(f.codes[j]))
			default:
				n := len(k) + 1
				k = append(k, 2, 0, 0, 0, 0)
				k = f.text(v, r, k)
				binary.LittleEndian.PutUint32(k[n:], uint32(len(k)-n-4))
			}
		}
		p.key = k
		if last == nil || string(k) != string(lastKey) {
			if last = p.byKey[string(k)]; last == nil {
				last = p.add(k)
			}
			lastKey = append(lastKey[:0], k...)
		}
		out = append(out, last)
	}
	return out
}

// add makes the partition of a key.
func (p *partitioner) add(key []byte) *partition {
	part := &partition{values: map[int]any{}}
	k := key
	for i := range p.fields {
		f := &p.fields[i]
		switch k[0] {
		case 0:
			k = k[1:]
		case 1:
			part.values[f.field.FieldID] = f.value(int64(binary.LittleEndian.Uint64(k[1:])), nil)
			k = k[9:]
		default:
			n := binary.LittleEndian.Uint32(k[1:])
			part.values[f.field.FieldID] = f.value(0, append([]byte{}, k[5:5+n]...))
			k = k[5+n:]
		}
	}
	part.path = p.target.spec.PartitionToPath(&tuple{spec: &p.target.spec, values: part.values}, p.target.schema)
	p.byKey[string(key)] = part
	return part
}

// forget drops the partitions without an open file, so that a table that is partitioned by hour does not remember all hours.
func (p *partitioner) forget() {
	maps.DeleteFunc(p.byKey, func(_ string, v *partition) bool { return v.file == nil })
}

// tuple shows partition values to iceberg-go in the order of the spec.
type tuple struct {
	spec   *iceberggo.PartitionSpec
	values map[int]any
}

func (t *tuple) Size() int          { return t.spec.NumFields() }
func (t *tuple) Get(pos int) any    { return t.values[t.spec.Field(pos).FieldID] }
func (t *tuple) Set(pos int, v any) { t.values[t.spec.Field(pos).FieldID] = v }

// plan chooses how the field is computed; false if the transform is not defined for the column's type.
func (f *partField) plan() bool {
	switch tr := f.field.Transform.(type) {
	case iceberggo.IdentityTransform:
		return f.planIdentity()
	case iceberggo.BucketTransform:
		return tr.NumBuckets > 0 && f.planBucket(int32(tr.NumBuckets))
	case iceberggo.TruncateTransform:
		return tr.Width > 0 && f.planTruncate(tr.Width)
	case iceberggo.YearTransform:
		return f.planTime(func(days int64) int64 { y, _ := civil(days); return y - 1970 }, 0)
	case iceberggo.MonthTransform:
		return f.planTime(func(days int64) int64 { y, m := civil(days); return (y-1970)*12 + m - 1 }, 0)
	case iceberggo.DayTransform:
		ok := f.planTime(func(days int64) int64 { return days }, 0)
		f.value = func(c int64, _ []byte) any { return iceberggo.Date(c) }
		return ok
	case iceberggo.HourTransform:
		return f.planTime(nil, microsPerHour)
	default:
		return false
	}
}

// load copies integer values of any layout.
func (f *partField) load(v *cdc.Vec, rows []int32, out []int64) {
	switch f.from {
	case cdc.LayoutU8:
		for i, r := range rows {
			out[i] = int64(v.U8[r])
		}
	case cdc.LayoutI32:
		for i, r := range rows {
			out[i] = int64(v.I32[r])
		}
	default:
		for i, r := range rows {
			out[i] = v.I64[r]
		}
	}
}

func int32Value(c int64, _ []byte) any { return int32(c) }

func (f *partField) planIdentity() bool {
	switch f.typ.Kind {
	case cdc.KindBool:
		f.fixed, f.value = f.load, func(c int64, _ []byte) any { return c != 0 }
	case cdc.KindInt32:
		f.fixed, f.value = f.load, int32Value
	case cdc.KindInt64:
		f.fixed, f.value = f.load, func(c int64, _ []byte) any { return c }
	case cdc.KindDate:
		f.fixed, f.value = f.load, func(c int64, _ []byte) any { return iceberggo.Date(c) }
	case cdc.KindTimestamp, cdc.KindTimestampTZ:
		f.fixed, f.value = f.load, func(c int64, _ []byte) any { return iceberggo.Timestamp(c) }
	case cdc.KindDecimal:
		f.planDecimal(nil)
	case cdc.KindString:
		f.text, f.value = plainBytes, func(_ int64, b []byte) any { return string(b) }
	case cdc.KindBinary:
		f.text, f.value = plainBytes, func(_ int64, b []byte) any { return b }
	default:
		return false // floating point: legal, but a partition per value of one has no use
	}
	return true
}

func plainBytes(v *cdc.Vec, r int32, b []byte) []byte { return append(b, v.Bytes(int(r))...) }

// planDecimal computes identity, or truncate with a width.
func (f *partField) planDecimal(width *big.Int) {
	scale := int(f.typ.Scale)
	if f.from == cdc.LayoutI64 {
		f.fixed = f.load
		if width != nil {
			w := width.Int64()
			f.fixed = func(v *cdc.Vec, rows []int32, out []int64) {
				f.load(v, rows, out)
				truncateInts(out, w)
			}
		}
		f.value = func(c int64, _ []byte) any { return iceberggo.Decimal{Val: decimal128.FromI64(c), Scale: scale} }
		return
	}
	f.text = func(v *cdc.Vec, r int32, b []byte) []byte {
		lo, hi := uint64(v.I64[2*r]), v.I64[2*r+1]
		if width != nil {
			x := decimal128.New(hi, lo).BigInt()
			x.Sub(x, new(big.Int).Mod(x, width)) // Mod is Euclidean: never negative
			d := decimal128.FromBigInt(x)
			lo, hi = d.LowBits(), d.HighBits()
		}
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, lo), uint64(hi))
	}
	f.value = func(_ int64, b []byte) any {
		return iceberggo.Decimal{Val: decimal128.New(int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint64(b)), Scale: scale}
	}
}

// truncateInts rounds down to multiples of w, by the specification's v - (((v % w) + w) % w).
func truncateInts(vs []int64, w int64) {
	for i, v := range vs {
		m := v % w
		if m < 0 {
			m += w
		}
		vs[i] = v - m
	}
}

func (f *partField) planTruncate(width int) bool {
	switch f.typ.Kind {
	case cdc.KindInt32, cdc.KindInt64:
		wide := f.typ.Kind == cdc.KindInt64
		f.fixed = func(v *cdc.Vec, rows []int32, out []int64) {
			f.load(v, rows, out)
			truncateInts(out, int64(width))
		}
		f.value = func(c int64, _ []byte) any {
			if wide {
				return c
			}
			return int32(c)
		}
	case cdc.KindDecimal:
		f.planDecimal(big.NewInt(int64(width)))
	case cdc.KindString:
		f.text = func(v *cdc.Vec, r int32, b []byte) []byte {
			s, n := v.Bytes(int(r)), 0
			for i := 0; i < width && n < len(s); i++ {
				_, size := utf8.DecodeRune(s[n:])
				n += size
			}
			return append(b, s[:n]...)
		}
		f.value = func(_ int64, b []byte) any { return string(b) }
	case cdc.KindBinary:
		f.text = func(v *cdc.Vec, r int32, b []byte) []byte {
			s := v.Bytes(int(r))
			return append(b, s[:min(width, len(s))]...)
		}
		f.value = func(_ int64, b []byte) any { return b }
	default:
		return false
	}
	return true
}

func (f *partField) planBucket(n int32) bool {
	f.value = int32Value
	bucket := func(h uint32) int64 { return int64(int32(h&math.MaxInt32) % n) }
	switch f.typ.Kind {
	case cdc.KindInt32, cdc.KindInt64, cdc.KindDate, cdc.KindTimestamp, cdc.KindTimestampTZ:
		f.fixed = func(v *cdc.Vec, rows []int32, out []int64) {
			f.load(v, rows, out)
			for i, x := range out {
				out[i] = bucket(murmur3Long(x))
			}
		}
	case cdc.KindDecimal:
		f.fixed = func(v *cdc.Vec, rows []int32, out []int64) {
			var w [16]byte
			for i, r := range rows {
				var lo, hi int64
				if f.from == cdc.LayoutI128 {
					lo, hi = v.I64[2*r], v.I64[2*r+1]
				} else {
					lo = v.I64[r]
					hi = lo >> 63
				}
				out[i] = bucket(murmur3(minimalBytes(&w, hi, lo)))
			}
		}
	case cdc.KindString, cdc.KindBinary:
		f.fixed = func(v *cdc.Vec, rows []int32, out []int64) {
			for i, r := range rows {
				out[i] = bucket(murmur3(v.Bytes(int(r))))
			}
		}
	default:
		return false
	}
	return true
}

const (
	microsPerHour = 3600 * 1000 * 1000
	microsPerDay  = 24 * microsPerHour
)

// planTime computes a function of the day, or, if there is none, the number of units (microseconds) since 1970.
func (f *partField) planTime(ofDay func(days int64) int64, unit int64) bool {
	f.value = int32Value
	date := f.typ.Kind == cdc.KindDate
	if !date && f.typ.Kind != cdc.KindTimestamp && f.typ.Kind != cdc.KindTimestampTZ || date && ofDay == nil {
		return false
	}
	f.fixed = func(v *cdc.Vec, rows []int32, out []int64) {
		f.load(v, rows, out)
		for i, x := range out {
			switch {
			case date:
				out[i] = ofDay(x)
			case ofDay != nil:
				out[i] = ofDay(divFloor(x, microsPerDay))
			default:
				out[i] = divFloor(x, unit)
			}
		}
	}
	return true
}

func divFloor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// civil returns year and month (1..12) of a day, counted from 1970-01-01 in the proleptic Gregorian calendar.
func civil(days int64) (year, month int64) {
	z := days + 719468 // days since 0000-03-01
	era := divFloor(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	mp := (5*(doe-(365*yoe+yoe/4-yoe/100)) + 2) / 153 // 0 is March
	if mp < 10 {
		return yoe + era*400, mp + 3
	}
	return yoe + era*400 + 1, mp - 9
}

// minimalBytes is the shortest big-endian two's complement of a 128-bit value.
func minimalBytes(w *[16]byte, hi, lo int64) []byte {
	binary.BigEndian.PutUint64(w[:8], uint64(hi))
	binary.BigEndian.PutUint64(w[8:], uint64(lo))
	i := 0
	for i < 15 && (w[i] == 0 && w[i+1] < 0x80 || w[i] == 0xff && w[i+1] >= 0x80) {
		i++
	}
	return w[i:]
}

// murmur3Long is murmur3 of the eight little-endian bytes of v.
func murmur3Long(v int64) uint32 {
	h := murmur3Mix(0, uint32(v))
	h = murmur3Mix(h, uint32(uint64(v)>>32))
	return murmur3Final(h, 8)
}

// murmur3 is the 32-bit x86 variant with seed 0, as the specification's appendix B demands.
func murmur3(b []byte) uint32 {
	n := len(b)
	var h uint32
	for ; len(b) >= 4; b = b[4:] {
		h = murmur3Mix(h, binary.LittleEndian.Uint32(b))
	}
	var k uint32
	for i := len(b) - 1; i >= 0; i-- {
		k = k<<8 | uint32(b[i])
	}
	if len(b) > 0 {
		h ^= murmur3Scramble(k)
	}
	return murmur3Final(h, n)
}

func murmur3Scramble(k uint32) uint32 {
	k *= 0xcc9e2d51
	k = k<<15 | k>>17
	return k * 0x1b873593
}

func murmur3Mix(h, k uint32) uint32 {
	h ^= murmur3Scramble(k)
	h = h<<13 | h>>19
	return h*5 + 0xe6546b64
}

func murmur3Final(h uint32, n int) uint32 {
	h ^= uint32(n)
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

func (p *partition) String() string { return fmt.Sprintf("partition %q", p.path) }
