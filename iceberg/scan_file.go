package iceberg

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet/file"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// scanFields are the fields of a schema in the types of a definition's columns. columns selects; nil means all. Fields are nullable if
// either side says so: a column that was nullable once stays so in Iceberg.
func scanFields(sc *iceberggo.Schema, s *cdc.Schema, columns []int) ([]scanField, error) {
	if columns == nil {
		columns = make([]int, len(s.Columns))
		for i := range columns {
			columns[i] = i
		}
	}
	out := make([]scanField, len(columns))
	for i, c := range columns {
		col := &s.Columns[c]
		f, ok := sc.FindFieldByName(col.Name)
		if !ok {
			return nil, cdc.Errorf(CodeSchemaChange, s.Table, "the Iceberg table lacks column %s", col.Name)
		}
		have, ok := cdcType(f.Type)
		if !ok || !holds(have, col.Type) && !holds(col.Type, have) {
			return nil, cdc.Errorf(CodeSchemaChange, s.Table, "column %s has type %s in Iceberg, not %s", col.Name, f.Type, col.Type)
		}
		initial, err := initialDefault(f, have)
		if err != nil {
			return nil, cdc.Errorf(CodeSchemaChange, s.Table, "%w", err)
		}
		// What a narrower or wider type in Iceberg holds is read as the definition has it: callers know only that. (A column that was
		// promoted once stays wide, also when the source narrows it again.)
		out[i] = scanField{id: f.ID, name: f.Name, typ: col.Type, stored: have, nullable: !f.Required || col.Nullable, initial: initial}
	}
	return out, nil
}

// newVec returns a vector with room for n rows.
func newVec(t cdc.Type, nullable bool, n int) cdc.Vec {
	v := cdc.Vec{Layout: t.Layout()}
	switch v.Layout {
	case cdc.LayoutU8:
		v.U8 = make([]byte, n)
	case cdc.LayoutI32:
		v.I32 = make([]int32, n)
	case cdc.LayoutI64:
		v.I64 = make([]int64, n)
	case cdc.LayoutI128:
		v.I64 = make([]int64, 2*n)
	case cdc.LayoutF32:
		v.F32 = make([]float32, n)
	case cdc.LayoutF64:
		v.F64 = make([]float64, n)
	case cdc.LayoutBytes:
		v.Off = make([]int32, n+1)
	}
	if nullable {
		v.Valid = make([]byte, (n+7)/8)
	}
	return v
}

// scanFile reads columns of a data file, all rows, deleted or not, in order. f gets up to n of cdc.MaxBatchRows rows at a time,
// with the position of the first; the vectors are used again.
func (s *storage) scanFile(ctx context.Context, df iceberggo.DataFile, fields []scanField, f func(cols []cdc.Vec, first uint32, n int) error) error {
	fail := func(err error) error {
		return cdcErrorf(CodeUnreadableFile, "data file %s: %w", df.FilePath(), err)
	}
	if df.FileFormat() != iceberggo.ParquetFile {
		return fail(fmt.Errorf("its format is %s, only Parquet can be read", df.FileFormat()))
	}
	in, err := s.open(ctx, df.FilePath(), df.FileSizeBytes())
	if err != nil {
		return fmt.Errorf("data file %s: %w", df.FilePath(), err)
	}
	defer in.Close()
	r, err := file.NewParquetReader(in)
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	if r.NumRows() != df.Count() {
		return fail(fmt.Errorf("it has %d rows where the manifest says %d", r.NumRows(), df.Count()))
	}
	if r.NumRows() >= 1<<32 {
		return fail(fmt.Errorf("it has %d rows", r.NumRows()))
	}
	cols := make([]scanColumn, len(fields))
	vecs := make([]cdc.Vec, len(fields))
	for i, fd := range fields {
		cols[i].scanField = fd
		if err := cols[i].bind(r.MetaData().Schema); err != nil {
			return fail(err)
		}
		vecs[i] = newVec(fd.typ, fd.nullable, cdc.MaxBatchRows)
	}
	pos := uint32(0)
	for g := range r.NumRowGroups() {
		rg := r.RowGroup(g)
		for i := range cols {
			if cols[i].leaf >= 0 {
				if cols[i].chunk, err = rg.Column(cols[i].leaf); err != nil {
					return fail(err)
				}
			}
		}
		for left := rg.NumRows(); left > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := int(min(left, cdc.MaxBatchRows))
			for i := range cols {
				if err := cols[i].read(n, &vecs[i]); err != nil {
					return fail(err)
				}
			}
			if err := f(vecs, pos, n); err != nil {
				return err
			}
			pos += uint32(n)
			left -= int64(n)
		}
	}
	return nil
}
