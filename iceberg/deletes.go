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
	"github.com/apache/arrow-go/v18/parquet"
	pqcompress "github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
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

// encodePositionDeletes writes (file_path, pos), sorted by both.
func encodePositionDeletes(ds []deletedFrom) (body []byte, rows int64, err error) {
	var buf bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(pqcompress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDictionaryFor("file_path", true), parquet.WithDictionaryFor("pos", false)) // PLAIN, as data files: every reader has it
	w := file.NewParquetWriter(&buf, positionDeleteSchema, file.WithWriterProps(props))
	rg, err := w.AppendRowGroupChecked()
	if err != nil {
		return nil, 0, err
	}
	const chunk = 8192
	paths, positions := make([]parquet.ByteArray, 0, chunk), make([]int64, 0, chunk)
	column := func(fill func(write func() error) error) error {
		cw, err := rg.NextColumn()
		if err != nil {
			return err
		}
		err = fill(func() error {
			var err error
			switch cw := cw.(type) {
			case *file.ByteArrayColumnChunkWriter:
				_, err = cw.WriteBatch(paths, nil, nil)
				paths = paths[:0]
			case *file.Int64ColumnChunkWriter:
				_, err = cw.WriteBatch(positions, nil, nil)
				positions = positions[:0]
			}
			return err
		})
		if err != nil {
			return err
		}
		return cw.Close()
	}
	err = column(func(write func() error) error {
		for _, d := range ds {
			path := parquet.ByteArray(d.file.FilePath())
			n := d.positions.GetCardinality()
			rows += int64(n)
			for range n {
				if paths = append(paths, path); len(paths) == chunk {
					if err := write(); err != nil {
						return err
					}
				}
			}
		}
		return write()
	})
	if err == nil {
		err = column(func(write func() error) error {
			for _, d := range ds {
				for it := d.positions.Iterator(); it.HasNext(); {
					if positions = append(positions, int64(it.Next())); len(positions) == chunk {
						if err := write(); err != nil {
							return err
						}
					}
				}
			}
			return write()
		})
	}
	if err == nil {
		err = rg.Close()
	}
	if err == nil {
		err = w.Close()
	}
	return buf.Bytes(), rows, err
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
