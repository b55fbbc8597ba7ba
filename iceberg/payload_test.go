package iceberg

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

var updateGolden = flag.Bool("update-delta", false, "write testdata/delta-v1.bin anew (only for a new format version)")

// deltaFixture is what testdata/delta-v1.bin holds.
func deltaFixture(t testing.TB) (*delta, *testTable, *writeTarget) {
	s := modelSchema(0, 1)
	tab := newTestTable(t)
	tab.version = 3
	if _, err := tab.target(s); err != nil {
		t.Fatal(err)
	}
	tab.spec = iceberggo.NewPartitionSpecID(7, iceberggo.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "p", Transform: iceberggo.BucketTransform{NumBuckets: 4}})
	target, err := tab.target(s)
	if err != nil {
		t.Fatal(err)
	}
	d := &delta{deleted: map[uint32]*roaring.Bitmap{3: roaring.BitmapOf(0, 1, 70000), 1<<24 + 5: roaring.BitmapOf(4294967295)}}
	for i := range 2 {
		row := randomRow(s, rand.New(rand.NewPCG(uint64(i), 1)))
		d.files = append(d.files, dataFile{num: uint32(i)<<24 + 1, file: partitionedFile(t, target, row, map[int]any{1000: int32(i)})})
	}
	return d, tab, target
}

func TestDeltaRoundTrip(t *testing.T) {
	d, tab, target := deltaFixture(t)
	enc, err := encodeDelta(d, tab.spec_, target.schema, 3)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeDelta(enc, tab.spec_, target.schema)
	if err != nil {
		t.Fatal(err)
	}
	again, err := encodeDelta(back, tab.spec_, target.schema, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(enc, again) {
		t.Error("a payload changes when it is decoded and encoded")
	}
	checkDelta(t, back)
	clear(enc)
	if !back.deleted[3].Contains(70000) {
		t.Error("a delta refers to the payload's memory")
	}
}

func checkDelta(t *testing.T, d *delta) {
	t.Helper()
	if len(d.files) != 2 || d.files[1].num != 1<<24+1 || d.files[1].file.Partition()[1000] != int32(1) || d.files[0].file.Count() != 1 ||
		d.files[0].file.SpecID() != 7 || len(d.files[0].file.LowerBoundValues()) == 0 {
		t.Errorf("files %+v", d.files)
	}
	if len(d.deleted) != 2 || d.deleted[3].GetCardinality() != 3 || !d.deleted[3].Contains(70000) || !d.deleted[1<<24+5].Contains(4294967295) {
		t.Errorf("deleted %v", d.deleted)
	}
}

// TestDeltaGolden: payloads stand in records that a later version has to read.
func TestDeltaGolden(t *testing.T) {
	d, tab, target := deltaFixture(t)
	const name = "testdata/delta-v1.bin"
	if *updateGolden {
		b, err := encodeDelta(d, tab.spec_, target.schema, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeDelta(b, tab.spec_, target.schema)
	if err != nil {
		t.Fatal(err)
	}
	checkDelta(t, back)
}

// TestDeltaDamaged: whatever is cut off or added is noticed; a newer version is refused.
func TestDeltaDamaged(t *testing.T) {
	d, tab, target := deltaFixture(t)
	enc, err := encodeDelta(d, tab.spec_, target.schema, 3)
	if err != nil {
		t.Fatal(err)
	}
	corrupt := func(b []byte, what string, args ...any) {
		t.Helper()
		_, err := decodeDelta(b, tab.spec_, target.schema)
		if e := cdc.AsError(err); e == nil || e.Code != cdc.CodeCorrupt {
			t.Errorf(what+": %v", append(args, err)...)
		}
	}
	for n := range enc {
		corrupt(enc[:n], "first %d bytes", n)
	}
	corrupt(append(bytes.Clone(enc), 0), "one byte too many")
	corrupt(append([]byte{deltaVersion + 1}, enc[1:]...), "newer version")
	if _, err := decodeDelta(enc, func(int) (iceberggo.PartitionSpec, bool) { return iceberggo.PartitionSpec{}, false }, target.schema); err == nil {
		t.Error("unknown spec")
	}
}

func FuzzDecodeDelta(f *testing.F) {
	d, tab, target := deltaFixture(f)
	enc, err := encodeDelta(d, tab.spec_, target.schema, 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(enc)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = decodeDelta(b, tab.spec_, target.schema) // no panic, no endless loop
	})
}
