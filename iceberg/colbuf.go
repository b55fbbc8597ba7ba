package iceberg

import "slices"

// setRows is the largest number of rows of a colSet, and setBytes the size of variable-length data at which it is handed on, less where
// memory is short (encoder.setBytes). They bound what lies between gathering and encoding.
const (
	setRows     = 16384
	setBytes    = 8 << 20
	minSetBytes = 1 << 20
)

// colSet holds gathered rows of one file, column by column, on their way to the encoder.
type colSet struct {
	n    int
	cols []colBuf
}

// colBuf holds one column's values as the Parquet column writers take them: NULLs leave no value, only a definition level.
type colBuf struct {
	bools []bool
	i32   []int32
	i64   []int64
	f32   []float32
	f64   []float64
	// fixed holds values of physFixed one after the other, big endian.
	fixed []byte
	// data[off[i]:off[i+1]] is value i of physBytes.
	off  []int32
	data []byte
	// def has a level per row (1: a value, 0: NULL) if the column is optional in the file.
	def []int16
}

// reset empties the buffer. off keeps its first element, which is always 0.
func (c *colBuf) reset() {
	c.bools, c.i32, c.i64, c.f32, c.f64 = c.bools[:0], c.i32[:0], c.i64[:0], c.f32[:0], c.f64[:0]
	c.fixed, c.data, c.def = c.fixed[:0], c.data[:0], c.def[:0]
	c.off = append(c.off[:0], 0)
}

// raw is the size of the buffer's values in bytes.
func (c *colBuf) raw() int {
	return len(c.bools) + 4*len(c.i32) + 8*len(c.i64) + 4*len(c.f32) + 8*len(c.f64) + len(c.fixed) + 4*len(c.off) + len(c.data)
}

// capacity is what the buffer holds in memory.
func (c *colBuf) capacity() int {
	return cap(c.bools) + 4*cap(c.i32) + 8*cap(c.i64) + 4*cap(c.f32) + 8*cap(c.f64) + cap(c.fixed) + 4*cap(c.off) + cap(c.data) + 2*cap(c.def)
}

func (s *colSet) raw() int {
	n := 0
	for i := range s.cols {
		n += s.cols[i].raw()
	}
	return n
}

func (s *colSet) dataBytes() int {
	n := 0
	for i := range s.cols {
		n += len(s.cols[i].data)
	}
	return n
}

// colPool recycles column sets. A set goes to files of the layout that it had before, as long as there is one: its buffers have grown to
// what each column takes. Small sets go to any layout of the same types. It is guarded by the encoder's lock.
type colPool struct {
	free []pooledSet // oldest first
	held int         // bytes of them
}

type pooledSet struct {
	l     *parquetLayout
	set   *colSet
	bytes int
}

// poolBytes bounds what a pool keeps, poolBuffer the largest buffer worth keeping: one row of a gigabyte must not stay in
// memory for ever.
const (
	poolBytes  = 32 << 20
	poolBuffer = 4 << 20
	lentSet    = 256 << 10 // of a set for another layout
)

func (p *colPool) get(l *parquetLayout) *colSet {
	like := -1
	for i := len(p.free) - 1; i >= 0; i-- {
		if p.free[i].l == l {
			return p.take(i)
		}
		if like < 0 && p.free[i].bytes <= lentSet && p.free[i].l.like(l) {
			like = i
		}
	}
	if like >= 0 {
		return p.take(like)
	}
	s := &colSet{cols: make([]colBuf, len(l.cols))}
	for i := range s.cols {
		s.cols[i].reset()
	}
	return s
}

func (p *colPool) take(i int) *colSet {
	s := p.free[i].set
	p.held -= p.free[i].bytes
	p.free = slices.Delete(p.free, i, i+1)
	return s
}

func (p *colPool) put(l *parquetLayout, s *colSet) {
	n := 0
	for i := range s.cols {
		c := &s.cols[i]
		if c.capacity() > poolBuffer {
			*c = colBuf{}
		}
		c.reset()
		n += c.capacity()
	}
	s.n = 0
	for len(p.free) > 0 && p.held+n > poolBytes {
		p.held -= p.free[0].bytes
		p.free = slices.Delete(p.free, 0, 1)
	}
	if n <= poolBytes {
		p.free = append(p.free, pooledSet{l, s, n})
		p.held += n
	}
}
