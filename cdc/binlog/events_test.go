package binlog

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/klauspost/compress/zstd"
)

// decodeAll runs a log and returns what came of it.
func decodeAll(t testing.TB, l *logBuilder) (*collector, error) {
	t.Helper()
	d, _ := shopDecoder(t, TableOptions{})
	defer d.Close()
	c := &collector{}
	d.h = c
	for _, ev := range l.events {
		if err := d.Event(ev); err != nil {
			return c, err
		}
	}
	return c, d.Flush()
}

// TestRowsV1: rows events of the first version have no extra data in front of their columns; their rows are the same.
func TestRowsV1(t *testing.T) {
	s, _ := NewSchema(shopTable(), TableOptions{})
	for v2, v1 := range map[EventType]EventType{WriteRowsV2: WriteRowsV1, UpdateRowsV2: UpdateRowsV1, DeleteRowsV2: DeleteRowsV1} {
		images := [][]byte{shopImage(1, 1), shopImage(1, 2), shopImage(2, 1), shopImage(3, 1)}
		text := func(v1 EventType) (out []string) {
			l := newLog(true)
			l.begin(1)
			l.shopMap("orders")
			l.rows(v2, 77, 10, images...)
			if v1 != 0 {
				ev := l.events[len(l.events)-1]
				body := ev[headerSize : len(ev)-4]
				body = append(append([]byte(nil), body[:8]...), body[10:]...)
				l.events = l.events[:len(l.events)-1]
				l.add(v1, body)
			}
			l.commit()
			c, err := decodeAll(t, l)
			if err != nil || len(c.failed) > 0 {
				t.Fatal(err, c.failed)
			}
			for _, b := range c.batches {
				for r := range b.N {
					row := rowText(s, b, r)
					if b.Ops[r] == cdc.OpDelete {
						row = row[:1]
					}
					out = append(out, fmt.Sprint(b.Ops[r], row))
				}
			}
			return out
		}
		if a, b := fmt.Sprint(text(0)), fmt.Sprint(text(v1)); a != b || a == "[]" {
			t.Errorf("type %d:\n%s\ntype %d:\n%s", v1, b, v2, a)
		}
	}
}

// TestHeartbeats: both versions say where the log stands, the second beyond 4 GiB; hostile ones are errors.
func TestHeartbeats(t *testing.T) {
	v2 := func(fields ...[]byte) []byte {
		var b []byte
		for _, f := range fields {
			b = append(b, f...)
		}
		return b
	}
	name := append([]byte{1, 13}, "binlog.000042"...)
	long := append([]byte{2, 9, 0xfe}, binary.LittleEndian.AppendUint64(nil, 5<<32+7)...)
	for i, c := range []struct {
		typ  EventType
		body []byte
		file string
		pos  uint64 // 0: an error
	}{
		{HeartbeatV2Event, v2(name, long, []byte{0}), "binlog.000042", 5<<32 + 7},
		{HeartbeatV2Event, v2(long, name), "binlog.000042", 5<<32 + 7},
		{HeartbeatV2Event, v2(name, []byte{2, 1, 200, 0, 99, 99}), "binlog.000042", 200},
		{HeartbeatV2Event, v2([]byte{7, 2, 1, 1}, name, []byte{2, 3, 0xfc, 0, 2}), "binlog.000042", 512}, // a field of a later server
		{HeartbeatV2Event, v2(name, []byte{2, 3, 0xfc, 0}), "", 0},
		{HeartbeatV2Event, []byte{1, 200, 'b'}, "", 0},
		{HeartbeatV2Event, []byte{2, 0}, "", 0},
		{HeartbeatV2Event, []byte{1}, "", 0},
		{HeartbeatV2Event, []byte{1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "", 0},
		{HeartbeatEvent, []byte("binlog.000042"), "binlog.000042", 0xffffffff},
	} {
		l := newLog(true)
		ev := event(c.typ, c.body, 0, true)
		if c.typ == HeartbeatEvent {
			ev = event(c.typ, c.body, 0xffffffff-uint32(headerSize+len(c.body)+4), true)
		}
		l.events = append(l.events, ev)
		got, err := decodeAll(t, l)
		if c.pos == 0 {
			if e := cdc.AsError(err); e == nil || e.Code != CodeDamaged {
				t.Errorf("%d: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		if e := got.events[len(got.events)-1]; string(e.File) != c.file || e.Position != c.pos {
			t.Errorf("%d: %s:%d", i, e.File, e.Position)
		}
	}
}

// TestIncident: the server's word that events are lost reaches the handler.
func TestIncident(t *testing.T) {
	l := newLog(true)
	l.add(IncidentEvent, append([]byte{1, 0, 4}, "lost"...))
	c, err := decodeAll(t, l)
	if err != nil || c.events[len(c.events)-1].Incident != 1 {
		t.Error(err)
	}
	l = newLog(true)
	l.add(IncidentEvent, []byte{1})
	if _, err = decodeAll(t, l); err == nil || cdc.AsError(err).Code != CodeDamaged {
		t.Error(err)
	}
}

// TestBomb: a transaction of some kilobytes that unpacks to half a gigabyte passes in bounded memory, and what claims a
// larger window than any of MySQL's is refused.
func TestBomb(t *testing.T) {
	const size, count = 1 << 20, 512
	plain := event(RowsQueryEvent, make([]byte, size), 0, false)
	encode := func(events int, options ...zstd.EOption) []byte {
		var b []byte
		w, err := zstd.NewWriter(writerFunc(func(p []byte) (int, error) { b = append(b, p...); return len(p), nil }), append(options, zstd.WithEncoderConcurrency(1))...)
		if err != nil {
			t.Fatal(err)
		}
		for range events {
			if _, err := w.Write(plain); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		head := []byte{2, 1, 0, 1, 9, 0xfe}
		head = binary.LittleEndian.AppendUint64(head, uint64(len(b)))
		return append(append(head, 0), b...)
	}
	bomb := encode(count)
	if len(bomb) > 256<<10 {
		t.Fatalf("no bomb: %d bytes", len(bomb))
	}
	d, _ := shopDecoder(t, TableOptions{})
	defer d.Close()
	runtime.GC()
	var before, m runtime.MemStats
	runtime.ReadMemStats(&before)
	peak, n := uint64(0), 0
	c := &collector{}
	d.h = &eventFunc{collector: c, f: func(*Event) {
		if n++; n%64 == 0 {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}}
	if err := d.Event(newLog(true).events[0]); err != nil {
		t.Fatal(err)
	}
	if err := d.Event(event(TransactionPayloadEvent, bomb, 4, true)); err != nil {
		t.Fatal(err)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); n < count || grown > 64<<20 {
		t.Errorf("%d events, %d MiB", n, grown>>20)
	}
	wide := encode(300, zstd.WithWindowSize(256<<20))
	if err := d.Event(event(TransactionPayloadEvent, wide, 4, true)); err == nil || cdc.AsError(err).Code != CodeDamaged {
		t.Errorf("a window of 256 MiB: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// eventFunc keeps no events.
type eventFunc struct {
	*collector
	f func(*Event)
}

func (e *eventFunc) Event(ev *Event) error { e.f(ev); return nil }
