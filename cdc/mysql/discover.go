package mysql

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// Discover lists the selected tables with their definitions. Tables that cannot be replicated have Err set.
func (s *Source) Discover(ctx context.Context) ([]cdc.Discovered, error) {
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return nil, err
	}
	defer cn.close()
	// First of all, since tables that the user may not read would seem gone, and be paused for it.
	if err := s.preflight(cn); err != nil {
		return nil, err
	}
	return s.discover(ctx, cn)
}

// discover reads the definitions before and after the position until both are the same. Then no row between the
// position and the definition was logged under an older definition: a change of definition waits for the
// transactions on its table, until these are published.
func (s *Source) discover(ctx context.Context, cn *conn) ([]cdc.Discovered, error) {
	gtids, err := s.useGTIDs(cn)
	if err != nil {
		return nil, err
	}
	before, err := s.readTables(cn)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		pos, err := s.currentPosition(cn, gtids)
		if err != nil {
			return nil, err
		}
		after, err := s.readTables(cn)
		if err != nil {
			return nil, err
		}
		if reflect.DeepEqual(definitions(before), definitions(after)) || try == 20 {
			if try == 20 {
				return nil, cdc.Errorf(codeConnect, cdc.TableID{}, "definitions of tables kept changing while they were read")
			}
			// A statement shows in definitions before it is published.
			end, err := filePosition(cn)
			if cdc.ClassOf(err) == cdc.Retryable && err != nil {
				return nil, err
			}
			for i := range after {
				if err == nil { // else `check` says which privilege or setting is missing
					after[i].AsOf = end.encode()
				}
			}
			return s.describe(after, pos.encode()), nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		before = after
	}
}

// foundTable is a table as information_schema has it.
type foundTable struct {
	binlog.SourceTable
	rows int64
	err  error
	// refused says why the table cannot be followed, whatever its columns.
	refused *cdc.Error
}

func definitions(ts []foundTable) []binlog.SourceTable {
	out := make([]binlog.SourceTable, len(ts))
	for i := range ts {
		out[i] = ts[i].SourceTable
	}
	return out
}

func (s *Source) describe(ts []foundTable, pos cdc.Position) []cdc.Discovered {
	out := make([]cdc.Discovered, len(ts))
	for i := range ts {
		t := &ts[i]
		d := &out[i]
		d.Table, d.Position, d.Rows = t.Table, pos, t.rows
		if t.refused != nil {
			d.Err = t.refused
			continue
		}
		if t.err != nil {
			d.Err = cdc.Errorf(cdc.CodeUnsupported, t.Table, "%w", t.err)
			continue
		}
		if d.Schema, d.Err = binlog.NewSchema(t.SourceTable, s.cfg.TableOptions(t.Table)); d.Err != nil {
			d.Schema = nil
		}
	}
	return out
}

// readTables reads the selected tables' definitions, ordered by name.
func (s *Source) readTables(cn *conn) ([]foundTable, error) {
	rows, err := cn.query("SELECT TABLE_SCHEMA, TABLE_NAME, COALESCE(TABLE_ROWS, 0), COALESCE(TABLE_COLLATION, ''), COALESCE(ENGINE, ''), TABLE_TYPE FROM information_schema.TABLES" +
		" WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')")
	if err != nil {
		return nil, err
	}
	var out []foundTable
	dbs := map[string]bool{}
	var merges []cdc.TableID
	for _, r := range rows {
		if strings.EqualFold(r[4], "MRG_MYISAM") {
			merges = append(merges, cdc.TableID{Database: r[0], Name: r[1]})
		}
		t := foundTable{SourceTable: binlog.SourceTable{Table: cdc.TableID{Database: r[0], Name: r[1]}, Collation: r[3]}}
		if !s.patterns.Load().match(t.Table) {
			continue
		}
		t.rows, _ = strconv.ParseInt(r[2], 10, 64)
		if rowless(r[4]) {
			t.refused = cdc.Errorf(codeEngine, t.Table, "its engine is %s", r[4])
		}
		if r[5] != "BASE TABLE" {
			t.refused = cdc.Errorf(codeVersioned, t.Table, "")
		}
		out = append(out, t)
		dbs[r[0]] = true
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Table.Less(out[j].Table) })
	byName := map[cdc.TableID]*foundTable{}
	for i := range out {
		byName[out[i].Table] = &out[i]
	}
	for _, m := range merges {
		if err := readMerged(cn, m, byName); err != nil {
			return nil, err
		}
	}
	for db := range dbs {
		if err := readColumns(cn, db, byName); err != nil {
			return nil, err
		}
		if err := readKeys(cn, db, byName); err != nil {
			return nil, err
		}
		if err := readCascades(cn, db, byName); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rowless reports engines whose tables hold no rows of their own: BLACKHOLE logs rows and forgets them, MERGE shows those of other
// tables.
func rowless(engine string) bool {
	switch strings.ToUpper(engine) {
	case "BLACKHOLE", "MERGE", "MRG_MYISAM":
		return true
	}
	return false
}

func readColumns(cn *conn, db string, tables map[cdc.TableID]*foundTable) error {
	rows, err := cn.query("SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, ''), IS_NULLABLE," +
		" EXTRA, COLUMN_DEFAULT IS NULL, COALESCE(COLUMN_DEFAULT, ''), COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = " +
		stringLiteral(db) + " ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := tables[cdc.TableID{Database: db, Name: r[0]}]
		if t == nil {
			continue
		}
		c := binlog.SourceColumn{Name: r[1], ColumnType: r[2], Charset: r[3], Collation: r[4], Nullable: r[5] == "YES", Comment: r[9]}
		extra := strings.ToUpper(r[6])
		switch {
		case strings.Contains(extra, "VIRTUAL GENERATED"):
			c.Generated = "virtual"
		case strings.Contains(extra, "STORED GENERATED"):
			c.Generated = "stored"
		}
		c.Invisible = strings.Contains(extra, "INVISIBLE")
		c.AutoIncrement = strings.Contains(extra, "AUTO_INCREMENT")
		if r[7] == "0" {
			c.Default, c.Computed = &r[8], strings.Contains(extra, "DEFAULT_GENERATED")
			if cn.dialect.mariadb {
				c.Default, c.Computed = mariaDefault(r[8])
			}
		}
		if err := c.ParseType(); err != nil && t.err == nil {
			t.err = err
		}
		t.Columns = append(t.Columns, c)
	}
	return nil
}

// readKeys marks the columns of the key: the primary key, otherwise the unique index with the fewest columns (then
// the first by name) whose columns are all NOT NULL, whole, and of a type that a key can have.
func readKeys(cn *conn, db string, tables map[cdc.TableID]*foundTable) error {
	rows, err := cn.query("SELECT TABLE_NAME, INDEX_NAME, COALESCE(COLUMN_NAME, ''), SUB_PART IS NULL FROM information_schema.STATISTICS" +
		" WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = " + stringLiteral(db) + " ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX")
	if err != nil {
		return err
	}
	type index struct {
		name    string
		columns []string
		whole   bool
	}
	indexes := map[*foundTable][]*index{}
	for _, r := range rows {
		t := tables[cdc.TableID{Database: db, Name: r[0]}]
		if t == nil {
			continue
		}
		l := indexes[t]
		if len(l) == 0 || l[len(l)-1].name != r[1] {
			l = append(l, &index{name: r[1], whole: true})
			indexes[t] = l
		}
		x := l[len(l)-1]
		x.columns = append(x.columns, r[2])
		x.whole = x.whole && r[3] == "1"
	}
	for t, l := range indexes {
		sort.SliceStable(l, func(i, j int) bool {
			if pi, pj := l[i].name == "PRIMARY", l[j].name == "PRIMARY"; pi != pj {
				return pi
			}
			return len(l[i].columns) < len(l[j].columns)
		})
		for _, x := range l {
			if x.name == "PRIMARY" || x.whole && t.usableKey(x.columns) {
				if err := t.setKey(x.name, x.columns); err != nil && t.err == nil {
					t.err = err
				}
				break
			}
		}
	}
	return nil
}

func (t *foundTable) usableKey(columns []string) bool {
	for _, name := range columns {
		i := findColumn(&t.SourceTable, name)
		if i < 0 || t.Columns[i].Nullable || t.Columns[i].DataType == "float" || t.Columns[i].DataType == "double" {
			return false
		}
	}
	return true
}

func (t *foundTable) setKey(name string, columns []string) error {
	t.KeyName = name
	for n, c := range columns {
		i := findColumn(&t.SourceTable, c)
		if i < 0 {
			return fmt.Errorf("key column %q is not a column", c)
		}
		t.Columns[i].Key = n + 1
	}
	return nil
}

func findColumn(t *binlog.SourceTable, name string) int {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}
