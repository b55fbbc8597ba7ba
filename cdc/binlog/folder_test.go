package binlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// history is what a reader of batches knows of a table in the end.
type history struct {
	// keys has the operations of each key, in order: UPDATEs in a row are one.
	keys           map[cdc.Key][]cdc.Op
	rows           map[cdc.Key]string // last images
	events         [3]int64
	left           int // rows of batches
	oldest, newest int64
}

// replay decodes a log with changes of the shop table, with UPDATEs folded all the time, or never.
func replay(t testing.TB, events [][]byte, opts TableOptions, fold bool) history {
	h := history{keys: map[cdc.Key][]cdc.Op{}, rows: map[cdc.Key]string{}}
	var d *Decoder
	taker := &handlerFunc{batch: func(b *cdc.Batch) error {
		for r := range b.N {
			k, op := b.Key(r), b.Ops[r]
			if ops := h.keys[k]; op != cdc.OpUpdate || len(ops) == 0 || ops[len(ops)-1] != op {
				h.keys[k] = append(ops, op)
			}
			text := fmt.Sprint(op)
			for i := range b.Cols {
				if op != cdc.OpDelete || b.Schema.Columns[i].Key > 0 {
					text += "|" + valueText(&b.Schema.Columns[i], &b.Cols[i], r)
				}
			}
			h.rows[k] = text
			h.events[op]++
		}
		h.events[cdc.OpUpdate] += b.Folded
		h.left += b.N
		if len(b.Txns) > 0 {
			if h.oldest == 0 {
				h.oldest = b.Txns[0].CommitMicros
			}
			h.newest = max(h.newest, b.Txns[len(b.Txns)-1].CommitMicros, b.FoldedMicros)
		}
		b.Release()
		return nil
	}, event: func(e *Event) error {
		switch e.Type {
		case GTIDEvent:
			d.Begin(e.GTID.OriginalMicros, nil)
		case XidEvent:
			d.Commit(d.micros)
		}
		return nil
	}}
	d = NewDecoder(taker, 1)
	defer d.Close()
	s, cerr := NewSchema(shopTable(), opts)
	if cerr != nil {
		t.Fatal(cerr)
	}
	table, err := d.Register(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	var buf []byte
	for _, ev := range events {
		table.writer.fold.on = fold && table.writer.folds
		buf = append(buf[:0], ev...) // events are not retained: the memory is used again
		if err := d.Event(buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(taker.failed) > 0 {
		t.Fatal(taker.failed)
	}
	return h
}

// TestFoldingIsTheSameHistory: folded or not, every key sees the same operations and has the same last image, every event is counted,
// and the commit times are the same.
func TestFoldingIsTheSameHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog(true)
		keys := rapid.SampledFrom([]int64{1, 3, 50, 5000}).Draw(rt, "keys")
		version := int64(0)
		id := rapid.Int64Range(0, keys-1)
		for txn := range rapid.IntRange(1, 20).Draw(rt, "transactions") {
			l.begin(int64(txn + 1))
			for range rapid.IntRange(1, 3).Draw(rt, "events") {
				n := rapid.SampledFrom([]int{1, 1, 2, 30, 300, 2000}).Draw(rt, "rows")
				typ := rapid.SampledFrom([]EventType{UpdateRowsV2, UpdateRowsV2, UpdateRowsV2, WriteRowsV2, DeleteRowsV2}).Draw(rt, "type")
				if typ != UpdateRowsV2 {
					n = min(n, 30)
				}
				first, step := id.Draw(rt, "first"), rapid.Int64Range(0, 7).Draw(rt, "step")
				moves := rapid.SampledFrom([]int{0, 0, 0, 20}).Draw(rt, "moves")
				var images [][]byte
				for i := range n {
					key := (first + step*int64(i)) % keys
					images = append(images, shopImage(key, version))
					if version++; typ == UpdateRowsV2 {
						if moves > 0 && i%moves == 0 {
							key = (key + 1) % keys
						}
						images = append(images, shopImage(key, version))
					}
				}
				l.shopMap("orders")
				l.rows(typ, 77, 10, images...)
			}
			l.commit()
		}
		var opts TableOptions
		if rapid.Bool().Draw(rt, "meta") {
			opts = TableOptions{MetaOp: DefaultMetaOp, MetaTS: DefaultMetaTS}
		}
		got, want := replay(t, l.events, opts, true), replay(t, l.events, opts, false)
		got.left, want.left = 0, 0
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("events %v, times %d %d, %d keys; without folding %v, %d %d, %d", got.events, got.oldest, got.newest, len(got.keys),
				want.events, want.oldest, want.newest, len(want.keys))
		}
	})
}

// TestFoldingTurnsItselfOn: a log of hot rows is folded from the second batch on, and one of other rows no longer.
func TestFoldingTurnsItselfOn(t *testing.T) {
	d, r := shopDecoder(t, TableOptions{})
	defer d.Close()
	w := d.tables["shop\x00orders"].writer
	const n = 5 * cdc.MaxBatchRows
	take := func(kind string) {
		r.rows = 0
		for _, ev := range newLog(true).changes(kind, "orders", n).events {
			if err := d.Event(ev); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if take("hot"); !w.fold.on || r.rows > n*6/10 {
		t.Errorf("hot rows: %d of %d left, folding is %t", r.rows, n, w.fold.on)
	}
	if take("update"); w.fold.on || r.rows != n {
		t.Errorf("rows once each: %d of %d left, folding is %t", r.rows, n, w.fold.on)
	}
	if take("update"); w.fold.on || w.fold.arena != nil {
		t.Errorf("folding is %t, and %d bytes are kept for it", w.fold.on, cap(w.fold.arena))
	}
}

// TestFoldingFindsWhatIsLeft: an image that cannot be decoded pauses the table, and the error says where its event ends.
func TestFoldingFindsWhatIsLeft(t *testing.T) {
	c := &collector{}
	d := NewDecoder(c, 1)
	s, _ := NewSchema(shopTable(), TableOptions{})
	table, err := d.Register(s, TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	table.writer.fold.on = true
	l := newLog(true)
	l.shopMap("orders")
	for id := range int64(200) {
		image := shopImage(id, 2)
		if amount := 2 + 8 + 2 + 1 + 4; id == 150 {
			if image[0]&(1<<2) != 0 {
				amount-- // the quantity is NULL
			}
			binary.BigEndian.PutUint32(image[amount+1:], 0xffffffff) // these are nine digits
		}
		l.rows(UpdateRowsV2, 77, 10, shopImage(id, 1), image)
	}
	for _, ev := range l.events {
		if err := d.Event(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(c.failed) != 1 || len(c.batches) != 0 {
		t.Fatalf("errors %v, %d batches", c.failed, len(c.batches))
	}
	end := binary.LittleEndian.Uint32(l.events[2+150][13:])
	if want := fmt.Sprintf("(before position %d)", end); !strings.HasSuffix(c.failed[0].Msg, want) {
		t.Errorf("%q does not end with %q", c.failed[0].Msg, want)
	}
}

// hotTexts decodes an event of UPDATEs of a table (id BIGINT, v LONGTEXT) again and again, all in one transaction, while it is folded.
func hotTexts(t *testing.T, h Handler, times int, images ...[]byte) *writer {
	t.Helper()
	src := SourceTable{Table: cdc.TableID{Database: "shop", Name: "texts"}, KeyName: "PRIMARY", Columns: []SourceColumn{
		{Name: "id", ColumnType: "bigint", Key: 1}, {Name: "v", ColumnType: "longtext", Charset: "utf8mb4"}}}
	for i := range src.Columns {
		if err := src.Columns[i].ParseType(); err != nil {
			t.Fatal(err)
		}
	}
	s, cerr := NewSchema(src, TableOptions{})
	if cerr != nil {
		t.Fatal(cerr)
	}
	d := NewDecoder(h, 1)
	t.Cleanup(d.Close)
	table, err := d.Register(s, TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(true)
	l.begin(1)
	l.tableMap(77, "shop", "texts", []byte{8, 252}, []byte{4}, []byte{0}, []byte{1, 1, 0})
	l.rows(UpdateRowsV2, 77, 2, images...)
	last := len(l.events) - 1
	for _, ev := range append(l.events[:last:last], slices.Repeat(l.events[last:], times)...) {
		table.writer.fold.on = true
		if err := d.Event(ev); err != nil {
			t.Fatal(err)
		}
	}
	return table.writer
}

// textImage is a row of that table, with n bytes of text.
func textImage(id int64, n int) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{0xfc}, uint64(id))
	return append(binary.LittleEndian.AppendUint32(b, uint32(n)), bytes.Repeat([]byte{'x'}, n)...)
}

// TestFoldingCopiesNoLargeImages: what is copied stays allocated, and images can be large.
func TestFoldingCopiesNoLargeImages(t *testing.T) {
	const large = 32 << 20
	for _, images := range [][][]byte{
		{textImage(1, 3), textImage(1, large)},
		{textImage(1, large), textImage(1, 3)},
		{textImage(1, large), textImage(2, 3)}, // the old row is deleted
	} {
		w := hotTexts(t, &handlerFunc{}, 1, images...)
		if n := cap(w.run.arena) + cap(w.fold.arena); n > 2*foldBytes {
			t.Errorf("%d bytes stay allocated", n)
		}
	}
}

// TestFoldingHandsOn: a transaction that does nothing but change a few rows moves on before its end.
func TestFoldingHandsOn(t *testing.T) {
	var batches int
	h := &handlerFunc{batch: func(b *cdc.Batch) error {
		batches++
		b.Release()
		return nil
	}}
	var images [][]byte
	for i := range int64(1024) {
		images = append(images, textImage(i%7, 3), textImage(i%7, 4))
	}
	if hotTexts(t, h, 3*foldMost/1024, images...); batches != 2 {
		t.Errorf("%d batches of 3 times %d changes", batches, foldMost)
	}
}
