package iceberg

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"

	iceberggo "github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
)

// listedManifest is a manifest with the numbers that the list it stands in assigns.
type listedManifest struct {
	iceberggo.ManifestFile
	version     int // of the list: a manifest may be older
	seq, minSeq int64
	firstRow    *int64
}

func (m *listedManifest) Version() int           { return m.version }
func (m *listedManifest) SequenceNum() int64     { return m.seq }
func (m *listedManifest) MinSequenceNum() int64  { return m.minSeq }
func (m *listedManifest) FirstRowID() *int64     { return m.firstRow }
func (m *listedManifest) HasAddedFiles() bool    { return m.AddedDataFiles() != 0 }
func (m *listedManifest) HasExistingFiles() bool { return m.ExistingDataFiles() != 0 }

// Entries and FetchEntries of the manifest inside would inherit its numbers and not ours.
func (m *listedManifest) Entries(fs iceio.IO, discardDeleted bool) iter.Seq2[iceberggo.ManifestEntry, error] {
	return func(yield func(iceberggo.ManifestEntry, error) bool) {
		entries, err := m.FetchEntries(fs, discardDeleted)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (m *listedManifest) FetchEntries(fs iceio.IO, discardDeleted bool) ([]iceberggo.ManifestEntry, error) {
	f, err := fs.Open(m.FilePath())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return iceberggo.ReadManifest(m, f, discardDeleted)
}

// listHead is what a manifest list says of its snapshot.
type listHead struct {
	version            int
	snapshot, sequence int64
	parent             *int64
	firstRow           int64 // format 3
}

// encodeManifestList writes a manifest list, and returns the manifests as readers of the list see them and the next free row id (format 3).
// Numbers are assigned as iceberg-go's ManifestListWriter does: a sequence number of -1 is the commit's, and manifests of data files
// without a first row id get theirs in the order of the list.
func encodeManifestList(h listHead, ms []iceberggo.ManifestFile) (body []byte, listed []iceberggo.ManifestFile, nextRow int64, err error) {
	header, err := h.header()
	if err != nil {
		return nil, nil, 0, err
	}
	buf := manifestBuffers.Get().(*manifestBuffer)
	defer buf.release()
	buf.begin(header)
	nextRow = h.firstRow
	listed = make([]iceberggo.ManifestFile, len(ms))
	for i, m := range ms {
		if m.Version() > h.version {
			return nil, nil, 0, fmt.Errorf("a list of format %d cannot hold manifest %s of format %d", h.version, m.FilePath(), m.Version())
		}
		l := listedManifest{m, h.version, m.SequenceNum(), m.MinSequenceNum(), m.FirstRowID()}
		if h.version < 3 {
			l.firstRow = nil
		} else if l.firstRow == nil && m.ManifestContent() == iceberggo.ManifestContentData {
			first, n := nextRow, m.ExistingRows()
			if n < 0 || m.AddedRows() < 0 || n > math.MaxInt64-first || m.AddedRows() > math.MaxInt64-first-n {
				return nil, nil, 0, fmt.Errorf("rows of manifest %s cannot be numbered from %d on: %d existing, %d added", m.FilePath(), first, n, m.AddedRows())
			}
			nextRow += n + m.AddedRows()
			l.firstRow = &first
		}
		for _, n := range []*int64{&l.seq, &l.minSeq} {
			if *n != -1 {
				continue
			}
			if m.SnapshotID() != h.snapshot {
				return nil, nil, 0, fmt.Errorf("manifest %s of snapshot %d has no sequence number", m.FilePath(), m.SnapshotID())
			}
			*n = h.sequence
		}
		switch have := m.(type) {
		case *listedManifest:
			l.ManifestFile = have.ManifestFile // not a chain of them
			if have.version == l.version && have.seq == l.seq && have.minSeq == l.minSeq && have.firstRow == l.firstRow {
				listed[i] = have
			}
		default:
			if m.Version() == l.version && m.SequenceNum() == l.seq && m.MinSequenceNum() == l.minSeq && (h.version < 3 || m.ManifestContent() != iceberggo.ManifestContentData || m.FirstRowID() != nil) {
				listed[i] = m
			}
		}
		if listed[i] == nil {
			listed[i] = &l
		}
		buf.listEntry(h.version, &l)
	}
	body, err = buf.bytes()
	return body, listed, nextRow, err
}

// listSchema is the Avro schema of a manifest list.
func listSchema(version int) ([]byte, error) {
	return avroSchemaOf("list "+strconv.Itoa(version), func(out io.Writer) (err error) {
		var w *iceberggo.ManifestListWriter
		switch version {
		case 2:
			w, err = iceberggo.NewManifestListWriterV2(out, 1, 1, nil)
		case 3:
			w, err = iceberggo.NewManifestListWriterV3(out, 1, 1, 0, nil)
		default:
			err = fmt.Errorf("manifest list of format %d", version)
		}
		if err == nil {
			err = w.Close()
		}
		return err
	})
}

func (h listHead) header() ([]byte, error) {
	avro, err := listSchema(h.version)
	if err != nil {
		return nil, err
	}
	meta := map[string][]byte{
		"avro.schema":        avro,
		"avro.codec":         []byte("deflate"),
		"format-version":     strconv.AppendInt(nil, int64(h.version), 10),
		"snapshot-id":        strconv.AppendInt(nil, h.snapshot, 10),
		"sequence-number":    strconv.AppendInt(nil, h.sequence, 10),
		"parent-snapshot-id": []byte("null"),
	}
	if h.parent != nil {
		meta["parent-snapshot-id"] = strconv.AppendInt(nil, *h.parent, 10)
	}
	if h.version >= 3 {
		meta["first-row-id"] = strconv.AppendInt(nil, h.firstRow, 10)
	}
	return appendAvroHeader(make([]byte, 0, len(avro)+256), meta), nil
}

// listEntry appends a manifest list's record to the block, with the fields in the order of the specification's schema of the format.
// Unions of null and something: index, then the value.
func (m *manifestBuffer) listEntry(version int, f *listedManifest) {
	b := appendAvroBytes(m.body, f.FilePath())
	for _, n := range []int64{f.Length(), int64(f.PartitionSpecID()), int64(f.ManifestContent()), f.seq, f.minSeq, f.SnapshotID(),
		int64(f.AddedDataFiles()), int64(f.ExistingDataFiles()), int64(f.DeletedDataFiles())} {
		b = binary.AppendVarint(b, n)
	}
	// Partitions. iceberg-go tells none from an empty list, but not to us; strict readers want a list, and it is what an unpartitioned table has.
	b = append(b, 2)
	if ps := f.Partitions(); len(ps) > 0 {
		b = binary.AppendVarint(b, int64(len(ps)))
		for _, p := range ps {
			b = appendAvroBool(b, p.ContainsNull)
			if p.ContainsNaN == nil {
				b = append(b, 0)
			} else {
				b = appendAvroBool(append(b, 2), *p.ContainsNaN)
			}
			for _, bound := range []*[]byte{p.LowerBound, p.UpperBound} {
				if bound == nil {
					b = append(b, 0)
				} else {
					b = appendAvroBytes(append(b, 2), *bound)
				}
			}
		}
	}
	b = append(b, 0)
	for _, n := range []int64{f.AddedRows(), f.ExistingRows(), f.DeletedRows()} {
		b = binary.AppendVarint(b, n)
	}
	if key := f.KeyMetadata(); key == nil {
		b = append(b, 0)
	} else {
		b = appendAvroBytes(append(b, 2), key)
	}
	if version >= 3 {
		if f.firstRow == nil {
			b = append(b, 0)
		} else {
			b = binary.AppendVarint(append(b, 2), *f.firstRow)
		}
	}
	m.body = b
	m.count++
}

func appendAvroBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
