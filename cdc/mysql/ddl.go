package mysql

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // literals of the parser

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// ddlEffect is what a statement of the log means for one table: a new definition, or a reason to pause it.
type ddlEffect struct {
	table    cdc.TableID
	def      *binlog.SourceTable
	initials map[string]initial // of added columns
	renamed  map[string]string  // old names of renamed columns, by the new ones
	pause    *cdc.Error
	emptied  bool
	// created is a new table (with def and pause nil); it joins at the next start.
	created bool
	// unfollowed: it is not followed now, so that nothing has to be done.
	unfollowed bool
}

// ddlReader finds out what statements of the log mean for the followed tables. It knows nothing of sockets.
type ddlReader struct {
	p *parser.Parser
	// lookup returns the definition of a followed table, nil for others.
	lookup func(cdc.TableID) *binlog.SourceTable
	// all returns the followed tables.
	all func() []cdc.TableID
	// lowerNames says that the server's table names are case-insensitive (lower_case_table_names ≠ 0).
	lowerNames bool
	// columnKeys says that foreign keys written with a column count (9.0 and later).
	columnKeys bool
	mariadb    bool
	// strict is that of the session of the statement at hand: members of an ENUM that are the same to its collation are errors.
	strict bool
	// charset is that of the statement at hand, see statementText.
	charset string
	// explicitTimestamps says that TIMESTAMP columns are nullable unless they say otherwise, where the statement at hand was executed.
	explicitTimestamps bool
	// cascadesLogged says that the log holds what foreign keys change, where the statement was executed.
	cascadesLogged bool
}

func newDDLReader(lookup func(cdc.TableID) *binlog.SourceTable, all func() []cdc.TableID) *ddlReader {
	return &ddlReader{p: parser.New(), lookup: lookup, all: all}
}

// concerns reports cheaply whether the text may touch a followed table: its name, or its whole database, occurs.
func (d *ddlReader) concerns(db, sql string) bool {
	low := strings.ToLower(sql)
	wholeDB := strings.Contains(low, "database") || strings.Contains(low, "schema")
	for _, t := range d.all() {
		if mentions(low, t.Name) || wholeDB && mentions(low, t.Database) {
			return true
		}
	}
	return false
}

// mentions reports whether the name stands in the lower-case text as a word of its own.
func mentions(low, name string) bool {
	name = strings.ToLower(name)
	if strings.ContainsRune(name, '`') && strings.Contains(low, strings.ReplaceAll(name, "`", "``")) {
		return true
	}
	for from := 0; ; {
		i := strings.Index(low[from:], name)
		if i < 0 {
			return false
		}
		i += from
		if (i == 0 || !wordByte(low[i-1])) && (i+len(name) == len(low) || !wordByte(low[i+len(name)])) {
			return true
		}
		from = i + 1
	}
}

func wordByte(b byte) bool {
	return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 0x80
}

// isAdministrative reports statements that occur in logs and never change rows of base tables. The parser need not know
// them, and they may mention a followed table's name anywhere.
func isAdministrative(sql string) bool {
	w := firstWords(sql)
	for _, p := range [...]string{
		"CREATE USER", "ALTER USER", "DROP USER", "RENAME USER", "CREATE ROLE", "DROP ROLE", "GRANT", "REVOKE", "SET PASSWORD",
		"SET DEFAULT", "FLUSH", "ANALYZE", "OPTIMIZE", "CREATE VIEW", "CREATE OR REPLACE VIEW", "ALTER VIEW", "DROP VIEW", "CREATE DEFINER", "CREATE ALGORITHM",
		"CREATE OR REPLACE ALGORITHM", "CREATE OR REPLACE DEFINER", "CREATE SQL SECURITY", "ALTER ALGORITHM", "ALTER DEFINER", "ALTER SQL SECURITY",
		"CREATE TRIGGER", "DROP TRIGGER", "CREATE PROCEDURE", "ALTER PROCEDURE", "DROP PROCEDURE", "CREATE FUNCTION", "ALTER FUNCTION", "DROP FUNCTION",
		"CREATE AGGREGATE", "CREATE EVENT", "ALTER EVENT", "DROP EVENT", "CREATE SERVER", "ALTER SERVER", "DROP SERVER", "CREATE DATABASE", "CREATE SCHEMA",
		"CREATE TEMPORARY", "DROP TEMPORARY", "CREATE SPATIAL", "DROP SPATIAL", "CREATE RESOURCE", "ALTER RESOURCE", "DROP RESOURCE", "ALTER INSTANCE",
		"CREATE TABLESPACE", "ALTER TABLESPACE", "DROP TABLESPACE", "CREATE UNDO", "ALTER UNDO", "DROP UNDO", "INSTALL", "UNINSTALL", "CREATE LIBRARY", "DROP LIBRARY",
		"ALTER LIBRARY",
	} {
		if strings.HasPrefix(w, p) && (len(w) == len(p) || w[len(p)] == ' ') {
			return true
		}
	}
	return false
}

// firstWords returns the first words of a statement in upper case, without comments.
func firstWords(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n(")
		if strings.HasPrefix(sql, "/*") && !strings.HasPrefix(sql, "/*!") {
			i := strings.Index(sql, "*/")
			if i < 0 {
				return ""
			}
			sql = sql[i+2:]
			continue
		}
		break
	}
	if len(sql) > 200 {
		sql = sql[:200]
	}
	f := strings.FieldsFunc(sql, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == '=' })
	if len(f) > 6 {
		f = f[:6]
	}
	return strings.ToUpper(strings.Join(f, " "))
}

// read returns the effects of a statement on followed tables. sqlMode is that of the session, charset that of its literals. inTxn says that the
// statement stands inside a transaction with row events: then it is a change logged as a statement.
func (d *ddlReader) read(db, sql string, sqlMode uint64, charset string) []ddlEffect {
	if (isAdministrative(sql) || !d.concerns(db, sql)) && !definesTables(sql) {
		return nil
	}
	if verb(sql) == "REPAIR" {
		return d.pauseMentioned(db, sql, "drops rows that it finds damaged")
	}
	d.strict, d.charset = sqlMode&binlog.ModeStrict != 0, charset
	stmt, why := d.parse(sql, sqlMode, charset)
	r := &ddlStatement{d: d, db: db, sql: sql}
	if stmt != nil {
		r.statement(stmt)
		return r.out
	}
	if n, maybe, ok := createdTable(sql, sqlMode&binlog.ModeANSIQuotes != 0); ok && charset != unreadable {
		r.create(r.id(n), maybe)
		return r.out
	}
	return d.pauseMentioned(db, sql, why)
}

// parse returns nil, and why, if the statement cannot be read.
func (d *ddlReader) parse(sql string, sqlMode uint64, charset string) (stmt ast.StmtNode, why string) {
	if d.mariadb && sqlMode&(binlog.ModeOracle|binlog.ModeEmptyStringIsNull) != 0 {
		return nil, "was written under the sql_mode ORACLE or EMPTY_STRING_IS_NULL"
	}
	mode := pmysql.SQLMode(0)
	if sqlMode&binlog.ModeANSIQuotes != 0 {
		mode |= pmysql.ModeANSIQuotes
	}
	if sqlMode&binlog.ModeNoBackslashEscapes != 0 {
		mode |= pmysql.ModeNoBackslashEscapes
	}
	if sqlMode&binlog.ModeRealAsFloat != 0 {
		mode |= pmysql.ModeRealAsFloat
	}
	d.p.SetSQLMode(mode)
	if charset == unreadable {
		return nil, "is no text of the client's character set"
	}
	stmts, _, err := d.p.Parse(rewrite(sql, mode.HasANSIQuotesMode(), mode.HasNoBackslashEscapesMode()), "utf8mb4", "")
	if err != nil || len(stmts) != 1 {
		return nil, "cannot be parsed"
	}
	return stmts[0], ""
}

// definesTables reports whether a statement that concerns no followed table may concern one that is selected, or will be.
func definesTables(sql string) bool {
	w := firstWords(sql)
	for _, p := range [...]string{"CREATE TABLE ", "CREATE OR REPLACE TABLE ", "RENAME TABLE ", "ALTER TABLE ", "DROP TABLE ", "TRUNCATE "} {
		if strings.HasPrefix(w, p) {
			return true
		}
	}
	return false
}

// pauseMentioned pauses every followed table that the text may concern.
func (d *ddlReader) pauseMentioned(db, sql, why string) []ddlEffect {
	low := strings.ToLower(sql)
	var out []ddlEffect
	for _, t := range d.all() {
		if mentions(low, t.Name) && (strings.EqualFold(t.Database, db) || mentions(low, t.Database)) {
			out = append(out, ddlEffect{table: t, pause: cdc.Errorf(codeDDL, t, "the statement %q may change the table: it %s", abbreviate(sql), why)})
		}
	}
	return out
}

// ddlStatement collects the effects of one statement.
type ddlStatement struct {
	d   *ddlReader
	db  string
	sql string
	out []ddlEffect
}

func (r *ddlStatement) id(n *ast.TableName) cdc.TableID {
	t := cdc.TableID{Database: n.Schema.O, Name: n.Name.O}
	if t.Database == "" {
		t.Database = r.db
	}
	if r.d.lowerNames {
		t.Database, t.Name = strings.ToLower(t.Database), strings.ToLower(t.Name)
	}
	return t
}

func (r *ddlStatement) pause(t cdc.TableID, what string) {
	if r.d.lookup(t) == nil {
		r.unfollowed(t)
		return
	}
	for _, e := range r.out {
		if e.table == t && e.pause != nil {
			return
		}
	}
	r.out = append(r.out, ddlEffect{table: t, pause: cdc.Errorf(codeDDL, t, "%s: %q", what, abbreviate(r.sql))})
}

// unfollowed: the statement changes a table that is not followed.
func (r *ddlStatement) unfollowed(t cdc.TableID) {
	r.out = append(r.out, ddlEffect{unfollowed: true, table: t})
}

// renamedTo: another table got this name.
func (r *ddlStatement) renamedTo(n *ast.TableName) {
	t := r.id(n)
	if r.d.lookup(t) != nil {
		err := cdc.Errorf(codeSwapped, t, "%q", abbreviate(r.sql))
		for i := range r.out {
			if r.out[i].table == t && r.out[i].pause != nil { // by the statement itself, when it renamed the old one away
				r.out[i].pause = err
				return
			}
		}
		r.out = append(r.out, ddlEffect{table: t, pause: err})
		return
	}
	r.out = append(r.out, ddlEffect{created: true, table: t})
}

// replaced pauses a followed table whose rows are of no use any more.
func (r *ddlStatement) replaced(t cdc.TableID, what string) {
	if r.d.lookup(t) == nil {
		r.unfollowed(t)
		return
	}
	r.out = append(r.out, ddlEffect{table: t, pause: cdc.Errorf(codeEmptied, t, "%s: %q", what, abbreviate(r.sql))})
}

func (r *ddlStatement) statement(s ast.StmtNode) {
	switch s := s.(type) {
	case *ast.AlterTableStmt:
		r.alter(s)
	case *ast.TruncateTableStmt:
		if t := r.id(s.Table); r.d.lookup(t) != nil {
			r.out = append(r.out, ddlEffect{table: t, emptied: true})
		} else {
			r.unfollowed(t)
		}
	case *ast.DropTableStmt:
		if !s.IsView && s.TemporaryKeyword == ast.TemporaryNone {
			for _, t := range s.Tables {
				r.replaced(r.id(t), "the table was dropped")
			}
		}
	case *ast.RenameTableStmt:
		for _, p := range s.TableToTables {
			r.pause(r.id(p.OldTable), "the table was renamed")
			r.renamedTo(p.NewTable)
		}
	case *ast.DropDatabaseStmt:
		for _, t := range r.d.all() {
			if strings.EqualFold(t.Database, s.Name.O) {
				r.replaced(t, "the database was dropped")
			}
		}
	case *ast.CreateTableStmt:
		if s.TemporaryKeyword != ast.TemporaryNone {
			return
		}
		r.create(r.id(s.Table), s.IfNotExists)
	case *ast.DropIndexStmt:
		r.dropIndex(r.id(s.Table), s.IndexName)
	case *ast.CreateIndexStmt, *ast.AnalyzeTableStmt, *ast.AlterDatabaseStmt, *ast.CreateDatabaseStmt, *ast.CreateViewStmt,
		*ast.BeginStmt, *ast.CommitStmt, *ast.RollbackStmt, *ast.SavepointStmt, *ast.ReleaseSavepointStmt, *ast.FlushStmt, *ast.SetStmt,
		*ast.GrantStmt, *ast.RevokeStmt, *ast.CreateUserStmt, *ast.OptimizeTableStmt:
	default:
		r.out = append(r.out, r.d.pauseMentioned(r.db, r.sql, "is of a kind that is not followed")...)
	}
}

// create: a table of this name came into being, maybe only if there was none.
func (r *ddlStatement) create(t cdc.TableID, maybe bool) {
	switch {
	case r.d.lookup(t) == nil:
		r.out = append(r.out, ddlEffect{created: true, table: t})
	case !maybe:
		r.replaced(t, "the table was created anew")
	}
}

func (r *ddlStatement) dropIndex(t cdc.TableID, name string) {
	if def := r.d.lookup(t); def != nil && strings.EqualFold(def.KeyName, name) {
		r.pause(t, "the index "+name+", which is the table's key, was dropped")
	}
}
