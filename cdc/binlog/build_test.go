package binlog

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// logBuilder makes events by MySQL's documentation, for tests without a server.
type logBuilder struct {
	events    [][]byte
	checksums bool
	pos       uint32
}

func newLog(checksums bool) *logBuilder {
	l := &logBuilder{checksums: checksums, pos: 4}
	body := make([]byte, 57, 120)
	binary.LittleEndian.PutUint16(body, 4)
	copy(body[2:], "9.7.4")
	body[56] = headerSize
	lengths := make([]byte, 42)
	lengths[TableMapEvent-1] = 8
	lengths[UpdateRowsV2-1] = 10
	body = append(body, lengths...)
	if body = append(body, 0); checksums {
		body[len(body)-1] = 1
	}
	if !checksums {
		body = append(body, 0, 0, 0, 0)
	}
	l.add(FormatDescriptionEvent, body)
	return l
}

func event(typ EventType, body []byte, pos uint32, checksum bool) []byte {
	n := headerSize + len(body)
	if checksum {
		n += 4
	}
	ev := make([]byte, headerSize, n)
	binary.LittleEndian.PutUint32(ev, 1_700_000_000)
	ev[4] = byte(typ)
	binary.LittleEndian.PutUint32(ev[5:], 1)
	binary.LittleEndian.PutUint32(ev[9:], uint32(n))
	binary.LittleEndian.PutUint32(ev[13:], pos+uint32(n))
	ev = append(ev, body...)
	if checksum {
		ev = binary.LittleEndian.AppendUint32(ev, crc32.ChecksumIEEE(ev))
	}
	return ev
}

func (l *logBuilder) add(typ EventType, body []byte) {
	ev := event(typ, body, l.pos, l.checksums)
	l.pos += uint32(len(ev))
	l.events = append(l.events, ev)
}

func (l *logBuilder) begin(gno int64) {
	b := make([]byte, 25, 64)
	copy(b[1:], "0123456789abcdef")
	binary.LittleEndian.PutUint64(b[17:], uint64(gno))
	b = append(b, 2)
	b = append(b, make([]byte, 16)...)
	var t [8]byte
	binary.LittleEndian.PutUint64(t[:], uint64(1_700_000_000_000_000+gno))
	b = append(b, t[:7]...)
	b = append(b, 200, 0, 0, 0, 0)
	l.add(GTIDEvent, b)
	q := make([]byte, 13)
	q[8] = 4
	q = append(q, "shop\x00BEGIN"...)
	l.add(QueryEvent, q)
}

func (l *logBuilder) commit() { l.add(XidEvent, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *logBuilder) tableMap(id uint64, database, table string, types, meta, nulls, optional []byte) {
	b := binary.LittleEndian.AppendUint64(nil, id)[:6]
	b = append(b, 1, 0, byte(len(database)))
	b = append(append(b, database...), 0, byte(len(table)))
	b = append(append(b, table...), 0, byte(len(types)))
	b = append(b, types...)
	b = append(b, byte(len(meta)))
	b = append(append(append(b, meta...), nulls...), optional...)
	l.add(TableMapEvent, b)
}

func (l *logBuilder) rows(typ EventType, id uint64, columns int, images ...[]byte) {
	b := binary.LittleEndian.AppendUint64(nil, id)[:6]
	b = append(b, 1, 0, 2, 0, byte(columns))
	bitmap := make([]byte, (columns+7)/8)
	for i := range bitmap {
		bitmap[i] = 0xff // with the unused bits, as MySQL does
	}
	b = append(b, bitmap...)
	if typ == UpdateRowsV2 || typ == PartialUpdateRowsEvent {
		b = append(b, bitmap...)
	}
	for _, i := range images {
		b = append(b, i...)
	}
	l.add(typ, b)
}

// The table of DESIGN 2: ten mixed columns of about 200 bytes.
var shopColumns = []SourceColumn{
	{Name: "id", ColumnType: "bigint", Key: 1},
	{Name: "warehouse", ColumnType: "smallint"},
	{Name: "quantity", ColumnType: "tinyint", Nullable: true},
	{Name: "item", ColumnType: "int"},
	{Name: "amount", ColumnType: "decimal(12,2)"},
	{Name: "delivery", ColumnType: "datetime(6)", Nullable: true},
	{Name: "updated", ColumnType: "timestamp(3)"},
	{Name: "score", ColumnType: "double", Nullable: true},
	{Name: "district", ColumnType: "varchar(100)", Charset: "utf8mb4"},
	{Name: "note", ColumnType: "text", Charset: "utf8mb4", Nullable: true},
}

func shopTable() SourceTable {
	t := SourceTable{Table: cdc.TableID{Database: "shop", Name: "orders"}, KeyName: "PRIMARY", Columns: append([]SourceColumn(nil), shopColumns...)}
	for i := range t.Columns {
		if err := t.Columns[i].ParseType(); err != nil {
			panic(err)
		}
	}
	return t
}

func (l *logBuilder) shopMap(table string) {
	l.tableMap(77, "shop", table, []byte{8, 2, 1, 3, 246, 18, 17, 5, 15, 252}, []byte{12, 2, 6, 3, 8, 0x90, 0x01, 2},
		[]byte{0b10100100, 0b10}, []byte{1, 1, 0}) // not nullable but 2, 5, 7, 9; all signed
}

// shopImage is a row of it. Every fifth delivery, every tenth note and some scores are NULL.
func shopImage(id int64, version int64) []byte {
	x := cdc.Mix64(uint64(id)*7 + uint64(version))
	nulls := []byte{0, 0b11111100}
	b := []byte{0, 0}
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.LittleEndian.AppendUint16(b, uint16(x%100))
	if x%16 == 0 {
		nulls[0] |= 1 << 2
	} else {
		b = append(b, byte(x%10))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(x%100000))
	// decimal(12,2): 10 digits before the point (1 + 9), 2 behind it
	amount := x % 99999999
	b = append(b, 0x80)
	b = binary.BigEndian.AppendUint32(b, uint32(amount/100))
	b = append(b, byte(amount%100))
	if x%5 == 0 {
		nulls[0] |= 1 << 5
	} else {
		packed := int64(0x8000000000) | (2023*13+int64(x>>8%12)+1)<<22 | (int64(x>>16%28)+1)<<17 | int64(x>>24%24)<<12 | int64(x>>32%60)<<6 | int64(x>>40%60)
		b = append(b, byte(packed>>32), byte(packed>>24), byte(packed>>16), byte(packed>>8), byte(packed))
		us := x >> 7 % 1000000
		b = append(b, byte(us>>16), byte(us>>8), byte(us))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(1_700_000_000+id%100000))
	b = binary.BigEndian.AppendUint16(b, uint16(x%1000*10))
	if x%20 == 1 {
		nulls[0] |= 1 << 7
	} else {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(x%1000000)/1000))
	}
	text := func(n int) {
		for i := range n {
			b = append(b, "0123456789-abcdefghijklmnopqrstuvwxyz"[(x>>(i%13)+uint64(i))%37])
		}
	}
	b = binary.LittleEndian.AppendUint16(b, 59) // varchar(100) of utf8mb4 takes up to 400 bytes
	text(59)
	if x%10 == 3 {
		nulls[1] |= 1 << 1
	} else {
		n := 60 + int(x%80)
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
		text(n)
	}
	b[0], b[1] = nulls[0], nulls[1]
	return b
}

// bulk, updates and single are logs of n changes.
func (l *logBuilder) changes(kind, table string, n int) *logBuilder {
	const each = 40 // an event of MySQL takes up to 8 KiB
	switch kind {
	case "hot":
		// A Zipf distribution of a million keys, in transactions of 1,000.
		zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 1<<20)
		for i := 0; i < n; i += each {
			if i%(25*each) == 0 {
				l.begin(int64(i + 1))
			}
			l.shopMap(table)
			var images [][]byte
			for k := range min(each, n-i) {
				id := int64(zipf.Uint64())
				images = append(images, shopImage(id, int64(i+k)), shopImage(id, int64(i+k+1)))
			}
			l.rows(UpdateRowsV2, 77, 10, images...)
			if (i+each)%(25*each) == 0 || i+each >= n {
				l.commit()
			}
		}
	case "single":
		for i := range n {
			l.begin(int64(i + 1))
			l.shopMap(table)
			l.rows(UpdateRowsV2, 77, 10, shopImage(int64(i), 1), shopImage(int64(i), 2))
			l.commit()
		}
	default:
		l.begin(1)
		for i := 0; i < n; i += each {
			l.shopMap(table)
			var images [][]byte
			for k := range min(each, n-i) {
				id := int64(i + k)
				images = append(images, shopImage(id, 1))
				if kind == "update" {
					images = append(images, shopImage(id, 2))
				}
			}
			l.rows(map[string]EventType{"insert": WriteRowsV2, "update": UpdateRowsV2, "delete": DeleteRowsV2}[kind], 77, 10, images...)
		}
		l.commit()
	}
	return l
}
