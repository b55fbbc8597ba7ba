package iceberg

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"pgregory.net/rapid"
)

// entryFields are what can be seen of a manifest's entry.
func entryFields(e iceberggo.ManifestEntry) []any {
	f := e.DataFile()
	deref := func(p any) any {
		if v := reflect.ValueOf(p); !v.IsNil() {
			return v.Elem().Interface()
		}
		return nil
	}
	size := func(n int, v any) any {
		if n == 0 {
			return nil
		}
		return v
	}
	bounds := func(m map[int][]byte) any {
		out := map[int]string{}
		for k, v := range m {
			out[k] = string(v)
		}
		return size(len(out), out)
	}
	counts := func(m map[int]int64) any { return size(len(m), m) }
	return []any{e.Status(), e.SnapshotID(), e.SequenceNum(), deref(e.FileSequenceNum()), f.ContentType(), f.FilePath(), f.FileFormat(), f.Count(), f.FileSizeBytes(),
		size(len(f.Partition()), f.Partition()), counts(f.ColumnSizes()), counts(f.ValueCounts()), counts(f.NullValueCounts()), counts(f.NaNValueCounts()),
		bounds(f.LowerBoundValues()), bounds(f.UpperBoundValues()), string(f.KeyMetadata()), size(len(f.SplitOffsets()), f.SplitOffsets()),
		size(len(f.EqualityFieldIDs()), f.EqualityFieldIDs()), deref(f.SortOrderID()), f.SpecID(), deref(f.FirstRowID()), deref(f.ReferencedDataFile())}
}

func drawDataFile(t *rapid.T, spec iceberggo.PartitionSpec, content iceberggo.ManifestEntryContent) iceberggo.DataFile {
	b, err := iceberggo.NewDataFileBuilder(spec, content, rapid.StringN(1, -1, -1).Draw(t, "path"), iceberggo.ParquetFile, nil, nil, nil,
		rapid.Int64Min(0).Draw(t, "rows"), rapid.Int64Min(0).Draw(t, "size"))
	if err != nil {
		t.Fatal(err)
	}
	counts, bounds := rapid.MapOf(rapid.IntRange(0, 1<<31-1), rapid.Int64()), rapid.MapOf(rapid.IntRange(0, 1<<31-1), rapid.SliceOf(rapid.Byte()))
	for _, set := range []func(map[int]int64) *iceberggo.DataFileBuilder{b.ColumnSizes, b.ValueCounts, b.NullValueCounts, b.NaNValueCounts} {
		if rapid.Bool().Draw(t, "counted") {
			set(counts.Draw(t, "counts"))
		}
	}
	for _, set := range []func(map[int][]byte) *iceberggo.DataFileBuilder{b.LowerBoundValues, b.UpperBoundValues} {
		if rapid.Bool().Draw(t, "bounded") {
			set(bounds.Draw(t, "bounds"))
		}
	}
	if rapid.Bool().Draw(t, "key") {
		b.KeyMetadata([]byte(rapid.String().Draw(t, "key metadata")))
	}
	if rapid.Bool().Draw(t, "split") {
		b.SplitOffsets(rapid.SliceOf(rapid.Int64()).Draw(t, "offsets"))
	}
	if rapid.Bool().Draw(t, "equality") {
		b.EqualityFieldIDs(rapid.SliceOf(rapid.IntRange(0, 1<<31-1)).Draw(t, "ids"))
	}
	if rapid.Bool().Draw(t, "sorted") {
		b.SortOrderID(rapid.IntRange(0, 100).Draw(t, "order"))
	}
	return b.Build()
}

// TestReadManifest: what is read here is what iceberg-go reads, entry by entry, also of a file that was damaged.
func TestReadManifest(t *testing.T) {
	own := 0
	rapid.Check(t, func(t *rapid.T) {
		specID := rapid.IntRange(0, 3).Draw(t, "spec")
		spec := iceberggo.NewPartitionSpecID(specID)
		sc := iceberggo.NewSchema(rapid.IntRange(0, 9).Draw(t, "schema"), iceberggo.NestedField{ID: 1, Name: rapid.String().Draw(t, "column"), Type: iceberggo.PrimitiveTypes.Int64})
		content, kind := iceberggo.ManifestContentData, iceberggo.EntryContentData
		if rapid.Bool().Draw(t, "deletes") {
			content, kind = iceberggo.ManifestContentDeletes, iceberggo.EntryContentPosDeletes
		}
		version := rapid.IntRange(2, 3).Draw(t, "format")
		const snapshot = 77
		var buf bytes.Buffer
		w, err := iceberggo.NewManifestWriter(version, &buf, spec, sc, snapshot, iceberggo.WithManifestWriterContent(content))
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(t, "entries") {
			f := drawDataFile(t, spec, kind)
			id, seq := rapid.Int64Range(1, 100).Draw(t, "snapshot"), rapid.Int64Range(1, 9).Draw(t, "seq")
			switch rapid.IntRange(0, 2).Draw(t, "status") {
			case 0:
				id = snapshot
				err = w.Add(iceberggo.NewManifestEntry(iceberggo.EntryStatusADDED, &id, nil, nil, f))
			case 1:
				err = w.Existing(iceberggo.NewManifestEntry(iceberggo.EntryStatusEXISTING, &id, &seq, &seq, f))
			case 2:
				err = w.Delete(iceberggo.NewManifestEntry(iceberggo.EntryStatusDELETED, &id, &seq, &seq, f))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b := iceberggo.NewManifestFile(version, "x", int64(buf.Len()), int32(specID), snapshot).Content(content)
		seq := rapid.Int64Range(0, 12).Draw(t, "of manifest")
		var m iceberggo.ManifestFile = b.SequenceNum(seq, seq).Build()
		if rapid.IntRange(0, 3).Draw(t, "numbered") == 0 {
			first := int64(5)
			m = &listedManifest{m, 3, seq, seq, &first}
		}
		discard := rapid.Bool().Draw(t, "discard")
		file := buf.Bytes()
		if rapid.Bool().Draw(t, "damaged") {
			file = slices.Clone(file)
			file[rapid.IntRange(0, len(file)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "by")
		} else if _, ok := readOwnManifest(m, file, discard); ok != (version == 2 && m.FirstRowID() == nil) {
			t.Fatalf("format %d is read here: %t", version, ok)
		}
		got, ok := readOwnManifest(m, file, discard)
		if !ok {
			return
		}
		own++
		want, err := iceberggo.ReadManifest(m, bytes.NewReader(file), discard)
		if err != nil {
			t.Fatalf("iceberg-go refuses it: %v", err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d entries, iceberg-go reads %d", len(got), len(want))
		}
		for i := range want {
			if a, b := entryFields(got[i]), entryFields(want[i]); !reflect.DeepEqual(a, b) {
				t.Fatalf("entry %d:\n%v\niceberg-go:\n%v", i, a, b)
			}
		}
	})
	if own == 0 {
		t.Fatal("nothing was read here")
	}
}
