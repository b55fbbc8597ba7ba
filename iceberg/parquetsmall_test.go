package iceberg

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// encodeSmall encodes with buffers that were used before.
func encodeSmall(t testing.TB, l *parquetLayout, s *colSet) ([]byte, *metadata.FileMetaData) {
	t.Helper()
	e := &smallEncoder{raw: garbage(), dict: garbage(), page: garbage(), file: garbage(), zip: garbage()}
	b, meta, err := e.encode(l, s)
	if err != nil {
		t.Fatal(err)
	}
	b = slices.Clone(b)
	if _, _, err := e.encode(l, s); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, e.file) {
		t.Fatal("the second file of the same rows is another")
	}
	if n := binary.LittleEndian.Uint32(b[len(b)-8:]); int(n) != meta.Size() {
		t.Fatalf("the footer has %d bytes and says %d", meta.Size(), n)
	}
	return b, meta
}

func garbage() []byte { return bytes.Repeat([]byte{0xa5}, 1000)[:500] }

// sameFooters compares what a footer says of the rows with what the library wrote.
func sameFooters(t testing.TB, libFile []byte, lib *metadata.FileMetaData, ourFile []byte, our *metadata.FileMetaData) {
	t.Helper()
	same := func(what string, a, b any, opts ...cmp.Option) {
		t.Helper()
		if d := cmp.Diff(a, b, opts...); d != "" {
			t.Errorf("%s: library and we (+) differ:\n%s", what, d)
		}
	}
	same("schema", lib.FileMetaData.Schema, our.FileMetaData.Schema)
	same("version", lib.FileMetaData.Version, our.FileMetaData.Version)
	same("writer", lib.FileMetaData.CreatedBy, our.FileMetaData.CreatedBy)
	same("rows", lib.FileMetaData.NumRows, our.FileMetaData.NumRows)
	same("orders", lib.FileMetaData.ColumnOrders, our.FileMetaData.ColumnOrders)
	if len(lib.RowGroups) != 1 || len(our.RowGroups) != 1 {
		t.Fatalf("%d and %d row groups", len(lib.RowGroups), len(our.RowGroups))
	}
	a, b := lib.RowGroups[0], our.RowGroups[0]
	same("rows of the group", a.NumRows, b.NumRows)
	same("ordinal", a.Ordinal, b.Ordinal)
	packed, raw := int64(0), int64(0)
	for i := range a.Columns {
		x, y := a.Columns[i].MetaData, b.Columns[i].MetaData
		same("path", x.PathInSchema, y.PathInSchema)
		same("type", x.Type, y.Type)
		same("codec", x.Codec, y.Codec)
		same("values", x.NumValues, y.NumValues)
		if *x.Statistics.NullCount < x.NumValues { // the library writes empty dictionaries
			slices.Sort(x.Encodings)
			slices.Sort(y.Encodings)
			same(x.PathInSchema[0]+": encodings", x.Encodings, y.Encodings)
			same(x.PathInSchema[0]+": dictionary", x.DictionaryPageOffset != nil, y.DictionaryPageOffset != nil)
		}
		same(x.PathInSchema[0]+": statistics", x.Statistics, y.Statistics, cmpopts.EquateEmpty())
		same(x.PathInSchema[0]+": length of the bloom filter", x.BloomFilterLength, y.BloomFilterLength)
		if x.BloomFilterOffset != nil && y.BloomFilterOffset != nil {
			m, n := *x.BloomFilterOffset, *y.BloomFilterOffset
			same("bloom filter", libFile[m:m+int64(*x.BloomFilterLength)], ourFile[n:n+int64(*y.BloomFilterLength)])
		}
		packed, raw = packed+y.TotalCompressedSize, raw+y.TotalUncompressedSize
	}
	same("compressed size", packed, *b.TotalCompressedSize)
	same("size", raw, b.TotalByteSize)
	same("begin", int64(4), *b.FileOffset)
	// Page headers carry no statistics, which nobody reads.
	if len(ourFile) > len(libFile) {
		t.Errorf("%d bytes, %d by the library", len(ourFile), len(libFile))
	}
}

// TestHybrid decodes what appendHybrid writes.
func TestHybrid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 18).Draw(t, "width")
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		r := rand.New(rand.NewPCG(uint64(n), uint64(width)))
		limit := uint32(1) << width
		if rapid.Bool().Draw(t, "run") {
			limit = 1
		}
		vs := make([]uint32, n)
		base := r.Uint32N(uint32(1)<<width - limit + 1)
		stay := rapid.SampledFrom([]int{0, 1, 5, 30}).Draw(t, "stay")
		for i := range vs {
			vs[i] = base + r.Uint32N(limit)
			if i > 0 && r.IntN(stay+1) > 0 {
				vs[i] = vs[i-1]
			}
		}
		b := appendHybrid(nil, vs, width)
		var got []uint32
		for len(b) > 0 {
			h, k := binary.Uvarint(b)
			b = b[k:]
			if h&1 == 0 {
				size := (width + 7) / 8
				v := uint32(0)
				for i := range size {
					v |= uint32(b[i]) << (8 * i)
				}
				b = b[size:]
				for range h >> 1 {
					got = append(got, v)
				}
				continue
			}
			if k != 1 {
				t.Fatalf("a header of %d bytes", k)
			}
			for i := range int(h>>1) * 8 {
				v := uint32(0)
				for j := range width {
					bit := i*width + j
					v |= uint32(b[bit/8]>>(bit%8)&1) << j
				}
				got = append(got, v)
			}
			b = b[int(h>>1)*width:]
		}
		if len(got) < n || len(got) >= n+8 || !slices.Equal(got[:n], vs) {
			t.Fatalf("%d values became %d", n, len(got))
		}
	})
}

// TestFloatExtremes: NaN has no place in an order, and a zero counts as both zeros.
func TestFloatExtremes(t *testing.T) {
	nan, zero := math.NaN(), math.Copysign(0, -1)
	for _, c := range []struct {
		in     []float64
		lo, hi float64
		ok     bool
	}{
		{nil, zero, 0, false}, {[]float64{nan, nan}, zero, 0, false}, {[]float64{nan, 3, -1, nan}, -1, 3, true},
		{[]float64{0}, zero, 0, true}, {[]float64{zero}, zero, 0, true}, {[]float64{math.Inf(1)}, math.Inf(1), math.Inf(1), true},
	} {
		lo, hi, ok := floatExtremes(c.in)
		if ok != c.ok || ok && (math.Float64bits(lo) != math.Float64bits(c.lo) || math.Float64bits(hi) != math.Float64bits(c.hi)) {
			t.Errorf("%v: %v, %v, %t", c.in, lo, hi, ok)
		}
	}
}

// TestSmallFiles compares small files of random rows with those of the library, and reads them with another one.
func TestSmallFiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := modelSchema(2, 1)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		n := rapid.SampledFrom([]int{1, 2, 7, 8, 9, 100, 300, 505, 1000}).Draw(rt, "rows")
		distinct := rapid.SampledFrom([]int{1, 2, 3, 17, n}).Draw(rt, "distinct")
		low := rapid.Bool().Draw(rt, "low")
		for i := range s.Columns {
			s.Columns[i].LowCardinality = low && r.IntN(2) == 0
		}
		var pool, rows []testRow
		for range min(distinct, n) {
			pool = append(pool, randomRow(s, r))
		}
		for i := range n {
			rows = append(rows, pool[i*len(pool)/n])
		}
		tab := newTestTable(t)
		path, df := writeFile(t, tab, s, rows, n, 1)
		checkParquet(rt, tab, s, path, df, rows)
	})
}
