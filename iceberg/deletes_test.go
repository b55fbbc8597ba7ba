package iceberg

import (
	"context"
	"fmt"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

func testStorage(t testing.TB) *storage {
	c, err := objstore.NewClient(objstore.Config{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := newStorage(c)
	t.Cleanup(s.close)
	return s
}

// TestPositionDeletesOfManyPages: paths point into pages while they are read.
func TestPositionDeletesOfManyPages(t *testing.T) {
	s := testStorage(t)
	want := map[string]*roaring.Bitmap{}
	var ds []deletedFrom
	for i := range 300 { // paths of several row groups
		path := fmt.Sprintf("file:///lake/data/%04d-%06000d.parquet", i, i)
		b, err := iceberggo.NewDataFileBuilder(*iceberggo.UnpartitionedSpec, iceberggo.EntryContentData, path, iceberggo.ParquetFile, nil, nil, nil, 1<<32-1, 1)
		if err != nil {
			t.Fatal(err)
		}
		bm := roaring.New()
		for j := range uint32(2000) {
			bm.Add(j * (1 + uint32(i)) * 7)
		}
		bm.Add(1<<32 - 2)
		want[path] = bm
		ds = append(ds, deletedFrom{b.Build(), bm})
	}
	body, rows, err := encodePositionDeletes(ds)
	if err != nil {
		t.Fatal(err)
	}
	loc := "file://" + t.TempDir() + "/d.parquet"
	if err := s.write(context.Background(), loc, body); err != nil {
		t.Fatal(err)
	}
	b, err := iceberggo.NewDataFileBuilder(*iceberggo.UnpartitionedSpec, iceberggo.EntryContentPosDeletes, loc, iceberggo.ParquetFile, nil, nil, nil, rows, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*roaring.Bitmap{}
	if err := readPositionDeletes(context.Background(), s, b.Build(), got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d paths, expected %d", len(got), len(want))
	}
	for p, bm := range want {
		if got[p] == nil || !got[p].Equals(bm) {
			t.Fatalf("%s: other positions", p)
		}
	}
}

// TestVectorsAgreeWithIcebergGo: what one writes the other reads.
func TestVectorsAgreeWithIcebergGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bm := roaring.New()
		for _, p := range rapid.SliceOf(rapid.Uint32()).Draw(t, "positions") {
			bm.Add(p)
		}
		if from := rapid.Uint64Range(0, 1<<20).Draw(t, "run"); from > 0 {
			bm.AddRange(from, from+5000)
		}
		enc, err := encodeVector(bm.Clone())
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := dv.DeserializeDV(enc, int64(bm.GetCardinality()))
		if err != nil {
			t.Fatal(err)
		}
		for it := bm.Iterator(); it.HasNext(); {
			if p := it.Next(); !theirs.Contains(uint64(p)) {
				t.Fatalf("position %d is lost", p)
			}
		}
		if enc, err = dv.SerializeDV(theirs); err != nil {
			t.Fatal(err)
		}
		ours, err := decodeVector(enc, int64(bm.GetCardinality()))
		if err != nil || !ours.Equals(bm) {
			t.Fatalf("read back differently: %v", err)
		}
		if len(enc) > 12 {
			enc[rapid.IntRange(0, len(enc)-1).Draw(t, "damage")] ^= 0x10
			if _, err := decodeVector(enc, int64(bm.GetCardinality())); err == nil {
				t.Fatal("damage was not noticed")
			}
		}
	})
}
