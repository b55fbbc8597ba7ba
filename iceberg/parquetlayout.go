package iceberg

import (
	"fmt"
	"slices"

	iceberggo "github.com/apache/iceberg-go"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// parquetLayout says how the rows of a writeTarget become Parquet columns. It is immutable and shared by the target's files.
type parquetLayout struct {
	target *writeTarget
	root   *schema.GroupNode
	cols   []columnLayout
	small  smallLayout
	lists  bool // has columns of lists
}

// columnLayout is one column's way from a batch to a file.
type columnLayout struct {
	name     string
	from     cdc.Layout // in batches
	kind     cdc.Kind   // in files
	to       physical   // in files
	width    int        // bytes of a physFixed value
	nullable bool       // in batches
	optional bool       // in files: a definition level per row
	bloom    bool       // has a bloom filter
	lowCard  bool       // the source says that a dictionary pays
}

// newParquetLayout checks that the target's columns can hold what its source's columns carry.
func newParquetLayout(t *writeTarget) (*parquetLayout, error) {
	fields := t.schema.Fields()
	if len(fields) != len(t.source.Columns) {
		return nil, cdc.Errorf(cdc.CodeInternal, t.source.Table, "write target has %d columns for %d of the source", len(fields), len(t.source.Columns))
	}
	l := &parquetLayout{target: t, cols: make([]columnLayout, len(fields))}
	nodes := make(schema.FieldList, len(fields))
	for i, f := range fields {
		c := &t.source.Columns[i]
		ft, ok := cdcType(f.Type)
		if !ok || !holds(ft, c.Type) {
			return nil, cdc.Errorf(codeColumnType, t.source.Table, "column %s is %s in the table and %s in the source", c.Name, f.Type, c.Type)
		}
		if f.Required && c.Nullable {
			return nil, cdc.Errorf(codeColumnType, t.source.Table, "column %s is required in the table and nullable in the source", c.Name)
		}
		to, width := physicalOf(ft)
		l.cols[i] = columnLayout{
			name: f.Name, from: c.Type.Layout(), kind: ft.Kind, to: to, width: width,
			nullable: c.Nullable, optional: !f.Required,
			// A low-cardinality key column (a tenant, a region) is not what point queries look for.
			bloom:   c.Key > 0 && to != physBool && !c.LowCardinality,
			lowCard: c.LowCardinality,
		}
		n, err := parquetNode(f, ft, to, width)
		if err != nil {
			return nil, fmt.Errorf("parquet column %s: %w", f.Name, err)
		}
		nodes[i] = n
		l.lists = l.lists || to == physFloats
	}
	var err error
	if l.root, err = schema.NewGroupNode("table", parquet.Repetitions.Required, nodes, -1); err != nil {
		return nil, fmt.Errorf("parquet schema: %w", err)
	}
	return l, nil
}

// like reports whether columns of both take the same buffers.
func (l *parquetLayout) like(o *parquetLayout) bool {
	return slices.EqualFunc(l.cols, o.cols, func(a, b columnLayout) bool { return a.to == b.to && a.optional == b.optional })
}

// parquetNode makes the schema element of a column, by the specification's appendix A.
func parquetNode(f iceberggo.NestedField, t cdc.Type, to physical, width int) (schema.Node, error) {
	rep := parquet.Repetitions.Optional
	if f.Required {
		rep = parquet.Repetitions.Required
	}
	var logical schema.LogicalType = schema.NoLogicalType{}
	switch t.Kind {
	case cdc.KindDate:
		logical = schema.DateLogicalType{}
	case cdc.KindTimestamp:
		logical = schema.NewTimestampLogicalType(false, schema.TimeUnitMicros)
	case cdc.KindTimestampTZ:
		logical = schema.NewTimestampLogicalType(true, schema.TimeUnitMicros)
	case cdc.KindString:
		logical = schema.StringLogicalType{}
	case cdc.KindDecimal:
		logical = schema.NewDecimalLogicalType(int32(t.Precision), int32(t.Scale))
	}
	if to == physFloats {
		return listNode(f, rep)
	}
	typ := [...]parquet.Type{physBool: parquet.Types.Boolean, physInt32: parquet.Types.Int32, physInt64: parquet.Types.Int64,
		physFloat: parquet.Types.Float, physDouble: parquet.Types.Double, physBytes: parquet.Types.ByteArray, physFixed: parquet.Types.FixedLenByteArray}[to]
	return schema.NewPrimitiveNodeLogical(f.Name, rep, logical, typ, width, int32(f.ID))
}
