package iceberg

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pqcompress "github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Field ids that the specification reserves for position delete files.
const (
	fieldPath = 2147483546
	fieldPos  = 2147483545
)

// addDeletes builds the delete files of the part against the parent.
func (b *build) addDeletes(deleted []deletedFrom, next *cacheDelta) error {
	if len(deleted) == 0 {
		return nil
	}
	if b.meta.Version() >= 3 {
		return b.addVectors(deleted, next)
	}
	return b.addPositionDeletes(deleted, next)
}

// partitionKey tells partitions of a spec apart.
func partitionKey(f iceberggo.DataFile) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d", f.SpecID())
	p := f.Partition()
	for _, id := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&s, "|%d=%T:%v", id, p[id], p[id])
	}
	return s.String()
}

// addPositionDeletes writes one Parquet position-delete file per spec and partition, with only the new positions.
func (b *build) addPositionDeletes(deleted []deletedFrom, next *cacheDelta) error {
	groups := map[string][]deletedFrom{}
	for _, d := range deleted {
		k := partitionKey(d.file)
		groups[k] = append(groups[k], d)
	}
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		ds := groups[k]
		slices.SortFunc(ds, func(x, y deletedFrom) int { return cmp.Compare(x.file.FilePath(), y.file.FilePath()) })
		body, rows, err := encodePositionDeletes(ds)
		if err != nil {
			return fmt.Errorf("position deletes of %s: %w", identString(b.v.ident), err)
		}
		loc := b.deleteLocation("parquet")
		if err := b.put(loc, body); err != nil {
			return err
		}
		spec := b.meta.PartitionSpecByID(int(ds[0].file.SpecID()))
		if spec == nil {
			return cdcErrorf(cdc.CodeInternal, "%s: partition spec %d is unknown", identString(b.v.ident), ds[0].file.SpecID())
		}
		db, err := iceberggo.NewDataFileBuilder(*spec, iceberggo.EntryContentPosDeletes, loc, iceberggo.ParquetFile, ds[0].file.Partition(), nil, nil, rows, int64(len(body)))
		if err != nil {
			return err
		}
		first, last := ds[0], ds[len(ds)-1]
		lo, hi := uint32(1<<32-1), uint32(0)
		for _, d := range ds {
			lo, hi = min(lo, d.positions.Minimum()), max(hi, d.positions.Maximum())
		}
		// Paths untruncated: readers find by them which data files are concerned.
		db.LowerBoundValues(map[int][]byte{fieldPath: []byte(first.file.FilePath()), fieldPos: binary.LittleEndian.AppendUint64(nil, uint64(lo))})
		db.UpperBoundValues(map[int][]byte{fieldPath: []byte(last.file.FilePath()), fieldPos: binary.LittleEndian.AppendUint64(nil, uint64(hi))})
		db.ValueCounts(map[int]int64{fieldPath: rows, fieldPos: rows})
		db.NullValueCounts(map[int]int64{fieldPath: 0, fieldPos: 0})
		if len(ds) == 1 {
			db.ReferencedDataFile(first.file.FilePath())
		}
		f := db.Build()
		b.sum.add(f)
		g := next.group(iceberggo.ManifestContentDeletes, f.SpecID())
		g.added = append(g.added, f)
	}
	return nil
}

func (b *build) deleteLocation(ext string) string {
	b.nextFile++
	return fmt.Sprintf("%s/deletes_%s-%d.%s", dataFolder(b.meta), b.tag, b.nextFile, ext)
}

var positionDeleteSchema = func() *schema.GroupNode {
	path := schema.MustPrimitive(schema.NewPrimitiveNodeLogical("file_path", parquet.Repetitions.Required, schema.StringLogicalType{}, parquet.Types.ByteArray, -1, fieldPath))
	pos := schema.MustPrimitive(schema.NewPrimitiveNode("pos", parquet.Repetitions.Required, parquet.Types.Int64, fieldPos, -1))
	return schema.MustGroup(schema.NewGroupNode("table", parquet.Repetitions.Required, schema.FieldList{path, pos}, -1))
}()

// pathBytes bounds the paths of one row group of a position-delete file: they are its dictionary, which the library gives up at 1 MiB.
const pathBytes = 512 << 10

// encodePositionDeletes writes (file_path, pos), sorted by both. ds is in the order of the paths.
func encodePositionDeletes(ds []deletedFrom) (body []byte, rows int64, err error) {
	var buf bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(pqcompress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDictionaryFor("file_path", true), parquet.WithDictionaryFor("pos", false)) // PLAIN, as data files: every reader has it
	w := file.NewParquetWriter(&buf, positionDeleteSchema, file.WithWriterProps(props))
	for len(ds) > 0 {
		n, size := 1, len(ds[0].file.FilePath())
		for n < len(ds) && size+len(ds[n].file.FilePath()) <= pathBytes {
			size += len(ds[n].file.FilePath())
			n++
		}
		group := ds[:n]
		ds = ds[n:]
		rg, err := w.AppendRowGroupChecked()
		if err != nil {
			return nil, 0, err
		}
		for _, d := range group {
			rows += int64(d.positions.GetCardinality())
		}
		if err := encodePaths(rg, group); err != nil {
			return nil, 0, err
		}
		if err := encodePositions(rg, group); err != nil {
			return nil, 0, err
		}
		if err := rg.Close(); err != nil {
			return nil, 0, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, 0, err
	}
	return buf.Bytes(), rows, nil
}

// positionChunk is how many rows of a position-delete file are encoded at a time.
const positionChunk = 8192

// encodePaths writes the first column. Its dictionary is known beforehand, so that no path is looked up for a row.
func encodePaths(rg file.SerialRowGroupWriter, ds []deletedFrom) error {
	cw, err := rg.NextColumn()
	if err != nil {
		return err
	}
	column, ok := cw.(*file.ByteArrayColumnChunkWriter)
	if !ok {
		return fmt.Errorf("unexpected column writer %T", cw)
	}
	dictionary, ok := column.CurrentEncoder().(interface{ PutDictionary(arrow.Array) error })
	if !ok {
		return fmt.Errorf("unexpected encoder %T", column.CurrentEncoder())
	}
	paths := array.NewStringBuilder(memory.DefaultAllocator)
	defer paths.Release()
	for _, d := range ds {
		paths.Append(d.file.FilePath())
	}
	values := paths.NewStringArray()
	defer values.Release()
	if err := dictionary.PutDictionary(values); err != nil {
		return err
	}
	stats, _ := column.PageStatistics().(*metadata.ByteArrayStatistics)
	indices := array.NewInt32Builder(memory.DefaultAllocator)
	defer indices.Release()
	chunk := make([]int32, 0, positionChunk)
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		if stats != nil { // files are in the order of their paths
			stats.Update([]parquet.ByteArray{parquet.ByteArray(ds[chunk[0]].file.FilePath()), parquet.ByteArray(ds[chunk[len(chunk)-1]].file.FilePath())}, 0)
			stats.IncNumValues(int64(len(chunk) - 2))
		}
		indices.AppendValues(chunk, nil)
		a := indices.NewInt32Array()
		defer a.Release()
		chunk = chunk[:0]
		return column.WriteDictIndices(a, nil, nil)
	}
	for i := range ds {
		for range ds[i].positions.GetCardinality() {
			if chunk = append(chunk, int32(i)); len(chunk) == positionChunk {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return column.Close()
}

// encodePositions writes the second column.
func encodePositions(rg file.SerialRowGroupWriter, ds []deletedFrom) error {
	cw, err := rg.NextColumn()
	if err != nil {
		return err
	}
	column, ok := cw.(*file.Int64ColumnChunkWriter)
	if !ok {
		return fmt.Errorf("unexpected column writer %T", cw)
	}
	some, chunk := make([]uint32, positionChunk), make([]int64, positionChunk)
	for _, d := range ds {
		it := d.positions.ManyIterator()
		for n := it.NextMany(some); n > 0; n = it.NextMany(some) {
			for i, pos := range some[:n] {
				chunk[i] = int64(pos)
			}
			if _, err := column.WriteBatch(chunk[:n], nil, nil); err != nil {
				return err
			}
		}
	}
	return column.Close()
}

// readPositionDeletes reads a Parquet position-delete file into bitmaps by data file.
func readPositionDeletes(ctx context.Context, fs *storage, f iceberggo.DataFile, into map[string]*roaring.Bitmap) error {
	fail := func(err error) error { return fmt.Errorf("position deletes %s: %w", f.FilePath(), err) }
	if f.FileFormat() != iceberggo.ParquetFile {
		return cdcErrorf(CodeUnreadableFile, "position deletes %s have format %s", f.FilePath(), f.FileFormat())
	}
	in, err := fs.open(ctx, f.FilePath(), f.FileSizeBytes())
	if err != nil {
		return fail(err)
	}
	defer in.Close()
	r, err := file.NewParquetReader(in)
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	pathCol, posCol := columnByID(r.MetaData().Schema, fieldPath, "file_path"), columnByID(r.MetaData().Schema, fieldPos, "pos")
	if pathCol < 0 || posCol < 0 {
		return cdcErrorf(CodeUnreadableFile, "position deletes %s lack file_path or pos", f.FilePath())
	}
	const chunk = 8192
	paths, positions, defs := make([]parquet.ByteArray, chunk), make([]int64, chunk), make([]int16, chunk)
	var current *roaring.Bitmap
	var currentPath string
	for i := range r.NumRowGroups() {
		rg := r.RowGroup(i)
		pc, err := rg.Column(pathCol)
		if err != nil {
			return fail(err)
		}
		qc, err := rg.Column(posCol)
		if err != nil {
			return fail(err)
		}
		pr, ok1 := pc.(*file.ByteArrayColumnChunkReader)
		qr, ok2 := qc.(*file.Int64ColumnChunkReader)
		if !ok1 || !ok2 {
			return cdcErrorf(CodeUnreadableFile, "position deletes %s have columns of other types", f.FilePath())
		}
		for left := rg.NumRows(); left > 0; {
			// Within one page: byte arrays point into it.
			n, values, err := pr.ReadBatchInPage(min(left, chunk), paths, defs, nil)
			if err == nil && (n == 0 || int64(values) != n) {
				err = fmt.Errorf("file_path ends early or is null")
			}
			if err != nil {
				return fail(err)
			}
			if err := readFull(n, func(off, n int64) (int64, int, error) {
				return qr.ReadBatch(n, positions[off:], defs[off:], nil)
			}); err != nil {
				return fail(err)
			}
			for j := range n {
				if current == nil || string(paths[j]) != currentPath {
					currentPath = string(paths[j])
					if current = into[currentPath]; current == nil {
						current = roaring.New()
						into[currentPath] = current
					}
				}
				if positions[j] < 0 || positions[j] >= 1<<32 {
					return cdcErrorf(CodeUnreadableFile, "position deletes %s hold position %d", f.FilePath(), positions[j])
				}
				current.Add(uint32(positions[j]))
			}
			left -= n
		}
	}
	return nil
}

// readFull calls read until n values of a column without nulls are there. A page boundary may end a read early.
func readFull(n int64, read func(off, n int64) (total int64, values int, err error)) error {
	for off := int64(0); off < n; {
		total, values, err := read(off, n-off)
		if err != nil {
			return err
		}
		if total == 0 || int64(values) != total {
			return fmt.Errorf("column ends after %d of %d values", off, n)
		}
		off += total
	}
	return nil
}

// columnByID finds a leaf column by its field id, or by name where files carry no ids; -1 if there is none.
func columnByID(s *schema.Schema, id int, name string) int {
	byName := -1
	for i := range s.NumColumns() {
		c := s.Column(i)
		n := c.SchemaNode()
		if int(n.FieldID()) == id {
			return i
		}
		if n.FieldID() < 0 && n.Name() == name {
			byName = i
		}
	}
	return byName
}
