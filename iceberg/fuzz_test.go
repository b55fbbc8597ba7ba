package iceberg

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// FuzzMarker feeds hostile markers, and definitions inside them.
func FuzzMarker(f *testing.F) {
	for _, s := range []string{`{"v":1,"pipeline":"p","id":{"epoch":1,"k":2,"nonce":"x"},"generation":1,"position":"1","load":{"phase":"done"},"schema":{"columns":[{"name":"id","type":{"kind":4}}],"key":[0]}}`,
		`{"v":1,"schema":"0011"}`, `{"v":99}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := decodeMarker(s, iceberggo.Properties{propSchema + "0011": s}, "a test")
		_, _ = decodeMarkerID(s)
		parseGenerationTag(s)
		markerRef(s)
		if err != nil {
			if cdc.AsError(err) == nil {
				t.Errorf("no code: %v", err)
			}
			return
		}
		if _, err := decodeSchema(m, "a test"); err != nil && cdc.AsError(err) == nil {
			t.Errorf("no code: %v", err)
		}
	})
}

// FuzzVector feeds hostile deletion vectors, with the length, magic and checksum that make them be looked at.
func FuzzVector(f *testing.F) {
	b, err := encodeVector(roaring.BitmapOf(1, 2, 3, 70000, 1<<31))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[8:len(b)-4], int64(5))
	f.Fuzz(func(t *testing.T, b []byte, n int64) {
		framed := binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))
		framed = append(binary.LittleEndian.AppendUint32(framed, vectorMagic), b...)
		framed = binary.BigEndian.AppendUint32(framed, crc32.ChecksumIEEE(framed[4:]))
		if bm, err := decodeVector(framed, n); err == nil && int64(bm.GetCardinality()) != n {
			t.Errorf("%d positions, not %d", bm.GetCardinality(), n)
		}
	})
}

// FuzzPart feeds hostile parts of checkpoint records.
func FuzzPart(f *testing.F) {
	p := partPayload{Table: cdc.TableID{Database: "d", Name: "t"}, Format: 2}
	b, err := p.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		if p, err := decodePart(b); err == nil {
			_, _ = p.schemas()
		}
	})
}
