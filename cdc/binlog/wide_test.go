package binlog

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// wideTable has 200 columns, of the kinds that e2e/bench takes.
func wideTable() SourceTable {
	t := SourceTable{Table: cdc.TableID{Database: "shop", Name: "wide"}, KeyName: "PRIMARY", Columns: []SourceColumn{{Name: "id", ColumnType: "bigint", Key: 1}}}
	kinds := []SourceColumn{{ColumnType: "int"}, {ColumnType: "varchar(40)", Charset: "utf8mb4"}, {ColumnType: "decimal(12,2)", Nullable: true}, {ColumnType: "bigint"},
		{ColumnType: "datetime(6)"}, {ColumnType: "tinyint"}, {ColumnType: "double"}, {ColumnType: "varchar(20)", Charset: "utf8mb4", Nullable: true}}
	for i := range 199 {
		c := kinds[i%len(kinds)]
		c.Name = "c" + uintText(uint64(i))
		t.Columns = append(t.Columns, c)
	}
	for i := range t.Columns {
		if err := t.Columns[i].ParseType(); err != nil {
			panic(err)
		}
	}
	return t
}

// wideMap is its table map.
func (l *logBuilder) wideMap() {
	types, meta, nulls := []byte{8}, []byte{}, make([]byte, 25)
	for i := range 199 {
		k := i % 8
		types = append(types, []byte{3, 15, 246, 8, 18, 1, 5, 15}[k])
		meta = append(meta, [][]byte{{}, {160, 0}, {12, 2}, {}, {6}, {}, {8}, {80, 0}}[k]...)
		if k == 2 || k == 7 {
			nulls[(i+1)>>3] |= 1 << ((i + 1) & 7)
		}
	}
	b := binary.LittleEndian.AppendUint64(nil, 78)[:6]
	b = append(b, 1, 0, 4)
	b = append(b, "shop\x00\x04wide\x00\xc8"...)
	b = append(append(b, types...), 0xfc)
	b = append(binary.LittleEndian.AppendUint16(b, uint16(len(meta))), meta...)
	b = append(b, nulls...)
	l.add(TableMapEvent, b)
}

// wideImage is a row; version changes a fifth of the columns.
func wideImage(id, version int64) []byte {
	b := make([]byte, 25)
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	for i := range 199 {
		x := cdc.Mix64(uint64(id)*1000 + uint64(i))
		if i < 40 {
			x = cdc.Mix64(x + uint64(version))
		}
		switch i % 8 {
		case 0:
			b = binary.LittleEndian.AppendUint32(b, uint32(x))
		case 1:
			n := 18 + int(x%8)
			b = append(append(b, byte(n)), "0123456789abcdefghijklmnopqrstuvwxyz"[:n]...)
		case 2:
			b = binary.BigEndian.AppendUint32(append(b, 0x80), uint32(x%1e6))
			b = append(b, 25)
		case 3, 6:
			b = binary.LittleEndian.AppendUint64(b, x>>12)
		case 4:
			packed := 0x8000000000 + (2023*13+x>>8%12+1)<<22 + (x>>16%28+1)<<17 + x>>24%24<<12 + x>>32%60<<6 + x>>40%60
			b = append(binary.BigEndian.AppendUint32(append(b, byte(packed>>32)), uint32(packed)), 1, 2, 3)
		case 5:
			b = append(b, byte(x&1))
		case 7:
			if x%4 == 0 {
				b[(i+1)>>3] |= 1 << ((i + 1) & 7)
				continue
			}
			n := 4 + int(x%8)
			b = append(append(b, byte(n)), "0123456789abcdef"[:n]...)
		}
	}
	return b
}

func (l *logBuilder) wideRows(typ EventType, images ...[]byte) {
	b := binary.LittleEndian.AppendUint64(nil, 78)[:6]
	b = append(b, 1, 0, 2, 0, 0xfc, 200, 0)
	bitmap := bytes.Repeat([]byte{0xff}, 25)
	b = append(b, bitmap...)
	if typ == UpdateRowsV2 {
		b = append(b, bitmap...)
	}
	for _, image := range images {
		b = append(b, image...)
	}
	l.add(typ, b)
}

// wideUpdates is a log of n updates, in events of the size that MySQL makes them.
func (l *logBuilder) wideUpdates(n int) *logBuilder {
	l.begin(1)
	for i := 0; i < n; i += 3 {
		l.wideMap()
		var images [][]byte
		for k := range min(3, n-i) {
			images = append(images, wideImage(int64(i+k), 1), wideImage(int64(i+k), 2))
		}
		l.wideRows(UpdateRowsV2, images...)
	}
	l.commit()
	return l
}

func BenchmarkWide(b *testing.B) {
	const n = 1 << 12
	log := newLog(true).wideUpdates(n)
	s, cerr := NewSchema(wideTable(), TableOptions{})
	if cerr != nil {
		b.Fatal(cerr)
	}
	r := &releaser{keep: 4}
	r.d = NewDecoder(r, 1)
	defer r.d.Close()
	if _, err := r.d.Register(s, TableOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var in socket
	start := cpu()
	for b.Loop() {
		for _, ev := range log.events {
			if err := r.d.Event(in.read(ev)); err != nil {
				b.Fatal(err)
			}
		}
		if err := r.d.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	if r.rows == 0 {
		b.Fatal("no rows")
	}
	b.ReportMetric(float64(n)*float64(b.N)/(cpu()-start).Seconds()/1e6, "Mrows/cpu-s")
}
