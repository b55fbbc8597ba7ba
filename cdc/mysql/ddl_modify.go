package mysql

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// rename gives columns their new names. All are those of before the statement, so that two can swap theirs; parts that do something else
// with one of these names would have to be told apart by what MySQL takes the name for, and are not followed.
func (a *alteration) rename(specs []*ast.AlterTableSpec) string {
	names := map[string]string{} // new by old, in lower case
	used := map[string]bool{}
	others := false
	for _, s := range specs {
		from, to := renamed(s)
		if from == "" {
			continue
		}
		names[strings.ToLower(from)] = to
		used[strings.ToLower(from)], used[strings.ToLower(to)] = true, true
		others = others || s.Tp != ast.AlterTableRenameColumn
	}
	if len(names) == 0 {
		return ""
	}
	for _, s := range specs {
		others = others || s.Tp != ast.AlterTableRenameColumn
	}
	if others && len(specs) > 1 {
		for _, s := range specs {
			if from, _ := renamed(s); from == "" && mentionsAny(s, used) || s.Position != nil && s.Position.RelativeColumn != nil && used[s.Position.RelativeColumn.Name.L] {
				return "columns are renamed, and more is done with them"
			}
		}
	}
	for i := range a.def.Columns {
		c := &a.def.Columns[i]
		if to, ok := names[strings.ToLower(c.Name)]; ok {
			delete(names, strings.ToLower(c.Name))
			if c.Name == to {
				continue
			}
			a.renamed[strings.ToLower(to)] = c.Name
			c.Name = to
			a.changed = true
		}
	}
	for from, to := range names {
		if findColumn(a.def, to) < 0 {
			return "the column " + from + ", which is not in the tracked definition, was renamed"
		}
		// The definition was read after this statement.
	}
	return ""
}

// renamed returns the old and the new name of a column that a part of a statement renames.
func renamed(s *ast.AlterTableSpec) (from, to string) {
	switch s.Tp {
	case ast.AlterTableRenameColumn:
		return s.OldColumnName.Name.O, s.NewColumnName.Name.O
	case ast.AlterTableChangeColumn:
		if to := s.NewColumns[0].Name.Name.O; s.OldColumnName.Name.O != to {
			return s.OldColumnName.Name.O, to
		}
	}
	return "", ""
}

// mentionsAny reports whether a part that renames nothing does something with one of the columns.
func mentionsAny(s *ast.AlterTableSpec, names map[string]bool) bool {
	if s.OldColumnName != nil && names[s.OldColumnName.Name.L] {
		return true
	}
	return slices.ContainsFunc(s.NewColumns, func(c *ast.ColumnDef) bool { return names[c.Name.Name.L] })
}

// modify changes a column as MODIFY and CHANGE do, after it has its new name.
func (a *alteration) modify(s *ast.AlterTableSpec) string {
	d := a.r.d
	i := findColumn(a.def, s.NewColumns[0].Name.Name.O)
	if i < 0 {
		return "a column was changed that is not in the tracked definition"
	}
	old := a.def.Columns[i]
	now, _, why := d.definition(s.NewColumns[0], a.def.Collation)
	if why == "" && !keepsValues(&old, &now, d.strict) {
		why = "its values may have become others"
	}
	if why != "" {
		return "column " + old.Name + " was changed from " + old.ColumnType + " to " + now.ColumnType + ": " + why
	}
	if old.Key > 0 {
		now.Nullable = false
	}
	now.Key = old.Key
	a.def.Columns = slices.Delete(a.def.Columns, i, i+1)
	if p := s.Position; p != nil {
		switch p.Tp {
		case ast.ColumnPositionFirst:
			i = 0
		case ast.ColumnPositionAfter:
			if i = findColumn(a.def, p.RelativeColumn.Name.O) + 1; i == 0 {
				return "a column was put after " + p.RelativeColumn.Name.O + ", which is not in the tracked definition"
			}
		}
	}
	a.def.Columns = slices.Insert(a.def.Columns, i, now)
	a.changed = true
	return ""
}

// keepsValues reports whether a column that changes its definition certainly keeps the value of every row, as it is written to tables.
func keepsValues(old, now *binlog.SourceColumn, strict bool) bool {
	switch {
	case old.Generated != "" || now.Generated != "":
		return false
	case now.AutoIncrement && !old.AutoIncrement:
		return false // rows with 0 are numbered
	case old.Nullable && !now.Nullable && !strict:
		return false // NULL becomes the type's zero
	case old.Charset != now.Charset:
		return false
	case old.ColumnType == now.ColumnType:
		return true
	}
	switch old.DataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		from, to := slices.Index(integerTypes, old.DataType), slices.Index(integerTypes, now.DataType)
		switch {
		case to < 0 || to < from:
			return false
		case old.Unsigned == now.Unsigned:
			return true
		}
		return old.Unsigned && to > from
	case "decimal":
		return now.DataType == "decimal" && now.Scale == old.Scale && now.Precision >= old.Precision && (old.Unsigned || !now.Unsigned)
	case "char", "varchar":
		switch now.DataType {
		case "char":
			return old.DataType == "char" && now.Length >= old.Length
		case "varchar":
			return now.Length >= old.Length
		}
		return strict && slices.Contains(textTypes, now.DataType)
	case "varbinary":
		return now.DataType == "varbinary" && now.Length >= old.Length || strict && slices.Contains(blobTypes, now.DataType)
	case "tinytext", "text", "mediumtext", "longtext":
		return slices.Index(textTypes, now.DataType) >= slices.Index(textTypes, old.DataType)
	case "tinyblob", "blob", "mediumblob", "longblob":
		return slices.Index(blobTypes, now.DataType) >= slices.Index(blobTypes, old.DataType)
	case "enum":
		// Rows keep the member, whatever its number becomes.
		return now.DataType == "enum" && !slices.ContainsFunc(old.Values, func(v string) bool { return !slices.Contains(now.Values, v) })
	case "set":
		// Members are printed in the order of the definition.
		return now.DataType == "set" && len(now.Values) >= len(old.Values) && slices.Equal(old.Values, now.Values[:len(old.Values)])
	case "year": // MariaDB shows year(4)
		return now.DataType == "year"
	case "datetime", "timestamp":
		return now.DataType == old.DataType && now.FSP >= old.FSP
	}
	return false
}

// Types in the order of what they hold.
var (
	integerTypes = []string{"tinyint", "smallint", "mediumint", "int", "bigint"}
	textTypes    = []string{"tinytext", "text", "mediumtext", "longtext"}
	blobTypes    = []string{"tinyblob", "blob", "mediumblob", "longblob"}
)
