package binlog

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unicode/utf8"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// FuzzEvents feeds hostile events behind a format description: errors are fine, panics and over-reads are not.
func FuzzEvents(f *testing.F) {
	for _, kind := range []string{"insert", "update", "delete", "single"} {
		l := newLog(false).changes(kind, "orders", 2)
		var all []byte
		for _, ev := range l.events[1:] {
			all = append(all, ev...)
		}
		f.Add(all)
		f.Add(event(TransactionPayloadEvent, payload(l.events[1:], 0), 4, false))
	}
	f.Add(event(GTIDTaggedEvent, []byte{2, 20, 22, 0, 2}, 4, false))
	s, _ := NewSchema(shopTable(), TableOptions{})
	format := newLog(false).events[0]
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &handlerFunc{batch: func(b *cdc.Batch) error {
			checkBatch(t, b)
			b.Release()
			return nil
		}}
		d := NewDecoder(h, 1)
		defer d.Close()
		table, err := d.Register(s, TableOptions{})
		if err != nil {
			t.Fatal(err)
		}
		table.writer.fold.on = len(data)&1 == 1
		if err := d.Event(format); err != nil {
			t.Fatal(err)
		}
		for len(data) >= headerSize {
			n := min(max(int(binary.LittleEndian.Uint32(data[9:])), headerSize), len(data))
			// A copy of exact size, so that reading beyond the event is caught.
			if d.Event(append(make([]byte, 0, n), data[:n]...)) != nil {
				break
			}
			data = data[n:]
		}
		_ = d.Flush()
	})
}

// allTypes is a table of every family and its table map.
func allTypes() SourceTable {
	t := SourceTable{Table: cdc.TableID{Database: "shop", Name: "orders"}, KeyName: "PRIMARY"}
	for i, typ := range []string{"int", "tinyint unsigned", "mediumint", "mediumint unsigned", "bigint unsigned", "decimal(20,5)", "decimal(65,30)", "float", "double",
		"char(200)", "varchar(20)", "text", "binary(9)", "varbinary(300)", "longblob", "date", "time(3)", "datetime(2)", "timestamp", "year", "bit(1)", "bit(17)",
		"enum('a','b')", "set('a','b','c')", "json"} {
		c := SourceColumn{Name: "c" + uintText(uint64(i)), ColumnType: typ, Nullable: i > 0, Charset: "utf8mb4"}
		if i == 0 {
			c.Key = 1
		}
		if i == 10 {
			c.Charset = "latin1"
		}
		if err := c.ParseType(); err != nil {
			panic(err)
		}
		if f, _ := c.family(); !f.text() {
			c.Charset = ""
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

// FuzzImage feeds hostile row images of a table with every type.
func FuzzImage(f *testing.F) {
	types := []byte{3, 1, 9, 9, 8, 246, 246, 4, 5, 254, 15, 252, 254, 15, 252, 10, 19, 18, 17, 13, 16, 16, 254, 254, 245}
	meta := []byte{20, 5, 65, 30, 4, 8, 0xce, 0x20, 20, 0, 2, 254, 9, 0x2c, 1, 4, 3, 2, 0, 1, 0, 1, 2, 247, 1, 248, 1, 4}
	nulls := []byte{0xfe, 0xff, 0xff, 0x01}
	f.Add(make([]byte, 300), uint8(0))
	f.Add(append(make([]byte, 100), 0xff, 0x80, 0x7f), uint8(1))
	f.Add(append(make([]byte, 600), 0xff, 0x80, 0x7f), uint8(0x80+2)) // an update, folded
	f.Add([]byte{0xfe, 0xff, 0xff, 0x01, 1, 0, 0, 0}, uint8(2))
	s, cerr := NewSchema(allTypes(), TableOptions{ZeroDates: ZeroDatesNull})
	if cerr != nil {
		f.Fatal(cerr)
	}
	f.Fuzz(func(t *testing.T, image []byte, kind uint8) {
		if len(image) > 1<<16 {
			return
		}
		h := &handlerFunc{batch: func(b *cdc.Batch) error {
			checkBatch(t, b)
			for i := range b.Cols {
				for r := range b.N {
					if b.Schema.Columns[i].Type.Kind == cdc.KindString && !utf8.Valid(b.Cols[i].Bytes(r)) {
						t.Errorf("column %d: invalid UTF-8 %q", i, b.Cols[i].Bytes(r))
					}
				}
			}
			b.Release()
			return nil
		}}
		d := NewDecoder(h, 1)
		defer d.Close()
		table, err := d.Register(s, TableOptions{ZeroDates: ZeroDatesNull})
		if err != nil {
			t.Fatal(err)
		}
		table.writer.fold.on = kind&0x80 != 0
		l := newLog(false)
		l.tableMap(5, "shop", "orders", types, meta, nulls, nil)
		l.rows([]EventType{WriteRowsV2, UpdateRowsV2, DeleteRowsV2}[kind%3], 5, len(types), image)
		for i, ev := range l.events {
			if err := d.Event(append(make([]byte, 0, len(ev)), ev...)); err != nil || i == 1 && len(h.failed) > 0 {
				t.Fatal(err, h.failed)
			}
		}
		_ = d.Flush()
	})
}

// FuzzRow feeds hostile rows of the binary protocol.
func FuzzRow(f *testing.F) {
	f.Add(make([]byte, 200))
	f.Add(append([]byte{0, 0xf8, 0xff, 0xff, 0x07}, 1, 0, 0, 0))
	s, cerr := NewSchema(allTypes(), TableOptions{ZeroDates: ZeroDatesNull})
	if cerr != nil {
		f.Fatal(cerr)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		d, err := NewRowDecoder(cdc.NewBatchPool(s), TableOptions{ZeroDates: ZeroDatesNull}, 1, func(b *cdc.Batch) error {
			checkBatch(t, b)
			b.Release()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		one := d.Row(append(make([]byte, 0, len(row)), row...))
		if one == nil {
			one = d.Flush()
		}
		if len(row) > 0 && len(row) < 1<<16 && row[0] == 0 {
			b := append(make([]byte, 0, len(row)+4), byte(len(row)), byte(len(row)>>8), 0, 1)
			n, err := d.Rows(append(b, row...))
			if err == nil {
				err = d.Flush()
			}
			if (err == nil) != (one == nil) || err == nil && n != len(row)+4 {
				t.Errorf("as a packet: %d bytes, %v; alone: %v", n, err, one)
			}
		}
		_ = d.Definition(0, row)
	})
}

// FuzzJSON feeds hostile binary JSON: it must end, within bounds.
func FuzzJSON(f *testing.F) {
	f.Add([]byte{jsonSmallArray, 2, 0, 10, 0, jsonInt16, 1, 0, jsonInt16, 2, 0})
	f.Add([]byte{jsonSmallObject, 1, 0, 12, 0, 11, 0, 1, 0, jsonLiteral, 1, 0, 'a'})
	f.Add([]byte{jsonOpaque, typeNewDecimal, 4, 2, 1, 0x81, 5})
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := appendJSON(nil, raw)
		if err == nil && len(out) > 64*len(raw)+1024 {
			t.Errorf("%d bytes of text from %d", len(out), len(raw))
		}
	})
}

// FuzzPartial feeds hostile partial updates of JSON columns: alone, and as images of an event.
func FuzzPartial(f *testing.F) {
	doc := []byte{jsonSmallObject, 2, 0, 34, 0, 18, 0, 1, 0, 19, 0, 1, 0, jsonSmallArray, 20, 0, jsonInt16, 7, 0, 'a', 'b', 2, 0, 10, 0, jsonInt16, 1, 0, jsonLiteral, 1, 0, 0, 0, 0, 0}
	for _, diffs := range [][]byte{
		partialDiff(jsonReplace, "$.a[1]", []byte{jsonInt16, 9, 0}), partialDiff(jsonInsert, `$."\u00e9\""`, []byte{jsonString, 1, 'x'}),
		partialDiff(jsonRemove, "$.a[last-1]", nil), append(partialDiff(jsonInsert, "$.a[7]", doc), partialDiff(jsonInsert, "$.a[2].a[last-9]", doc)...)} {
		f.Add(doc, diffs, partialImages(doc, diffs, 2, 1))
	}
	s := partialTable(f)
	f.Fuzz(func(t *testing.T, doc, diffs, images []byte) {
		if len(doc)+len(diffs)+len(images) > 1<<16 {
			return
		}
		// In memory of exact size, so that reading beyond is caught.
		exact := func(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }
		raw, err := patchJSON(nil, exact(doc), exact(diffs))
		if len(raw) > 4*(len(doc)+len(diffs))+16*bytes.Count(diffs, []byte{'$'})+1024 {
			t.Errorf("%d bytes of JSON from %d and %d", len(raw), len(doc), len(diffs))
		}
		if err == nil {
			_, _ = appendJSON(nil, raw)
		}
		for _, images := range [][]byte{images, partialImages(doc, diffs, 1, 1)} {
			h := decodePartial(t, s, exact(images))
			for _, b := range h.batches {
				checkBatch(t, b)
				b.Release()
			}
		}
	})
}

// FuzzTableMap feeds hostile table maps.
func FuzzTableMap(f *testing.F) {
	l := newLog(false)
	l.shopMap("orders")
	f.Add(l.events[1][headerSize:])
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = parseTableMap(append(make([]byte, 0, len(body)), body...))
	})
}

// FuzzRowsMeta feeds rows events under hostile table maps: types and metadata that may or may not be those of the definition.
func FuzzRowsMeta(f *testing.F) {
	types := []byte{3, 1, 9, 9, 8, 246, 246, 4, 5, 254, 15, 252, 254, 15, 252, 10, 19, 18, 17, 13, 16, 16, 254, 254, 245}
	meta := []byte{20, 5, 65, 30, 4, 8, 0xce, 0x20, 20, 0, 2, 254, 9, 0x2c, 1, 4, 3, 2, 0, 1, 0, 1, 2, 247, 1, 248, 1, 4}
	nulls := []byte{0xfe, 0xff, 0xff, 0x01}
	f.Add(types, meta, nulls, []byte{}, make([]byte, 300), uint8(0))
	f.Add(types, meta, nulls, []byte{1, 1, 0x80}, make([]byte, 300), uint8(1))
	f.Add(types, meta, nulls, []byte{4, 3, 1, 'a', 1, 2, 2, 0, 8, 11, 1, 45}, make([]byte, 300), uint8(2))
	s, cerr := NewSchema(allTypes(), TableOptions{ZeroDates: ZeroDatesNull})
	if cerr != nil {
		f.Fatal(cerr)
	}
	f.Fuzz(func(t *testing.T, types, meta, nulls, optional, image []byte, kind uint8) {
		if len(types) == 0 || len(types) > 250 || len(meta) > 250 || len(optional) > 1<<12 || len(image) > 1<<14 || len(nulls) < (len(types)+7)/8 {
			return
		}
		h := &handlerFunc{batch: func(b *cdc.Batch) error {
			checkBatch(t, b)
			b.Release()
			return nil
		}}
		d := NewDecoder(h, 1)
		defer d.Close()
		if _, err := d.Register(s, TableOptions{ZeroDates: ZeroDatesNull}); err != nil {
			t.Fatal(err)
		}
		l := newLog(false)
		l.tableMap(5, "shop", "orders", types, meta, nulls[:(len(types)+7)/8], optional)
		l.rows([]EventType{WriteRowsV2, UpdateRowsV2, DeleteRowsV2}[kind%3], 5, len(types), image)
		for _, ev := range l.events {
			if d.Event(append(make([]byte, 0, len(ev)), ev...)) != nil {
				break
			}
		}
		_ = d.Flush()
	})
}

// FuzzQuery feeds hostile query, GTID, heartbeat and other events without rows.
func FuzzQuery(f *testing.F) {
	f.Add([]byte{9, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 26, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x20, 0x45, 0, 0, 0, 0, 6, 3, 's', 't', 'd', 4, 255, 0, 255, 0, 255, 0, 'd', 'b', 0, 'B', 'E', 'G', 'I', 'N'})
	l := newLog(false)
	l.begin(7)
	for _, ev := range l.events {
		f.Add(ev[headerSize:])
	}
	f.Add([]byte{2, 20, 22, 0, 2})
	format := newLog(false).events[0]
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, typ := range []EventType{QueryEvent, GTIDEvent, GTIDTaggedEvent, HeartbeatV2Event, TransactionPayloadEvent, RotateEvent, XidEvent, FormatDescriptionEvent} {
			d := NewDecoder(&handlerFunc{}, 1)
			if err := d.Event(format); err != nil {
				t.Fatal(err)
			}
			_ = d.Event(event(typ, append(make([]byte, 0, len(body)), body...), 4, false))
			d.Close()
		}
	})
}

// FuzzColumnType feeds hostile types of columns, as information_schema shows them.
func FuzzColumnType(f *testing.F) {
	for _, c := range allTypes().Columns {
		f.Add(c.ColumnType)
	}
	f.Add("enum('it''s',',',')','')")
	f.Fuzz(func(_ *testing.T, text string) {
		c := SourceColumn{Name: "c", ColumnType: text, Charset: "latin1", Nullable: true}
		if c.ParseType() != nil {
			return
		}
		key := SourceColumn{Name: "k", ColumnType: "int", Key: 1}
		if err := key.ParseType(); err != nil {
			panic(err)
		}
		_, _ = NewSchema(SourceTable{Table: cdc.TableID{Database: "d", Name: "t"}, KeyName: "PRIMARY", Columns: []SourceColumn{key, c}}, TableOptions{})
	})
}

// FuzzGeometry feeds hostile geometry.
func FuzzGeometry(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40})
	f.Add([]byte{0xe6, 0x10, 0, 0, 1, 7, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := appendGeometry(nil, raw)
		if err == nil && len(out) > len(raw) {
			t.Errorf("%d bytes of WKB from %d", len(out), len(raw))
		}
	})
}
