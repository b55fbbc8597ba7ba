package iceberg

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// deltaVersion is the format of a committable's payload. N reads N-1; a newer one is refused.
//
//	byte     version
//	byte     table format version (2, 3) under which the data files are encoded
//	uvarint  number of data files, then of each
//	  uvarint  file number
//	  uvarint  partition spec id
//	  uvarint  length, then the file as in a manifest entry (Avro)
//	uvarint  number of files with deleted positions, ascending by file number, then of each
//	  uvarint  file number
//	  uvarint  length, then the positions as a 32-bit roaring bitmap in its portable format
const deltaVersion = 1

// encodeDelta makes the payload of a committable. specs returns a partition spec of the table by its id; sc is any schema of the
// table that has the columns that the specs partition by.
func encodeDelta(d *delta, specs func(id int) (iceberggo.PartitionSpec, bool), sc *iceberggo.Schema, formatVersion int) ([]byte, error) {
	b := []byte{deltaVersion, byte(formatVersion)}
	b = binary.AppendUvarint(b, uint64(len(d.files)))
	for _, f := range d.files {
		id := int(f.file.SpecID())
		spec, ok := specs(id)
		if !ok {
			return nil, fmt.Errorf("encode data file %s: unknown partition spec %d", f.file.FilePath(), id)
		}
		enc, err := codec.EncodeDataFile(f.file, spec, sc, formatVersion)
		if err != nil {
			return nil, fmt.Errorf("encode data file %s: %w", f.file.FilePath(), err)
		}
		b = binary.AppendUvarint(b, uint64(f.num))
		b = binary.AppendUvarint(b, uint64(id))
		b = binary.AppendUvarint(b, uint64(len(enc)))
		b = append(b, enc...)
	}
	b = binary.AppendUvarint(b, uint64(len(d.deleted)))
	for _, num := range slices.Sorted(maps.Keys(d.deleted)) {
		enc, err := d.deleted[num].ToBytes()
		if err != nil {
			return nil, fmt.Errorf("encode deleted positions of file %d: %w", num, err)
		}
		b = binary.AppendUvarint(b, uint64(num))
		b = binary.AppendUvarint(b, uint64(len(enc)))
		b = append(b, enc...)
	}
	return b, nil
}

// decodeDelta reads the payload of a committable. It keeps no reference to b. Arguments are those of encodeDelta. A payload that
// cannot be read, or is of a newer version, fails with code CORRUPT.
func decodeDelta(b []byte, specs func(id int) (iceberggo.PartitionSpec, bool), sc *iceberggo.Schema) (*delta, error) {
	r := payloadReader{b: b}
	version, format := r.byte(), int(r.byte())
	if r.err == nil && version != deltaVersion {
		return nil, &cdc.Error{Code: cdc.CodeCorrupt, Msg: fmt.Sprintf("committable has format %d, this version reads %d", version, deltaVersion),
			Fix: "run the version of cdc2lake that wrote it, or a newer one"}
	}
	d := &delta{deleted: map[uint32]*roaring.Bitmap{}}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		num, id, enc := r.number(), int(r.number()), r.bytes()
		if r.err != nil {
			break
		}
		spec, ok := specs(id)
		if !ok {
			return nil, cdc.Errorf(cdc.CodeCorrupt, cdc.TableID{}, "committable names the unknown partition spec %d", id)
		}
		f, err := codec.DecodeDataFile(enc, spec, sc, format)
		if err != nil {
			return nil, cdc.Errorf(cdc.CodeCorrupt, cdc.TableID{}, "committable's data file %d: %w", num, err)
		}
		d.files = append(d.files, dataFile{num: num, file: f})
	}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		num, enc := r.number(), r.bytes()
		if r.err != nil {
			break
		}
		bm := roaring.New()
		if k, err := bm.FromUnsafeBytes(slices.Clone(enc)); err != nil || int(k) != len(enc) {
			return nil, cdc.Errorf(cdc.CodeCorrupt, cdc.TableID{}, "committable's deleted positions of file %d cannot be read: %w", num, err)
		}
		if err := bm.Validate(); err != nil {
			return nil, cdc.Errorf(cdc.CodeCorrupt, cdc.TableID{}, "committable's deleted positions of file %d: %w", num, err)
		}
		d.deleted[num] = bm
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, cdc.Errorf(cdc.CodeCorrupt, cdc.TableID{}, "committable cannot be read: %w", r.err)
	}
	return d, nil
}

// payloadReader reads a payload; after the first error everything it returns is zero.
type payloadReader struct {
	b   []byte
	err error
}

func (r *payloadReader) fail() {
	if r.err == nil {
		r.err = fmt.Errorf("it ends too early")
	}
	r.b = nil
}

func (r *payloadReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *payloadReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *payloadReader) number() uint32 {
	v := r.uvarint()
	if v > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(v)
}

func (r *payloadReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	c := r.b[:n:n]
	r.b = r.b[n:]
	return c
}
