package iceberg

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Ten mixed columns of about 200 bytes a row, as in DESIGN, section 2.
var benchTable = cdc.TableID{Database: "tpcc", Name: "order_line"}

func benchSchema() *cdc.Schema {
	return &cdc.Schema{Table: benchTable, Version: 1, Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1},
		{Name: "w_id", Type: cdc.Type{Kind: cdc.KindInt32}},
		{Name: "qty", Type: cdc.Type{Kind: cdc.KindInt32}},
		{Name: "i_id", Type: cdc.Type{Kind: cdc.KindInt32}},
		{Name: "amount", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 12, Scale: 2}},
		{Name: "delivery_d", Type: cdc.Type{Kind: cdc.KindTimestamp}, Nullable: true},
		{Name: "updated_at", Type: cdc.Type{Kind: cdc.KindTimestampTZ}},
		{Name: "score", Type: cdc.Type{Kind: cdc.KindFloat64}, Nullable: true},
		{Name: "dist_info", Type: cdc.Type{Kind: cdc.KindString}},
		{Name: "note", Type: cdc.Type{Kind: cdc.KindBinary}, Nullable: true},
	}}
}

type benchGen struct {
	r    *rand.Rand
	next int64
}

var benchWords = []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"}

// batch fills a batch with rows of op; ids are sequential for inserts, random ones below span otherwise.
func (g *benchGen) batch(pool *cdc.BatchPool, op cdc.Op, n int, span int64) *cdc.Batch {
	b := pool.Get()
	for b.Cap() < n {
		b.Grow()
	}
	var hex [16]byte
	for i := range n {
		b.Ops[i] = op
		id := g.next
		if op == cdc.OpInsert {
			g.next++
		} else {
			id = g.r.Int64N(span)
		}
		c := b.Cols
		c[0].I64[i] = id
		c[1].I32[i] = int32(g.r.IntN(100))
		c[2].I32[i] = int32(g.r.IntN(10))
		c[3].I32[i] = int32(g.r.IntN(100000))
		c[4].I64[i] = int64(g.r.IntN(1000000))
		if g.r.IntN(4) > 0 {
			c[5].I64[i] = 1_700_000_000_000_000 + g.r.Int64N(1e13)
			c[5].SetValid(i)
		} else {
			c[5].Nulls++
		}
		c[6].I64[i] = 1_700_000_000_000_000 + id*137 + g.r.Int64N(100)
		if g.r.IntN(10) > 0 {
			c[7].F64[i] = g.r.NormFloat64()
			c[7].SetValid(i)
		} else {
			c[7].Nulls++
		}
		binary.LittleEndian.PutUint64(hex[:], g.r.Uint64())
		c[8].Data = fmt.Appendf(c[8].Data, "%x", hex[:12])
		c[8].Off[i+1] = int32(len(c[8].Data))
		if g.r.IntN(5) > 0 {
			for range 10 + g.r.IntN(10) {
				c[9].Data = append(append(c[9].Data, benchWords[g.r.IntN(len(benchWords))]...), ' ')
			}
			c[9].SetValid(i)
		} else {
			c[9].Nulls++
		}
		c[9].Off[i+1] = int32(len(c[9].Data))
	}
	b.N = n
	return b
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// perCPU reports rows per CPU-second, all goroutines and the collector included.
func perCPU(b *testing.B, rows int64, f func()) {
	c := cpuSeconds()
	f()
	c = cpuSeconds() - c
	b.ReportMetric(float64(rows)/c/1e6, "Mrows/cpu-s")
	b.ReportMetric(c/float64(rows)*1e9, "cpu-ns/row")
}

// discardWriter is an objstore.Writer that keeps nothing.
type discardWriter struct{ n int64 }

func (d *discardWriter) Write(p []byte) (int, error) { d.n += int64(len(p)); return len(p), nil }
func (d *discardWriter) Close() error                { return nil }
func (d *discardWriter) Abort() error                { return nil }
func (d *discardWriter) Size() int64                 { return d.n }

var _ objstore.Writer = (*discardWriter)(nil)

func benchLayout(tb testing.TB) *parquetLayout {
	t, _ := newTestTable(tb).target(benchSchema())
	l, err := newParquetLayout(t)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// BenchmarkParquetWriter is the floor: gathered columns to an encoded file.
func BenchmarkParquetWriter(b *testing.B) {
	l := benchLayout(b)
	pool := cdc.NewBatchPool(benchSchema())
	g := &benchGen{r: rand.New(rand.NewPCG(1, 1))}
	var sets []*colSet
	var rows []int32
	for i := range setRows {
		rows = append(rows, int32(i))
	}
	raw := 0
	for range 16 {
		s := &colSet{}
		*s = *(&colPool{}).get(l)
		s.gather(l, g.batch(pool, cdc.OpInsert, setRows, 0), rows)
		raw += s.raw()
		sets = append(sets, s)
	}
	var alloc bufferAllocator
	var size int64
	n := 0
	b.ReportAllocs()
	b.ResetTimer()
	perCPU(b, int64(b.N)*16*setRows, func() {
		for range b.N {
			w := &discardWriter{}
			p, err := newParquetWriter(l, w, sets[0], &alloc)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range sets {
				if err := p.write(s); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := p.close(); err != nil {
				b.Fatal(err)
			}
			size, n = w.n, 16*setRows
		}
	})
	b.ReportMetric(float64(size)/float64(n), "B/row")
	b.ReportMetric(float64(raw)/float64(n), "rawB/row")
}

// BenchmarkSmallFile is a file of ten or a hundred rows: what every quiet table costs at every checkpoint.
func BenchmarkSmallFile(b *testing.B) {
	for _, rows := range []int{10, 100} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			l := benchLayout(b)
			g := &benchGen{r: rand.New(rand.NewPCG(1, 1))}
			s := &colSet{}
			*s = *(&colPool{}).get(l)
			sel := make([]int32, rows)
			for i := range sel {
				sel[i] = int32(i)
			}
			s.gather(l, g.batch(cdc.NewBatchPool(benchSchema()), cdc.OpInsert, rows, 0), sel)
			var e smallEncoder
			b.ReportAllocs()
			for range b.N {
				file, meta, err := e.encode(l, s)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := makeDataFile(l.target, "file:///x", int64(len(file)), meta, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkShard is the whole write side: batches to stored files. With encode=false the encoder throws the rows away, which leaves
// collapsing, state and gathering.
func BenchmarkShard(b *testing.B) {
	for _, op := range []cdc.Op{cdc.OpInsert, cdc.OpUpdate} {
		for _, encode := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/encode=%t", []string{"insert", "update"}[op], encode), func(b *testing.B) { benchShard(b, op, encode) })
		}
	}
}

func benchShard(b *testing.B, op cdc.Op, encode bool) {
	const span = 2_000_000 // keys
	const perCheckpoint = 500_000
	start := cdc.TableStart{Table: benchTable, Schema: benchSchema()}
	s := newTestShards(b, 1, []cdc.TableStart{start}, map[cdc.TableID]*testTable{benchTable: newTestTable(b)}, func(o *shardOptions) {
		o.create = func(context.Context, string) (objstore.Writer, error) { return &discardWriter{}, nil }
	})
	defer s.close()
	w := s.writers[0]
	pool := cdc.NewBatchPool(benchSchema())
	g := &benchGen{r: rand.New(rand.NewPCG(1, 1))}
	ctx := context.Background()
	h := cdc.NewKeyHasher(benchSchema(), 1)
	barrier := func() {
		s.k++
		p, err := w.Prepare(ctx, s.k)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Wait(ctx); err != nil {
			b.Fatal(err)
		}
		if err := w.Complete(ctx, s.k); err != nil {
			b.Fatal(err)
		}
	}
	real := w.enc
	w.enc = drain()
	for i := 0; i < span; i += cdc.MaxBatchRows {
		x := g.batch(pool, cdc.OpInsert, cdc.MaxBatchRows, 0)
		h.Hash(x.Cols, 0, x.N, x.KeyHi, x.KeyLo)
		if err := w.Write(ctx, x, nil); err != nil {
			b.Fatal(err)
		}
	}
	barrier()
	if encode {
		w.enc.close()
		w.enc = real
	} else {
		defer real.close()
	}
	var batches []*cdc.Batch // made beforehand and kept; their values repeat, their keys do not
	for range 16 {
		x := g.batch(pool, op, cdc.MaxBatchRows, span)
		x.Retain(1 << 20)
		batches = append(batches, x)
	}
	b.ReportAllocs()
	b.ResetTimer()
	since := 0
	perCPU(b, int64(b.N)*cdc.MaxBatchRows, func() {
		for i := range b.N {
			x := batches[i%16]
			if i >= 16 {
				for j := range x.N {
					if op == cdc.OpInsert {
						x.Cols[0].I64[j] = g.next
						g.next++
					} else {
						x.Cols[0].I64[j] = g.r.Int64N(span)
					}
				}
			}
			h.Hash(x.Cols, 0, x.N, x.KeyHi, x.KeyLo)
			if err := w.Write(ctx, x, nil); err != nil {
				b.Fatal(err)
			}
			if since += x.N; since >= perCheckpoint {
				barrier()
				since = 0
			}
		}
		barrier()
	})
}

// drain is an encoder that throws all rows away.
func drain() *encoder {
	e := &encoder{jobs: make(chan encodeJob, encodeQueue)}
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		for j := range e.jobs {
			if j.op == encodeRows {
				e.putSet(j.f.layout, j.set)
			} else {
				j.f.part.finished(dataFile{}, 0, errAborted)
			}
		}
	}()
	return e
}

// BenchmarkGather gathers every other row of a batch, as one of two slots does.
func BenchmarkGather(b *testing.B) {
	l := benchLayout(b)
	g := &benchGen{r: rand.New(rand.NewPCG(1, 1))}
	x := g.batch(cdc.NewBatchPool(benchSchema()), cdc.OpInsert, cdc.MaxBatchRows, 0)
	var rows []int32
	for i := range int32(x.N) {
		if g.r.IntN(2) == 0 {
			rows = append(rows, i)
		}
	}
	s := (&colPool{}).get(l)
	perCPU(b, int64(b.N)*int64(len(rows)), func() {
		for range b.N {
			for i := range s.cols {
				s.cols[i].reset()
			}
			s.n = 0
			s.gather(l, x, rows)
		}
	})
}
