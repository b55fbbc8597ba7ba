package iceberg

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

var modelTable = cdc.TableID{Database: "shop", Name: "orders"}

// modelSchema has a column of every type, and one of three kinds of keys.
func modelSchema(keyKind, version int) *cdc.Schema {
	s := &cdc.Schema{Table: modelTable, Version: version, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}},
		{Name: "code", Type: cdc.Type{Kind: cdc.KindString}},
		{Name: "b", Type: cdc.Type{Kind: cdc.KindBool}, Nullable: true},
		{Name: "i32", Type: cdc.Type{Kind: cdc.KindInt32}, Nullable: true},
		{Name: "i64", Type: cdc.Type{Kind: cdc.KindInt64}, Nullable: true, LowCardinality: true},
		{Name: "f32", Type: cdc.Type{Kind: cdc.KindFloat32}, Nullable: true},
		{Name: "f64", Type: cdc.Type{Kind: cdc.KindFloat64}, Nullable: true},
		{Name: "d9", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 9, Scale: 2}, Nullable: true},
		{Name: "d18", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 18, Scale: 4}, Nullable: true},
		{Name: "d38", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 38, Scale: 10}, Nullable: true},
		{Name: "day", Type: cdc.Type{Kind: cdc.KindDate}, Nullable: true},
		{Name: "ts", Type: cdc.Type{Kind: cdc.KindTimestamp}, Nullable: true},
		{Name: "tz", Type: cdc.Type{Kind: cdc.KindTimestampTZ}},
		{Name: "s", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true, LowCardinality: true},
		{Name: "x.y", Type: cdc.Type{Kind: cdc.KindBinary}, Nullable: true},
	}}
	s.Key = [][]int{{0}, {1}, {0, 1}}[keyKind]
	for i, c := range s.Key {
		s.Columns[c].Key = i + 1
	}
	return s
}

// keyRow makes the row of key number n: both key candidates follow from it.
func keyRow(s *cdc.Schema, n int, r *rand.Rand) testRow {
	row := make(testRow, len(s.Columns))
	for i := range s.Columns {
		row[i] = randomValue(&s.Columns[i], r)
	}
	row[0], row[1] = int64(n), fmt.Sprintf("k%d", n)
	return row
}

func randomValue(c *cdc.Column, r *rand.Rand) any {
	if c.Nullable && r.IntN(4) == 0 {
		return nil
	}
	edge := r.IntN(4) == 0
	switch c.Type.Kind {
	case cdc.KindBool:
		return r.IntN(2) == 0
	case cdc.KindInt32:
		if edge {
			return []int32{math.MinInt32, math.MaxInt32, 0, -1}[r.IntN(4)]
		}
		return int32(r.Uint32())
	case cdc.KindDate:
		return int32(r.IntN(200000) - 100000)
	case cdc.KindInt64:
		if edge {
			return []int64{math.MinInt64, math.MaxInt64, 0, -1}[r.IntN(4)]
		}
		return int64(r.Uint64())
	case cdc.KindTimestamp, cdc.KindTimestampTZ:
		return r.Int64N(4e15) - 2e15 // 1906 to 2033
	case cdc.KindFloat32:
		if edge {
			return []float32{float32(math.NaN()), float32(math.Copysign(0, -1)), math.MaxFloat32, 0}[r.IntN(4)]
		}
		return float32(r.NormFloat64())
	case cdc.KindFloat64:
		if edge {
			return []float64{math.NaN(), math.Copysign(0, -1), math.Inf(-1), -math.MaxFloat64}[r.IntN(4)]
		}
		return r.NormFloat64()
	case cdc.KindDecimal:
		switch {
		case c.Type.Precision > 18:
			if edge { // ±(10^38-1)
				return [][2]int64{{687399551400673279, 5421010862427522170}, {-687399551400673279, -5421010862427522171}, {-1, -1}, {0, 0}}[r.IntN(4)]
			}
			return [2]int64{int64(r.Uint64()), r.Int64N(1e18) - 5e17}
		case c.Type.Precision > 9:
			return r.Int64N(2e18) - 1e18 + 1
		default:
			return r.Int64N(2e9) - 1e9 + 1
		}
	case cdc.KindString:
		return []string{"", "a", "zürich", "\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff", fmt.Sprint(r.Uint64())}[r.IntN(5)]
	case cdc.KindFloats:
		b := make([]byte, 4*[]int{0, 1, 3, r.IntN(50)}[r.IntN(4)])
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return string(b)
	default:
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.IntN(256)) | byte(r.IntN(2)*255)
		}
		return string(b)
	}
}

// modelSource is a database whose log reaches the shards late, and whose rows are read in chunks meanwhile.
type modelSource struct {
	schema *cdc.Schema
	rows   map[int]testRow
	log    []modelEvent // not delivered yet
	seq    uint64       // of the last batch delivered
	total  int
}

type modelEvent struct {
	op  cdc.Op
	key int
	row testRow
}

// change appends an event to the log and to the rows.
func (s *modelSource) change(n int, r *rand.Rand) {
	row := keyRow(s.schema, n, r)
	_, known := s.rows[n]
	s.total++
	switch {
	case !known:
		s.rows[n] = row
		s.log = append(s.log, modelEvent{cdc.OpInsert, n, row})
	case r.IntN(3) == 0:
		delete(s.rows, n)
		only := make(testRow, len(row))
		only[0], only[1] = row[0], row[1]
		s.log = append(s.log, modelEvent{cdc.OpDelete, n, only})
	default:
		s.rows[n] = row
		s.log = append(s.log, modelEvent{cdc.OpUpdate, n, row})
	}
}

type modelChunk struct {
	from, to int
	started  bool
	applied  bool
	start    uint64
	rows     []testRow
}

// TestShardModel runs the protocol of an initial load beside a log (DESIGN, "Initial load") against random schedules, buffer sizes,
// slots, keys, partitions and barriers, and reads the files back with another library.
func TestShardModel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		keyKind := rapid.IntRange(0, 2).Draw(rt, "key")
		slots := rapid.IntRange(1, 3).Draw(rt, "slots")
		bufferRows := rapid.SampledFrom([]int{1, 3, 10, 100, 100000}).Draw(rt, "buffer")
		noWhole := rapid.Bool().Draw(rt, "no whole")
		target := rapid.SampledFrom([]int64{1, 5000, 1 << 40}).Draw(rt, "file size")
		version := 1
		schema := modelSchema(keyKind, version)
		tab := newTestTable(t)
		tab.dir = tempDir(t)
		tab.target_ = target
		tab.version = rapid.IntRange(2, 3).Draw(rt, "format")
		if rapid.Bool().Draw(rt, "partitioned") {
			tr := rapid.SampledFrom([]iceberggo.Transform{iceberggo.BucketTransform{NumBuckets: 3}, iceberggo.TruncateTransform{Width: 1 << 62}, iceberggo.IdentityTransform{}}).Draw(rt, "transform")
			col := 5 // i64
			if _, ok := tr.(iceberggo.IdentityTransform); ok {
				col = 14 // s
			}
			tab.spec = iceberggo.NewPartitionSpecID(1, iceberggo.PartitionField{SourceIDs: []int{col}, FieldID: 1000, Name: "p", Transform: tr},
				iceberggo.PartitionField{SourceIDs: []int{3}, FieldID: 1001, Name: "b", Transform: iceberggo.IdentityTransform{}})
		}
		pool := cdc.NewBatchPool(schema)
		src := &modelSource{schema: schema, rows: map[int]testRow{}}
		const keys = 60
		for n := range keys {
			if r.IntN(2) == 0 {
				src.rows[n] = keyRow(schema, n, r)
			}
		}
		loading := rapid.Bool().Draw(rt, "load")
		if !loading {
			src.rows = map[int]testRow{}
		}
		start := cdc.TableStart{Table: modelTable, Schema: schema}
		if !loading {
			start.Load.Phase = cdc.LoadDone
		}
		s := newTestShards(t, slots, []cdc.TableStart{start}, map[cdc.TableID]*testTable{modelTable: tab}, func(o *shardOptions) { o.bufferRows, o.trimDeletes, o.noWhole = bufferRows, 1, noWhole })
		defer s.close()
		var chunks []*modelChunk
		for i := 0; i < keys && loading; i += 15 {
			chunks = append(chunks, &modelChunk{from: i, to: i + 15})
		}
		check := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		deliver := func(n int) {
			n = min(n, len(src.log))
			if n == 0 {
				return
			}
			b := pool.Get()
			for _, e := range src.log[:n] {
				appendRow(b, e.op, e.row)
			}
			src.log = src.log[n:]
			src.seq++
			b.Seq = src.seq
			check(s.write(keyedBatch(t, b)))
		}
		apply := func(c *modelChunk) {
			b := pool.Get()
			oldest := c.start
			for _, o := range chunks {
				if o.started && !o.applied {
					oldest = min(oldest, o.start)
				}
			}
			b.Chunk = &cdc.ChunkRef{StartSeq: c.start, OldestSeq: oldest}
			for _, row := range c.rows {
				appendRow(b, cdc.OpRead, row)
			}
			c.applied = true
			check(s.write(keyedBatch(t, b)))
		}
		for range rapid.IntRange(10, 120).Draw(rt, "steps") {
			switch n := r.IntN(10); {
			case n < 4:
				for range r.IntN(20) {
					src.change(r.IntN(keys), r)
				}
			case n < 7:
				deliver(r.IntN(30))
			case n < 9 && len(chunks) > 0:
				c := chunks[r.IntN(len(chunks))]
				if !c.started {
					c.started, c.start = true, src.seq
					for i := c.from; i < c.to; i++ {
						if row := src.rows[i]; row != nil {
							c.rows = append(c.rows, row)
						}
					}
				} else if !c.applied {
					apply(c)
				}
			default:
				check(s.barrier(true))
			}
		}
		for _, c := range chunks {
			if !c.started {
				c.started, c.start = true, src.seq
				for i := c.from; i < c.to; i++ {
					if row := src.rows[i]; row != nil {
						c.rows = append(c.rows, row)
					}
				}
			}
			if !c.applied {
				apply(c)
			}
		}
		for len(src.log) > 0 {
			deliver(50)
		}
		for _, w := range s.writers {
			w.Live(modelTable)
		}
		// A live table: no alarm without a cause. With a new column in between.
		for range 30 {
			src.change(r.IntN(keys), r)
		}
		deliver(1000)
		if r.IntN(2) == 0 {
			next := modelSchema(keyKind, 2)
			next.Columns = append(next.Columns, cdc.Column{Name: "new", Type: cdc.Type{Kind: cdc.KindInt32}, Nullable: true})
			for _, w := range s.writers {
				check(w.Schema(context.Background(), cdc.SchemaChange{Schema: next, DDL: "ALTER TABLE"}))
			}
			for n, row := range src.rows {
				src.rows[n] = append(append(testRow{}, row...), nil)
			}
			src.schema, pool = next, cdc.NewBatchPool(next)
			for range 30 {
				src.change(r.IntN(keys), r)
			}
			deliver(1000)
		}
		check(s.barrier(true))
		if d := s.counts[modelTable].Divergent; d != 0 {
			rt.Fatalf("%d alarms", d)
		}
		var want, got []string
		for _, row := range src.rows {
			want = append(want, showRow(row))
		}
		rows, err := s.live(modelTable, src.schema)
		check(err)
		for _, row := range rows {
			got = append(got, showRow(row))
		}
		sort.Strings(want)
		sort.Strings(got)
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("table differs from its source (-source +table):\n%s", d)
		}
		c := s.counts[modelTable]
		if c.Events != int64(src.total) || c.Inserts+c.Updates+c.Deletes != c.Events {
			rt.Fatalf("%d events counted as %+v", src.total, c)
		}
	})
}
