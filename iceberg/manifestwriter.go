package iceberg

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
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

// manifestHeader returns the beginning of a manifest, up to the sync marker. remember: the schema is one of the table's, so that its id
// stands for it.
func (c *snapshotCache) manifestHeader(k headerKey, remember bool, spec iceberggo.PartitionSpec, sc *iceberggo.Schema) ([]byte, error) {
	if h := c.headers[k]; h != nil && remember {
		return h, nil
	}
	h, err := manifestHeaderOf(k.version, k.content, spec, sc)
	if err != nil {
		return nil, err
	}
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

// manifestBuffer collects the entries of one manifest in the blocks of an Avro container. Get one from manifestBuffers, so that a
// commit that rewrites thousands of entries leaves the collector nothing to do.
type manifestBuffer struct {
	body  []byte // of the block being filled
	count int64  // its entries
	out   []byte
	z     bytes.Buffer
	w     *flate.Writer
}

var manifestBuffers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed)
	return &manifestBuffer{w: w}
}}

func (m *manifestBuffer) release() {
	if cap(m.body)+cap(m.out) <= 4*maxManifestBytes {
		manifestBuffers.Put(m)
	}
}

// containerSync ends every block of our manifests. Avro asks for a marker that the file's own bytes do not hold by accident, not for
// another one in each file.
var containerSync = func() (s [syncBytes]byte) {
	rand.Read(s[:]) //nolint:errcheck // it never fails
	return s
}()

// begin starts a manifest, with what manifestHeader returns.
func (m *manifestBuffer) begin(header []byte) {
	m.body, m.count = m.body[:0], 0
	m.out = append(append(m.out[:0], header...), containerSync[:]...)
}

// entry appends an entry to the block; snapshot, and sequence numbers below zero, are null. See encodeFile for file. Unions of null and
// long: index, then the value.
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

// block ends the block, if it has entries, and returns its content, compressed; it is valid until the next call.
func (m *manifestBuffer) block() ([]byte, error) {
	if m.count == 0 {
		return nil, nil
	}
	m.z.Reset()
	m.w.Reset(&m.z)
	if _, err := m.w.Write(m.body); err != nil {
		return nil, err
	}
	if err := m.w.Close(); err != nil {
		return nil, err
	}
	m.compressed(m.count, m.z.Bytes())
	m.body, m.count = m.body[:0], 0
	return m.z.Bytes(), nil
}

// compressed appends a block of n entries that is compressed already.
func (m *manifestBuffer) compressed(n int64, z []byte) {
	m.out = binary.AppendVarint(m.out, n)
	m.out = binary.AppendVarint(m.out, int64(len(z)))
	m.out = append(append(m.out, z...), containerSync[:]...)
}

// bytes ends the manifest and returns it.
func (m *manifestBuffer) bytes() ([]byte, error) {
	if _, err := m.block(); err != nil {
		return nil, err
	}
	return bytes.Clone(m.out), nil
}
