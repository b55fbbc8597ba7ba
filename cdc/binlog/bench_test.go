package binlog

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// releaser is a Handler that gives batches back, the oldest of keep first, and ends transactions as a source does.
type releaser struct {
	d    *Decoder
	rows int
	keep int
	held []*cdc.Batch
}

func (r *releaser) Batch(b *cdc.Batch) error {
	r.rows += b.N
	r.held = append(r.held, b)
	if len(r.held) > r.keep {
		r.held[0].Release()
		r.held = append(r.held[:0], r.held[1:]...)
	}
	return nil
}

func (r *releaser) Event(e *Event) error {
	switch e.Type {
	case GTIDEvent:
		r.d.Begin(e.GTID.OriginalMicros, nil)
	case XidEvent:
		r.d.Commit(r.d.micros)
	}
	return nil
}

func (r *releaser) TableError(err *cdc.Error) error { return err }

func shopDecoder(tb testing.TB, opts TableOptions) (*Decoder, *releaser) {
	tb.Helper()
	s, cerr := NewSchema(shopTable(), opts)
	if cerr != nil {
		tb.Fatal(cerr)
	}
	r := &releaser{}
	r.d = NewDecoder(r, 1)
	if _, err := r.d.Register(s, opts); err != nil {
		tb.Fatal(err)
	}
	return r.d, r
}

// socket copies what is read into the memory of a block, as it comes from a connection: it is in the cache then.
type socket struct {
	buf  [256 << 10]byte
	used int
}

func (s *socket) read(b []byte) []byte {
	if s.used+len(b) > len(s.buf) {
		s.used = 0
	}
	s.used += copy(s.buf[s.used:], b)
	return s.buf[s.used-len(b) : s.used]
}

// cpu is the process's CPU time so far: other processes on the machine do not change the figures much.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDecode decodes logs in memory. The checksums are verified but in nocrc.
func BenchmarkDecode(b *testing.B) {
	const n = 1 << 14
	meta := TableOptions{MetaOp: DefaultMetaOp, MetaTS: DefaultMetaTS, MetaPos: DefaultMetaPos}
	for _, c := range []struct {
		name, kind, table string
		opts              TableOptions
		checksums         bool
	}{
		{"insert", "insert", "orders", TableOptions{}, true},
		{"insert/nocrc", "insert", "orders", TableOptions{}, false},
		{"insert/meta", "insert", "orders", meta, true},
		{"update", "update", "orders", TableOptions{}, true},
		{"delete", "delete", "orders", TableOptions{}, true},
		{"single", "single", "orders", TableOptions{}, true},
		{"hot", "hot", "orders", TableOptions{}, true},
		{"ignored", "insert", "elsewhere", TableOptions{}, true},
		{"ignored/nocrc", "insert", "elsewhere", TableOptions{}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			log := newLog(c.checksums).changes(c.kind, c.table, n)
			d, r := shopDecoder(b, c.opts)
			defer d.Close()
			r.keep = 12 // what a shard collects before it writes: more than caches hold
			b.SetBytes(int64(len(bytes.Join(log.events, nil))))
			b.ReportAllocs()
			var s socket
			start := cpu()
			for b.Loop() {
				for _, ev := range log.events {
					if err := d.Event(s.read(ev)); err != nil {
						b.Fatal(err)
					}
				}
				if err := d.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			if r.rows == 0 && c.table == "orders" {
				b.Fatal("no rows")
			}
			b.ReportMetric(float64(r.rows)/float64(n)/float64(b.N), "left")
			b.ReportMetric(float64(n)*float64(b.N)/(cpu()-start).Seconds()/1e6, "Mrows/cpu-s")
		})
	}
}

// BenchmarkRows decodes rows of the binary protocol.
func BenchmarkRows(b *testing.B) {
	s, cerr := NewSchema(shopTable(), TableOptions{})
	if cerr != nil {
		b.Fatal(cerr)
	}
	taker := &releaser{keep: 12}
	d, err := NewRowDecoder(cdc.NewBatchPool(s), TableOptions{}, 1, taker.Batch)
	if err != nil {
		b.Fatal(err)
	}
	const n = 1 << 14
	rows := make([][]byte, n)
	size := 0
	for i := range rows {
		rows[i] = shopRow(int64(i))
		size += len(rows[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var packets []byte
	for _, r := range rows {
		packets = append(append(packets, byte(len(r)), byte(len(r)>>8), 0, 0), r...)
	}
	var in socket
	start := cpu()
	for b.Loop() {
		for rest := packets; len(rest) > 0; {
			n, err := d.Rows(in.read(rest[:min(len(rest), 100<<10)]))
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := d.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/(cpu()-start).Seconds()/1e6, "Mrows/cpu-s")
}
