package iceberg

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/klauspost/compress/flate"
)

// headerKey says what a manifest's header depends on, within one table.
type headerKey struct {
	version int
	content iceberggo.ManifestContent
	spec    int
	schema  int
}

const syncBytes = 16

// manifestHeader returns the beginning of a manifest as iceberg-go would write it: an Avro container's magic and metadata, up to
// the sync marker. remember: the schema is one of the table's, so that its id stands for it. iceberg-go parses the Avro schema anew for every manifest, which costs
// as much as writing some hundred entries: remembered, a manifest costs what its entries cost.
func (c *snapshotCache) manifestHeader(k headerKey, remember bool, spec iceberggo.PartitionSpec, sc *iceberggo.Schema) ([]byte, error) {
	if h := c.headers[k]; h != nil && remember {
		return h, nil
	}
	var buf bytes.Buffer
	w, err := iceberggo.NewManifestWriter(k.version, &buf, spec, sc, 1, iceberggo.WithManifestWriterContent(k.content))
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil && !errors.Is(err, iceberggo.ErrEmptyManifest) {
		return nil, err
	}
	h := buf.Bytes()
	if !bytes.HasPrefix(h, []byte("Obj\x01")) || len(h) < 4+syncBytes || !bytes.Contains(h, []byte("deflate")) {
		return nil, fmt.Errorf("iceberg-go writes an Avro header that is not understood")
	}
	h = h[: len(h)-syncBytes : len(h)-syncBytes]
	if remember {
		if c.headers == nil {
			c.headers = map[headerKey][]byte{}
		}
		c.headers[k] = h
	}
	return h, nil
}

// entryPrefix is how a manifest entry begins that codec.EncodeDataFile made: status ADDED, and no snapshot id, sequence number or
// file sequence number. What follows is the data file, the same in every manifest.
var entryPrefix = []byte{2, 0, 0, 0}

// encodeFile is a data file as it stands in a manifest entry.
func encodeFile(f iceberggo.DataFile, spec iceberggo.PartitionSpec, sc *iceberggo.Schema, version int) ([]byte, error) {
	b, err := codec.EncodeDataFile(f, spec, sc, version)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(b, entryPrefix) {
		return nil, fmt.Errorf("iceberg-go encodes manifest entries in a way that is not understood")
	}
	return b[len(entryPrefix):], nil
}

// manifestBuffer collects the entries of one manifest. See encodeFile for file. Get one from manifestBuffers, so that a commit that
// rewrites thousands of entries leaves the collector nothing to do.
type manifestBuffer struct {
	body  []byte
	count int64
	z     bytes.Buffer
	w     *flate.Writer
}

var manifestBuffers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed)
	return &manifestBuffer{w: w}
}}

func (m *manifestBuffer) release() {
	m.body, m.count = m.body[:0], 0
	m.z.Reset()
	if cap(m.body) <= 4*maxManifestBytes {
		manifestBuffers.Put(m)
	}
}

// entry appends an entry; snapshot, and sequence numbers below zero, are null. Unions of null and long: index, then the value.
func (m *manifestBuffer) entry(status iceberggo.ManifestEntryStatus, snapshot, seq, fileSeq int64, file []byte) {
	m.body = binary.AppendVarint(m.body, int64(status))
	for _, n := range []int64{snapshot, seq, fileSeq} {
		if n < 0 {
			m.body = append(m.body, 0)
			continue
		}
		m.body = append(m.body, 2)
		m.body = binary.AppendVarint(m.body, n)
	}
	m.body = append(m.body, file...)
	m.count++
}

// bytes returns the manifest: header, one block, and the marker that ends it.
func (m *manifestBuffer) bytes(header []byte) ([]byte, error) {
	m.w.Reset(&m.z)
	if _, err := m.w.Write(m.body); err != nil {
		return nil, err
	}
	if err := m.w.Close(); err != nil {
		return nil, err
	}
	z := m.z.Bytes()
	var sync [syncBytes]byte
	rand.Read(sync[:]) //nolint:errcheck // it never fails
	out := make([]byte, 0, len(header)+len(z)+2*syncBytes+20)
	out = append(append(out, header...), sync[:]...)
	out = binary.AppendVarint(out, m.count)
	out = binary.AppendVarint(out, int64(len(z)))
	out = append(out, z...)
	return append(out, sync[:]...), nil
}
