package iceberg

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	codecs "github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

const (
	// A row group ends after this many rows, or bytes of values before encoding: its encoded pages, a quarter of that or less,
	// are in memory until then.
	groupRows  = 1 << 20
	groupBytes = 128 << 20
	// pageBytes is the size of a data page before compression. Every column of every open file holds one.
	pageBytes    = 256 << 10
	minPageBytes = 32 << 10

	parquetCreatedBy = "cdc2lake version 0.1.0 (build arrow-go)"
	parquetZstdLevel = 1
)

// parquetWriter encodes one data file. It is used by one goroutine.
//
// What it writes is what every reader of Iceberg tables reads: data pages version 1, encoded PLAIN or with a dictionary,
// compressed with zstd. The DELTA encodings save a few per cent here and there, but Iceberg's own vectorized reader, which Spark
// uses, refused them for years (apache/iceberg#7162), and such a table fails as a whole.
type parquetWriter struct {
	page   int // bytes
	layout *parquetLayout
	out    countingWriter
	fw     *file.Writer
	rg     file.BufferedRowGroupWriter
	cws    []file.ColumnChunkWriter

	rows      int64
	groupRows int
	groupRaw  int
	alloc     encoderMemory
	hashes    [][][]uint64 // of the current row group, by column and set; nil without a bloom filter
	blooms    []bloomRef
	stats     [][]byteStats       // by row group and column; only physBytes columns have them
	strs      []parquet.ByteArray // scratch for dictionary columns
	fixeds    []parquet.FixedLenByteArray
	lists     listLevels
}

// encoderMemory is where the files of one goroutine get buffers from.
type encoderMemory interface {
	memory.Allocator
	hashes(n int) []uint64
	// page returns the size of the data pages of a file with so many columns.
	page(columns int) int
	freeHashes([][]uint64)
}

// bloomRef is a filter that waits for the end of the file.
type bloomRef struct {
	group, col int
	filter     []byte
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// newParquetWriter starts a file on w. first holds the file's first rows: they decide which columns get a dictionary.
func newParquetWriter(l *parquetLayout, w io.Writer, first *colSet, mem encoderMemory) (*parquetWriter, error) {
	p := &parquetWriter{layout: l, page: mem.page(len(l.cols)), out: countingWriter{w: w}, alloc: mem, hashes: make([][][]uint64, len(l.cols)), cws: make([]file.ColumnChunkWriter, len(l.cols))}
	opts := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithCompression(codecs.Codecs.Zstd), parquet.WithCompressionLevel(parquetZstdLevel),
		parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(int64(p.page)),
		parquet.WithCreatedBy(parquetCreatedBy), parquet.WithAllocator(mem),
	}
	for i := range l.cols {
		switch l.cols[i].to {
		case physBytes:
			opts = append(opts, parquet.WithStatsPath(parquet.ColumnPath{l.cols[i].name}, false))
		case physFloats: // bounds of elements say nothing of lists
			opts = append(opts, parquet.WithStatsPath(parquet.ColumnPath{l.cols[i].name, "list", "element"}, false))
		}
		if l.cols[i].to != physBool && (l.cols[i].lowCard || repetitive(&l.cols[i], &first.cols[i])) {
			opts = append(opts, parquet.WithDictionaryPath(parquet.ColumnPath{l.cols[i].name}, true))
		}
	}
	fw, err := file.NewParquetWriterWithError(&p.out, l.root, file.WithWriterProps(parquet.NewWriterProperties(opts...)))
	if err != nil {
		return nil, err
	}
	p.fw = fw
	return p, nil
}

// write appends the rows of the set.
func (p *parquetWriter) write(s *colSet) error {
	if p.rg == nil {
		rg, err := p.fw.AppendBufferedRowGroupChecked()
		if err != nil {
			return err
		}
		p.rg = rg
		p.stats = append(p.stats, make([]byteStats, len(p.cws)))
		for i := range p.cws {
			if p.cws[i], err = rg.Column(i); err != nil {
				return err
			}
		}
	}
	for i := range p.layout.cols {
		l, c := &p.layout.cols[i], &s.cols[i]
		if err := p.writeColumn(l, p.cws[i], c); err != nil {
			return fmt.Errorf("column %s: %w", l.name, err)
		}
		if l.to == physBytes {
			p.stats[len(p.stats)-1][i].update(c, s.n)
		}
		if l.bloom {
			p.hashes[i] = append(p.hashes[i], bloomHashes(p.alloc.hashes(s.n), l.to, l.width, c))
		}
	}
	p.rows += int64(s.n)
	p.groupRows += s.n
	p.groupRaw += s.raw()
	if p.groupRows >= groupRows || p.groupRaw >= groupBytes {
		return p.endGroup()
	}
	return nil
}

func (p *parquetWriter) writeColumn(l *columnLayout, cw file.ColumnChunkWriter, c *colBuf) error {
	var def []int16
	if l.optional {
		def = c.def
	}
	var n int64
	var err error
	want := 0
	switch w := cw.(type) {
	case *file.BooleanColumnChunkWriter:
		want = len(c.bools)
		n, err = w.WriteBatch(c.bools, def, nil)
	case *file.Int32ColumnChunkWriter:
		want = len(c.i32)
		n, err = w.WriteBatch(c.i32, def, nil)
	case *file.Int64ColumnChunkWriter:
		want = len(c.i64)
		n, err = w.WriteBatch(c.i64, def, nil)
	case *file.Float32ColumnChunkWriter:
		if l.to == physFloats {
			want = len(c.data) / 4
			n, err = p.lists.write(w, l.optional, c)
			break
		}
		want = len(c.f32)
		n, err = w.WriteBatch(c.f32, def, nil)
	case *file.Float64ColumnChunkWriter:
		want = len(c.f64)
		n, err = w.WriteBatch(c.f64, def, nil)
	case *file.ByteArrayColumnChunkWriter:
		want = len(c.off) - 1
		if w.SupportsArrowOffsets() {
			n, err = w.WriteBatchArrow(c.data, c.off, def, nil)
			break
		}
		p.strs = p.strs[:0]
		for i := range want {
			p.strs = append(p.strs, c.data[c.off[i]:c.off[i+1]])
		}
		n, err = w.WriteBatch(p.strs, def, nil)
		clear(p.strs)
	case *file.FixedLenByteArrayColumnChunkWriter:
		want = len(c.fixed) / l.width
		if w.SupportsArrowValues() {
			n, err = w.WriteBatchArrow(c.fixed, def, nil)
			break
		}
		p.fixeds = p.fixeds[:0]
		for i := range want {
			p.fixeds = append(p.fixeds, c.fixed[i*l.width:(i+1)*l.width])
		}
		n, err = w.WriteBatch(p.fixeds, def, nil)
		clear(p.fixeds)
	default:
		return fmt.Errorf("unexpected column writer %T", cw)
	}
	if err == nil && n != int64(want) {
		err = fmt.Errorf("%d of %d values written", n, want)
	}
	return err
}

// endGroup encodes what is left of the row group and hands it to the upload.
func (p *parquetWriter) endGroup() error {
	if p.rg == nil {
		return nil
	}
	if err := p.rg.Close(); err != nil {
		return err
	}
	group := p.fw.NumRowGroups() - 1
	for i, h := range p.hashes {
		if len(h) > 0 {
			p.blooms = append(p.blooms, bloomRef{group: group, col: i, filter: bloomFilter(h)})
			p.alloc.freeHashes(h)
			p.hashes[i] = h[:0]
		}
	}
	p.rg, p.groupRows, p.groupRaw = nil, 0, 0
	return nil
}

// buffered estimates the bytes that the file holds in memory.
func (p *parquetWriter) buffered() int64 {
	if p.rg == nil {
		return 0
	}
	return p.rg.TotalBytesWritten() + int64(min(p.groupRaw, len(p.cws)*p.page)) + int64(8*p.groupRows)
}

// size estimates the bytes of the file if it were closed now.
func (p *parquetWriter) size() int64 {
	if p.rg == nil {
		return p.out.n
	}
	// Of the pages that are still open, a third is what is left of them as a rule.
	return p.out.n + p.rg.TotalBytesWritten() + int64(min(p.groupRaw, len(p.cws)*p.page))/3
}

// close writes the bloom filters and the footer, and returns the footer. The library's own Close is not used since it knows nothing
// of the filters.
func (p *parquetWriter) close() (*metadata.FileMetaData, error) {
	if err := p.endGroup(); err != nil {
		return nil, err
	}
	meta, err := p.fw.FileMetadata()
	if err != nil {
		return nil, err
	}
	for _, b := range p.blooms {
		at, header := p.out.n, bloomHeader(len(b.filter))
		if _, err := p.out.Write(header); err != nil {
			return nil, err
		}
		if _, err := p.out.Write(b.filter); err != nil {
			return nil, err
		}
		n := int32(p.out.n - at)
		col := meta.RowGroups[b.group].Columns[b.col].MetaData
		col.BloomFilterOffset, col.BloomFilterLength = &at, &n
	}
	for g := range p.stats {
		for i := range p.layout.cols {
			if l := &p.layout.cols[i]; l.to == physBytes {
				p.stats[g][i].setStats(meta, g, i, l.kind)
			}
		}
	}
	n, err := meta.WriteTo(&p.out, nil)
	if err != nil {
		return nil, err
	}
	tail := append(binary.LittleEndian.AppendUint32(nil, uint32(n)), "PAR1"...)
	if _, err := p.out.Write(tail); err != nil {
		return nil, err
	}
	return meta, nil
}
