package iceberg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"
)

// TestPositionDeleteBounds: readers look for a data file's deletes by the bounds of row groups, and a bound that is too narrow hides them.
func TestPositionDeleteBounds(t *testing.T) {
	var ds []deletedFrom
	for i := range 700 {
		path := fmt.Sprintf("s3://lake/%04d-%01000d.parquet", i, i)
		f, err := iceberggo.NewDataFileBuilder(*iceberggo.UnpartitionedSpec, iceberggo.EntryContentData, path, iceberggo.ParquetFile, nil, nil, nil, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		bm := roaring.New()
		bm.AddRange(uint64(i), uint64(2*i+1+i%3*30_000))
		ds = append(ds, deletedFrom{f.Build(), bm})
	}
	body, _, err := encodePositionDeletes(ds)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body))) // another library
	if err != nil {
		t.Fatal(err)
	}
	at, groups := 0, f.Metadata().RowGroups
	if len(groups) < 2 {
		t.Fatalf("%d row groups", len(groups))
	}
	for g, rg := range groups {
		first := at
		for rows := rg.NumRows; rows > 0; at++ {
			rows -= int64(ds[at].positions.GetCardinality())
		}
		lo, hi := uint32(1<<32-1), uint32(0)
		for _, d := range ds[first:at] {
			lo, hi = min(lo, d.positions.Minimum()), max(hi, d.positions.Maximum())
		}
		paths, positions := rg.Columns[0].MetaData.Statistics, rg.Columns[1].MetaData.Statistics
		if string(paths.MinValue) != ds[first].file.FilePath() || string(paths.MaxValue) != ds[at-1].file.FilePath() || paths.NullCount != 0 {
			t.Errorf("row group %d: paths %.20s to %.20s", g, paths.MinValue, paths.MaxValue)
		}
		if binary.LittleEndian.Uint64(positions.MinValue) != uint64(lo) || binary.LittleEndian.Uint64(positions.MaxValue) != uint64(hi) {
			t.Errorf("row group %d: positions %x to %x", g, positions.MinValue, positions.MaxValue)
		}
	}
	if at != len(ds) {
		t.Errorf("%d of %d files", at, len(ds))
	}
}

// BenchmarkPositionDeletes encodes random positions of ten data files.
func BenchmarkPositionDeletes(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var ds []deletedFrom
	n := int64(0)
	for i := range 10 {
		bm := roaring.New()
		for range 50_000 {
			bm.Add(r.Uint32N(500_000))
		}
		f, err := iceberggo.NewDataFileBuilder(*iceberggo.UnpartitionedSpec, iceberggo.EntryContentData,
			fmt.Sprintf("s3://lake/warehouse/shop/orders/data/00000-%d-0195f3c2-7e1a-7000-8000-000000000000.parquet", i), iceberggo.ParquetFile, nil, nil, nil, 1, 1)
		if err != nil {
			b.Fatal(err)
		}
		ds = append(ds, deletedFrom{file: f.Build(), positions: bm})
		n += int64(bm.GetCardinality())
	}
	b.ReportAllocs()
	size := 0
	perCPU(b, int64(b.N)*n, func() {
		for range b.N {
			body, _, err := encodePositionDeletes(ds)
			if err != nil {
				b.Fatal(err)
			}
			size = len(body)
		}
	})
	b.ReportMetric(float64(size)/float64(n), "B/delete")
}
