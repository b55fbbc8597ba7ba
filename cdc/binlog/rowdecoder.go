package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// RowSession is what a session must have set whose rows go to a RowDecoder, so that values are those of the log: times
// in UTC, texts in their column's character set (the decoder converts them, as it does the log's), CHAR without padding.
const RowSession = "SET SESSION time_zone = '+00:00', character_set_results = NULL, sql_mode = ''"

// RowDecoder turns rows of the binary protocol (COM_STMT_EXECUTE) into batches of OpRead rows. It is used by one goroutine.
type RowDecoder struct {
	table  cdc.TableID
	ops    []rowOp
	names  []string
	writer *writer
	nulls  int // bytes of the bitmap
}

// rowOp is one column's step through a row.
type rowOp struct {
	code     opcode
	form     rowForm
	nullable bool // in the batch
	nullMask byte
	nullByte int32
	size     int32 // of fixed-size values
	out      int32
	c        *column
}

// rowForm says how a value's length is written.
type rowForm uint8

const (
	formFixed  rowForm = iota
	formByte           // one byte: dates and times
	formLenenc         // a length-encoded integer
)

// NewRowDecoder returns a decoder for rows of Columns, in that order. pool is Table.Pool of the table's registration, or
// a new one. Batches go to emit with one reference; an error of emit is returned by Row and Flush as it is.
func NewRowDecoder(pool *cdc.BatchPool, opts TableOptions, seed uint64, emit func(*cdc.Batch) error) (*RowDecoder, error) {
	schema := pool.Schema()
	_, cols, cerr := recompile(schema, &opts)
	if cerr != nil {
		return nil, cerr
	}
	w, cerr := newWriter(schema, &opts, seed, pool, emit)
	if cerr != nil {
		return nil, cerr
	}
	d := &RowDecoder{table: schema.Table, writer: w}
	for i := range cols {
		c := &cols[i]
		if c.out < 0 {
			continue
		}
		n := len(d.ops) + 2 // the bitmap's first two bits are not used
		o := rowOp{code: mapTypes[c.fam].signed, c: c, out: int32(c.out), nullable: c.nullable, nullByte: int32(n >> 3), nullMask: 1 << (n & 7)}
		if c.src.Unsigned {
			o.code = mapTypes[c.fam].unsigned
		}
		o.form, o.size = rowLayout(c.fam)
		switch {
		case c.fam == famDecimal && c.src.Precision > 38:
			o.code = opDecText
		case c.fam == famDecimal && c.src.Precision > 18:
			o.code = opDec128
		case c.fam == famEnum || c.fam == famSet:
			o.code = opText
		case c.fam == famJSON:
			o.code = opCopy
		}
		switch {
		case c.hash && c.fam.integer():
			o.code = opHashInt
		case c.hash:
		case o.code == opText && c.cs.kind == charsetUTF8, o.code == opBinary:
			o.code = opCopy
		}
		d.ops = append(d.ops, o)
		d.names = append(d.names, c.src.Name)
	}
	d.nulls = (len(d.ops) + 9) / 8
	return d, nil
}

func rowLayout(f family) (rowForm, int32) {
	switch f {
	case famTiny:
		return formFixed, 1
	case famShort, famYear:
		return formFixed, 2
	case famInt24, famInt, famFloat:
		return formFixed, 4
	case famBig, famDouble:
		return formFixed, 8
	case famDate, famTime, famDatetime, famTimestamp:
		return formByte, 0
	default:
		return formLenenc, 0
	}
}

// Columns returns the names of the columns to select, in order.
func (d *RowDecoder) Columns() []string { return d.names }

// Begin sets the time (microseconds since the epoch) and position that metadata columns get; pos is not copied.
func (d *RowDecoder) Begin(micros int64, pos []byte) { d.writer.micros, d.writer.pos = micros, pos }

// Definition checks the definition packet of column i of the result against the table: its name, type and character set.
func (d *RowDecoder) Definition(i int, packet []byte) error {
	fail := func(format string, args ...any) error {
		return cdc.Errorf(CodeMismatch, d.table, "result column %d: %s", i+1, fmt.Sprintf(format, args...))
	}
	if i >= len(d.ops) {
		return fail("only %d were selected", len(d.ops))
	}
	var name []byte
	b := packet
	for k := range 6 { // catalog, schema, table, original table, name, original name
		n, l := lenenc(b)
		if l == 0 || n > uint64(len(b)-l) {
			return fail("a malformed definition")
		}
		if k == 5 {
			name = b[l : l+int(n)]
		}
		b = b[l+int(n):]
	}
	if len(b) < 11 {
		return fail("a malformed definition")
	}
	collation, typ, flags := binary.LittleEndian.Uint16(b[1:]), b[7], binary.LittleEndian.Uint16(b[8:])
	c := d.ops[i].c
	if string(name) != c.src.Name {
		return fail("it is %q, expected %q", name, c.src.Name)
	}
	want := mapTypes[c.fam].typ
	switch c.fam {
	case famVarchar, famVarbinary:
		want = typeVarString
	case famTime:
		want = typeTime
	case famDatetime:
		want = typeDatetime
	case famTimestamp:
		want = typeTimestamp
	case famEnum, famSet:
		want = typeString
	case famText, famBlob:
		if typ >= typeTinyBlob && typ <= typeBlob {
			want = typ
		}
	}
	const unsigned, enum, set = 32, 256, 2048
	if typ != want || (flags&enum != 0) != (c.fam == famEnum) || (flags&set != 0) != (c.fam == famSet) {
		return fail("%s has type %d, flags %#x, expected type %d for %s", name, typ, flags, want, c.src.ColumnType)
	}
	if c.fam.integer() && (flags&unsigned != 0) != c.src.Unsigned {
		return fail("%s: unsigned is %t, the definition is %s", name, flags&unsigned != 0, c.src.ColumnType)
	}
	if c.cs != nil {
		if cs := CollationCharset(uint64(collation)); cs != "" && cs != c.src.Charset && !(cs == "utf8mb3" && c.src.Charset == "utf8") {
			return fail("%s arrives in %s, the column is in %s", name, cs, c.src.Charset)
		}
	}
	return nil
}

// Row appends a row: the packet's payload, from the zero byte on. It is not retained.
func (d *RowDecoder) Row(packet []byte) error {
	w := d.writer
	r, err := w.open()
	if err != nil {
		return plain(err)
	}
	column, err := d.row(w.b.Cols, r, packet)
	if err != nil {
		w.drop()
		name := "after the last one"
		if column < len(d.names) {
			name = d.names[column]
		}
		return valueError(d.table, name, err)
	}
	w.close(cdc.OpRead, len(packet))
	return nil
}

// Flush hands on the rows that are left.
func (d *RowDecoder) Flush() error { return plain(d.writer.flush()) }

// Drop gives up the rows that were not handed on.
func (d *RowDecoder) Drop() { d.writer.drop() }

// plain takes the table's error out of its wrapping.
func plain(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f.err
	}
	return err
}

func (d *RowDecoder) row(cols []cdc.Vec, r int, b []byte) (column int, err error) {
	if len(b) < 1+d.nulls || b[0] != 0 {
		return 0, errShort
	}
	nulls, pos := b[1:1+d.nulls], 1+d.nulls
	for i := range d.ops {
		o := &d.ops[i]
		v := &cols[o.out]
		if nulls[o.nullByte]&o.nullMask != 0 {
			if !o.nullable {
				return i, errNull
			}
			setNull(v, r)
			continue
		}
		n := int(o.size)
		switch o.form {
		case formByte:
			if pos >= len(b) {
				return i, errShort
			}
			n = int(b[pos])
			pos++
		case formLenenc:
			if pos < len(b) && b[pos] < 0xfb {
				n = int(b[pos])
				pos++
				break
			}
			l, k := lenenc(b[pos:])
			if k == 0 || l > uint64(len(b)) {
				return i, errShort
			}
			n = int(l)
			pos += k
		}
		if len(b)-pos < n {
			return i, errShort
		}
		raw := b[pos : pos+n : pos+n]
		pos += n
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
		case opU16, opYear:
			v.I32[r] = int32(binary.LittleEndian.Uint16(raw))
		case opI24, opI32, opU24:
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
		case opCopy:
			v.Data = append(v.Data, raw...)
			v.Off[r+1] = int32(len(v.Data))
			if len(v.Data) > math.MaxInt32 {
				return i, errTooLong
			}
		default:
			if err := o.rare(v, r, raw); err != nil {
				return i, err
			}
		}
	}
	if pos != len(b) {
		return len(d.ops), errors.New("bytes are left over")
	}
	return 0, nil
}

// rare decodes what row leaves to a call.
func (o *rowOp) rare(v *cdc.Vec, r int, raw []byte) error {
	switch o.code {
	case opDec64, opDec128:
		lo, hi, err := parseDecimal(raw, o.c.src.Scale)
		if o.code == opDec64 {
			v.I64[r] = int64(lo)
		} else {
			v.I64[2*r], v.I64[2*r+1] = int64(lo), int64(hi)
		}
		return err
	case opDecText:
		var err error
		if v.Data, err = normalDecimal(v.Data, raw); err != nil {
			return err
		}
		return end(v, r)
	case opDate, opDatetime, opTimestamp:
		days, micros, ok, err := rowDatetime(raw)
		switch {
		case err != nil:
			return err
		case !ok:
			if o.nullable {
				v.Valid[r>>3] &^= 1 << (uint(r) & 7)
			}
			return o.c.putZeroDate(v, r)
		case o.code == opDate:
			v.I32[r] = int32(days)
		default:
			v.I64[r] = days*86400e6 + micros
		}
		return nil
	case opTime:
		var err error
		if v.Data, err = rowTime(v.Data, raw, o.c.src.FSP); err != nil {
			return err
		}
		return end(v, r)
	case opText:
		return o.c.putText(v, r, raw)
	case opBinary:
		return o.c.putBinary(v, r, raw)
	case opBit:
		return o.c.putBit(v, r, raw)
	case opHashInt:
		u := littleEndian(raw)
		if bits := 8 * len(raw); !o.c.src.Unsigned {
			u = uint64(int64(u<<(64-bits)) >> (64 - bits))
		}
		return o.c.putHashedInt(v, r, u)
	default:
		panic("binlog: operation without a decoder")
	}
}
