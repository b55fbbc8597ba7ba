package iceberg

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// scanField is a column to read: an Iceberg field with the type in which its values are wanted.
type scanField struct {
	id       int
	name     string
	typ      cdc.Type // wanted
	stored   cdc.Type // in Iceberg: typ, or one that it was promoted from or to
	nullable bool
	// initial is what rows of files without the column hold; nil: NULL.
	initial *constant
}

// scanColumn reads one column of one Parquet file into vectors.
type scanColumn struct {
	scanField
	leaf int // -1: the file lacks the column
	// narrow: the file's type is wider than the wanted one, so every value has to be checked.
	narrow bool

	chunk file.ColumnChunkReader // of the current row group
	defs  []int16
	i32   []int32
	i64   []int64
	f32   []float32
	f64   []float64
	bools []bool
	bytes []parquet.ByteArray
	fixed []parquet.FixedLenByteArray
	lists *scanLists
}

// bind finds the field in a file and checks that its values can be taken over exactly.
func (c *scanColumn) bind(s *schema.Schema) error {
	if c.typ.Kind == cdc.KindFloats {
		return c.bindList(s)
	}
	c.leaf = columnByID(s, c.id, c.name)
	if c.leaf < 0 {
		if c.initial == nil && !c.nullable {
			return fmt.Errorf("it lacks the required column %s", c.name)
		}
		return nil
	}
	col := s.Column(c.leaf)
	if col.MaxRepetitionLevel() > 0 || col.MaxDefinitionLevel() > 1 {
		return fmt.Errorf("column %s is nested", c.name)
	}
	bad := func() error {
		return fmt.Errorf("column %s is %s (%s) in the file, which cannot be read as %s", c.name, col.PhysicalType(), col.LogicalType(), c.typ)
	}
	ok := false
	p := col.PhysicalType()
	switch c.typ.Kind {
	case cdc.KindBool:
		ok = p == parquet.Types.Boolean
	case cdc.KindDate:
		ok = p == parquet.Types.Int32
	case cdc.KindInt32:
		c.narrow = p == parquet.Types.Int64 && c.stored.Kind == cdc.KindInt64
		ok = p == parquet.Types.Int32 || c.narrow
	case cdc.KindInt64:
		ok = p == parquet.Types.Int64 || p == parquet.Types.Int32
	case cdc.KindTimestamp, cdc.KindTimestampTZ:
		ok = p == parquet.Types.Int64
		if t, is := col.LogicalType().(schema.TimestampLogicalType); is && t.TimeUnit() != schema.TimeUnitMicros {
			ok = false
		}
	case cdc.KindFloat32:
		c.narrow = p == parquet.Types.Double && c.stored.Kind == cdc.KindFloat64
		ok = p == parquet.Types.Float || c.narrow
	case cdc.KindFloat64:
		ok = p == parquet.Types.Double || p == parquet.Types.Float
	case cdc.KindString, cdc.KindBinary:
		ok = p == parquet.Types.ByteArray || p == parquet.Types.FixedLenByteArray && c.typ.Kind == cdc.KindBinary
	case cdc.KindDecimal:
		// Without a logical type the unscaled values have the scale of the Iceberg type, which never changes.
		ok = p == parquet.Types.Int32 || p == parquet.Types.Int64 || p == parquet.Types.ByteArray || p == parquet.Types.FixedLenByteArray
		precision := int(c.stored.Precision)
		if d, is := col.LogicalType().(schema.DecimalLogicalType); is {
			precision = int(d.Precision())
			ok = ok && int(d.Scale()) == int(c.typ.Scale) && precision <= int(max(c.typ.Precision, c.stored.Precision))
		}
		c.narrow = precision > int(c.typ.Precision)
	}
	if !ok {
		return bad()
	}
	return nil
}

// read fills v with the next n rows of the row group. v has room for them.
func (c *scanColumn) read(n int, v *cdc.Vec) error {
	v.Nulls = 0
	if v.Valid != nil {
		clear(v.Valid)
	}
	v.Data = v.Data[:0]
	if v.Layout == cdc.LayoutBytes {
		v.Off[0] = 0
	}
	if c.leaf < 0 {
		return c.fill(n, v)
	}
	if c.lists != nil {
		return c.readLists(n, v)
	}
	if cap(c.defs) < n {
		c.defs = make([]int16, n)
	}
	optional := c.chunk.Descriptor().MaxDefinitionLevel() > 0
	for row := 0; row < n; {
		defs := c.defs[:n-row]
		total, values, err := c.batch(n-row, defs)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
		if total == 0 {
			return fmt.Errorf("column %s ends after %d of %d rows", c.name, row, n)
		}
		if !optional || values == total {
			if err := c.dense(row, total, v); err != nil {
				return err
			}
		} else {
			if v.Valid == nil {
				return fmt.Errorf("column %s holds NULL, though it is required", c.name)
			}
			if err := c.sparse(row, defs[:total], v); err != nil {
				return err
			}
		}
		row += total
	}
	return nil
}

// batch reads up to n rows of one page (values of byte arrays live only as long as their page).
func (c *scanColumn) batch(n int, defs []int16) (rows, values int, err error) {
	var total int64
	switch r := c.chunk.(type) {
	case *file.BooleanColumnChunkReader:
		c.bools = grow(c.bools, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.bools, defs, nil)
	case *file.Int32ColumnChunkReader:
		c.i32 = grow(c.i32, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.i32, defs, nil)
	case *file.Int64ColumnChunkReader:
		c.i64 = grow(c.i64, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.i64, defs, nil)
	case *file.Float32ColumnChunkReader:
		c.f32 = grow(c.f32, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.f32, defs, nil)
	case *file.Float64ColumnChunkReader:
		c.f64 = grow(c.f64, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.f64, defs, nil)
	case *file.ByteArrayColumnChunkReader:
		c.bytes = grow(c.bytes, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.bytes, defs, nil)
	case *file.FixedLenByteArrayColumnChunkReader:
		c.fixed = grow(c.fixed, n)
		total, values, err = r.ReadBatchInPage(int64(n), c.fixed, defs, nil)
	default:
		return 0, 0, fmt.Errorf("physical type %s cannot be read", c.chunk.Type())
	}
	return int(total), values, err
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// dense takes over n values that are all there.
func (c *scanColumn) dense(row, n int, v *cdc.Vec) error {
	if v.Valid != nil {
		for i := row; i < row+n; i++ {
			v.SetValid(i)
		}
	}
	switch {
	case c.narrow:
		for i := range n {
			if err := c.put(v, row+i, i); err != nil {
				return err
			}
		}
	case v.Layout == cdc.LayoutI32 && c.i32 != nil:
		copy(v.I32[row:], c.i32[:n])
	case v.Layout == cdc.LayoutI64 && c.i64 != nil:
		copy(v.I64[row:], c.i64[:n])
	case v.Layout == cdc.LayoutF32 && c.f32 != nil:
		copy(v.F32[row:], c.f32[:n])
	case v.Layout == cdc.LayoutF64 && c.f64 != nil:
		copy(v.F64[row:], c.f64[:n])
	default:
		for i := range n {
			if err := c.put(v, row+i, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// sparse takes over values by definition level; slots of NULLs are zero.
func (c *scanColumn) sparse(row int, defs []int16, v *cdc.Vec) error {
	next := 0
	for i, d := range defs {
		if d == 0 {
			v.Nulls++
			zero(v, row+i)
			continue
		}
		v.SetValid(row + i)
		if err := c.put(v, row+i, next); err != nil {
			return err
		}
		next++
	}
	return nil
}

func zero(v *cdc.Vec, row int) {
	switch v.Layout {
	case cdc.LayoutU8:
		v.U8[row] = 0
	case cdc.LayoutI32:
		v.I32[row] = 0
	case cdc.LayoutI64:
		v.I64[row] = 0
	case cdc.LayoutI128:
		v.I64[2*row], v.I64[2*row+1] = 0, 0
	case cdc.LayoutF32:
		v.F32[row] = 0
	case cdc.LayoutF64:
		v.F64[row] = 0
	case cdc.LayoutBytes:
		v.Off[row+1] = int32(len(v.Data))
	}
}

// put takes over the i-th value read as that of a row.
func (c *scanColumn) put(v *cdc.Vec, row, i int) error {
	switch v.Layout {
	case cdc.LayoutU8:
		v.U8[row] = 0
		if c.bools[i] {
			v.U8[row] = 1
		}
	case cdc.LayoutI32:
		if c.i32 != nil {
			v.I32[row] = c.i32[i]
			break
		}
		if v.I32[row] = int32(c.i64[i]); int64(v.I32[row]) != c.i64[i] {
			return c.outOfRange()
		}
	case cdc.LayoutF32:
		if c.f32 != nil {
			v.F32[row] = c.f32[i]
			break
		}
		if v.F32[row] = float32(c.f64[i]); float64(v.F32[row]) != c.f64[i] && !math.IsNaN(c.f64[i]) {
			return c.outOfRange()
		}
	case cdc.LayoutF64:
		if c.f64 != nil {
			v.F64[row] = c.f64[i]
		} else {
			v.F64[row] = float64(c.f32[i])
		}
	case cdc.LayoutI64:
		switch {
		case c.i64 != nil:
			v.I64[row] = c.i64[i]
		case c.i32 != nil:
			v.I64[row] = int64(c.i32[i])
		default:
			lo, hi, err := decimalWords(c.raw(i))
			if err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
			if hi != lo>>63 {
				return c.outOfRange()
			}
			v.I64[row] = lo
		}
		if c.narrow && !fitsPrecision(v.I64[row], v.I64[row]>>63, c.typ.Precision) {
			return c.outOfRange()
		}
	case cdc.LayoutI128:
		lo, hi := int64(0), int64(0)
		switch {
		case c.i64 != nil:
			lo, hi = c.i64[i], c.i64[i]>>63
		case c.i32 != nil:
			lo, hi = int64(c.i32[i]), int64(c.i32[i])>>63
		default:
			var err error
			if lo, hi, err = decimalWords(c.raw(i)); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		if c.narrow && !fitsPrecision(lo, hi, c.typ.Precision) {
			return c.outOfRange()
		}
		v.I64[2*row], v.I64[2*row+1] = lo, hi
	case cdc.LayoutBytes:
		b := c.raw(i)
		if len(v.Data)+len(b) > math.MaxInt32 {
			return fmt.Errorf("column %s: more than 2 GiB in one batch", c.name)
		}
		v.Data = append(v.Data, b...)
		v.Off[row+1] = int32(len(v.Data))
	}
	return nil
}

func (c *scanColumn) outOfRange() error {
	return fmt.Errorf("column %s: a value does not fit %s", c.name, c.typ)
}

// fitsPrecision reports whether an unscaled decimal has at most so many digits.
func fitsPrecision(lo, hi int64, precision uint8) bool {
	a, b := uint64(hi), uint64(lo)
	if hi < 0 {
		var borrow uint64
		b, borrow = bits.Sub64(0, b, 0)
		a, _ = bits.Sub64(0, a, borrow)
	}
	limit := [2]uint64{0, 1} // 10^precision
	for range precision {
		h, l := bits.Mul64(limit[1], 10)
		limit = [2]uint64{limit[0]*10 + h, l}
	}
	return a < limit[0] || a == limit[0] && b < limit[1]
}

func (c *scanColumn) raw(i int) []byte {
	if c.bytes != nil {
		return c.bytes[i]
	}
	return c.fixed[i]
}

// decimalWords reads a two's complement number of up to 16 bytes.
func decimalWords(b []byte) (lo, hi int64, err error) {
	if len(b) == 0 || len(b) > 16 {
		return 0, 0, fmt.Errorf("a decimal of %d bytes", len(b))
	}
	if b[0]&0x80 != 0 {
		lo, hi = -1, -1
	}
	for _, x := range b {
		hi = hi<<8 | int64(uint64(lo)>>56)
		lo = lo<<8 | int64(x)
	}
	return lo, hi, nil
}
