package iceberg

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"sync"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/klauspost/compress/flate"
)

// Reading a small manifest or list is mostly parsing the Avro schema in its header. Where that is, to the byte, the schema that we write
// ourselves, its meaning is known: manifest lists, and manifests of unpartitioned tables of format 2, are then read here. Everything
// else, and whatever is not as expected, is iceberg-go's to read, or to refuse.

// readManifestList reads a manifest list.
func readManifestList(b []byte) ([]iceberggo.ManifestFile, error) {
	if out, ok := readOwnList(b); ok {
		return out, nil
	}
	return iceberggo.ReadManifestList(bytes.NewReader(b))
}

// readManifest reads a manifest's entries.
func readManifest(m iceberggo.ManifestFile, b []byte, discardDeleted bool) ([]iceberggo.ManifestEntry, error) {
	if out, ok := readOwnManifest(m, b, discardDeleted); ok {
		return out, nil
	}
	return iceberggo.ReadManifest(m, bytes.NewReader(b), discardDeleted)
}

// maxOwnBytes bounds what a container may decompress to here.
const maxOwnBytes = 64 << 20

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// avroValues reads values of Avro's binary encoding; after a mistake everything is zero, and bad is set.
type avroValues struct {
	b   []byte
	bad bool
}

func (r *avroValues) long() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes are part of what is read.
func (r *avroValues) bytes() []byte {
	n := r.long()
	if n < 0 || n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *avroValues) bool() bool {
	if len(r.b) == 0 || r.b[0] > 1 {
		r.bad, r.b = true, nil
		return false
	}
	v := r.b[0] == 1
	r.b = r.b[1:]
	return v
}

// some reads the index of a union of null and something, and reports whether it is something.
func (r *avroValues) some() bool {
	switch r.long() {
	case 0:
		return false
	case 1:
		return true
	}
	r.bad = true
	return false
}

// items calls f for each item of an array or map.
func (r *avroValues) items(f func()) {
	for n := r.long(); n != 0 && !r.bad; n = r.long() {
		if n < 0 { // followed by the block's size
			n = -n
			r.long()
		}
		for ; n > 0 && !r.bad; n-- {
			f()
		}
	}
}

func (r *avroValues) optionalLong() *int64 {
	if !r.some() {
		return nil
	}
	v := r.long()
	return &v
}

func (r *avroValues) int32() int32 {
	v := r.long()
	if v != int64(int32(v)) {
		r.bad = true
	}
	return int32(v)
}

// ownContainer returns the metadata of a container whose schema is what schema returns for its format version, and calls block with the
// content of each of its blocks.
func ownContainer(b []byte, schema func(version int) ([]byte, error), block func(meta map[string][]byte, records int64, r *avroValues) bool) bool {
	meta, err := avroMetadata(b)
	if err != nil || string(meta["avro.codec"]) != "deflate" {
		return false
	}
	version, err := strconv.Atoi(string(meta["format-version"]))
	if err != nil || version < 2 {
		return false
	}
	if want, err := schema(version); err != nil || !bytes.Equal(meta["avro.schema"], want) {
		return false
	}
	r := &avroValues{b: b[avroHeaderLen(b):]}
	if len(r.b) < syncBytes {
		return false
	}
	end := r.b[:syncBytes]
	r.b = r.b[syncBytes:]
	z := inflaters.Get().(io.Reader)
	defer inflaters.Put(z)
	for len(r.b) > 0 {
		n, packed := r.long(), r.bytes()
		if r.bad || n < 0 || len(r.b) < syncBytes || !bytes.Equal(r.b[:syncBytes], end) {
			return false
		}
		r.b = r.b[syncBytes:]
		if err := z.(flate.Resetter).Reset(bytes.NewReader(packed), nil); err != nil {
			return false
		}
		// Strings and bounds are copied or point into it: it is not used again.
		body, err := io.ReadAll(io.LimitReader(z, maxOwnBytes+1))
		if err != nil || len(body) > maxOwnBytes {
			return false
		}
		records := &avroValues{b: body}
		if !block(meta, n, records) || records.bad || len(records.b) > 0 {
			return false
		}
	}
	return true
}

func readOwnList(b []byte) (out []iceberggo.ManifestFile, ok bool) {
	version := 0
	ok = ownContainer(b, func(v int) ([]byte, error) { version = v; return listSchema(v) }, func(_ map[string][]byte, n int64, r *avroValues) bool {
		for ; n > 0 && !r.bad; n-- {
			path, length, spec, content := string(r.bytes()), r.long(), r.int32(), r.long()
			seq, minSeq, snapshot := r.long(), r.long(), r.long()
			if content != int64(iceberggo.ManifestContentData) && content != int64(iceberggo.ManifestContentDeletes) {
				return false
			}
			m := iceberggo.NewManifestFile(version, path, length, spec, snapshot).SequenceNum(seq, minSeq).Content(iceberggo.ManifestContent(content))
			m.AddedFiles(r.int32()).ExistingFiles(r.int32()).DeletedFiles(r.int32())
			if r.some() {
				ps := []iceberggo.FieldSummary{}
				r.items(func() { ps = append(ps, readSummary(r)) })
				m.Partitions(ps)
			}
			m.AddedRows(r.long()).ExistingRows(r.long()).DeletedRows(r.long())
			if r.some() {
				m.KeyMetadata(r.bytes())
			}
			l := &listedManifest{m.Build(), version, seq, minSeq, nil}
			if version >= 3 {
				l.firstRow = r.optionalLong()
			}
			if l.firstRow == nil {
				out = append(out, l.ManifestFile)
			} else {
				out = append(out, l)
			}
		}
		return true
	})
	return out, ok
}

func readSummary(r *avroValues) (p iceberggo.FieldSummary) {
	p.ContainsNull = r.bool()
	if r.some() {
		nan := r.bool()
		p.ContainsNaN = &nan
	}
	for _, bound := range []**[]byte{&p.LowerBound, &p.UpperBound} {
		if r.some() {
			v := r.bytes()
			*bound = &v
		}
	}
	return p
}

// manifestSchema is the Avro schema of manifests of unpartitioned tables.
func manifestSchema(version int) ([]byte, error) {
	return manifestSchemaOf(version, *iceberggo.UnpartitionedSpec, iceberggo.NewSchema(0))
}

func readOwnManifest(m iceberggo.ManifestFile, b []byte, discardDeleted bool) (out []iceberggo.ManifestEntry, ok bool) {
	if m.FirstRowID() != nil {
		return nil, false // taken over by a table of format 3: its rows are numbered
	}
	content := m.ManifestContent()
	spec := iceberggo.NewPartitionSpecID(int(m.PartitionSpecID()))
	ok = ownContainer(b, manifestSchema, func(meta map[string][]byte, n int64, r *avroValues) bool {
		if string(meta["format-version"]) != "2" || m.Version() < 2 || string(meta["content"]) != content.String() {
			return false
		}
		for ; n > 0 && !r.bad; n-- {
			status := iceberggo.ManifestEntryStatus(r.int32())
			snapshot, seq, fileSeq := r.optionalLong(), r.optionalLong(), r.optionalLong()
			f := readDataFile(r, spec)
			if r.bad || f == nil || (f.ContentType() == iceberggo.EntryContentData) != (content == iceberggo.ManifestContentData) {
				return false
			}
			switch status {
			case iceberggo.EntryStatusADDED, iceberggo.EntryStatusEXISTING, iceberggo.EntryStatusDELETED:
			default:
				return false
			}
			// Inheritance, by the specification.
			if snapshot == nil {
				id := m.SnapshotID()
				snapshot = &id
			}
			if s := m.SequenceNum(); s == 0 || s != -1 && status == iceberggo.EntryStatusADDED {
				if seq == nil {
					seq = &s
				}
				if fileSeq == nil {
					fileSeq = &s
				}
			}
			if status != iceberggo.EntryStatusDELETED || !discardDeleted {
				out = append(out, iceberggo.NewManifestEntry(status, snapshot, seq, fileSeq, f))
			}
		}
		return true
	})
	return out, ok
}

// readDataFile reads a data file of format 2 without partition, with the fields in the order of the schema; nil: it cannot be.
func readDataFile(r *avroValues, spec iceberggo.PartitionSpec) iceberggo.DataFile {
	content, path, format, rows, size := r.int32(), string(r.bytes()), string(r.bytes()), r.long(), r.long()
	b, err := iceberggo.NewDataFileBuilder(spec, iceberggo.ManifestEntryContent(content), path, iceberggo.FileFormat(format), nil, nil, nil, rows, size)
	if err != nil {
		return nil
	}
	for _, set := range []func(map[int]int64) *iceberggo.DataFileBuilder{b.ColumnSizes, b.ValueCounts, b.NullValueCounts, b.NaNValueCounts} {
		if r.some() {
			counts := map[int]int64{}
			r.items(func() { k := r.int32(); counts[int(k)] = r.long() })
			set(counts)
		}
	}
	for _, set := range []func(map[int][]byte) *iceberggo.DataFileBuilder{b.LowerBoundValues, b.UpperBoundValues} {
		if r.some() {
			bounds := map[int][]byte{}
			r.items(func() { k := r.int32(); bounds[int(k)] = r.bytes() })
			set(bounds)
		}
	}
	if r.some() {
		b.KeyMetadata(r.bytes())
	}
	if r.some() {
		var offsets []int64
		r.items(func() { offsets = append(offsets, r.long()) })
		b.SplitOffsets(offsets)
	}
	if r.some() {
		var ids []int
		r.items(func() { ids = append(ids, int(r.int32())) })
		b.EqualityFieldIDs(ids)
	}
	if r.some() {
		b.SortOrderID(int(r.int32()))
	}
	if r.bad {
		return nil
	}
	return b.Build()
}
