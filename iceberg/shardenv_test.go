package iceberg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

func init() { mostDeleted = 3 }

// A row of the tests is one Go value per column: nil for NULL, bool, int32, int64, float32, float64, [2]int64 (low, high) or string.
type testRow []any

// testTable is a shardTable without a catalog.
type testTable struct {
	dir     string
	spec    iceberggo.PartitionSpec
	version int
	target_ int64
	// widen replaces types of the table's columns.
	widen map[string]iceberggo.Type
	props iceberggo.Properties

	mu    sync.Mutex
	next  uint32
	ids   map[string]int
	paths map[uint32]string
	last  *writeTarget
}

func newTestTable(t testing.TB) *testTable {
	return &testTable{dir: t.TempDir(), spec: *iceberggo.UnpartitionedSpec, version: 2, target_: 1 << 40, ids: map[string]int{}, paths: map[uint32]string{}}
}

func (t *testTable) target(s *cdc.Schema) (*writeTarget, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var fields []iceberggo.NestedField
	for _, c := range s.Columns {
		if t.ids[c.Name] == 0 {
			t.ids[c.Name] = len(t.ids) + 1
		}
		last := 1000 + t.ids[c.Name]
		typ := icebergType(c.Type, &last)
		if w := t.widen[c.Name]; w != nil {
			typ = w
		}
		fields = append(fields, iceberggo.NestedField{ID: t.ids[c.Name], Name: c.Name, Type: typ, Required: !c.Nullable})
	}
	t.last = &writeTarget{source: s, schema: iceberggo.NewSchema(s.Version, fields...), spec: t.spec, formatVersion: t.version, targetBytes: t.target_, props: t.props}
	return t.last, nil
}

func (t *testTable) newFile(slot int, partition string) (uint32, string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	num := uint32(slot)<<slotShift | t.next
	t.next++
	t.paths[num] = filepath.Join(t.dir, partition, fmt.Sprintf("%d.parquet", num))
	return num, "file://" + t.paths[num], nil
}

func (t *testTable) lastFile(int) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next - 1
}

func (t *testTable) spec_(id int) (iceberggo.PartitionSpec, bool) { return t.spec, id == t.spec.ID() }

// testShards are the writers of all slots, and what they have prepared so far.
type testShards struct {
	t       testing.TB
	tables  map[cdc.TableID]*testTable
	groups  []cdc.GroupRange
	writers []*ShardWriter
	states  []*state.Shard
	k       uint64

	files   map[cdc.TableID]map[uint32]iceberggo.DataFile
	deleted map[cdc.TableID]map[uint32]*roaring.Bitmap
	counts  map[cdc.TableID]*cdc.Counts
}

func fileCreate(t testing.TB) createFunc {
	c, err := objstore.NewClient(objstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return func(ctx context.Context, uri string) (objstore.Writer, error) {
		s, key, err := c.Resolve(ctx, uri)
		if err != nil {
			return nil, err
		}
		return s.Create(ctx, key)
	}
}

func newTestShards(t testing.TB, slots int, starts []cdc.TableStart, tables map[cdc.TableID]*testTable, change func(*shardOptions)) *testShards {
	s := &testShards{t: t, tables: tables, groups: cdc.SplitGroups(cdc.Groups, slots),
		files: map[cdc.TableID]map[uint32]iceberggo.DataFile{}, deleted: map[cdc.TableID]map[uint32]*roaring.Bitmap{}, counts: map[cdc.TableID]*cdc.Counts{}}
	for id := range tables {
		s.files[id], s.deleted[id], s.counts[id] = map[uint32]iceberggo.DataFile{}, map[uint32]*roaring.Bitmap{}, &cdc.Counts{}
	}
	create := fileCreate(t)
	for i := range slots {
		st, err := state.Open(state.Options{Dir: tempDir(t), Groups: s.groups[i]})
		if err != nil {
			t.Fatal(err)
		}
		o := shardOptions{slot: i, groups: s.groups[i], state: st, create: create,
			table: func(id cdc.TableID) shardTable { return tables[id] },
			meta: func(uint64) (map[cdc.TableID][]byte, error) {
				m := map[cdc.TableID][]byte{}
				for id := range tables {
					m[id] = []byte("x")
				}
				return m, nil
			}}
		if change != nil {
			change(&o)
		}
		w, err := newShardWriter(o, starts)
		if err != nil {
			t.Fatal(err)
		}
		s.states, s.writers = append(s.states, st), append(s.writers, w)
	}
	return s
}

func tempDir(t testing.TB) string {
	d, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *testShards) close() {
	for i := range s.writers {
		if err := s.writers[i].Close(); err != nil {
			s.t.Fatal(err)
		}
		if err := s.states[i].Close(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// write routes the batch's rows to the shards as the runtime does.
func (s *testShards) write(b *cdc.Batch) error {
	rows := make([][]int32, len(s.writers))
	for i := range b.N {
		for j, g := range s.groups {
			if g.Contains(b.KeyHi[i]) {
				rows[j] = append(rows[j], int32(i))
			}
		}
	}
	b.Retain(len(s.writers) - 1)
	for j, w := range s.writers {
		r := rows[j]
		if r == nil {
			r = []int32{}
		}
		if len(r) == b.N {
			r = nil
		}
		if err := w.Write(context.Background(), b, r); err != nil {
			return err
		}
	}
	return nil
}

// barrier prepares a checkpoint in all shards and adds it to the tables.
func (s *testShards) barrier(complete bool) error {
	s.k++
	var ps []*Prepared
	for _, w := range s.writers {
		p, err := w.Prepare(context.Background(), s.k)
		if err != nil {
			return err
		}
		ps = append(ps, p)
	}
	for _, p := range ps {
		cs, err := p.Wait(context.Background())
		if err != nil {
			return err
		}
		for _, c := range cs {
			tab := s.tables[c.Table]
			d, err := decodeDelta(c.Payload, tab.spec_, tab.last.schema)
			if err != nil {
				return err
			}
			s.counts[c.Table].Add(c.Counts)
			for _, f := range d.files {
				s.files[c.Table][f.num] = f.file
			}
			for num, bm := range d.deleted {
				old := s.deleted[c.Table][num]
				if old == nil {
					old = roaring.New()
					s.deleted[c.Table][num] = old
				}
				if old.Intersects(bm) {
					return fmt.Errorf("file %d: a position was deleted twice", num)
				}
				old.Or(bm)
			}
		}
	}
	if complete {
		for _, w := range s.writers {
			if err := w.Complete(context.Background(), s.k); err != nil {
				return err
			}
		}
	}
	return nil
}

// live reads the table with parquet-go: the rows of all files without the deleted positions.
func (s *testShards) live(id cdc.TableID, schema *cdc.Schema) ([]testRow, error) {
	var out []testRow
	for num, bm := range s.deleted[id] {
		f := s.files[id][num]
		if f == nil {
			return nil, fmt.Errorf("positions of the unknown file %d deleted", num)
		}
		if int64(bm.Maximum()) >= f.Count() {
			return nil, fmt.Errorf("position %d of file %d of %d rows deleted", bm.Maximum(), num, f.Count())
		}
	}
	for num, f := range s.files[id] {
		rows, err := readParquet(strings.TrimPrefix(f.FilePath(), "file://"), schema)
		if err != nil {
			return nil, err
		}
		if int64(len(rows)) != f.Count() {
			return nil, fmt.Errorf("file %d holds %d rows, its metadata says %d", num, len(rows), f.Count())
		}
		for i, r := range rows {
			if bm := s.deleted[id][num]; bm == nil || !bm.Contains(uint32(i)) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// readParquet reads all rows with the independent reader; columns are found by name, missing ones are NULL.
func readParquet(path string, schema *cdc.Schema) ([]testRow, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	at := map[string]int{}
	for i, p := range f.Schema().Columns() {
		at[strings.Join(p, ".")] = i
	}
	var out []testRow
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 64)
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				row := make(testRow, len(schema.Columns))
				for i := range schema.Columns {
					if j, ok := at[schema.Columns[i].Name]; ok {
						row[i] = fromParquet(schema.Columns[i].Type, r[j])
					}
				}
				out = append(out, row)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
		}
		rows.Close()
	}
	return out, nil
}

func fromParquet(t cdc.Type, v parquet.Value) any {
	if v.IsNull() {
		return nil
	}
	wide := func() [2]int64 {
		b := v.ByteArray()
		var w [16]byte
		if b[0] >= 0x80 {
			for i := range w {
				w[i] = 0xff
			}
		}
		copy(w[16-len(b):], b)
		return [2]int64{int64(binary.BigEndian.Uint64(w[8:])), int64(binary.BigEndian.Uint64(w[:8]))}
	}
	switch t.Layout() {
	case cdc.LayoutU8:
		return v.Boolean()
	case cdc.LayoutI32:
		if v.Kind() == parquet.Int64 {
			return int32(v.Int64())
		}
		return v.Int32()
	case cdc.LayoutI64:
		switch v.Kind() {
		case parquet.Int32:
			return int64(v.Int32())
		case parquet.FixedLenByteArray:
			return wide()[0]
		default:
			return v.Int64()
		}
	case cdc.LayoutI128:
		return wide()
	case cdc.LayoutF32:
		if v.Kind() == parquet.Double {
			return float32(v.Double())
		}
		return v.Float()
	case cdc.LayoutF64:
		return v.Double()
	default:
		return string(v.ByteArray())
	}
}

// appendRow appends a row to a batch, growing it.
func appendRow(b *cdc.Batch, op cdc.Op, r testRow) {
	if b.N == b.Cap() {
		b.Grow()
	}
	i := b.N
	b.Ops[i] = op
	for c := range b.Cols {
		v := &b.Cols[c]
		var x any
		if c < len(r) {
			x = r[c]
		}
		if x == nil {
			if v.Layout == cdc.LayoutBytes {
				v.Off[i+1] = int32(len(v.Data))
			}
			v.Nulls++
			continue
		}
		if v.Valid != nil {
			v.SetValid(i)
		}
		switch x := x.(type) {
		case bool:
			v.U8[i] = 0
			if x {
				v.U8[i] = 1
			}
		case int32:
			v.I32[i] = x
		case int64:
			v.I64[i] = x
		case [2]int64:
			v.I64[2*i], v.I64[2*i+1] = x[0], x[1]
		case float32:
			v.F32[i] = x
		case float64:
			v.F64[i] = x
		case string:
			v.Data = append(v.Data, x...)
			v.Off[i+1] = int32(len(v.Data))
		}
	}
	b.N++
}

// keyedBatch computes the keys of all rows of a batch.
func keyedBatch(t testing.TB, b *cdc.Batch) *cdc.Batch {
	h := cdc.NewKeyHasher(b.Schema, 1)
	h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
	return b
}

// showRow prints a row such that equal rows print the same, NaN included.
func showRow(r testRow) string {
	var b strings.Builder
	for _, v := range r {
		switch v := v.(type) {
		case float32:
			fmt.Fprintf(&b, "f%08x|", math.Float32bits(v))
		case float64:
			fmt.Fprintf(&b, "d%016x|", math.Float64bits(v))
		case string:
			if len(v) > 100 {
				fmt.Fprintf(&b, "%d:%x:%s|", len(v), xxh64Word(uint64(len(v))), v[:50]+v[len(v)-50:])
			} else {
				fmt.Fprintf(&b, "%q|", v)
			}
		default:
			fmt.Fprintf(&b, "%v|", v)
		}
	}
	return b.String()
}
