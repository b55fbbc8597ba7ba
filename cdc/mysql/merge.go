package mysql

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// A MERGE table is a view of MyISAM tables. What is written through it is in one of them, and logged under the name of the MERGE table, so
// that neither can be followed.

var codeMerged = cdc.NewCode("MYSQL_MERGED", cdc.TablePaused,
	"a MERGE table is made of the table: rows that are written through it are not logged as the table's",
	"drop the MERGE table, or make a view or partitions of it, or leave the table out with tables.exclude; then `cdc2lake reload TABLE`")

// mergeParts returns the tables that a statement makes a MERGE table of.
func mergeParts(s ast.StmtNode, db string) (out []cdc.TableID) {
	var options []*ast.TableOption
	switch s := s.(type) {
	case *ast.CreateTableStmt:
		options = s.Options
	case *ast.AlterTableStmt:
		for _, spec := range s.Specs {
			options = append(options, spec.Options...)
		}
	}
	w := &written{db: db}
	for _, o := range options {
		if o.Tp == ast.TableOptionUnion {
			for _, n := range o.TableNames {
				w.add(n)
			}
		}
	}
	return w.tables
}

// readMerged refuses the parts of a MERGE table.
func readMerged(cn *conn, merge cdc.TableID, tables map[cdc.TableID]*foundTable) error {
	row, err := cn.queryRow("SHOW CREATE TABLE " + quoteTable(merge))
	if err != nil {
		if n := serverError(err); n == erNoSuchTable || n == erBadDB {
			return nil // it has just been dropped
		}
		return err
	}
	stmt, perr := parser.New().ParseOneStmt(row[1], "utf8mb4", "")
	if perr != nil {
		return cdc.Errorf(codePreflight, cdc.TableID{}, "the definition of the MERGE table %s cannot be read: %w", merge, perr)
	}
	for _, id := range mergeParts(stmt, merge.Database) {
		if t := tables[id]; t != nil && t.refused == nil {
			t.refused = cdc.Errorf(codeMerged, id, "the MERGE table %s is made of it", merge)
		}
	}
	return nil
}

// merged pauses the tables that a statement makes a MERGE table of.
func (f *follower) merged(e *binlog.Event, db, sql, charset string) error {
	if v := verb(sql); v != "CREATE" && v != "ALTER" || !mentions(strings.ToLower(sql), "union") {
		return nil
	}
	stmt, _ := f.ddl.parse(sql, e.Query.SQLMode, charset)
	if stmt == nil {
		return nil
	}
	r := (&programs{lower: f.ddl.lowerNames}).effectsOn(nil)
	for _, id := range mergeParts(stmt, db) {
		r.table(id)
	}
	for _, id := range append([]cdc.TableID(nil), f.names...) {
		if r.tables[r.p.fold(id)] && !f.tables[id].table.Skip {
			if err := f.pause(id, cdc.Errorf(codeMerged, id, "%q", abbreviate(sql))); err != nil {
				return err
			}
		}
	}
	return nil
}
