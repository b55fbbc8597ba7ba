package binlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
)

// shopRow is the binary protocol's row of shopImage(id, 1), made from go-mysql's independent decoding of it.
func shopRow(id int64) []byte {
	l := newLog(false)
	l.shopMap("orders")
	l.rows(WriteRowsV2, 77, 10, shopImage(id, 1))
	p := replication.NewBinlogParser()
	p.SetParseTime(true)
	p.SetTimestampStringLocation(time.UTC)
	var row []any
	for _, ev := range l.events {
		e, err := p.Parse(bytes.Clone(ev))
		if err != nil {
			panic(err)
		}
		if r, ok := e.Event.(*replication.RowsEvent); ok {
			row = r.Rows[0]
		}
	}
	b := []byte{0, 0, 0}
	for i, x := range row {
		switch v := x.(type) {
		case nil:
			b[1+(i+2)/8] |= 1 << ((i + 2) % 8)
		case int8:
			b = append(b, byte(v))
		case int16:
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		case int32:
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		case int64:
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		case float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		case string:
			b = append(append(b, byte(len(v))), v...)
		case []byte:
			b = append(append(b, byte(len(v))), v...)
		case time.Time:
			v = v.UTC()
			b = append(b, 11, byte(v.Year()), byte(v.Year()>>8), byte(v.Month()), byte(v.Day()), byte(v.Hour()), byte(v.Minute()), byte(v.Second()))
			b = binary.LittleEndian.AppendUint32(b, uint32(v.Nanosecond()/1000))
		default:
			panic(fmt.Sprintf("%T", x))
		}
	}
	return b
}

func goMySQLText(x any) string {
	switch v := x.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case float64:
		return normalNumber(fmt.Sprint(v))
	default:
		return fmt.Sprint(v)
	}
}

// TestAgainstGoMySQL compares every value of the benchmark's logs with go-mysql's decoder.
func TestAgainstGoMySQL(t *testing.T) {
	const n = 40000
	for _, kind := range []string{"insert", "update", "delete", "single"} {
		log := newLog(true).changes(kind, "orders", n)
		var want [][]any
		p := replication.NewBinlogParser()
		p.SetParseTime(true)
		p.SetVerifyChecksum(true)
		s, _ := NewSchema(shopTable(), TableOptions{})
		c := &collector{}
		d := NewDecoder(c, 1)
		if _, err := d.Register(s, TableOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, ev := range log.events {
			e, err := p.Parse(bytes.Clone(ev))
			if err != nil {
				t.Fatal(err)
			}
			if r, ok := e.Event.(*replication.RowsEvent); ok {
				for i, row := range r.Rows {
					if kind != "update" && kind != "single" || i%2 == 1 {
						want = append(want, row)
					}
				}
			}
			if err := d.Event(ev); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		if len(want) != n {
			t.Fatalf("%s: %d rows", kind, len(want))
		}
		i := 0
		for _, b := range c.batches {
			for r := range b.N {
				for k := range s.Columns {
					if kind == "delete" && k > 0 {
						continue
					}
					if got, w := valueText(&s.Columns[k], &b.Cols[k], r), goMySQLText(want[i][k]); got != w {
						t.Fatalf("%s row %d column %s: %q, go-mysql says %q", kind, i, s.Columns[k].Name, got, w)
					}
				}
				i++
			}
			checkBatch(t, b)
		}
		if i != n {
			t.Errorf("%s: %d rows", kind, i)
		}
		d.Close()
	}
}

// TestNoAllocations: a steady stream allocates nothing, neither per row nor per transaction.
func TestNoAllocations(t *testing.T) {
	for _, kind := range []string{"insert", "update", "delete", "single"} {
		log := newLog(true).changes(kind, "orders", 1000)
		d, _ := shopDecoder(t, TableOptions{MetaOp: "o", MetaTS: "t", MetaPos: "p"})
		run := func() {
			for _, ev := range log.events[1:] {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Event(log.events[0]); err != nil {
			t.Fatal(err)
		}
		run()
		if n := testing.AllocsPerRun(10, run); n > 0 {
			t.Errorf("%s: %.0f allocations in 1000 rows", kind, n)
		}
		d.Close()
	}
}

// TestRecycledBatch: a batch that is used again shows nothing of its earlier rows.
func TestRecycledBatch(t *testing.T) {
	d, _ := shopDecoder(t, TableOptions{})
	defer d.Close()
	s, _ := NewSchema(shopTable(), TableOptions{})
	var last []string
	h := &handlerFunc{batch: func(b *cdc.Batch) error {
		checkBatch(t, b)
		last = rowText(s, b, 0)
		b.Release()
		return nil
	}}
	d.h = h
	full := newLog(true).changes("insert", "orders", 100)
	del := newLog(true).changes("delete", "orders", 100)
	for range 3 {
		for _, l := range []*logBuilder{full, del, full} {
			for _, ev := range l.events {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if last[0] != "0" {
		t.Errorf("first row %v", last)
	}
}

type handlerFunc struct {
	batch  func(*cdc.Batch) error
	event  func(*Event) error
	events int
	failed []*cdc.Error
}

func (h *handlerFunc) Batch(b *cdc.Batch) error {
	if h.batch != nil {
		return h.batch(b)
	}
	b.Release()
	return nil
}
func (h *handlerFunc) Event(e *Event) error {
	h.events++
	if h.event != nil {
		return h.event(e)
	}
	return nil
}

func (h *handlerFunc) TableError(err *cdc.Error) error {
	h.failed = append(h.failed, err)
	return nil
}

// TestDamaged: a wrong checksum, length or order is an error of the log.
func TestDamaged(t *testing.T) {
	for name, damage := range map[string]func(l *logBuilder){
		"checksum":  func(l *logBuilder) { l.events[4][40] ^= 1 },
		"format":    func(l *logBuilder) { l.events[0][30] ^= 1 },
		"length":    func(l *logBuilder) { l.events[3] = l.events[3][:len(l.events[3])-1] },
		"short":     func(l *logBuilder) { l.events[3] = l.events[3][:10] },
		"table map": func(l *logBuilder) { l.events = append(l.events[:3], l.events[4:]...) },
	} {
		l := newLog(true).changes("insert", "orders", 10)
		damage(l)
		d, _ := shopDecoder(t, TableOptions{})
		var err error
		for _, ev := range l.events {
			if err = d.Event(ev); err != nil {
				break
			}
		}
		if e := cdc.AsError(err); e == nil || e.Code != CodeDamaged {
			t.Errorf("%s: %v", name, err)
		}
		d.Close()
	}
}

// TestUnknownEvents: an event that may carry rows must not be passed over.
func TestUnknownEvents(t *testing.T) {
	for _, c := range []struct {
		typ   EventType
		flags uint16
		ok    bool
	}{{172, 0, false}, {20, 0, false}, {12, 0, false}, {99, flagIgnorable, true}, {IgnorableEvent, flagIgnorable, true}, {RowsQueryEvent, flagIgnorable, true}} {
		l := newLog(false)
		l.add(c.typ, make([]byte, 40))
		binary.LittleEndian.PutUint16(l.events[1][17:], c.flags)
		h := &handlerFunc{}
		d := NewDecoder(h, 1)
		err := d.Event(l.events[0])
		if err == nil {
			err = d.Event(l.events[1])
		}
		if c.ok != (err == nil) || err != nil && cdc.AsError(err).Code != CodeEvent {
			t.Errorf("type %d: %v", c.typ, err)
		}
	}
}

// payload wraps events into a compressed transaction whose claimed size is wrong.
func payload(events [][]byte, compression byte) []byte {
	var plain []byte
	for _, ev := range events {
		plain = append(plain, ev...)
	}
	data := plain
	if compression == 0 {
		w, _ := zstd.NewWriter(nil)
		data = w.EncodeAll(plain, nil)
	}
	b := []byte{2, 3, 0xfc, compression, 0, 3, 1, 7, 1, 9, 0xfe}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	return append(append(b, 0), data...)
}

func TestPayload(t *testing.T) {
	inner := newLog(false).changes("insert", "orders", 5000).events[2:] // without format description and GTID
	for _, compression := range []byte{0, 255} {
		d, r := shopDecoder(t, TableOptions{})
		if err := d.Event(newLog(true).events[0]); err != nil {
			t.Fatal(err)
		}
		if err := d.Event(event(TransactionPayloadEvent, payload(inner, compression), 4, true)); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(); err != nil || r.rows != 5000 {
			t.Errorf("%d rows, %v", r.rows, err)
		}
		// Cut off, a claim of a gigabyte, a payload within a payload: errors, and no memory taken.
		huge := event(WriteRowsV2, make([]byte, 100), 0, false)
		binary.LittleEndian.PutUint32(huge[9:], 1<<30)
		for _, bad := range [][][]byte{{inner[0][:30]}, {huge}, {event(TransactionPayloadEvent, payload(inner, 0), 0, false)}} {
			if err := d.Event(event(TransactionPayloadEvent, payload(bad, compression), 4, true)); err == nil || cdc.AsError(err).Code != CodeDamaged {
				t.Errorf("accepted: %v", err)
			}
		}
		if cap(d.payload.buf) > 8<<20 {
			t.Errorf("%d bytes are held", cap(d.payload.buf))
		}
		d.Close()
	}
}

// TestWatch: updates and deletes of watched tables are announced, whether the table is selected or not.
func TestWatch(t *testing.T) {
	for _, table := range []string{"orders", "elsewhere"} {
		d, _ := shopDecoder(t, TableOptions{})
		c := &collector{}
		d.h = c
		d.Watch(cdc.TableID{Database: "shop", Name: table})
		for _, kind := range []string{"insert", "update", "delete"} {
			for _, ev := range newLog(true).changes(kind, table, 10).events {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
			}
		}
		seen := ""
		for _, e := range c.events {
			if e.Table != (cdc.TableID{}) {
				seen += fmt.Sprintf("%s %d %d;", e.Table, e.Type, e.RowFlags)
			}
		}
		if want := fmt.Sprintf("shop.%[1]s 31 1;shop.%[1]s 32 1;", table); seen != want {
			t.Errorf("%q, expected %q", seen, want)
		}
	}
}

// TestInvalidText: bytes that are not UTF-8 stop the table, also where they are valid only together with the next row's.
func TestInvalidText(t *testing.T) {
	for _, texts := range [][2]string{{"\xff", "a"}, {"\xc3", "\xa9"}, {strings.Repeat("a", 40) + "\xe2\x82", "b"}, {"\xed\xa0\x80", ""}} {
		var data []byte
		off := []int32{0}
		for _, s := range texts {
			data = append(data, s...)
			off = append(off, int32(len(data)))
		}
		if validText(data, off[:2], 0) {
			t.Errorf("%q is taken for valid", texts)
		}
	}
	if !validText([]byte("aé€😀"), []int32{7, 8, 10, 13}, 7) {
		t.Error("valid text is refused")
	}
}
