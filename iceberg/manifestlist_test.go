package iceberg

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"pgregory.net/rapid"
)

// fields are what readers of a manifest list can see of a manifest.
func listedFields(m iceberggo.ManifestFile) []any {
	deref := func(p *int64) any {
		if p == nil {
			return nil
		}
		return *p
	}
	ps := m.Partitions()
	if len(ps) == 0 {
		ps = nil // see listEntry
	}
	return []any{m.FilePath(), m.Length(), m.PartitionSpecID(), m.ManifestContent(), m.SequenceNum(), m.MinSequenceNum(), m.SnapshotID(), m.AddedDataFiles(),
		m.ExistingDataFiles(), m.DeletedDataFiles(), m.AddedRows(), m.ExistingRows(), m.DeletedRows(), ps, m.KeyMetadata(), deref(m.FirstRowID()), m.Version(),
		m.HasAddedFiles(), m.HasExistingFiles()}
}

func drawManifest(t *rapid.T, version int, snapshot int64) iceberggo.ManifestFile {
	count := rapid.Int32Range(0, 5)
	rows := rapid.Int64Range(0, 1<<40)
	b := iceberggo.NewManifestFile(rapid.IntRange(2, version).Draw(t, "version"), rapid.String().Draw(t, "path"), rapid.Int64Min(0).Draw(t, "length"),
		rapid.Int32().Draw(t, "spec"), snapshot).Content(rapid.SampledFrom([]iceberggo.ManifestContent{iceberggo.ManifestContentData, iceberggo.ManifestContentDeletes}).Draw(t, "content")).
		SequenceNum(rapid.Int64Range(-1, 5).Draw(t, "seq"), rapid.Int64Range(-1, 5).Draw(t, "min")).
		AddedFiles(count.Draw(t, "af")).ExistingFiles(count.Draw(t, "ef")).DeletedFiles(count.Draw(t, "df")).
		AddedRows(rows.Draw(t, "ar")).ExistingRows(rows.Draw(t, "er")).DeletedRows(rows.Draw(t, "dr"))
	if rapid.Bool().Draw(t, "key") {
		b.KeyMetadata(rapid.SliceOf(rapid.Byte()).Draw(t, "key metadata"))
	}
	var ps []iceberggo.FieldSummary
	for range rapid.IntRange(0, 3).Draw(t, "partitions") {
		p := iceberggo.FieldSummary{ContainsNull: rapid.Bool().Draw(t, "null")}
		if rapid.Bool().Draw(t, "nan known") {
			nan := rapid.Bool().Draw(t, "nan")
			p.ContainsNaN = &nan
		}
		for _, bound := range []**[]byte{&p.LowerBound, &p.UpperBound} {
			if rapid.Bool().Draw(t, "bounded") {
				v := append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, "bound")...)
				*bound = &v
			}
		}
		ps = append(ps, p)
	}
	return b.Partitions(ps).Build()
}

// TestManifestList: lists of ours hold what iceberg-go's writer would write, number rows as it does, and are remembered as they are read; over
// several commits, each of which lists what the one before left.
func TestManifestList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.IntRange(2, 3).Draw(t, "format")
		var ours, theirs []iceberggo.ManifestFile
		h := listHead{version: version, firstRow: rapid.Int64Range(0, 1<<40).Draw(t, "first row")}
		for range rapid.IntRange(1, 4).Draw(t, "commits") {
			if h.snapshot != 0 {
				parent := h.snapshot
				h.parent = &parent
			}
			h.snapshot, h.sequence = rapid.Int64Min(1).Draw(t, "snapshot"), h.sequence+1
			var fresh []iceberggo.ManifestFile
			for range rapid.IntRange(0, 3).Draw(t, "new") {
				fresh = append(fresh, drawManifest(t, version, h.snapshot))
			}
			body, listed, next, err := encodeManifestList(h, append(slices.Clone(fresh), ours...))
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			var w *iceberggo.ManifestListWriter
			if version == 2 {
				w, err = iceberggo.NewManifestListWriterV2(&want, h.snapshot, h.sequence, h.parent)
			} else {
				w, err = iceberggo.NewManifestListWriterV3(&want, h.snapshot, h.sequence, h.firstRow, h.parent)
			}
			if err == nil {
				err = w.AddManifests(append(slices.Clone(fresh), theirs...))
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := w.NextRowID(); version == 3 && *n != next {
				t.Fatalf("next row %d, iceberg-go says %d", next, *n)
			}
			sameHeader(t, body, want.Bytes())
			got, err := iceberggo.ReadManifestList(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for what, b := range map[string][]byte{"ours": body, "iceberg-go's": want.Bytes()} {
				read, ok := readOwnList(b)
				if !ok || len(read) != len(got) {
					t.Fatalf("%s is not read: %d of %d manifests", what, len(read), len(got))
				}
				for i := range got {
					if !reflect.DeepEqual(listedFields(read[i]), listedFields(got[i])) {
						t.Fatalf("manifest %d of %s:\n%v\n%v", i, what, listedFields(read[i]), listedFields(got[i]))
					}
				}
			}
			if theirs, err = iceberggo.ReadManifestList(&want); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(theirs) || len(listed) != len(theirs) {
				t.Fatalf("%d manifests, %d remembered, want %d", len(got), len(listed), len(theirs))
			}
			for i := range theirs {
				want := listedFields(theirs[i])
				if !reflect.DeepEqual(listedFields(got[i]), want) || !reflect.DeepEqual(listedFields(listed[i]), want) {
					t.Fatalf("manifest %d:\n%v\n%v\n%v", i, listedFields(got[i]), listedFields(listed[i]), want)
				}
			}
			ours, h.firstRow = listed, next
		}
	})
}

func sameHeader(t interface{ Fatalf(string, ...any) }, got, want []byte) {
	a, err := avroMetadata(got)
	if err != nil {
		t.Fatalf("our header: %v", err)
	}
	b, err := avroMetadata(want)
	if err != nil {
		t.Fatalf("iceberg-go's header: %v", err)
	}
	if !maps.EqualFunc(a, b, bytes.Equal) {
		for k := range b {
			if !bytes.Equal(a[k], b[k]) {
				t.Fatalf("%s: %s\niceberg-go: %s", k, a[k], b[k])
			}
		}
		t.Fatalf("more metadata than iceberg-go's: %v", a)
	}
}

// TestNumberlessManifest: what has no sequence number must be of this commit.
func TestNumberlessManifest(t *testing.T) {
	m := iceberggo.NewManifestFile(2, "x", 1, 0, 5).Build()
	if _, _, _, err := encodeManifestList(listHead{version: 2, snapshot: 6, sequence: 2}, []iceberggo.ManifestFile{m}); err == nil {
		t.Fatal("accepted")
	}
	m = iceberggo.NewManifestFile(3, "x", 1, 0, 5).SequenceNum(1, 1).Build()
	if _, _, _, err := encodeManifestList(listHead{version: 2, snapshot: 6, sequence: 2}, []iceberggo.ManifestFile{m}); err == nil {
		t.Fatal("a newer format was accepted")
	}
}

// TestManifestHeader: headers say what iceberg-go's do, whatever table asked for the schema first.
func TestManifestHeader(t *testing.T) {
	field := func(id int, name string, typ iceberggo.Type, required bool) iceberggo.NestedField {
		return iceberggo.NestedField{ID: id, Name: name, Type: typ, Required: required, Doc: "says \"" + name + "\""}
	}
	schemas := []*iceberggo.Schema{
		iceberggo.NewSchemaWithIdentifiers(3, []int{1}, field(1, "id", iceberggo.PrimitiveTypes.Int64, true), field(2, "when", iceberggo.PrimitiveTypes.Timestamp, false)),
		iceberggo.NewSchema(0, field(1, "id", iceberggo.DecimalTypeOf(20, 0), true), field(2, "when", iceberggo.PrimitiveTypes.Date, false), field(3, "more", iceberggo.PrimitiveTypes.String, false)),
		iceberggo.NewSchema(4, field(1, "id", iceberggo.PrimitiveTypes.String, false), field(2, "when", iceberggo.PrimitiveTypes.TimestampTz, false)),
	}
	part := func(source, id int, name string, tr iceberggo.Transform) iceberggo.PartitionField {
		return iceberggo.PartitionField{SourceIDs: []int{source}, FieldID: id, Name: name, Transform: tr}
	}
	specs := []iceberggo.PartitionSpec{
		*iceberggo.UnpartitionedSpec,
		iceberggo.NewPartitionSpecID(1, part(1, 1000, "id_bucket", iceberggo.BucketTransform{NumBuckets: 16})),
		iceberggo.NewPartitionSpecID(2, part(2, 1001, "day", iceberggo.DayTransform{}), part(1, 1002, "same", iceberggo.IdentityTransform{})),
	}
	for _, sc := range schemas {
		for _, spec := range specs {
			for version := 2; version <= 3; version++ {
				for _, content := range []iceberggo.ManifestContent{iceberggo.ManifestContentData, iceberggo.ManifestContentDeletes} {
					var want bytes.Buffer
					w, err := iceberggo.NewManifestWriter(version, &want, spec, sc, 1, iceberggo.WithManifestWriterContent(content))
					if err != nil {
						t.Fatal(err)
					}
					_ = w.Close()
					got, err := manifestHeaderOf(version, content, spec, sc)
					if err != nil {
						t.Fatal(err)
					}
					sameHeader(t, append(got, containerSync[:]...), want.Bytes())
				}
			}
		}
	}
}
