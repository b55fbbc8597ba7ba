package mysql

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// verb returns the first word of a statement in upper case, ? if it begins with something else, nothing if it has only comments.
func verb(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n(;")
		end := ""
		switch {
		case strings.HasPrefix(sql, "/*!"), strings.HasPrefix(sql, "/*M!"):
			_, sql, _ = strings.Cut(sql, "!")
			sql = strings.TrimLeft(sql, "0123456789")
			continue
		case strings.HasPrefix(sql, "/*"):
			end = "*/"
		case strings.HasPrefix(sql, "--"), strings.HasPrefix(sql, "#"):
			end = "\n"
		}
		if end != "" {
			_, sql, _ = strings.Cut(sql, end)
			continue
		}
		n := 0
		for n < len(sql) && (wordByte(sql[n]) || sql[n] >= 'A' && sql[n] <= 'Z') {
			n++
		}
		if n == 0 && sql != "" {
			return "?"
		}
		return strings.ToUpper(sql[:n])
	}
}

// isChange reports whether a statement of the log is no definition but a change of rows, which should have been logged as rows: INSERT, and
// also a SELECT, which the log has only if it calls a function that changes something. What is not known counts as one.
func isChange(sql string) bool {
	switch verb(sql) {
	case "", "CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "GRANT", "REVOKE", "SET", "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM",
		"INSTALL", "UNINSTALL", "IMPORT", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "BEGIN", "START", "XA", "RESET", "CHANGE", "PURGE", "CACHE", "USE":
		return false
	}
	return true
}

// change acts on a change that was logged as a statement: it pauses all tables that it may have changed.
func (f *follower) change(db, sql string, mode uint64, charset string) error {
	stmt, _ := f.ddl.parse(sql, mode, charset) // nil: names in the text have to do
	w := &written{db: db}
	if stmt != nil {
		w.statement(stmt)
	}
	if len(f.names) == 0 || w.known && len(w.functions) == 0 && w.system() {
		return nil // as hosted servers write into their own tables
	}
	if charset == unreadable {
		return f.pauseStatement(nil, sql, ": its bytes are no text of the client's character set")
	}
	at := place{f.at.file, f.txn.start}
	if f.programs == nil || f.programs.lower != f.ddl.lowerNames {
		p, err := f.s.readPrograms(f.ctx, at, f.ddl.lowerNames)
		if err != nil {
			return err
		}
		f.programs = p
	}
	if b := f.programs.blind; b != "" && !(f.programs.listed && w.known && w.system()) {
		return f.pauseStatement(nil, sql, ": cdc2lake's user lacks "+b+" ON *.*, and so cannot know which tables views and triggers made it change")
	}
	r := f.programs.effectsOn(f.names)
	if w.known {
		for _, t := range w.tables {
			r.table(t)
		}
		for _, fn := range w.functions {
			r.routine(fn)
		}
	} else {
		r.text(db, sql)
	}
	if d := r.uncertain(at); d != "" {
		return f.pauseStatement(nil, sql, ": which tables it changed cannot be known any more, since it was followed by "+abbreviate(d))
	}
	return f.pauseStatement(r, sql, "")
}

// pauseStatement pauses what a statement reached; all tables if r is nil.
func (f *follower) pauseStatement(r *effects, sql, why string) error {
	for _, id := range append([]cdc.TableID(nil), f.names...) {
		if f.tables[id].table.Skip || r != nil && !r.tables[r.p.fold(id)] {
			continue
		}
		if err := f.pause(id, cdc.Errorf(codeStatement, id, "the statement %q%s", abbreviate(sql), why)); err != nil {
			return err
		}
	}
	return nil
}

// written is what a parsed statement names.
type written struct {
	db        string
	known     bool // of a kind of which it is known what it changes
	tables    []cdc.TableID
	functions []cdc.TableID
}

// system reports whether all tables are the server's own.
func (w *written) system() bool {
	for _, t := range w.tables {
		if !systemDatabases[strings.ToLower(t.Database)] {
			return false
		}
	}
	return true
}

func (w *written) statement(s ast.StmtNode) {
	w.known = true
	switch s := s.(type) {
	case *ast.InsertStmt:
		w.targets(s.Table)
	case *ast.UpdateStmt:
		w.targets(s.TableRefs)
	case *ast.DeleteStmt:
		w.targets(s.TableRefs)
	case *ast.LoadDataStmt:
		w.add(s.Table)
	case *ast.SelectStmt, *ast.SetOprStmt, *ast.DoStmt, *ast.CreateTableStmt:
	default:
		w.known = false
		return
	}
	s.Accept(w)
}

// targets adds the tables of a join: any of them may be the one that is changed.
func (w *written) targets(n ast.Node) {
	switch n := n.(type) {
	case *ast.TableRefsClause:
		if n != nil && n.TableRefs != nil {
			w.targets(n.TableRefs)
		}
	case *ast.Join:
		w.targets(n.Left)
		if n.Right != nil {
			w.targets(n.Right)
		}
	case *ast.TableSource:
		w.targets(n.Source)
	case *ast.TableName:
		w.add(n)
	case *ast.SelectStmt, *ast.SetOprStmt: // rows of its own
	default:
		w.known = false
	}
}

func (w *written) add(n *ast.TableName) {
	id := cdc.TableID{Database: n.Schema.O, Name: n.Name.O}
	if id.Database == "" {
		id.Database = w.db
	}
	w.tables = append(w.tables, id)
}

// Enter collects calls (ast.Visitor).
func (w *written) Enter(n ast.Node) (ast.Node, bool) {
	if c, ok := n.(*ast.FuncCallExpr); ok {
		id := cdc.TableID{Database: c.Schema.O, Name: c.FnName.L}
		if id.Database == "" {
			id.Database = w.db
		}
		w.functions = append(w.functions, id)
	}
	return n, false
}

// Leave implements ast.Visitor.
func (w *written) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// defines takes note of a statement that is no change: it may redefine programs, and CREATE TABLE … SELECT may call functions.
func (f *follower) defines(e *binlog.Event, db, sql, charset string) error {
	at := place{f.at.file, f.txn.start}
	if p := f.programs; p != nil && !p.covers(at) {
		if p.redefined(e, at); len(p.later) > 0 && p.later[len(p.later)-1].at == at {
			f.programs = nil
		}
	}
	if err := f.merged(e, db, sql, charset); err != nil {
		return err
	}
	if verb(sql) != "CREATE" || !mentions(strings.ToLower(sql), "select") {
		return nil
	}
	stmt, _ := f.ddl.parse(sql, e.Query.SQLMode, charset)
	if c, ok := stmt.(*ast.CreateTableStmt); ok && c.Select != nil {
		w := &written{db: db}
		if w.statement(c); len(w.functions) > 0 {
			return f.change(db, sql, e.Query.SQLMode, charset)
		}
	}
	return nil
}
