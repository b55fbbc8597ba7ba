package iceberg

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/google/go-cmp/cmp"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// What stands in records and tables has to be read by every later version. The fixtures are written once for each format (-update-delta makes
// one that is missing), and never again.

func golden(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	have, err := os.ReadFile(name)
	if os.IsNotExist(err) && *updateGolden {
		have, err = b, os.WriteFile(name, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func TestPartGolden(t *testing.T) {
	sc := newSchema(testSchema())
	spec := *iceberggo.UnpartitionedSpec
	file := func(path string, rows int64) iceberggo.DataFile {
		b, err := iceberggo.NewDataFileBuilder(spec, iceberggo.EntryContentData, path, iceberggo.ParquetFile, nil, nil, nil, rows, 1234)
		if err != nil {
			t.Fatal(err)
		}
		return b.ColumnSizes(map[int]int64{1: 100, 2: 200}).ValueCounts(map[int]int64{1: rows, 2: rows}).NullValueCounts(map[int]int64{2: 3}).
			LowerBoundValues(map[int][]byte{1: {1, 0, 0, 0, 0, 0, 0, 0}}).UpperBoundValues(map[int][]byte{1: {9, 0, 0, 0, 0, 0, 0, 0}}).SplitOffsets([]int64{4}).Build()
	}
	encode := func(f iceberggo.DataFile) []byte {
		b, err := codec.EncodeDataFile(f, spec, sc, 3)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	positions := func(p ...uint32) []byte {
		b, err := roaring.BitmapOf(p...).ToBytes()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	schema, err := json.Marshal(sc)
	if err != nil {
		t.Fatal(err)
	}
	source, err := json.Marshal(testSchema())
	if err != nil {
		t.Fatal(err)
	}
	parent := int64(4711)
	want := &partPayload{Table: cdc.TableID{Database: "shop", Name: "orders"}, UUID: "7d5a5fd5-6b8c-4f9e-9a55-3f6d2f0f8f00",
		Generation: cdc.Generation{Epoch: 1, Number: 41}, Parent: &parent, Format: 3, Schemas: []json.RawMessage{schema},
		Files: []partFile{{Num: 2<<slotShift | 7, Data: encode(file("s3://b/t/data/new.parquet", 10))}},
		Deleted: []partDeleted{{Own: 2<<slotShift | 7, Positions: positions(0, 9)},
			{Ref: encode(file("s3://b/t/data/old.parquet", 100_000)), Positions: positions(1, 2, 3, 70_000)}},
		Counter: 7, Position: "position", Label: "uuid:1-5", CommitMicros: 1_700_000_000_000_001, Load: cdc.LoadState{Phase: cdc.LoadDone}, Source: source}
	enc, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodePart(golden(t, "testdata/part-v1.bin", enc))
	if err != nil {
		t.Fatal(err)
	}
	// The encoded files and schemas are compared as what they mean: their encoding is the library's.
	for i, f := range got.Files {
		df, err := codec.DecodeDataFile(f.Data, spec, sc, got.Format)
		if err != nil {
			t.Fatal(err)
		}
		if x := file("s3://b/t/data/new.parquet", 10); df.FilePath() != x.FilePath() || df.Count() != x.Count() || df.FileSizeBytes() != 1234 ||
			!cmp.Equal(df.ColumnSizes(), x.ColumnSizes()) || !cmp.Equal(df.NullValueCounts(), x.NullValueCounts()) || !cmp.Equal(df.LowerBoundValues(), x.LowerBoundValues()) {
			t.Errorf("data file %v", df)
		}
		got.Files[i].Data, want.Files[i].Data = nil, nil
	}
	if df, err := codec.DecodeDataFile(got.Deleted[1].Ref, spec, sc, got.Format); err != nil || df.FilePath() != "s3://b/t/data/old.parquet" || df.Count() != 100_000 {
		t.Errorf("referenced file %v, %v", df, err)
	}
	for i, p := range [][]uint32{{0, 9}, {1, 2, 3, 70_000}} {
		bm := roaring.New()
		if _, err := bm.FromBuffer(got.Deleted[i].Positions); err != nil || !cmp.Equal(bm.ToArray(), p) {
			t.Errorf("positions %v, %v", bm.ToArray(), err)
		}
		got.Deleted[i].Positions, want.Deleted[i].Positions = nil, nil
		got.Deleted[i].Ref, want.Deleted[i].Ref = nil, nil
	}
	scs, err := got.schemas()
	if err != nil || len(scs) != 1 || !scs[0].Equals(sc) {
		t.Errorf("schemas %v, %v", scs, err)
	}
	got.Schemas, want.Schemas = nil, nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMarkerGolden(t *testing.T) {
	want := cdc.Marker{V: 1, Pipeline: "p", ID: cdc.CheckpointID{Epoch: 1, K: 42, Nonce: "abc"}, Generation: 41, Position: "position",
		Load: cdc.LoadState{Phase: cdc.LoadDone}, Schema: json.RawMessage(`{"table":"shop.orders"}`)}
	text, key, value, err := encodeMarker(want)
	if err != nil {
		t.Fatal(err)
	}
	props, err := json.MarshalIndent(map[string]string{propMarker: text, key: value}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var have iceberggo.Properties
	if err := json.Unmarshal(golden(t, "testdata/marker-v1.json", props), &have); err != nil {
		t.Fatal(err)
	}
	got, err := decodeMarker(have[propMarker], have, "here")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&want, got); d != "" {
		t.Error(d)
	}
	if id, err := decodeMarkerID(have[propMarker]); err != nil || *id != want.ID {
		t.Errorf("record %v, %v", id, err)
	}
	newer := bytes.Replace([]byte(have[propMarker]), []byte(`"v":1`), []byte(`"v":2`), 1)
	if _, err := decodeMarker(string(newer), have, "here"); cdc.AsError(err) == nil || cdc.AsError(err).Code != CodePartUnreadable {
		t.Errorf("a newer marker: %v", err)
	}
}
