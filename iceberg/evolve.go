package iceberg

import (
	"encoding/json"
	"fmt"
	"slices"

	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// newSchema is the Iceberg schema of a table that is being created: ids count the columns, the key is the identifier, see identifiers.
func newSchema(s *cdc.Schema) *iceberggo.Schema {
	fields := make([]iceberggo.NestedField, len(s.Columns))
	last := len(fields)
	for i, c := range s.Columns {
		fields[i] = iceberggo.NestedField{ID: i + 1, Name: c.Name, Type: icebergType(c.Type, &last), Required: !c.Nullable, Doc: c.Doc}
	}
	return iceberggo.NewSchemaWithIdentifiers(0, identifiers(s, fields), fields...)
}

// identifiers are the ids of the fields that are the key. Iceberg allows no floats among them: a key that has one is the marker's alone.
func identifiers(s *cdc.Schema, fields []iceberggo.NestedField) []int {
	ids := make([]int, len(s.Key))
	for i, k := range s.Key {
		if kind := s.Columns[k].Type.Kind; kind == cdc.KindFloat32 || kind == cdc.KindFloat64 {
			return nil
		}
		ids[i] = fields[k].ID
	}
	return ids
}

// sameKeyColumns reports whether the key is of the same columns as before.
func sameKeyColumns(was, s *cdc.Schema) bool {
	return slices.EqualFunc(was.Key, s.Key, func(i, j int) bool {
		name := s.Columns[j].Name
		if s.Columns[j].Was != "" {
			name = s.Columns[j].Was
		}
		return was.Columns[i].Name == name
	})
}

// evolution is the outcome of evolve.
type evolution struct {
	schema *iceberggo.Schema // columns in the definition's order
	lastID int
	// changed: schema differs from the one before and has to be added to the table.
	changed bool
}

// rowsLeft says what becomes of the rows that a table has when its definition changes.
type rowsLeft uint8

const (
	rowsStay     rowsLeft = iota // they are read under the new definition
	rowsReplaced                 // they are read under it until others have taken their place
	rowsGone                     // none is left
)

// evolve carries a new definition over to a table: columns are matched by name (cdc.Column.Was, if they are renamed) and keep their field ids; new ones get the
// next free id, also if a column of that name existed earlier. What would need existing rows to be rewritten is refused
// with CodeSchemaChange, unless they do not stay: then a column of another type is another column.
// specs are all partition specs of the table. was is the definition that cur stands for, if that is known: comments that have changed
// since become those of the fields.
func evolve(cur *iceberggo.Schema, lastID int, was, s *cdc.Schema, formatVersion int, specs []iceberggo.PartitionSpec, rows rowsLeft) (evolution, error) {
	anew := rows != rowsStay
	partitioned := func(id int) bool {
		return slices.ContainsFunc(specs, func(p iceberggo.PartitionSpec) bool { return len(p.FieldsBySourceID(id)) > 0 })
	}
	refuse := func(format string, args ...any) (evolution, error) {
		return evolution{}, &cdc.Error{Code: CodeSchemaChange, Table: s.Table, Msg: fmt.Sprintf(format, args...)}
	}
	// No reload mends this: the partition fields of a table are not ours to change.
	refusePartitioned := func(format string, args ...any) (evolution, error) {
		return evolution{}, &cdc.Error{Code: CodeSchemaChange, Table: s.Table, Msg: fmt.Sprintf(format+", and the table is partitioned by it", args...),
			Fix: "drop the Iceberg table, correct the partition fields of its rule, and reload it with: cdc2lake reload TABLE"}
	}
	fields := make([]iceberggo.NestedField, 0, len(s.Columns))
	out := evolution{lastID: lastID}
	for _, c := range s.Columns {
		name := c.Name
		if c.Was != "" {
			name = c.Was
		}
		f, ok := cur.FindFieldByName(name)
		f.Name = c.Name
		if was != nil {
			if i := was.Column(name); i >= 0 && was.Columns[i].Doc != c.Doc {
				f.Doc = c.Doc
			}
		} else if rows == rowsGone {
			f.Doc = c.Doc
		}
		if ok && anew {
			if have, known := cdcType(f.Type); !known || !holds(have, c.Type) || c.Key > 0 && !f.Required { // identifiers are required
				if partitioned(f.ID) {
					return refusePartitioned("column %s changes from %s to %s", c.Name, f.Type, c.Type)
				}
				ok = false
			}
		}
		if !ok && anew {
			out.lastID++
			id := out.lastID
			fields = append(fields, iceberggo.NestedField{ID: id, Name: c.Name, Type: icebergType(c.Type, &out.lastID), Required: !c.Nullable && rows == rowsGone, Doc: c.Doc})
			continue
		}
		if !ok {
			n, last, err := addedField(&c, out.lastID+1, formatVersion)
			if err != nil {
				return refuse("column %s: %v", c.Name, err)
			}
			out.lastID = last
			fields = append(fields, n)
			continue
		}
		have, ok := cdcType(f.Type)
		switch {
		case !ok:
			return refuse("column %s has type %s in Iceberg, which this program does not write", c.Name, f.Type)
		case holds(have, c.Type):
		case holds(c.Type, have): // a promotion that Iceberg has: int to long, float to double, a wider decimal
			if partitioned(f.ID) {
				return refusePartitioned("column %s changes from %s to %s", c.Name, have, c.Type)
			}
			f.Type = icebergType(c.Type, &out.lastID)
		default:
			return refuse("column %s changes from %s to %s", c.Name, have, c.Type)
		}
		if c.Nullable {
			f.Required = false
		}
		fields = append(fields, f)
	}
	for _, f := range cur.Fields() {
		if !slices.ContainsFunc(fields, func(o iceberggo.NestedField) bool { return o.ID == f.ID }) && partitioned(f.ID) {
			return refusePartitioned("column %s is dropped", f.Name)
		}
	}
	ids := identifiers(s, fields)
	if rows != rowsGone && (!slices.Equal(sortedInts(ids), sortedInts(cur.IdentifierFieldIDs)) || len(ids) == 0 && was != nil && !sameKeyColumns(was, s)) {
		return refuse("the primary key changes")
	}
	out.schema = iceberggo.NewSchemaWithIdentifiers(cur.ID, ids, fields...)
	out.changed = !out.schema.Equals(cur)
	return out, nil
}

func sortedInts(s []int) []int {
	c := slices.Clone(s)
	slices.Sort(c)
	return c
}

// addedField is the field of a column that a table gets after it was created. Rows that exist already read as NULL, or, in
// format 3, as the column's initial default. lastID is that of the field or what is in it.
func addedField(c *cdc.Column, id, formatVersion int) (f iceberggo.NestedField, lastID int, err error) {
	lastID = id
	f = iceberggo.NestedField{ID: id, Name: c.Name, Type: icebergType(c.Type, &lastID), Doc: c.Doc}
	if c.Initial == nil {
		if !c.Nullable && !c.Meta {
			return f, lastID, fmt.Errorf("it is NOT NULL, and it is unknown what existing rows hold")
		}
		return f, lastID, nil
	}
	if formatVersion < 3 {
		return f, lastID, fmt.Errorf("it is added with a default, so that existing rows hold %q; Iceberg's format 2 cannot say that (format 3 can)", *c.Initial)
	}
	raw := *c.Initial
	switch c.Type.Kind {
	case cdc.KindBool, cdc.KindInt32, cdc.KindInt64, cdc.KindFloat32, cdc.KindFloat64:
	default: // all others are JSON strings
		b, err := json.Marshal(raw)
		if err != nil {
			return f, lastID, err
		}
		raw = string(b)
	}
	f.Required = !c.Nullable
	enc, err := json.Marshal(f)
	if err != nil {
		return f, lastID, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(enc, &m); err != nil {
		return f, lastID, err
	}
	m["initial-default"], m["write-default"] = json.RawMessage(raw), json.RawMessage(raw)
	if enc, err = json.Marshal(m); err != nil {
		return f, lastID, fmt.Errorf("its default %q: %w", *c.Initial, err)
	}
	var out iceberggo.NestedField
	if err := json.Unmarshal(enc, &out); err != nil {
		return f, lastID, fmt.Errorf("its default %q: %w", *c.Initial, err)
	}
	// iceberg-go keeps numbers as float64, so a long beyond 2^53 would become another one with every rewrite of the metadata.
	want, err := parseConstant(raw, c.Type)
	if err != nil {
		return f, lastID, fmt.Errorf("its default %q: %w", *c.Initial, err)
	}
	if got, err := initialDefault(out, c.Type); err != nil || got == nil || !got.equal(want) {
		return f, lastID, fmt.Errorf("its default %q cannot be kept exactly in the table's metadata", *c.Initial)
	}
	return out, lastID, nil
}
