package iceberg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// poisonAllocator hands out memory full of garbage, as a recycling allocator may.
type poisonAllocator struct{ bufferAllocator }

func (a *poisonAllocator) Allocate(n int) []byte {
	b := a.bufferAllocator.Allocate(n)
	full := b[:cap(b)]
	for i := range full {
		full[i] = 0xa5
	}
	return b
}

func (a *poisonAllocator) Reallocate(n int, b []byte) []byte {
	if n <= cap(b) {
		return b[:n]
	}
	nb := a.Allocate(n)
	copy(nb, b)
	a.Free(b)
	return nb
}

// writeFile encodes rows in sets of at most per rows, with a row group after every group sets. A file of one small set is encoded both
// ways and compared, and the small encoder's is kept.
func writeFile(t testing.TB, tab *testTable, s *cdc.Schema, rows []testRow, per, group int) (string, iceberggo.DataFile) {
	t.Helper()
	target, err := tab.target(s)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newParquetLayout(target)
	if err != nil {
		t.Fatal(err)
	}
	_, uri, _ := tab.newFile(0, "")
	path := strings.TrimPrefix(uri, "file://")
	var buf bytes.Buffer
	var w *parquetWriter
	pool := cdc.NewBatchPool(s)
	sets := 0
	var last *colSet
	for len(rows) > 0 {
		n := min(per, len(rows))
		b := pool.Get()
		// Rows between the selected ones must leave no trace.
		var sel []int32
		for i, r := range rows[:n] {
			if i%3 == 0 {
				appendRow(b, cdc.OpInsert, randomRow(s, rand.New(rand.NewPCG(uint64(i), 9))))
			}
			sel = append(sel, int32(b.N))
			appendRow(b, cdc.OpInsert, r)
		}
		rows = rows[n:]
		set := &colSet{}
		*set = *(&colPool{}).get(l)
		set.gather(l, b, sel[:n/2])
		set.gather(l, b, sel[n/2:])
		b.Release()
		if w == nil {
			if w, err = newParquetWriter(l, &buf, set, &poisonAllocator{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.write(set); err != nil {
			t.Fatal(err)
		}
		last = set
		if sets++; sets%group == 0 {
			if err := w.endGroup(); err != nil {
				t.Fatal(err)
			}
		}
	}
	meta, err := w.close()
	if err != nil {
		t.Fatal(err)
	}
	if int64(buf.Len()) != w.out.n {
		t.Fatalf("%d bytes written, %d counted", buf.Len(), w.out.n)
	}
	if sets == 1 && last.isSmall(l) {
		b, small := encodeSmall(t, l, last)
		sameFooters(t, buf.Bytes(), meta, b, small)
		buf.Reset()
		buf.Write(b)
		meta = small
	}
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	df, err := makeDataFile(target, uri, int64(buf.Len()), meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	return path, df
}

func randomRow(s *cdc.Schema, r *rand.Rand) testRow {
	row := make(testRow, len(s.Columns))
	for i := range s.Columns {
		row[i] = randomValue(&s.Columns[i], r)
	}
	return row
}

// TestParquetValues writes every type with its edge values, row groups and dictionaries, reads the file with another library, and
// checks counts and bounds against the rows.
func TestParquetValues(t *testing.T) {
	s := modelSchema(0, 1)
	rapid.Check(t, func(rt *rapid.T) {
		tab := newTestTable(t)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var rows []testRow
		for range rapid.IntRange(1, 1500).Draw(rt, "rows") {
			rows = append(rows, randomRow(s, r))
		}
		if rapid.Bool().Draw(rt, "long") { // loses the bounds of one row group
			rows[r.IntN(len(rows))][13] = strings.Repeat("\u00ff", 5000)
		}
		if rapid.Bool().Draw(rt, "null column") {
			for _, row := range rows {
				row[9] = nil
			}
		}
		path, df := writeFile(t, tab, s, rows, rapid.SampledFrom([]int{1, 7, 300, 2000}).Draw(rt, "set"), rapid.IntRange(1, 4).Draw(rt, "group"))
		checkParquet(rt, tab, s, path, df, rows)
	})
}

// checkParquet reads a file with another library and compares rows and metrics.
func checkParquet(t *rapid.T, tab *testTable, s *cdc.Schema, path string, df iceberggo.DataFile, rows []testRow) {
	got, err := readParquet(path, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	for i := range rows {
		if showRow(got[i]) != showRow(rows[i]) {
			t.Fatalf("row %d: %s", i, cmp.Diff(showRow(rows[i]), showRow(got[i])))
		}
	}
	checkMetrics(t, tab, s, rows, df)
}

// checkMetrics compares the metrics of a manifest entry with the rows: bounds need not be tight, but no value may lie outside.
func checkMetrics(t *rapid.T, tab *testTable, s *cdc.Schema, rows []testRow, df iceberggo.DataFile) {
	if df.Count() != int64(len(rows)) || df.SortOrderID() != nil && *df.SortOrderID() != 0 || len(df.SplitOffsets()) == 0 || df.SplitOffsets()[0] != 4 {
		t.Fatalf("count %d, sort order %v, split offsets %v", df.Count(), df.SortOrderID(), df.SplitOffsets())
	}
	for i := range s.Columns {
		c := &s.Columns[i]
		id := tab.ids[c.Name]
		nulls := 0
		for _, r := range rows {
			if r[i] == nil {
				nulls++
			}
		}
		if df.ValueCounts()[id] != int64(len(rows)) || df.NullValueCounts()[id] != int64(nulls) || df.ColumnSizes()[id] <= 0 {
			t.Fatalf("%s: %d values, %d nulls (%d, %d), %d bytes", c.Name, df.ValueCounts()[id], df.NullValueCounts()[id], len(rows), nulls, df.ColumnSizes()[id])
		}
		lo, hi := df.LowerBoundValues()[id], df.UpperBoundValues()[id]
		if len(lo) > 16*4 || len(hi) > 16*4 {
			t.Fatalf("%s: bounds of %d and %d bytes", c.Name, len(lo), len(hi))
		}
		for _, r := range rows {
			if lo != nil && lessThan(c.Type, r[i], lo) < 0 {
				t.Fatalf("%s: %v is below the lower bound %x", c.Name, r[i], lo)
			}
			if hi != nil && lessThan(c.Type, r[i], hi) > 0 {
				t.Fatalf("%s: %v is above the upper bound %x", c.Name, r[i], hi)
			}
		}
		if i == 0 && (lo == nil || hi == nil) {
			t.Fatal("the key has no bounds")
		}
	}
}

// lessThan compares a value with a bound in the binary single-value serialization (specification, appendix D).
func lessThan(t cdc.Type, v any, bound []byte) int {
	num := func(a, b float64) int {
		switch {
		case math.IsNaN(b):
			panic("NaN is a bound")
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	i64 := func(a, b int64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		x := int64(0)
		if v {
			x = 1
		}
		return i64(x, int64(bound[0]))
	case int32:
		return i64(int64(v), int64(int32(binary.LittleEndian.Uint32(bound))))
	case float32:
		return num(float64(v), float64(math.Float32frombits(binary.LittleEndian.Uint32(bound))))
	case float64:
		return num(v, math.Float64frombits(binary.LittleEndian.Uint64(bound)))
	case int64:
		if t.Kind == cdc.KindDecimal {
			return i64(v, bigEndian(bound)[0])
		}
		return i64(v, int64(binary.LittleEndian.Uint64(bound)))
	case [2]int64:
		b := bigEndian(bound)
		if c := i64(v[1], b[1]); c != 0 {
			return c
		}
		return bytes.Compare(binary.BigEndian.AppendUint64(nil, uint64(v[0])), binary.BigEndian.AppendUint64(nil, uint64(b[0])))
	case string:
		return strings.Compare(v, string(bound))
	}
	panic("unknown value")
}

func bigEndian(b []byte) [2]int64 {
	var w [16]byte
	if b[0] >= 0x80 {
		for i := range w {
			w[i] = 0xff
		}
	}
	copy(w[16-len(b):], b)
	return [2]int64{int64(binary.BigEndian.Uint64(w[8:])), int64(binary.BigEndian.Uint64(w[:8]))}
}

// TestBoundsOfLongValues: bounds are those of all row groups, however long their values, and lie within 16 characters.
func TestBoundsOfLongValues(t *testing.T) {
	s := modelSchema(0, 1)
	tab := newTestTable(t)
	r := rand.New(rand.NewPCG(1, 1))
	var rows []testRow
	for range 20 {
		row := randomRow(s, r)
		row[13], row[1] = "b", "b"
		rows = append(rows, row)
	}
	rows[15][13] = strings.Repeat("z", 5000)
	rows[3][1] = ""
	path, df := writeFile(t, tab, s, rows, 10, 1)
	id := tab.ids["s"]
	if lo, hi := df.LowerBoundValues()[id], df.UpperBoundValues()[id]; string(lo) != "b" || string(hi) != "zzzzzzzzzzzzzzz{" {
		t.Errorf("bounds %q to %q", lo, hi)
	}
	// An absent lower bound is right for the empty string, another value would not be.
	if lo, hi := df.LowerBoundValues()[tab.ids["code"]], df.UpperBoundValues()[tab.ids["code"]]; len(lo) != 0 || string(hi) != "b" {
		t.Errorf("bounds %q to %q of a column with an empty string", lo, hi)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	st := f.Metadata().RowGroups[0].Columns[1].MetaData.Statistics
	if len(st.MinValue) != 0 || string(st.MaxValue) != "b" {
		t.Errorf("footer says %q to %q of a column with an empty string", st.MinValue, st.MaxValue)
	}
	if st := f.Metadata().RowGroups[1].Columns[13].MetaData.Statistics; len(st.MaxValue) != statBytes {
		t.Errorf("bound of %d bytes in the footer", len(st.MaxValue))
	}
}

// TestParquetWidened writes values into columns that Iceberg's type promotion has made wider.
func TestParquetWidened(t *testing.T) {
	s := &cdc.Schema{Table: modelTable, Version: 1, Columns: []cdc.Column{
		{Name: "i", Type: cdc.Type{Kind: cdc.KindInt32}, Nullable: true},
		{Name: "f", Type: cdc.Type{Kind: cdc.KindFloat32}},
		{Name: "d4", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 4, Scale: 2}},
		{Name: "d18", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 18, Scale: 2}, Nullable: true},
	}}
	tab := newTestTable(t)
	tab.widen = map[string]iceberggo.Type{"i": iceberggo.PrimitiveTypes.Int64, "f": iceberggo.PrimitiveTypes.Float64,
		"d4": iceberggo.DecimalTypeOf(12, 2), "d18": iceberggo.DecimalTypeOf(30, 2)}
	rows := []testRow{{int32(math.MinInt32), float32(1.5), int64(-9999), int64(-999999999999999999)}, {nil, float32(0), int64(0), nil},
		{int32(-1), float32(-0.1), int64(9999), int64(999999999999999999)}, {int32(math.MaxInt32), float32(3e38), int64(1), int64(-1)}}
	path, _ := writeFile(t, tab, s, rows, 10, 1)
	got, err := readParquet(path, s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if showRow(got[i]) != showRow(rows[i]) {
			t.Errorf("row %d: %s", i, cmp.Diff(showRow(rows[i]), showRow(got[i])))
		}
	}
	for name, typ := range map[string]iceberggo.Type{"i": iceberggo.PrimitiveTypes.String, "d4": iceberggo.DecimalTypeOf(12, 3), "d18": iceberggo.DecimalTypeOf(17, 2)} {
		tab.widen = map[string]iceberggo.Type{name: typ}
		target, _ := tab.target(s)
		if _, err := newParquetLayout(target); cdc.AsError(err) == nil || cdc.AsError(err).Code != codeColumnType {
			t.Errorf("%s as %s: %v", name, typ, err)
		}
	}
}

// TestParquetFormat checks what readers are picky about: field ids, logical types, lengths of decimals, page version, encodings and
// compression, with the independent reader.
func TestParquetFormat(t *testing.T) {
	s := modelSchema(2, 1)
	tab := newTestTable(t)
	r := rand.New(rand.NewPCG(1, 1))
	var rows []testRow
	for i := range 3000 {
		row := randomRow(s, r)
		row[0], row[1], row[3] = int64(i), fmt.Sprint(i), int32(i%7)
		rows = append(rows, row)
	}
	path, _ := writeFile(t, tab, s, rows, 1000, 2)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var desc []string
	for i, e := range f.Metadata().Schema[1:] {
		if int(e.FieldID) != tab.ids[e.Name] {
			t.Errorf("%s has field id %d, want %d", e.Name, e.FieldID, tab.ids[e.Name])
		}
		logical := "-"
		if l := f.Root().Column(e.Name).Type().LogicalType(); l != nil {
			logical = l.String()
		}
		rep := "required"
		if s.Columns[i].Nullable {
			rep = "optional"
		}
		desc = append(desc, fmt.Sprintf("%s %s %s %s", e.Name, rep, f.Root().Column(e.Name).Type(), logical))
	}
	t.Log(strings.Join(desc, "\n"))
	for gi, g := range f.RowGroups() {
		for i, c := range g.ColumnChunks() {
			name := s.Columns[i].Name
			meta := f.Metadata().RowGroups[gi].Columns[i].MetaData
			if meta.Codec.String() != "ZSTD" {
				t.Errorf("%s is compressed with %s", name, meta.Codec)
			}
			for _, e := range meta.Encoding {
				if e.String() != "PLAIN" && e.String() != "RLE" && e.String() != "RLE_DICTIONARY" {
					t.Errorf("%s is encoded as %s", name, e)
				}
			}
			wantDict := name == "i32" || name == "i64" && len(meta.Encoding) > 2 || name == "s"
			if got := meta.DictionaryPageOffset != 0; got != wantDict {
				t.Errorf("%s: dictionary %t, want %t", name, got, wantDict)
			}
			for _, e := range meta.EncodingStats {
				if e.PageType.String() != "DATA_PAGE" && e.PageType.String() != "DICTIONARY_PAGE" {
					t.Errorf("%s has pages %s", name, e.PageType)
				}
			}
			bloom := c.BloomFilter()
			if (bloom != nil) != (i < 2) {
				t.Fatalf("%s: bloom filter %t", name, bloom != nil)
			}
			if bloom == nil {
				continue
			}
			wrong := 0
			for n := range 6000 {
				v := parquet.ValueOf(int64(n))
				if i == 1 {
					v = parquet.ValueOf(fmt.Sprint(n))
				}
				in, err := bloom.Check(v)
				if err != nil {
					t.Fatal(err)
				}
				here := n < 3000 && n/2000 == gi
				if here && !in {
					t.Fatalf("bloom filter of %s in row group %d misses %d", name, gi, n)
				}
				if !here && in {
					wrong++
				}
			}
			if wrong > 6000/50 {
				t.Errorf("bloom filter of %s: %d of 6000 false positives", name, wrong)
			}
		}
	}
}

// TestLargeValues sends values of a megabyte and more through a shard: sets stay bounded and nothing is cut.
func TestLargeValues(t *testing.T) {
	s := &cdc.Schema{Table: modelTable, Version: 1, Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1}, {Name: "a", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true}, {Name: "b", Type: cdc.Type{Kind: cdc.KindBinary}}}}
	tab := newTestTable(t)
	sh := newTestShards(t, 1, []cdc.TableStart{{Table: modelTable, Schema: s}}, map[cdc.TableID]*testTable{modelTable: tab}, nil)
	defer sh.close()
	pool := cdc.NewBatchPool(s)
	want := map[string]bool{}
	b := pool.Get()
	for i := range 40 {
		row := testRow{int64(i), strings.Repeat(string(rune('a'+i%26)), 1<<20+i), "x"}
		if i == 20 {
			row[2] = strings.Repeat("y", 20<<20)
		}
		want[showRow(row)] = true
		appendRow(b, cdc.OpInsert, row)
	}
	if err := sh.write(keyedBatch(t, b)); err != nil {
		t.Fatal(err)
	}
	if err := sh.barrier(true); err != nil {
		t.Fatal(err)
	}
	rows, err := sh.live(modelTable, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !want[showRow(r)] {
			t.Fatal("a row that was not written: ", showRow(r)[:100])
		}
		delete(want, showRow(r))
	}
	if len(want) > 0 {
		t.Fatalf("%d rows are missing", len(want))
	}
}
