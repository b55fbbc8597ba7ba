package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// RowSession is what a session must have set whose rows go to a RowDecoder, so that values are those of the log: times
// in UTC, texts in their column's character set (the decoder converts them, as it does the log's), CHAR without padding.
const RowSession = "SET SESSION time_zone = '+00:00', character_set_results = NULL, sql_mode = ''"

// RowDecoder turns rows of the binary protocol (COM_STMT_EXECUTE) into batches of OpRead rows. It is used by one goroutine.
type RowDecoder struct {
	table  cdc.TableID
	layout *layout
	names  []string
	writer *writer
}

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
	var ops []op
	for i := range cols {
		c := &cols[i]
		if c.out < 0 {
			continue
		}
		n := len(ops) + 2 // the bitmap's first two bits are not used
		o := op{name: c.src.Name, c: c, out: int32(c.out), null: c.src.Nullable, nullable: c.nullable, nullByte: int32(n >> 3), nullMask: 1 << (n & 7),
			check: c.typ.Kind == cdc.KindString, unsigned: c.src.Unsigned}
		o.code, o.form, o.size = rowCode(c)
		ops = append(ops, o)
		d.names = append(d.names, c.src.Name)
	}
	d.layout = newLayout(ops, 1, 1+(len(ops)+9)/8)
	return d, nil
}

// rowCode returns how a column's values stand in rows of the binary protocol.
func rowCode(c *column) (code opcode, f form, size int32) {
	if code = mapTypes[c.fam].signed; c.src.Unsigned {
		code = mapTypes[c.fam].unsigned
	}
	f = formLenenc
	switch c.fam {
	case famTiny:
		f, size = formFixed, 1
	case famShort:
		f, size = formFixed, 2
	case famYear:
		code, f, size = opU16, formFixed, 2
	case famInt24:
		code, f, size = opI32, formFixed, 4
	case famInt, famFloat:
		f, size = formFixed, 4
	case famBig, famDouble:
		f, size = formFixed, 8
	case famDate:
		code, f = opRowDate, form1
	case famTime:
		code, f = opRowTime, form1
	case famDatetime, famTimestamp:
		code, f = opRowDatetime, form1
	case famDecimal:
		switch {
		case c.src.Precision > 38:
			code = opRowDecText
		case c.src.Precision > 18:
			code = opRowDec128
		default:
			code = opRowDec64
		}
	case famEnum, famSet:
		code = opText
	case famJSON, famUUID, famINET4, famINET6: // texts, here
		code = opCopy
	}
	switch {
	case c.choice != choiceUsual:
		_, _, code = c.chosen()
	case c.hash && c.fam.integer():
		code = opHashInt
	case c.hash:
	case code == opText && c.cs.kind == charsetUTF8, code == opBinary:
		code = opCopy
	}
	return code, f, size
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
	if i >= len(d.layout.ops) {
		return fail("only %d were selected", len(d.layout.ops))
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
	c := d.layout.ops[i].c
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
	w, l := d.writer, d.layout
	if len(packet) == 0 || packet[0] != 0 {
		w.drop()
		return valueError(d.table, d.names[0], errShort)
	}
	err := w.packet(l, packet)
	w.run.base = nil
	if err != nil {
		w.drop()
	}
	return plain(err)
}

// Rows appends rows as they stand in a connection's memory: packets of 3 bytes length, 1 byte sequence, payload. It returns how many bytes
// it took: up to the first packet that is no row, or not there as a whole. b is not retained.
func (d *RowDecoder) Rows(b []byte) (n int, err error) {
	w, l := d.writer, d.layout
	if err = w.decode(); err == nil {
		w.run.base = b
		for err == nil && len(b)-n >= 5 {
			size := int(b[n]) | int(b[n+1])<<8 | int(b[n+2])<<16
			if size == 0 || len(b)-n-4 < size || b[n+4] != 0 {
				break
			}
			err = w.whole(l, b[n+4:n+4+size], n+4)
			n += 4 + size
		}
		if err == nil {
			err = w.decode()
		}
		w.run.base = nil
	}
	if err != nil {
		w.drop()
	}
	return n, plain(err)
}

// packet takes a row of the binary protocol.
func (w *writer) packet(l *layout, packet []byte) error {
	direct := len(packet) >= arenaBytes
	if direct {
		if err := w.decode(); err != nil {
			return err
		}
		w.run.base = packet
	}
	if err := w.whole(l, packet, 0); err != nil || !direct {
		return err
	}
	return w.decode()
}

// whole takes a row that stands at offset at of the run's memory, and fills its packet.
func (w *writer) whole(l *layout, packet []byte, at int) error {
	n, err := w.image(l, false, packet, at)
	if err != nil {
		return err
	}
	if n != len(packet) {
		return w.fault(l, len(l.ops), errors.New("bytes are left over"))
	}
	return w.take(cdc.OpRead, packet, 0)
}

// Flush hands on the rows that are left.
func (d *RowDecoder) Flush() error { return plain(d.writer.flush()) }

// Drop gives up the rows that were not handed on.
func (d *RowDecoder) Drop() { d.writer.drop() }

// plain takes the table's error out of its wrapping.
func plain(err error) error {
	if err == nil {
		return nil
	}
	var f *fault // allocates: errors.As lets it escape
	if errors.As(err, &f) {
		return f.err
	}
	return err
}
