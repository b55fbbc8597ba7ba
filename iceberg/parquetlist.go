package iceberg

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// A list of floats is a column of bytes in batches and sets, four for each number, little endian as Arrow has them. In a file
// it is a list of three levels, whose elements are required.

// listType is the Iceberg type of a list whose elements have the id.
func listType(id int) *iceberggo.ListType {
	return &iceberggo.ListType{ElementID: id, Element: iceberggo.PrimitiveTypes.Float32, ElementRequired: true}
}

// listNode makes the schema element of a list.
func listNode(f iceberggo.NestedField, rep parquet.Repetition) (schema.Node, error) {
	leaf, err := schema.NewPrimitiveNodeLogical("element", parquet.Repetitions.Required, schema.NoLogicalType{}, parquet.Types.Float, 0, int32(f.Type.(*iceberggo.ListType).ElementID))
	if err != nil {
		return nil, err
	}
	list, err := schema.NewGroupNode("list", parquet.Repetitions.Repeated, schema.FieldList{leaf}, -1)
	if err != nil {
		return nil, err
	}
	return schema.NewGroupNodeLogical(f.Name, rep, schema.FieldList{list}, schema.ListLogicalType{}, int32(f.ID))
}

// listLevels are the levels of a column of lists. They are used again for the next set.
type listLevels struct{ def, rep []int16 }

// write appends the lists of a set: of each number whether another of its list comes before it, and a level alone for what has no number.
func (l *listLevels) write(w *file.Float32ColumnChunkWriter, optional bool, c *colBuf) (values int64, err error) {
	l.def, l.rep = l.def[:0], l.rep[:0]
	empty, next := int16(0), 0
	if optional {
		empty = 1
	}
	list := func() {
		n := int(c.off[next+1]-c.off[next]) / arrow.Float32SizeBytes
		next++
		if n == 0 {
			l.def, l.rep = append(l.def, empty), append(l.rep, 0)
		}
		for i := range n {
			l.def, l.rep = append(l.def, empty+1), append(l.rep, int16(min(i, 1)))
		}
	}
	if optional {
		for _, d := range c.def {
			if d == 0 {
				l.def, l.rep = append(l.def, 0), append(l.rep, 0)
			} else {
				list()
			}
		}
	} else {
		for next < len(c.off)-1 {
			list()
		}
	}
	return w.WriteBatch(arrow.Float32Traits.CastFromBytes(c.data), l.def, l.rep)
}

// scanLists reads lists. What belongs to the row after the last one that was asked for stays for the next call.
type scanLists struct {
	values   []float32
	def, rep []int16
	at, val  int // of def and values: what was taken
	n        int // levels that were read
}

// bindList finds the list's leaf.
func (c *scanColumn) bindList(s *schema.Schema) error {
	c.leaf = -1
	for i := range s.NumColumns() {
		col := s.Column(i)
		if id := s.ColumnRoot(i).FieldID(); int(id) != c.id && (id >= 0 || s.ColumnRoot(i).Name() != c.name) {
			continue
		}
		if col.MaxRepetitionLevel() != 1 || col.MaxDefinitionLevel() > 3 || col.PhysicalType() != parquet.Types.Float {
			return fmt.Errorf("column %s is no list of floats in the file", c.name)
		}
		c.leaf, c.lists = i, new(scanLists)
		return nil
	}
	if !c.nullable {
		return fmt.Errorf("it lacks the required column %s", c.name)
	}
	return nil
}

// readLists fills v with the next n rows.
func (c *scanColumn) readLists(n int, v *cdc.Vec) error {
	l, r := c.lists, c.chunk.(*file.Float32ColumnChunkReader)
	full := r.Descriptor().MaxDefinitionLevel() // of a number
	present := int16(0)                         // from this level on the list is not NULL
	if c.optionalRoot(r) {
		present = 1
	}
	row := -1
	for {
		if l.at == l.n {
			if l.def == nil {
				l.def, l.rep, l.values = make([]int16, cdc.MaxBatchRows), make([]int16, cdc.MaxBatchRows), make([]float32, cdc.MaxBatchRows)
			}
			total, _, err := r.ReadBatchInPage(int64(len(l.def)), l.values, l.def, l.rep)
			if err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
			if l.at, l.val, l.n = 0, 0, int(total); total == 0 {
				break
			}
		}
		def := l.def[l.at]
		if l.rep[l.at] == 0 {
			if row == n-1 {
				return nil
			}
			row++
			v.Off[row+1] = int32(len(v.Data))
			switch {
			case def >= present && v.Valid != nil:
				v.SetValid(row)
			case def < present && v.Valid == nil:
				return fmt.Errorf("column %s holds NULL, though it is required", c.name)
			case def < present:
				v.Nulls++
			}
		} else if row < 0 {
			return fmt.Errorf("column %s begins within a list", c.name)
		}
		l.at++
		if def == full {
			v.Data = append(v.Data, arrow.Float32Traits.CastToBytes(l.values[l.val:l.val+1])...)
			l.val++
			v.Off[row+1] = int32(len(v.Data))
		} else if def > present {
			return fmt.Errorf("column %s holds NULL in a list", c.name)
		}
	}
	if row != n-1 {
		return fmt.Errorf("column %s ends after %d of %d rows", c.name, row+1, n)
	}
	return nil
}

// optionalRoot reports whether a list may be NULL in the file.
func (c *scanColumn) optionalRoot(r file.ColumnChunkReader) bool {
	d := r.Descriptor()
	leaf := int16(1) // the repeated group
	if d.SchemaNode().RepetitionType() == parquet.Repetitions.Optional {
		leaf++
	}
	return d.MaxDefinitionLevel() > leaf
}
