package binlog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// rowTexts decodes a log and returns the rows of its batches, keys and operations included. With each, every event is flushed by itself.
func rowTexts(t *rapid.T, s []*cdc.Schema, events [][]byte, each bool) map[string][]string {
	out := map[string][]string{}
	h := &handlerFunc{batch: func(b *cdc.Batch) error {
		for r := range b.N {
			text := fmt.Sprint(b.Ops[r], b.Key(r), " ")
			for i := range b.Cols {
				if b.Ops[r] == cdc.OpDelete && b.Schema.Columns[i].Key == 0 {
					continue
				}
				text += valueText(&b.Schema.Columns[i], &b.Cols[i], r) + "|"
			}
			name := b.Schema.Table.Name
			out[name] = append(out[name], text)
		}
		b.Release()
		return nil
	}}
	d := NewDecoder(h, 1)
	defer d.Close()
	for _, s := range s {
		if _, err := d.Register(s, TableOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var buf []byte
	for _, ev := range events {
		buf = append(buf[:0], ev...) // events are not retained: the memory is used again
		if err := d.Event(buf); err != nil {
			t.Fatal(err)
		}
		if each {
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(h.failed) > 0 {
		t.Fatal(h.failed)
	}
	return out
}

// TestRunsAreTheSameRows: rows are the same however many of them are decoded together, in place or from copies, with changes of the key
// among them, and of several tables by turns.
func TestRunsAreTheSameRows(t *testing.T) {
	shop, _ := NewSchema(shopTable(), TableOptions{})
	wide, cerr := NewSchema(wideTable(), TableOptions{})
	if cerr != nil {
		t.Fatal(cerr)
	}
	rapid.Check(t, func(t *rapid.T) {
		l := newLog(rapid.Bool().Draw(t, "checksums"))
		rows := 0
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			n := rapid.SampledFrom([]int{1, 1, 1, 2, 3, 17, 130, 300}).Draw(t, "rows")
			typ := rapid.SampledFrom([]EventType{WriteRowsV2, UpdateRowsV2, DeleteRowsV2}).Draw(t, "type")
			moves := rapid.IntRange(0, 3).Draw(t, "moves")
			isWide := rapid.IntRange(0, 3).Draw(t, "table") == 0
			var images [][]byte
			for i := range n {
				id := int64(rows + i)
				image := shopImage
				if isWide {
					image = wideImage
				}
				images = append(images, image(id, 1))
				if typ == UpdateRowsV2 {
					if i%4 < moves {
						id += 1 << 20
					}
					images = append(images, image(id, 2))
				}
			}
			rows += n
			if isWide {
				l.wideMap()
				l.wideRows(typ, images...)
			} else {
				l.shopMap("orders")
				l.rows(typ, 77, 10, images...)
			}
		}
		schemas := []*cdc.Schema{shop, wide}
		got, want := rowTexts(t, schemas, l.events, false), rowTexts(t, schemas, l.events, true)
		for name := range want {
			if len(got[name]) != len(want[name]) {
				t.Fatalf("%s: %d rows, one by one %d", name, len(got[name]), len(want[name]))
			}
			for i := range want[name] {
				if got[name][i] != want[name][i] {
					t.Fatalf("%s row %d:\n%s\none by one:\n%s", name, i, got[name][i], want[name][i])
				}
			}
		}
	})
}

// TestWideAgainstColumns checks a row of the wide table by its parts, as wideImage wrote them.
func TestWideAgainstColumns(t *testing.T) {
	c := &collector{}
	d := NewDecoder(c, 1)
	s, _ := NewSchema(wideTable(), TableOptions{})
	if _, err := d.Register(s, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, ev := range newLog(true).wideUpdates(1000).events {
		if err := d.Event(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	id := int64(0)
	for _, b := range c.batches {
		checkBatch(t, b)
		for r := range b.N {
			if b.Ops[r] != cdc.OpUpdate || b.Cols[0].I64[r] != id {
				t.Fatalf("row %d is %d, operation %d", id, b.Cols[0].I64[r], b.Ops[r])
			}
			for i := range 199 {
				x := cdc.Mix64(uint64(id)*1000 + uint64(i))
				if i < 40 {
					x = cdc.Mix64(x + 2)
				}
				v := &b.Cols[i+1]
				ok := true
				switch i % 8 {
				case 0:
					ok = v.I32[r] == int32(x)
				case 1:
					ok = string(v.Bytes(r)) == "0123456789abcdefghijklmnopqrstuvwxyz"[:18+x%8]
				case 2:
					ok = !v.IsNull(r) && v.I64[r] == int64(x%1e6)*100+25
				case 3:
					ok = v.I64[r] == int64(x>>12)
				case 5:
					ok = v.I32[r] == int32(x&1)
				case 7:
					if ok = v.IsNull(r) == (x%4 == 0); ok && x%4 != 0 {
						ok = string(v.Bytes(r)) == "0123456789abcdef"[:4+x%8]
					}
				}
				if !ok {
					t.Fatalf("row %d column %d: %s", id, i+1, valueText(&s.Columns[i+1], v, r))
				}
			}
			id++
		}
	}
	if id != 1000 {
		t.Errorf("%d rows", id)
	}
}

// TestRowsOfPackets: rows are the same one by one and as they stand in memory, however that is cut, and nothing behind them is taken.
func TestRowsOfPackets(tb *testing.T) {
	s, _ := NewSchema(shopTable(), TableOptions{})
	var rows [][]byte
	for i := range 500 {
		rows = append(rows, shopRow(int64(i)))
	}
	rapid.Check(tb, func(t *rapid.T) {
		n := rapid.IntRange(0, 500).Draw(t, "rows")
		texts := func(feed func(d *RowDecoder)) (out []string) {
			d, err := NewRowDecoder(cdc.NewBatchPool(s), TableOptions{}, 1, func(b *cdc.Batch) error {
				checkBatch(tb, b)
				for r := range b.N {
					out = append(out, fmt.Sprint(b.Ops[r], b.Key(r), rowText(s, b, r)))
				}
				b.Release()
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			feed(d)
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			return out
		}
		want := texts(func(d *RowDecoder) {
			for _, r := range rows[:n] {
				if err := d.Row(r); err != nil {
					t.Fatal(err)
				}
			}
		})
		var stream []byte
		for i, r := range rows[:n] {
			stream = append(append(stream, byte(len(r)), byte(len(r)>>8), 0, byte(i)), r...)
		}
		size := len(stream)
		stream = append(stream, rapid.SampledFrom([]string{"", "\x05\x00\x00\x07\xfe\x00\x00\x02\x00", "\x00\x00\x00\x07", "\x03\x00\x00\x07\xff\x01\x02"}).Draw(t, "end")...)
		got := texts(func(d *RowDecoder) {
			at, ahead := 0, 0
			for at < size {
				ahead = min(len(stream), max(at, ahead)+rapid.IntRange(1, 20000).Draw(t, "piece"))
				if rapid.IntRange(0, 3).Draw(t, "one") == 0 {
					next := 4 + int(stream[at]) + int(stream[at+1])<<8
					if err := d.Row(stream[at+4 : at+next]); err != nil {
						t.Fatal(err)
					}
					at += next
					continue
				}
				b := bytes.Clone(stream[at:ahead])
				k, err := d.Rows(b)
				if err != nil {
					t.Fatal(err)
				}
				clear(b)
				at += k
			}
			if k, err := d.Rows(stream[at:]); at != size || k != 0 || err != nil {
				t.Fatalf("%d bytes of rows taken, then %d, %v", at, k, err)
			}
		})
		if len(got) != n || len(want) != n {
			t.Fatalf("%d and %d rows of %d", len(got), len(want), n)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("row %d: %s, one by one %s", i, got[i], want[i])
			}
		}
	})
}

// TestErrorsOfWaitingRows: what is wrong with a row that waits to be decoded is found before its transaction's end is a boundary, and says
// where in the log the row is.
func TestErrorsOfWaitingRows(t *testing.T) {
	good := func() []byte { return shopImage(3, 1) }
	notNull := func() []byte { b := good(); b[0] |= 1 << 6; return b }
	badText := func() []byte { b := good(); i := bytes.LastIndexByte(b, '-'); b[i] = 0xff; return b }
	badDecimal := func() []byte { b := good(); b[2+8+2+1+4+1] = 0xff; return b }
	for name, c := range map[string]struct {
		image []byte
		code  *cdc.Code
		text  string
	}{
		"NULL":      {notNull(), CodeValue, "column updated: NULL"},
		"text":      {badText(), CodeText, "column "},
		"decimal":   {badDecimal(), CodeValue, "column amount"},
		"cut off":   {good()[:60], CodeValue, "too early"},
		"cut short": {good()[:1], CodeValue, "too early"},
	} {
		for _, behind := range []int{0, 3, 60} {
			l := newLog(true)
			l.begin(1)
			l.shopMap("orders")
			l.rows(WriteRowsV2, 77, 10, shopImage(1, 1))
			l.rows(WriteRowsV2, 77, 10, c.image)
			where := fmt.Sprintf("(before position %d)", l.pos)
			for i := range behind {
				l.rows(WriteRowsV2, 77, 10, shopImage(int64(10+i), 1))
			}
			l.commit()
			d, _ := shopDecoder(t, TableOptions{})
			h := &handlerFunc{batch: func(b *cdc.Batch) error {
				t.Errorf("%s: rows are handed on", name)
				b.Release()
				return nil
			}}
			d.h = h
			for _, ev := range l.events {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
			}
			d.Commit(1)
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			if len(h.failed) != 1 || h.failed[0].Code != c.code || !strings.Contains(h.failed[0].Error(), c.text) || !strings.Contains(h.failed[0].Error(), where) {
				t.Errorf("%s with %d rows behind: %v, expected %s", name, behind, h.failed, where)
			}
			d.Close()
		}
	}
}

// TestQuickForms compares what decodes most values with what decodes all of them.
func TestQuickForms(t *testing.T) {
	for y := int64(0); y <= 10000; y++ {
		for m := int64(0); m <= 12; m++ {
			for _, d := range []int64{0, 1, 28, 29, 30, 31} {
				days, ok := civilDays(y, m, d)
				if got, gotOK := monthDay(y*13+m, d); ok != gotOK || ok && got != days {
					t.Fatalf("%d-%d-%d: %d %t, expected %d %t", y, m, d, got, gotOK, days, ok)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		precision := rapid.IntRange(1, 18).Draw(t, "precision")
		scale := rapid.IntRange(0, precision).Draw(t, "scale")
		groups, size := decimalGroups(precision, scale)
		raw := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "raw")
		if size <= 8 {
			want, werr := decimal64(raw, groups)
			got, err := decimalWord(word(raw, 0)>>(64-8*uint(size)), uint(size), groups)
			if (err == nil) != (werr == nil) || err == nil && got != want {
				t.Fatalf("decimal(%d,%d) %x: %d %v, expected %d %v", precision, scale, raw, got, err, want, werr)
			}
		}
		text := rapid.StringMatching(`-?[0-9]{0,19}(\.[0-9]{0,19})?|[-.0-9x]{0,8}`).Draw(t, "text")
		want, _, werr := parseDecimal([]byte(text), scale)
		got, err := parseDecimal64([]byte(text), scale)
		if (err == nil) != (werr == nil) || err == nil && got != int64(want) {
			t.Fatalf("%q with %d digits behind the point: %d %v, expected %d %v", text, scale, got, err, int64(want), werr)
		}
	})
}
