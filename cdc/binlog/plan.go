package binlog

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// opcode says how a column's bytes in a row image become its value.
type opcode uint8

const (
	opI8 opcode = iota
	opU8
	opI16
	opU16
	opI24
	opU24
	opI32
	opU32
	opI64
	opU64 // decimal(20,0)
	opF32
	opF64
	opDec64
	opDec128
	opDecText
	opDate
	opDatetime
	opTimestamp
	opTime
	opYear
	opCopy // UTF-8 text, or binary that is not padded
	opText
	opBinary
	opBit
	opEnum
	opSet
	opJSON
	opGeometry
	opBoolean
	opMicros
	opWKB
	opUUID
	opINET4
	opINET6
	opInflate // a text or bytes that MariaDB compressed
	opHashInt
	opSkip // left out

	// In rows of the binary protocol: as text, or in parts.

	opRowDec64
	opRowDec128
	opRowDecText
	opRowDate
	opRowDatetime // also TIMESTAMP
	opRowTime
	opRowMicros
)

// op is how one column's value comes from an image into the batch. Hot fields only; the rest is in column.
type op struct {
	code     opcode
	form     form
	key      bool
	unsigned bool // opHashInt
	null     bool // in the source: the image's bitmap counts
	nullable bool // in the batch
	check    bool // texts that must be UTF-8
	nullMask uint8
	nullByte int32 // of the bitmap
	size     int32 // of fixed-size values
	step     int32 // of the layout: the column stands
	at       int32 // so far behind its start
	out      int32 // column of the batch, negative if it is left out
	c        *column
	groups   []group // decimals
	name     string
}

// plan decodes the row images that follow one table map. It lives as long as the map's bytes are the same.
type plan struct {
	body  []byte // of the table map; owned
	table *Table // nil for tables that are not selected
	watch cdc.TableID
	// passed: the map came while the table's rows were passed over. It may be of a definition older than the table's, so it is
	// looked at only when rows count again.
	passed bool
	layout *layout
	full   []byte  // bitmap with all columns set
	before []int32 // where the steps of an update's old image stand
	after  []int32 // and of its new one, where updates are folded
}

// compilePlan checks the table map against the table's definition and lays its images out. Each difference is an error:
// rows under another definition than the one that is followed must not be decoded.
func compilePlan(t *Table, m *tableMap) (*layout, *cdc.Error) {
	fail := func(format string, args ...any) (*layout, *cdc.Error) {
		return nil, cdc.Errorf(CodeMismatch, t.schema.Table, "table map %d: %s", m.id, fmt.Sprintf(format, args...))
	}
	src := t.source.Columns
	if len(m.columns) != len(src) {
		return fail("it has %d columns, the definition %d", len(m.columns), len(src))
	}
	if m.keyKnown && t.source.KeyName == "PRIMARY" {
		for n, i := range m.key {
			if src[i].Key != n+1 {
				return fail("column %s is number %d of its primary key, number %d of the definition's", src[i].Name, n+1, src[i].Key)
			}
		}
	}
	ops := make([]op, len(src))
	for i := range src {
		mc, c, o := &m.columns[i], &t.columns[i], &ops[i]
		if mc.name != nil && !strings.EqualFold(string(mc.name), c.src.Name) {
			return fail("its column %d is %s, the definition's is %s", i+1, mc.name, c.src.Name)
		}
		if mc.nullable != c.src.Nullable {
			return fail("column %s: nullable is %t, in the definition %t", c.src.Name, mc.nullable, c.src.Nullable)
		}
		o.name, o.null, o.nullByte, o.nullMask = c.src.Name, mc.nullable, int32(i>>3), 1<<(i&7)
		if err := o.measure(mc); err != nil {
			return fail("column %s: %v", c.src.Name, err)
		}
		if c.out < 0 {
			o.code, o.out = opSkip, -1
			continue
		}
		o.c, o.out, o.key, o.nullable, o.check = c, int32(c.out), c.src.Key > 0, c.nullable, c.typ.Kind == cdc.KindString
		if err := o.bind(mc, m.signs); err != nil {
			return fail("column %s is %s: %v", c.src.Name, c.src.ColumnType, err)
		}
	}
	l := newLayout(ops, 0, (len(ops)+7)/8)
	for i := range m.columns {
		if m.columns[i].typ == typeJSON {
			l.json = append(l.json, int32(i))
		}
	}
	return l, nil
}

// measure sets how many bytes a value takes, from the table map alone.
func (o *op) measure(m *mapColumn) error {
	switch m.typ {
	case typeTiny, typeYear:
		o.size = 1
	case typeShort:
		o.size = 2
	case typeInt24, typeDate:
		o.size = 3
	case typeLong, typeFloat:
		o.size = 4
	case typeLongLong, typeDouble:
		o.size = 8
	case typeNewDecimal:
		p, s := int(m.meta>>8), int(m.meta&0xff)
		if p < 1 || p > 65 || s > p {
			return fmt.Errorf("decimal(%d,%d)", p, s)
		}
		groups, size := decimalGroups(p, s)
		o.groups, o.size = groups, int32(size)
	case typeTimestamp2, typeDatetime2, typeTime2:
		if m.meta > 6 {
			return fmt.Errorf("%d digits of fractional seconds", m.meta)
		}
		o.size = map[byte]int32{typeTimestamp2: 4, typeDatetime2: 5, typeTime2: 3}[m.typ] + int32(m.meta+1)/2
	case typeVarchar, typeVarString, typeString, typeVarcharC:
		o.form = form1
		if m.meta > 255 {
			o.form = form2
		}
	case typeBlob, typeBlobC, typeJSON, typeGeometry, typeVector, typeTinyBlob, typeMediumBlob, typeLongBlob:
		if m.meta < 1 || m.meta > 4 {
			return fmt.Errorf("%d bytes of length", m.meta)
		}
		o.form = form(m.meta)
	case typeBit:
		if m.meta < 1 || m.meta > 64 {
			return fmt.Errorf("%d bits", m.meta)
		}
		o.size = int32(m.meta+7) / 8
	case typeEnum, typeSet:
		if m.meta < 1 || m.meta > 8 {
			return fmt.Errorf("members of %d bytes", m.meta)
		}
		o.size = int32(m.meta)
	case typeTimestamp, typeDatetime, typeTime:
		return fmt.Errorf("it is stored in the format of servers before 5.6.4; convert it with ALTER TABLE … FORCE")
	default:
		return fmt.Errorf("its type %d in the log is not supported", m.typ)
	}
	return nil
}

// mapTypes are the log's types of a family, and the code for signed (or all) and unsigned values.
var mapTypes = map[family]struct {
	typ              byte
	signed, unsigned opcode
}{
	famTiny: {typeTiny, opI8, opU8}, famShort: {typeShort, opI16, opU16}, famInt24: {typeInt24, opI24, opU24},
	famInt: {typeLong, opI32, opU32}, famBig: {typeLongLong, opI64, opU64},
	famDecimal: {typeNewDecimal, opDec64, opDec64}, famFloat: {typeFloat, opF32, opF32}, famDouble: {typeDouble, opF64, opF64},
	famChar: {typeString, opText, opText}, famVarchar: {typeVarchar, opText, opText}, famText: {typeBlob, opText, opText},
	famBinary: {typeString, opBinary, opBinary}, famVarbinary: {typeVarchar, opBinary, opBinary}, famBlob: {typeBlob, opBinary, opBinary},
	famDate: {typeDate, opDate, opDate}, famTime: {typeTime2, opTime, opTime}, famDatetime: {typeDatetime2, opDatetime, opDatetime},
	famTimestamp: {typeTimestamp2, opTimestamp, opTimestamp}, famYear: {typeYear, opYear, opYear},
	famBit: {typeBit, opBit, opBit}, famEnum: {typeEnum, opEnum, opEnum}, famSet: {typeSet, opSet, opSet}, famJSON: {typeJSON, opJSON, opJSON},
	famGeometry: {typeGeometry, opGeometry, opGeometry}, famVector: {typeVector, opBinary, opBinary},
	famUUID: {typeString, opUUID, opUUID}, famINET4: {typeString, opINET4, opINET4}, famINET6: {typeString, opINET6, opINET6},
}

// compressedTypes are the log's types of COMPRESSED columns.
var compressedTypes = map[byte]byte{typeVarchar: typeVarcharC, typeBlob: typeBlobC}

// fixedBytes is how long values are that the log has as strings of bytes.
var fixedBytes = map[family]int{famUUID: 16, famINET4: 4, famINET6: 16}

// bind checks that the map's column is of the definition's type, and chooses the code.
func (o *op) bind(m *mapColumn, signs bool) error {
	c := o.c
	want := mapTypes[c.fam]
	if c.src.Compressed {
		want.typ = compressedTypes[want.typ]
	}
	if m.typ != want.typ {
		return fmt.Errorf("its type in the log is %d, expected %d", m.typ, want.typ)
	}
	if o.code = want.signed; c.src.Unsigned {
		o.code = want.unsigned
	}
	if signs && m.isNumber() && c.fam != famYear && m.unsigned != c.src.Unsigned {
		return fmt.Errorf("unsigned is %t in the log", m.unsigned)
	}
	switch c.fam {
	case famDecimal:
		if p, s := int(m.meta>>8), int(m.meta&0xff); p != c.src.Precision || s != c.src.Scale {
			return fmt.Errorf("it is decimal(%d,%d) in the log", p, s)
		}
		if c.src.Precision > 38 {
			o.code = opDecText
		} else if c.src.Precision > 18 {
			o.code = opDec128
		}
	case famTime, famDatetime, famTimestamp:
		if int(m.meta) != c.src.FSP {
			return fmt.Errorf("it has %d digits of fractional seconds in the log", m.meta)
		}
	case famBit:
		if int(m.meta) != c.src.Length {
			return fmt.Errorf("it has %d bits in the log", m.meta)
		}
	case famBinary:
		if int(m.meta) != c.src.Length {
			return fmt.Errorf("it has %d bytes in the log", m.meta)
		}
	case famVarbinary:
		if int(m.meta) != c.src.Length && !(c.src.Compressed && int(m.meta) == c.src.Length+1) {
			return fmt.Errorf("it has %d bytes in the log", m.meta)
		}
	case famUUID, famINET4, famINET6:
		if int(m.meta) != fixedBytes[c.fam] {
			return fmt.Errorf("it has %d bytes in the log", m.meta)
		}
	case famEnum, famSet:
		if err := c.bindMembers(m); err != nil {
			return err
		}
	}
	if c.cs != nil || c.fam.binary() {
		name := "binary"
		if c.cs != nil {
			name = c.src.Charset
		}
		if logged := CollationCharset(m.collate); logged != "" && logged != name && !(logged == "utf8mb3" && name == "utf8") {
			return fmt.Errorf("its character set in the log is %s", logged)
		}
	}
	switch {
	case c.choice != choiceUsual:
		_, o.code, _ = c.chosen()
	case c.src.Compressed:
		o.code = opInflate
	case c.hash && c.fam.integer():
		o.code, o.unsigned = opHashInt, c.src.Unsigned
	case c.hash:
	case o.code == opText && c.cs.kind == charsetUTF8, o.code == opBinary && c.fam != famBinary:
		o.code = opCopy
	}
	return nil
}

// bindMembers settles the members of an ENUM or SET. The catalog prints them in utf8mb3, with a question mark for each
// character beyond it, so that the log's own list counts where there is one.
func (c *column) bindMembers(m *mapColumn) error {
	n := len(c.src.Values)
	size := 1
	if c.fam == famEnum && n > 255 {
		size = 2
	} else if c.fam == famSet {
		if size = (n + 7) / 8; size > 4 {
			size = 8
		}
	}
	if int(m.meta) != size {
		return fmt.Errorf("its values take %d bytes in the log, those of %d members %d", m.meta, n, size)
	}
	if m.members == nil {
		for _, v := range c.src.Values {
			if strings.Contains(v, "?") && c.cs.beyondBMP() {
				return fmt.Errorf("member %q may stand for a character that the server's catalog cannot show: set binlog_row_metadata=FULL", v)
			}
		}
		c.members = c.src.Values
		return nil
	}
	if len(m.members) != n {
		return fmt.Errorf("it has %d members in the log, %d in the definition", len(m.members), n)
	}
	members := make([]string, n)
	for i, raw := range m.members {
		v, err := c.cs.append(nil, []byte(raw))
		if err != nil || !utf8.Valid(v) {
			return fmt.Errorf("member %d: %w", i+1, errText)
		}
		members[i] = string(v)
		shown := bytes.Map(func(r rune) rune {
			if r > 0xffff {
				return '?'
			}
			return r
		}, v)
		if string(shown) != c.src.Values[i] && members[i] != c.src.Values[i] {
			return fmt.Errorf("member %d is %q in the log, %q in the definition", i+1, members[i], c.src.Values[i])
		}
	}
	c.members = members
	return nil
}

// beyondBMP reports whether the character set has characters above U+FFFF.
func (c *charset) beyondBMP() bool {
	return c.name == "utf8mb4" || c.kind == charsetUTF16 || c.kind == charsetUTF16LE || c.kind == charsetUTF32
}
