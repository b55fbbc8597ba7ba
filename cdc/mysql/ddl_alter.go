package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// alter applies the parts of an ALTER TABLE to a copy of the definition.
func (r *ddlStatement) alter(s *ast.AlterTableStmt) {
	t := r.id(s.Table)
	for _, spec := range s.Specs {
		if spec.Tp == ast.AlterTableRenameTable {
			r.renamedTo(spec.NewTable)
		}
		if spec.Tp == ast.AlterTableExchangePartition {
			r.pause(r.id(spec.NewTable), "the table was exchanged with a partition")
		}
	}
	old := r.d.lookup(t)
	if old == nil {
		if slices.ContainsFunc(s.Specs, changesTable) {
			r.unfollowed(t)
		}
		return
	}
	if ignores(r.sql) {
		r.pause(t, "ALTER IGNORE removes and changes rows of which the log says nothing")
		return
	}
	a := &alteration{r: r, table: t, def: cloneTable(old), initials: map[string]initial{}, renamed: map[string]string{}}
	if name := replacedColumn(s.Specs); name != "" {
		r.pause(t, "column "+name+" was dropped and added anew in one statement")
		return
	}
	slices.SortStableFunc(s.Specs, optionsFirst)
	if why := a.rename(s.Specs); why != "" {
		r.pause(t, why)
		return
	}
	for _, spec := range s.Specs {
		if why := a.apply(spec); why != "" {
			r.pause(t, why)
			return
		}
		if err := a.cascade(spec); err != nil {
			r.out = append(r.out, ddlEffect{table: t, pause: err})
			return
		}
	}
	if a.changed {
		r.out = append(r.out, ddlEffect{table: t, def: a.def, initials: a.initials, renamed: a.renamed})
	}
}

// changesTable reports whether a part changes more than how MySQL stores a table, whatever its definition is.
func changesTable(s *ast.AlterTableSpec) bool {
	switch s.Tp {
	case ast.AlterTableAddColumns, ast.AlterTableDropColumn, ast.AlterTableModifyColumn, ast.AlterTableChangeColumn, ast.AlterTableRenameColumn, ast.AlterTableRenameTable,
		ast.AlterTableDropPrimaryKey, ast.AlterTableDropPartition, ast.AlterTableTruncatePartition, ast.AlterTableExchangePartition:
		return true
	}
	return s.Tp == ast.AlterTableAddConstraint && s.Constraint != nil && s.Constraint.Tp == ast.ConstraintPrimaryKey
}

// optionsFirst orders parts as MySQL takes them: a new default character set counts for columns that stand before it.
func optionsFirst(a, b *ast.AlterTableSpec) int {
	option := func(s *ast.AlterTableSpec) int {
		if s.Tp == ast.AlterTableOption {
			return 0
		}
		return 1
	}
	return option(a) - option(b)
}

// replacedColumn returns a column that the parts both drop and add. Columns are told apart by name, so the new one would keep
// the values of the old one.
func replacedColumn(specs []*ast.AlterTableSpec) string {
	for _, drop := range specs {
		if drop.Tp != ast.AlterTableDropColumn {
			continue
		}
		for _, add := range specs {
			for _, c := range add.NewColumns {
				if add.Tp == ast.AlterTableAddColumns && strings.EqualFold(c.Name.Name.O, drop.OldColumnName.Name.O) {
					return c.Name.Name.O
				}
			}
		}
	}
	return ""
}

// cascade returns an error if the part adds a foreign key that changes rows without a trace in the log. MySQL 9 takes those written
// with a column, too.
func (a *alteration) cascade(s *ast.AlterTableSpec) *cdc.Error {
	if s.Constraint != nil {
		if err := a.addedCascade(s.Constraint.Refer); err != nil {
			return err
		}
	}
	for _, k := range s.NewConstraints {
		if err := a.addedCascade(k.Refer); err != nil {
			return err
		}
	}
	for _, c := range s.NewColumns {
		for _, o := range c.Options {
			if !a.r.d.columnKeys {
				break
			}
			if err := a.addedCascade(o.Refer); err != nil {
				return err
			}
		}
	}
	return nil
}

func cloneTable(t *binlog.SourceTable) *binlog.SourceTable {
	c := *t
	c.Columns = append([]binlog.SourceColumn(nil), t.Columns...)
	return &c
}

// alteration is one ALTER TABLE as it is applied.
type alteration struct {
	r        *ddlStatement
	table    cdc.TableID
	def      *binlog.SourceTable
	initials map[string]initial
	renamed  map[string]string // old names by new ones, in lower case
	changed  bool
}

// apply returns why the part cannot be followed, or "".
func (a *alteration) apply(s *ast.AlterTableSpec) string {
	switch s.Tp {
	case ast.AlterTableAddColumns:
		return a.add(s)
	case ast.AlterTableDropColumn:
		return a.drop(s)
	case ast.AlterTableOption:
		return a.options(s.Options)
	case ast.AlterTableAddConstraint:
		if s.Constraint != nil && s.Constraint.Tp == ast.ConstraintPrimaryKey {
			return "a primary key was added"
		}
		return ""
	case ast.AlterTableDropPrimaryKey:
		if a.def.KeyName == "PRIMARY" {
			return "the primary key was dropped"
		}
		return ""
	case ast.AlterTableDropIndex:
		if strings.EqualFold(s.Name, a.def.KeyName) {
			return "the index " + s.Name + ", which is the table's key, was dropped"
		}
		return ""
	case ast.AlterTableRenameIndex:
		if strings.EqualFold(s.FromKey.O, a.def.KeyName) {
			a.def.KeyName = s.ToKey.O
			a.changed = true
		}
		return ""
	case ast.AlterTableDropForeignKey, ast.AlterTableLock, ast.AlterTableAlgorithm, ast.AlterTableForce, ast.AlterTableEnableKeys,
		ast.AlterTableDisableKeys, ast.AlterTableWithValidation, ast.AlterTableWithoutValidation, ast.AlterTableSecondaryLoad, ast.AlterTableSecondaryUnload,
		ast.AlterTableCheckPartitions, ast.AlterTableOptimizePartition, ast.AlterTableRebuildPartition, ast.AlterTableAlterCheck, ast.AlterTableDropCheck,
		ast.AlterTableIndexInvisible, ast.AlterTableOrderByColumns, ast.AlterTableAlterColumn, ast.AlterTableAddPartitions,
		ast.AlterTableCoalescePartitions, ast.AlterTableRemovePartitioning, ast.AlterTableStatsOptions:
		return "" // rows and columns stay what they are
	case ast.AlterTablePartition:
		return "" // partitioning moves rows, and refuses to lose any
	case ast.AlterTableModifyColumn, ast.AlterTableChangeColumn:
		return a.modify(s)
	case ast.AlterTableRenameColumn:
		return "" // see rename
	case ast.AlterTableRenameTable:
		return "the table was renamed"
	case ast.AlterTableDropPartition:
		return "DROP PARTITION removed rows"
	case ast.AlterTableTruncatePartition:
		return "TRUNCATE PARTITION removed rows"
	case ast.AlterTableExchangePartition:
		return "EXCHANGE PARTITION replaced rows"
	case ast.AlterTableReorganizePartition:
		return "REORGANIZE PARTITION rebuilt partitions"
	case ast.AlterTableRepairPartition:
		return "REPAIR PARTITION may have lost rows"
	case ast.AlterTableImportPartitionTablespace, ast.AlterTableDiscardPartitionTablespace, ast.AlterTableImportTablespace, ast.AlterTableDiscardTablespace:
		return "the table's data file was replaced"
	default:
		return fmt.Sprintf("a form of ALTER TABLE that is not followed (%d)", s.Tp)
	}
}

func (a *alteration) options(opts []*ast.TableOption) string {
	for i, o := range opts {
		switch o.Tp {
		case ast.TableOptionCharset:
			if o.UintValue == ast.TableOptionCharsetWithConvertTo {
				return "CONVERT TO CHARACTER SET changed columns"
			}
			name := strings.ToLower(o.StrValue)
			if i+1 < len(opts) && opts[i+1].Tp == ast.TableOptionCollate {
				continue
			}
			if o.Default || name == "" {
				return "the default character set was changed to that of the server"
			}
			a.def.Collation = normalCharset(name) + "_"
			a.changed = true
		case ast.TableOptionCollate:
			a.def.Collation = strings.ToLower(o.StrValue)
			a.changed = true
		case ast.TableOptionEngine:
			if rowless(o.StrValue) {
				return "the table's engine was changed to " + o.StrValue + ", which keeps no rows of its own"
			}
		case ast.TableOptionUnion:
			return "UNION changed the table's rows"
		}
	}
	return ""
}

func (a *alteration) drop(s *ast.AlterTableSpec) string {
	i := findColumn(a.def, s.OldColumnName.Name.O)
	if i < 0 {
		return "" // the definition was read after this statement
	}
	if a.def.Columns[i].Key > 0 {
		return "column " + a.def.Columns[i].Name + " of the key was dropped"
	}
	a.def.Columns = append(a.def.Columns[:i:i], a.def.Columns[i+1:]...)
	a.changed = true
	return ""
}

func (a *alteration) add(s *ast.AlterTableSpec) string {
	at := len(a.def.Columns)
	if p := s.Position; p != nil && len(s.NewColumns) == 1 {
		switch p.Tp {
		case ast.ColumnPositionFirst:
			at = 0
		case ast.ColumnPositionAfter:
			if at = findColumn(a.def, p.RelativeColumn.Name.O) + 1; at == 0 {
				return "a column was added after " + p.RelativeColumn.Name.O + ", which is not in the tracked definition"
			}
		}
	}
	for _, c := range s.NewColumns {
		col, init, why := a.r.d.column(c, a.def.Collation)
		if why != "" {
			return "column " + c.Name.Name.O + " was added: " + why
		}
		if i := findColumn(a.def, col.Name); i >= 0 {
			old := a.def.Columns[i]
			if old.DataType == col.DataType && old.Unsigned == col.Unsigned && old.Precision == col.Precision && old.Scale == col.Scale && old.Length == col.Length {
				continue // the definition was read after this statement
			}
			return "column " + col.Name + " was added, and the tracked definition has another one of this name"
		}
		a.def.Columns = append(a.def.Columns[:at:at], append([]binlog.SourceColumn{col}, a.def.Columns[at:]...)...)
		at++
		a.initials[strings.ToLower(col.Name)] = init
		a.changed = true
	}
	return ""
}
