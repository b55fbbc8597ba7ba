package iceberg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/parquet"
	codecs "github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// A file whose rows are all in one set, with a page for each column, is encoded in one go, into the same pages, statistics and filters that a
// parquetWriter makes of it: the library's writers take a thousand allocations and 200 KB for a file, and for hundreds of quiet tables
// at every checkpoint that is more than the rows.

// smallBytes bounds the values of each column of such a file: a page.
const smallBytes = pageBytes

// isSmall reports whether the set can be a small file. One with lists is left to the library.
func (s *colSet) isSmall(l *parquetLayout) bool {
	if l.lists {
		return false
	}
	for i := range s.cols {
		if s.cols[i].raw() > smallBytes {
			return false
		}
	}
	return s.n > 0
}

// smallLayout is what the footers of a layout's small files have in common.
type smallLayout struct {
	once   sync.Once
	before []byte // version and schema
	after  []byte // who wrote it, and the columns' orders
	err    error
}

// footer returns what comes before and after the rows and row groups in the footer of l's files.
func (l *parquetLayout) footer() (before, after []byte, err error) {
	f := &l.small
	f.once.Do(func() {
		const createdBy = "\x28" // field 6, a string, after field 4
		props := parquet.NewWriterProperties(parquet.WithVersion(parquet.V2_LATEST), parquet.WithCreatedBy(parquetCreatedBy))
		meta, err := metadata.NewFileMetadataBuilder(schema.NewSchema(l.root), props, nil).Finish()
		if err != nil {
			f.err = err
			return
		}
		var b bytes.Buffer
		if _, err := meta.WriteTo(&b, nil); err != nil {
			f.err = err
			return
		}
		// No rows and no row groups: fields 3 and 4.
		none := "\x16\x00\x19\x0c"
		at := bytes.LastIndex(b.Bytes(), []byte(none+createdBy+string([]byte{byte(len(parquetCreatedBy))})+parquetCreatedBy))
		if at < 0 {
			f.err = errors.New("the library writes footers in another way")
			return
		}
		f.before, f.after = b.Bytes()[:at], b.Bytes()[at+len(none):]
	})
	return f.before, f.after, f.err
}

// smallEncoder encodes small files. It is used by one goroutine.
type smallEncoder struct {
	codec codecs.Codec
	file  []byte // the file so far
	raw   []byte // values, plain
	dict  []byte // values of the dictionary, plain
	page  []byte // before compression
	zip   []byte // after it
	ids   []uint32
	known map[string]uint32
	chunk []smallChunk
	foot  thriftWriter
}

// smallChunk is a column of the file being encoded.
type smallChunk struct {
	dictAt, dataAt int64 // dictAt 0: no dictionary
	raw, packed    int64 // bytes of pages with their headers
	bloomAt        int64 // 0: none
	bloomBytes     int64
}

// Numbers of the Parquet specification.
const (
	pageData, pageDictionary                    = 0, 2
	encodingPlain, encodingRLE, encodingRLEDict = 0, 3, 8
	codecZstd                                   = 6
)

var parquetTypes = [...]int64{physBool: 0, physInt32: 1, physInt64: 2, physFloat: 4, physDouble: 5, physBytes: 6, physFixed: 7}

// encode returns the file of the set's rows, and its footer. The file is valid until the next call.
func (e *smallEncoder) encode(l *parquetLayout, s *colSet) ([]byte, *metadata.FileMetaData, error) {
	before, after, err := l.footer()
	if err != nil {
		return nil, nil, err
	}
	if e.codec == nil {
		if e.codec, err = codecs.GetCodec(codecs.Codecs.Zstd); err != nil {
			return nil, nil, err
		}
		e.known = map[string]uint32{}
	}
	e.file = append(e.file[:0], "PAR1"...)
	e.chunk = e.chunk[:0]
	for i := range l.cols {
		c, err := e.column(&l.cols[i], &s.cols[i], s.n)
		if err != nil {
			return nil, nil, fmt.Errorf("column %s: %w", l.cols[i].name, err)
		}
		e.chunk = append(e.chunk, c)
	}
	for i := range l.cols {
		if !l.cols[i].bloom {
			continue
		}
		hashes := bloomHashes(nil, l.cols[i].to, l.cols[i].width, &s.cols[i])
		filter := bloomFilter([][]uint64{hashes})
		e.chunk[i].bloomAt = int64(len(e.file))
		e.file = append(append(e.file, bloomHeader(len(filter))...), filter...)
		e.chunk[i].bloomBytes = int64(len(e.file)) - e.chunk[i].bloomAt
	}
	e.foot = append(e.foot[:0], before...)
	e.rowGroup(l, s)
	e.foot = append(e.foot, after...)
	e.file = append(e.file, e.foot...)
	e.file = append(binary.LittleEndian.AppendUint32(e.file, uint32(len(e.foot))), "PAR1"...)
	// Read back, as everybody else will.
	meta, err := metadata.NewFileMetaData(e.foot, nil)
	if err == nil && (meta.NumRows != int64(s.n) || meta.NumRowGroups() != 1 || meta.Size() != len(e.foot)) {
		err = errors.New("the footer says other things than were written")
	}
	return e.file, meta, err
}

// column appends the pages of a column.
func (e *smallEncoder) column(l *columnLayout, c *colBuf, rows int) (smallChunk, error) {
	var out smallChunk
	values := e.plain(l, c)
	if l.optional != (len(c.def) == rows) || !l.optional && values != rows {
		return out, fmt.Errorf("%d values and %d levels for %d rows", values, len(c.def), rows)
	}
	e.page = e.page[:0]
	if l.optional {
		e.page = append(e.page, 0, 0, 0, 0)
		e.page = appendHybrid(e.page, c.def, 1)
		binary.LittleEndian.PutUint32(e.page, uint32(len(e.page)-4))
	}
	encoding := int64(encodingPlain)
	if values > 0 && l.to != physBool && (l.lowCard || repetitive(l, c)) {
		n := e.index(l)
		out.dictAt = int64(len(e.file))
		e.put(&out, pageDictionary, e.dict, n, encodingPlain)
		width := max(1, bits.Len(uint(n-1)))
		e.page = appendHybrid(append(e.page, byte(width)), e.ids, width)
		encoding = encodingRLEDict
	} else {
		e.page = append(e.page, e.raw...)
	}
	out.dataAt = int64(len(e.file))
	e.put(&out, pageData, e.page, rows, encoding)
	return out, nil
}

// put compresses and appends a page.
func (e *smallEncoder) put(c *smallChunk, typ int64, page []byte, values int, encoding int64) {
	if n := int(e.codec.CompressBound(int64(len(page)))); cap(e.zip) < n {
		e.zip = make([]byte, n)
	}
	e.zip = e.codec.EncodeLevel(e.zip[:cap(e.zip)], page, parquetZstdLevel)
	begin := len(e.file)
	w := thriftWriter(e.file)
	w.i32(1, typ)
	w.i32(1, int64(len(page)))
	w.i32(1, int64(len(e.zip)))
	if typ == pageData {
		w.begin(2)
		w.i32(1, int64(values))
		w.i32(1, encoding)
		w.i32(1, encodingRLE) // of definition levels
		w.i32(1, encodingRLE) // of repetition levels, of which there are none
	} else {
		w.begin(4)
		w.i32(1, int64(values))
		w.i32(1, encoding)
	}
	w.end()
	w.end()
	header := len(w) - begin
	e.file = append(w, e.zip...)
	c.raw += int64(header + len(page))
	c.packed += int64(header + len(e.zip))
}

// plain encodes the column's values into raw and returns their number.
func (e *smallEncoder) plain(l *columnLayout, c *colBuf) int {
	b := e.raw[:0]
	n := 0
	switch l.to {
	case physBool:
		n = len(c.bools)
		for i, v := range c.bools {
			if i&7 == 0 {
				b = append(b, 0)
			}
			if v {
				b[len(b)-1] |= 1 << (i & 7)
			}
		}
	case physInt32:
		n = len(c.i32)
		for _, v := range c.i32 {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	case physInt64:
		n = len(c.i64)
		for _, v := range c.i64 {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	case physFloat:
		n = len(c.f32)
		for _, v := range c.f32 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	case physDouble:
		n = len(c.f64)
		for _, v := range c.f64 {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	case physBytes:
		n = len(c.off) - 1
		for i := range n {
			v := c.data[c.off[i]:c.off[i+1]]
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
		}
	case physFixed:
		n = len(c.fixed) / l.width
		b = append(b, c.fixed...)
	}
	e.raw = b
	return n
}

// index makes a dictionary of the values in raw, and ids of them. It returns the number of entries.
func (e *smallEncoder) index(l *columnLayout) int {
	clear(e.known)
	e.dict, e.ids = e.dict[:0], e.ids[:0]
	for at := 0; at < len(e.raw); {
		n := l.width
		switch l.to {
		case physInt32, physFloat:
			n = 4
		case physInt64, physDouble:
			n = 8
		case physBytes:
			n = 4 + int(binary.LittleEndian.Uint32(e.raw[at:]))
		default:
		}
		v := e.raw[at : at+n]
		at += n
		id, ok := e.known[string(v)]
		if !ok {
			id = uint32(len(e.known))
			e.known[string(v)] = id
			e.dict = append(e.dict, v...)
		}
		e.ids = append(e.ids, id)
	}
	return len(e.known)
}

// appendHybrid appends values of so many bits in Parquet's hybrid of runs and packed bits.
func appendHybrid[T int16 | uint32](b []byte, vs []T, width int) []byte {
	// Writers keep to headers of a byte for packed bits, and so readers may have seen no others.
	const most = 63 * 8
	for len(vs) > 0 {
		if n := runLength(vs, len(vs)); n >= 8 || n == len(vs) {
			b = binary.AppendUvarint(b, uint64(n)<<1)
			for i := 0; i < width; i += 8 {
				b = append(b, byte(uint32(vs[0])>>i))
			}
			vs = vs[n:]
			continue
		}
		n := 8
		for n < min(len(vs), most) && runLength(vs[n:], 8) < 8 {
			n += 8
		}
		some := vs[:min(n, len(vs))]
		vs = vs[len(some):]
		b = append(b, byte(n/8<<1|1))
		acc, have := uint64(0), 0
		for i := range n {
			if i < len(some) {
				acc |= uint64(uint32(some[i])) << have
			}
			for have += width; have >= 8; have -= 8 {
				b = append(b, byte(acc))
				acc >>= 8
			}
		}
	}
	return b
}

// runLength counts how often the first value is repeated at the beginning, up to limit.
func runLength[T comparable](vs []T, limit int) int {
	n := 1
	for n < min(len(vs), limit) && vs[n] == vs[0] {
		n++
	}
	return n
}

// rowGroup appends rows and row groups to the footer, fields 3 and 4.
func (e *smallEncoder) rowGroup(l *parquetLayout, s *colSet) {
	w := &e.foot
	w.i64(1, int64(s.n))
	w.list(1, 1, thriftStruct)
	w.list(1, len(l.cols), thriftStruct)
	raw, packed := int64(0), int64(0)
	for i := range l.cols {
		c := &e.chunk[i]
		raw, packed = raw+c.raw, packed+c.packed
		w.i64(2, c.start())
		w.begin(1)
		e.chunkMeta(&l.cols[i], &s.cols[i], s.n, c)
		w.end()
		w.end()
	}
	w.i64(1, raw)
	w.i64(1, int64(s.n))
	w.i64(2, e.chunk[0].start())
	w.i64(1, packed)
	w.i16(1, 0) // ordinal
	w.end()
}

func (c *smallChunk) start() int64 {
	if c.dictAt > 0 {
		return c.dictAt
	}
	return c.dataAt
}

// chunkMeta appends the fields of a column's ColumnMetaData.
func (e *smallEncoder) chunkMeta(l *columnLayout, col *colBuf, rows int, c *smallChunk) {
	w := &e.foot
	w.i32(1, parquetTypes[l.to])
	if c.dictAt > 0 {
		w.list(1, 3, thriftI32)
		w.varint(encodingRLEDict)
	} else {
		w.list(1, 2, thriftI32)
	}
	w.varint(encodingPlain)
	w.varint(encodingRLE)
	w.list(1, 1, thriftBinary)
	w.bytes([]byte(l.name))
	w.i32(1, codecZstd)
	w.i64(1, int64(rows))
	w.i64(1, c.raw)
	w.i64(1, c.packed)
	w.i64(2, c.dataAt)
	next := 3
	if c.dictAt > 0 {
		w.i64(2, c.dictAt)
		next = 1
	}
	w.begin(next)
	e.stats(l, col, rows)
	w.end()
	pages := [][2]int64{{pageData, encodingPlain}}
	if c.dictAt > 0 {
		pages = [][2]int64{{pageDictionary, encodingPlain}, {pageData, encodingRLEDict}}
	}
	w.list(1, len(pages), thriftStruct)
	for _, p := range pages {
		w.i32(1, p[0])
		w.i32(1, p[1])
		w.i32(1, 1)
		w.end()
	}
	if c.bloomAt > 0 {
		w.i64(1, c.bloomAt)
		w.i32(1, c.bloomBytes)
	}
}

// stats appends the fields of a column's Statistics.
func (e *smallEncoder) stats(l *columnLayout, c *colBuf, rows int) {
	w := &e.foot
	if l.to == physBytes {
		var s byteStats
		s.update(c, rows)
		w.i64(3, s.nulls)
		if s.any {
			hi, hiExact := cutUpper(s.max, l.kind)
			lo, loExact := cutLower(s.min, l.kind)
			w.binary(2, hi)
			w.binary(1, lo)
			w.bool(1, hiExact)
			w.bool(1, loExact)
		}
		return
	}
	values, lo, hi := bounds(l, c)
	if lo == nil {
		w.i64(3, int64(rows-values))
		return
	}
	// The first two are what readers looked at of old, where the order is that of signed numbers, as all are here.
	w.binary(1, hi)
	w.binary(1, lo)
	w.i64(1, int64(rows-values))
	w.binary(2, hi)
	w.binary(1, lo)
}

// bounds returns the number of values, and the least and the greatest of them as plain values; nil: they have no bounds.
func bounds(l *columnLayout, c *colBuf) (n int, lo, hi []byte) {
	switch l.to {
	case physBool:
		n = len(c.bools)
		if n > 0 {
			lo, hi = []byte{1}, []byte{0}
			for _, v := range c.bools {
				if v {
					hi[0] = 1
				} else {
					lo[0] = 0
				}
			}
		}
	case physInt32:
		n = len(c.i32)
		if n > 0 {
			a, b := extremes(c.i32)
			lo, hi = binary.LittleEndian.AppendUint32(nil, uint32(a)), binary.LittleEndian.AppendUint32(nil, uint32(b))
		}
	case physInt64:
		n = len(c.i64)
		if n > 0 {
			a, b := extremes(c.i64)
			lo, hi = binary.LittleEndian.AppendUint64(nil, uint64(a)), binary.LittleEndian.AppendUint64(nil, uint64(b))
		}
	case physFloat:
		n = len(c.f32)
		if a, b, ok := floatExtremes(c.f32); ok {
			lo, hi = binary.LittleEndian.AppendUint32(nil, math.Float32bits(a)), binary.LittleEndian.AppendUint32(nil, math.Float32bits(b))
		}
	case physDouble:
		n = len(c.f64)
		if a, b, ok := floatExtremes(c.f64); ok {
			lo, hi = binary.LittleEndian.AppendUint64(nil, math.Float64bits(a)), binary.LittleEndian.AppendUint64(nil, math.Float64bits(b))
		}
	case physFixed:
		n = len(c.fixed) / l.width
		for i := range n {
			v := c.fixed[i*l.width : (i+1)*l.width]
			if i == 0 || lessSigned(v, lo) {
				lo = v
			}
			if i == 0 || lessSigned(hi, v) {
				hi = v
			}
		}
	default:
	}
	return n, lo, hi
}

func extremes[T int32 | int64](vs []T) (lo, hi T) {
	lo, hi = vs[0], vs[0]
	for _, v := range vs[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

// floatExtremes leaves NaN out, as the specification demands, and takes a zero for the one that lies outside.
func floatExtremes[T float32 | float64](vs []T) (lo, hi T, ok bool) {
	for _, v := range vs {
		switch {
		case v != v:
		case !ok:
			lo, hi, ok = v, v, true
		default:
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo == 0 {
		lo = T(math.Copysign(0, -1))
	}
	if hi == 0 {
		hi = 0
	}
	return lo, hi, ok
}

// lessSigned compares big-endian numbers in two's complement of the same width.
func lessSigned(a, b []byte) bool {
	if a[0] != b[0] {
		return int8(a[0]) < int8(b[0])
	}
	return bytes.Compare(a, b) < 0
}
