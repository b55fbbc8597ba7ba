package mysql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// FuzzDDL feeds hostile statements: reading one ends, without a panic, and what comes of it concerns followed tables only and
// is a definition that can be used, or a pause. The seeds are the statements of the fidelity corpus.
func FuzzDDL(f *testing.F) {
	files, err := filepath.Glob("../../e2e/fidelity/cases/*.sql")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds:", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range strings.Split(string(text), ";\n") {
			for _, w := range []string{"ALTER TABLE", "CREATE TABLE t", "RENAME", "TRUNCATE", "DROP TABLE", "DROP INDEX", "CREATE INDEX"} {
				if i := strings.Index(s, w); i >= 0 && !strings.Contains(s, "{") {
					f.Add(s[i:], uint64(0), uint16(255))
					break
				}
			}
		}
	}
	f.Add(`ALTER TABLE "t" ADD COLUMN "w" INT DEFAULT '\'`, uint64(binlog.ModeANSIQuotes|binlog.ModeNoBackslashEscapes), uint16(8))
	f.Add("/*!50001 ALTER TABLE t ADD w VARCHAR(3) CHARACTER SET greek FIRST */ -- end", uint64(binlog.ModeStrict), uint16(28))
	f.Add("RENAME TABLE t TO x, u TO t, x TO u", uint64(0), uint16(45))
	id := cdc.TableID{Database: "d", Name: "t"}
	other := cdc.TableID{Database: "d", Name: "u"}
	def := binlog.SourceTable{Table: id, KeyName: "PRIMARY", Collation: "utf8mb4_0900_ai_ci"}
	for _, c := range []binlog.SourceColumn{{Name: "id", ColumnType: "int", Key: 1}, {Name: "a", ColumnType: "int", Nullable: true}, {Name: "v", ColumnType: "varchar(20)", Nullable: true, Charset: "utf8mb4"},
		{Name: "e", ColumnType: "enum('a','b')", Nullable: true, Charset: "utf8mb4"}} {
		if err := c.ParseType(); err != nil {
			f.Fatal(err)
		}
		def.Columns = append(def.Columns, c)
	}
	defs := map[cdc.TableID]*binlog.SourceTable{id: &def, other: cloneTable(&def)}
	defs[other].Table = other
	f.Fuzz(func(t *testing.T, sql string, mode uint64, collation uint16) {
		d := newDDLReader(func(t cdc.TableID) *binlog.SourceTable { return defs[t] }, func() []cdc.TableID { return []cdc.TableID{id, other} })
		d.lowerNames, d.cascadesLogged, d.columnKeys = mode&1<<40 != 0, mode&1<<41 != 0, mode&1<<42 != 0
		text, charset := statementText(&binlog.Query{SQLMode: mode, ClientCollation: collation, ConnectionCollation: collation}, sql)
		for _, e := range d.read("d", text, mode, charset) {
			if e.created {
				continue
			}
			if e.unfollowed {
				if defs[e.table] != nil {
					t.Errorf("%s is followed", e.table)
				}
				continue
			}
			if defs[e.table] == nil {
				t.Errorf("an effect on %s, which is not followed", e.table)
			}
			kinds := 0
			for _, is := range []bool{e.def != nil, e.pause != nil, e.emptied} {
				if is {
					kinds++
				}
			}
			if kinds != 1 {
				t.Errorf("%s: definition %v, pause %v, emptied %t", e.table, e.def, e.pause, e.emptied)
			}
			if e.def == nil {
				continue
			}
			names, key := map[string]bool{}, 0
			for _, c := range e.def.Columns {
				if low := strings.ToLower(c.Name); names[low] {
					t.Errorf("column %q twice", c.Name)
				} else {
					names[low] = true
				}
				if c.Key > 0 {
					key++
				}
			}
			if key == 0 {
				t.Error("no key is left")
			}
			for to, from := range e.renamed {
				if findColumn(e.def, to) < 0 || findColumn(&def, from) < 0 && findColumn(e.def, from) < 0 {
					t.Errorf("%q becomes %q in %v", from, to, e.def.Columns)
				}
			}
			_, _ = binlog.NewSchema(*e.def, binlog.TableOptions{})
		}
		if len(def.Columns) != 4 || def.Columns[0].Name != "id" || def.Columns[3].ColumnType != "enum('a','b')" {
			t.Fatalf("the definition was changed in place: %+v", def)
		}
	})
}

// FuzzPosition feeds hostile positions, GTIDs and sets of them.
func FuzzPosition(f *testing.F) {
	for _, s := range []string{`{"v":1,"gtid":true,"gtids":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7,3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1","last_gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:7"}`,
		`{"v":1,"server":"s","file":"binlog.000002","pos":157}`, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", "3e11fa47-71ca-11e1-9e33-c80aa9429562:x_1:9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := decodePosition(cdc.Position(s)); err == nil {
			if again, err := decodePosition(p.encode()); err != nil || again != p {
				t.Errorf("%+v becomes %+v, %v", p, again, err)
			}
			_, _ = p.set()
		}
		for _, mariadb := range []bool{false, true} {
			if g, err := parseGTID(s, mariadb); err == nil && g != (gtid{}) {
				if again, err := parseGTID(g.String(), mariadb); err != nil || again != g {
					t.Errorf("%+v becomes %+v, %v", g, again, err)
				}
			}
			_, _ = parseGTIDs(s, mariadb)
		}
	})
}

// FuzzAnswers feeds hostile texts of the server: its version, and grants.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{"9.7.4", "8.0.36-28.1", "5.5.5-10.11.6-MariaDB-log", "GRANT SELECT, RELOAD ON *.* TO `x`@`%` WITH GRANT OPTION", "GRANT SELECT (`a`, `b`) ON `d``b`.* TO 'x'@'%'"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = parseVersion(s)
		parseGrant(s)
		_ = parseError([]byte(s))
	})
}
