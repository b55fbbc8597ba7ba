package binlog

import (
	"encoding/binary"
	"errors"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Type codes of columns in table maps and in the binary protocol.
const (
	typeTiny       = 1
	typeShort      = 2
	typeLong       = 3
	typeFloat      = 4
	typeDouble     = 5
	typeTimestamp  = 7
	typeLongLong   = 8
	typeInt24      = 9
	typeDate       = 10
	typeTime       = 11
	typeDatetime   = 12
	typeYear       = 13
	typeVarchar    = 15
	typeBit        = 16
	typeTimestamp2 = 17
	typeDatetime2  = 18
	typeTime2      = 19
	typeBlobC      = 140 // MariaDB's COMPRESSED columns
	typeVarcharC   = 141
	typeVector     = 242
	typeJSON       = 245
	typeNewDecimal = 246
	typeEnum       = 247
	typeSet        = 248
	typeTinyBlob   = 249
	typeMediumBlob = 250
	typeLongBlob   = 251
	typeBlob       = 252
	typeVarString  = 253
	typeString     = 254
	typeGeometry   = 255
)

var errTableMap = errors.New("a malformed table map")

// mapColumn is a column as a table map describes it.
type mapColumn struct {
	typ      byte // the real type: ENUM and SET are not hidden behind STRING
	meta     uint16
	nullable bool
	unsigned bool
	collate  uint64 // id of the collation; 0 if the map does not say
	name     []byte // nil with binlog_row_metadata=MINIMAL
	members  []string
}

// tableMap is a decoded TABLE_MAP event. Its slices point into the event.
type tableMap struct {
	id       uint64
	database []byte
	table    []byte
	columns  []mapColumn
	signs    bool // unsigned is known
	key      []uint64
	keyKnown bool
}

// tableMapName reads only what is needed to know whether a table is selected.
func tableMapName(b []byte) (id uint64, database, table []byte, rest []byte, err error) {
	if len(b) < 8+1 {
		return 0, nil, nil, nil, errTableMap
	}
	id = littleEndian(b[:6])
	b = b[8:]
	n := int(b[0])
	if len(b) < n+3 {
		return 0, nil, nil, nil, errTableMap
	}
	database, b = b[1:1+n], b[n+2:]
	n = int(b[0])
	if len(b) < n+3 {
		return 0, nil, nil, nil, errTableMap
	}
	return id, database, b[1 : 1+n], b[n+2:], nil
}

// parseTableMap reads table id 6, flags 2, database and table (length, name, zero byte), the number of columns, their
// types, their metadata, their nullability, and optional fields of type, length, value.
func parseTableMap(body []byte) (*tableMap, error) {
	m := &tableMap{}
	var b []byte
	var err error
	if m.id, m.database, m.table, b, err = tableMapName(body); err != nil {
		return nil, err
	}
	count, n := lenenc(b)
	if n == 0 || count > 4096 || uint64(len(b)-n) < count {
		return nil, errTableMap
	}
	types := b[n : n+int(count)]
	b = b[n+int(count):]
	size, n := lenenc(b)
	if n == 0 || size > uint64(len(b)-n) {
		return nil, errTableMap
	}
	meta := b[n : n+int(size)]
	b = b[n+int(size):]
	nulls := (int(count) + 7) / 8
	if len(b) < nulls {
		return nil, errTableMap
	}
	m.columns = make([]mapColumn, count)
	for i, t := range types {
		c := &m.columns[i]
		c.typ, c.nullable = t, b[i>>3]>>(i&7)&1 == 1
		k := 0
		switch t {
		case typeFloat, typeDouble, typeTimestamp2, typeDatetime2, typeTime2, typeBlob, typeTinyBlob, typeMediumBlob, typeLongBlob,
			typeJSON, typeGeometry, typeVector, typeBlobC:
			k = 1
		case typeVarchar, typeVarcharC, typeVarString, typeBit, typeNewDecimal, typeString, typeEnum, typeSet:
			k = 2
		}
		if len(meta) < k {
			return nil, errTableMap
		}
		switch {
		case k == 1:
			c.meta = uint16(meta[0])
		case t == typeVarchar || t == typeVarString || t == typeVarcharC:
			c.meta = binary.LittleEndian.Uint16(meta)
		case t == typeBit: // bits of the odd byte, whole bytes
			c.meta = uint16(meta[0]) + 8*uint16(meta[1])
		case t == typeNewDecimal: // precision, scale
			c.meta = binary.BigEndian.Uint16(meta)
		case t == typeString && (meta[0] == typeEnum || meta[0] == typeSet): // real type, size
			c.typ, c.meta = meta[0], uint16(meta[1])
		case t == typeString: // bits 8 and 9 of the length are hidden, inverted, in the type
			c.typ, c.meta = meta[0]|0x30, uint16(meta[1])|uint16(meta[0]&0x30^0x30)<<4
			if c.typ != typeString {
				return nil, errTableMap
			}
		case k == 2:
			c.meta = binary.LittleEndian.Uint16(meta)
		}
		meta = meta[k:]
	}
	return m, m.optional(b[nulls:])
}

// optional reads the optional fields; unknown ones are passed over.
func (m *tableMap) optional(b []byte) error {
	for len(b) > 0 {
		field := b[0]
		n, k := lenenc(b[1:])
		if k == 0 || n > uint64(len(b)-1-k) {
			return errTableMap
		}
		v := b[1+k : 1+k+int(n)]
		b = b[1+k+int(n):]
		var err error
		switch field {
		case 1: // signedness of numeric columns, most significant bit first
			err = m.signedness(v)
		case 2: // default collation, exceptions as (column, collation)
			err = m.defaultCollation(v, (*mapColumn).isText)
		case 3:
			err = m.collations(v, (*mapColumn).isText)
		case 4:
			err = m.names(v)
		case 5:
			err = m.memberLists(v, typeSet)
		case 6:
			err = m.memberLists(v, typeEnum)
		case 8: // primary key
			err = m.primaryKey(v, false)
		case 9: // primary key with prefix lengths
			err = m.primaryKey(v, true)
		case 10:
			err = m.defaultCollation(v, (*mapColumn).hasMembers)
		case 11:
			err = m.collations(v, (*mapColumn).hasMembers)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isNumber reports whether the column has a bit in the signedness field; YEAR has one too, as an unsigned number (seen in 9.7).
func (c *mapColumn) isNumber() bool {
	switch c.typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeNewDecimal, typeFloat, typeDouble, typeYear:
		return true
	}
	return false
}

func (c *mapColumn) isText() bool {
	switch c.typ {
	case typeString, typeVarString, typeVarchar, typeBlob, typeVarcharC, typeBlobC:
		return true
	}
	return false
}

func (c *mapColumn) hasMembers() bool { return c.typ == typeEnum || c.typ == typeSet }

func (m *tableMap) signedness(v []byte) error {
	n := 0
	for i := range m.columns {
		if !m.columns[i].isNumber() {
			continue
		}
		if n>>3 >= len(v) {
			return errTableMap
		}
		m.columns[i].unsigned = v[n>>3]&(0x80>>(n&7)) != 0
		n++
	}
	m.signs = true
	return nil
}

func (m *tableMap) defaultCollation(v []byte, is func(*mapColumn) bool) error {
	next := func() (x uint64, ok bool) {
		x, k := lenenc(v)
		v = v[k:]
		return x, k > 0
	}
	id, ok := next()
	if !ok {
		return errTableMap
	}
	var cols []*mapColumn
	for i := range m.columns {
		if c := &m.columns[i]; is(c) {
			c.collate = id
			cols = append(cols, c)
		}
	}
	for len(v) > 0 {
		i, ok1 := next()
		id, ok2 := next()
		if !ok1 || !ok2 || i >= uint64(len(cols)) {
			return errTableMap
		}
		cols[i].collate = id
	}
	return nil
}

func (m *tableMap) collations(v []byte, is func(*mapColumn) bool) error {
	for i := range m.columns {
		if c := &m.columns[i]; is(c) {
			id, k := lenenc(v)
			if k == 0 {
				return errTableMap
			}
			c.collate, v = id, v[k:]
		}
	}
	return nil
}

func (m *tableMap) names(v []byte) error {
	for i := range m.columns {
		n, k := lenenc(v)
		if k == 0 || n > uint64(len(v)-k) {
			return errTableMap
		}
		m.columns[i].name, v = v[k:k+int(n)], v[k+int(n):]
	}
	return nil
}

// memberLists reads the members of all ENUM or all SET columns: count, then length and bytes of each.
func (m *tableMap) memberLists(v []byte, typ byte) error {
	for i := range m.columns {
		c := &m.columns[i]
		if c.typ != typ {
			continue
		}
		count, k := lenenc(v)
		if k == 0 || count > uint64(len(v)) {
			return errTableMap
		}
		v = v[k:]
		c.members = make([]string, 0, count)
		for range count {
			n, k := lenenc(v)
			if k == 0 || n > uint64(len(v)-k) {
				return errTableMap
			}
			c.members = append(c.members, string(v[k:k+int(n)]))
			v = v[k+int(n):]
		}
	}
	return nil
}

func (m *tableMap) primaryKey(v []byte, prefixes bool) error {
	for len(v) > 0 {
		i, k := lenenc(v)
		if k == 0 || i >= uint64(len(m.columns)) {
			return errTableMap
		}
		v = v[k:]
		if prefixes {
			if _, k = lenenc(v); k == 0 {
				return errTableMap
			}
			v = v[k:]
		}
		m.key = append(m.key, i)
	}
	m.keyKnown = true
	return nil
}

// EventTable returns the number that a table map or rows event has for its table, and of a table map the table.
func EventTable(e *Event) (id uint64, table cdc.TableID, isMap bool) {
	if e.Type != TableMapEvent {
		if len(e.Body) < 6 {
			return 0, table, false
		}
		return littleEndian(e.Body[:6]), table, false
	}
	id, db, name, _, err := tableMapName(e.Body)
	if err != nil {
		return 0, table, false
	}
	return id, cdc.TableID{Database: string(db), Name: string(name)}, true
}
