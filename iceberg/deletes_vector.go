package iceberg

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/puffin"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// addVectors writes one Puffin file with a deletion vector for each data file that loses rows: the new positions together
// with those of the vector that it replaces, or, for the first vector of a file, with its position deletes of format 2.
func (b *build) addVectors(deleted []deletedFrom, next *cacheDelta) error {
	slices.SortFunc(deleted, func(x, y deletedFrom) int { return cmp.Compare(x.file.FilePath(), y.file.FilePath()) })
	var buf bytes.Buffer
	w, err := puffin.NewWriter(&buf)
	if err != nil {
		return err
	}
	type blob struct {
		d      deletedFrom
		meta   puffin.BlobMetadata
		count  uint64
		bitmap *roaring.Bitmap
	}
	var blobs []blob
	touched := map[string]bool{} // manifests that hold replaced vectors
	for _, d := range deleted {
		path := d.file.FilePath()
		bm := d.positions
		if old, ok := next.base.vectors[path]; ok && !b.part.Replace {
			have := next.base.bitmaps[path]
			if have == nil {
				if have, err = readVector(b.ctx, b.fs, old.file); err != nil {
					return err
				}
			}
			bm = roaring.Or(have, bm)
			touched[old.manifest] = true
		} else if next.legacy != nil {
			if have := next.legacy.positions[path]; have != nil {
				bm = roaring.Or(have, bm)
			}
		}
		enc, err := encodeVector(bm)
		if err != nil {
			return fmt.Errorf("deletion vector of %s: %w", path, err)
		}
		n := bm.GetCardinality()
		meta, err := w.AddBlob(puffin.BlobMetadataInput{Type: puffin.BlobTypeDeletionVector, SnapshotID: -1, SequenceNumber: -1,
			Fields:     []int32{fieldPos}, // as Java writes it
			Properties: map[string]string{"cardinality": strconv.FormatUint(n, 10), "referenced-data-file": path}}, enc)
		if err != nil {
			return fmt.Errorf("deletion vector of %s: %w", path, err)
		}
		blobs = append(blobs, blob{d, meta, n, bm})
	}
	if err := w.Finish(); err != nil {
		return err
	}
	loc := b.deleteLocation("puffin")
	if err := b.put(loc, buf.Bytes()); err != nil {
		return err
	}
	replaced, fresh := map[*liveEntry]bool{}, map[string]bool{}
	for _, x := range blobs {
		spec := b.meta.PartitionSpecByID(int(x.d.file.SpecID()))
		if spec == nil {
			return cdcErrorf(cdc.CodeInternal, "%s: partition spec %d is unknown", identString(b.v.ident), x.d.file.SpecID())
		}
		path := x.d.file.FilePath()
		db, err := iceberggo.NewDataFileBuilder(*spec, iceberggo.EntryContentPosDeletes, loc, iceberggo.PuffinFile, x.d.file.Partition(), nil, nil, int64(x.count), int64(buf.Len()))
		if err != nil {
			return err
		}
		f := db.ReferencedDataFile(path).ContentOffset(x.meta.Offset).ContentSizeInBytes(x.meta.Length).Build()
		b.sum.add(f)
		g := next.group(iceberggo.ManifestContentDeletes, f.SpecID())
		g.added = append(g.added, f)
		next.bitmaps[path] = x.bitmap
		fresh[path] = true
		if old := next.base.vectors[path]; old != nil {
			replaced[old] = true
		}
	}
	for m := range touched {
		if err := b.replaceVectors(next, m, replaced); err != nil {
			return err
		}
	}
	return b.dropLegacy(next, fresh)
}

// replaceVectors rewrites a manifest without the given vectors.
func (b *build) replaceVectors(next *cacheDelta, manifest string, replaced map[*liveEntry]bool) error {
	m, ok := next.take(manifest)
	if !ok {
		return cdcErrorf(cdc.CodeInternal, "%s: manifest %s is not in the snapshot", identString(b.v.ident), manifest)
	}
	g := next.group(iceberggo.ManifestContentDeletes, m.PartitionSpecID())
	for _, e := range next.base.entries[manifest] {
		if replaced[e] {
			g.deleted = append(g.deleted, e)
			b.sum.remove(e.file)
			continue
		}
		g.existing = append(g.existing, e)
	}
	return nil
}

const vectorMagic = 0x6439D3D1

// encodeVector is the blob deletion-vector-v1 of the Puffin specification:
//
//	4 bytes  length of what follows but the checksum, big endian
//	4 bytes  magic, little endian
//	8 bytes  number of 32-bit bitmaps (one), then its high key (0) and the bitmap in roaring's portable format
//	4 bytes  CRC-32 of magic and bitmaps, big endian
//
// Data files have fewer than 2^32 rows, so one bitmap is enough.
func encodeVector(bm *roaring.Bitmap) ([]byte, error) {
	bm.RunOptimize()
	out := make([]byte, 0, 24+bm.GetSerializedSizeInBytes())
	out = append(out, 0, 0, 0, 0)
	out = binary.LittleEndian.AppendUint32(out, vectorMagic)
	out = binary.LittleEndian.AppendUint64(out, 1)
	out = binary.LittleEndian.AppendUint32(out, 0)
	buf := bytes.NewBuffer(out)
	if _, err := bm.WriteTo(buf); err != nil {
		return nil, err
	}
	out = buf.Bytes()
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:])), nil
}

// decodeVector reads a deletion vector of n positions.
func decodeVector(b []byte, n int64) (*roaring.Bitmap, error) {
	if len(b) < 20 || int(binary.BigEndian.Uint32(b)) != len(b)-8 || binary.LittleEndian.Uint32(b[4:]) != vectorMagic {
		return nil, fmt.Errorf("not a deletion vector")
	}
	if crc32.ChecksumIEEE(b[4:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("checksum differs")
	}
	count := binary.LittleEndian.Uint64(b[8:])
	r := bytes.NewReader(b[16 : len(b)-4])
	out := roaring.New()
	for range count {
		var key [4]byte
		if _, err := io.ReadFull(r, key[:]); err != nil {
			return nil, fmt.Errorf("ends early")
		}
		bm := roaring.New()
		if _, err := bm.ReadFrom(r); err != nil {
			return nil, err
		}
		switch k := binary.LittleEndian.Uint32(key[:]); {
		case k == 0:
			out = bm
		case !bm.IsEmpty():
			return nil, fmt.Errorf("position beyond 2^32")
		}
	}
	if r.Len() != 0 || int64(out.GetCardinality()) != n {
		return nil, fmt.Errorf("%d positions where the manifest says %d", out.GetCardinality(), n)
	}
	return out, nil
}

// readVector reads the deletion vector of a manifest entry with one range request.
func readVector(ctx context.Context, fs *storage, f iceberggo.DataFile) (*roaring.Bitmap, error) {
	fail := func(err error) (*roaring.Bitmap, error) {
		return nil, cdcErrorf(CodeUnreadableFile, "deletion vector in %s: %w", f.FilePath(), err)
	}
	off, size := f.ContentOffset(), f.ContentSizeInBytes()
	if off == nil || size == nil || *off < 0 || *size < 0 || *size > 1<<30 {
		return fail(fmt.Errorf("its manifest entry has no offset and size"))
	}
	in, err := fs.open(ctx, f.FilePath(), f.FileSizeBytes())
	if err != nil {
		return nil, fmt.Errorf("deletion vector in %s: %w", f.FilePath(), err)
	}
	defer in.Close()
	b := make([]byte, *size)
	if _, err := in.ReadAt(b, *off); err != nil && err != io.EOF { //nolint:errorlint // ReadAt returns it bare
		return nil, fmt.Errorf("deletion vector in %s: %w", f.FilePath(), err)
	}
	bm, err := decodeVector(b, f.Count())
	if err != nil {
		return fail(err)
	}
	return bm, nil
}

// legacyDeletes are position deletes of format 2 that are still live in a table of format 3.
type legacyDeletes struct {
	positions map[string]*roaring.Bitmap // by data file
	files     []legacyFile
}

type legacyFile struct {
	entry *liveEntry
	paths []string // data files it names
}

func loadLegacyDeletes(ctx context.Context, fs *storage, entries []*liveEntry) (*legacyDeletes, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	l := &legacyDeletes{positions: map[string]*roaring.Bitmap{}}
	for _, e := range entries {
		one := map[string]*roaring.Bitmap{}
		if err := readPositionDeletes(ctx, fs, e.file, one); err != nil {
			return nil, err
		}
		lf := legacyFile{entry: e}
		for p, bm := range one {
			lf.paths = append(lf.paths, p)
			if have := l.positions[p]; have != nil {
				have.Or(bm)
			} else {
				l.positions[p] = bm
			}
		}
		l.files = append(l.files, lf)
	}
	return l, nil
}

// dropLegacy removes the position-delete files all of whose data files have a vector by now: a vector takes their place.
func (b *build) dropLegacy(next *cacheDelta, fresh map[string]bool) error {
	if next.legacy == nil {
		return nil
	}
	kept := &legacyDeletes{positions: next.legacy.positions}
	drop := map[string]bool{}
	for _, f := range next.legacy.files {
		covered := !slices.ContainsFunc(f.paths, func(p string) bool {
			_, has := next.base.vectors[p]
			return !has && !fresh[p]
		})
		if covered {
			drop[f.entry.file.FilePath()] = true
		} else {
			kept.files = append(kept.files, f)
		}
	}
	if len(drop) == 0 {
		return nil
	}
	for _, m := range slices.Clone(next.manifests) {
		entries := next.base.entries[m.FilePath()]
		if !slices.ContainsFunc(entries, func(e *liveEntry) bool { return drop[e.file.FilePath()] }) {
			continue
		}
		next.take(m.FilePath())
		g := next.group(iceberggo.ManifestContentDeletes, m.PartitionSpecID())
		for _, e := range entries {
			if drop[e.file.FilePath()] {
				g.deleted = append(g.deleted, e)
				b.sum.remove(e.file)
			} else {
				g.existing = append(g.existing, e)
			}
		}
	}
	// Entries of manifests that were rewritten for replaced vectors are in the groups already.
	for _, g := range next.groups {
		g.existing = slices.DeleteFunc(g.existing, func(e *liveEntry) bool {
			if !drop[e.file.FilePath()] {
				return false
			}
			g.deleted = append(g.deleted, e)
			b.sum.remove(e.file)
			return true
		})
	}
	if next.legacy = kept; len(kept.files) == 0 {
		next.legacy = nil
	}
	return nil
}
