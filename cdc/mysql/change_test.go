package mysql

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestStatementFormat: a change that is logged as a statement stops the tables that it may have changed, and no others.
func TestStatementFormat(t *testing.T) {
	s := server(t, map[string]string{"log_bin_trust_function_creators": "1", "secure_file_priv": ""})
	file := filepath.Join(t.TempDir(), "rows")
	must(t, os.WriteFile(file, []byte("50\t1\n"), 0o644))
	must(t, os.Chmod(filepath.Dir(file), 0o755))
	must(t, s.Exec(t.Context(), "CREATE TABLE mysql.rds_history (id INT PRIMARY KEY, at DATETIME)", "CREATE USER poor@'%' IDENTIFIED BY 'x'", "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO poor@'%'"))
	for _, c := range []struct {
		name, before, sql, after string // after comes before the log is read
		poor                     bool
		paused                   string
	}{
		{name: "its own table", sql: "UPDATE t SET v = 5", paused: "t"},
		{name: "another one", sql: "UPDATE u SET v = 5; INSERT INTO u VALUES (7, 7); DELETE FROM u WHERE id = 7"},
		{name: "only read", sql: "REPLACE INTO u SELECT 9, COUNT(*) FROM t JOIN o USING (id) WHERE t.id > (SELECT MIN(id) FROM o)"},
		{name: "only read, not parsed", sql: "INSERT INTO u SELECT id + 20, 1 FROM JSON_TABLE('[1]', '$[*]' COLUMNS (id INT PATH '$')) AS j"},
		{name: "joined", sql: "UPDATE u JOIN t USING (id) SET u.v = 1", paused: "t"},
		{name: "aliases", sql: "DELETE a FROM u AS b JOIN t AS a USING (id)", paused: "t"},
		{name: "common table", sql: "WITH o AS (SELECT 1 AS id) UPDATE t JOIN o USING (id) SET t.v = 8", paused: "o t"},
		{name: "view", before: "CREATE VIEW v AS SELECT * FROM t", sql: "UPDATE v SET v = 4", paused: "t"},
		{name: "view of a view", before: "CREATE VIEW v AS SELECT * FROM t; CREATE VIEW w AS SELECT * FROM v", sql: "INSERT INTO w VALUES (5, 5)", paused: "t"},
		{name: "trigger", before: "CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW UPDATE t SET v = NEW.v", sql: "INSERT INTO u VALUES (5, 5)", paused: "t"},
		{name: "trigger that calls", before: "CREATE VIEW v AS SELECT * FROM t; CREATE PROCEDURE p(x INT) UPDATE v SET v = x; CREATE TRIGGER tr AFTER DELETE ON u FOR EACH ROW CALL p(OLD.v)",
			sql: "DELETE FROM u", paused: "t"},
		{name: "trigger that goes", before: "CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW UPDATE t SET v = NEW.v", sql: "INSERT INTO u VALUES (5, 5)", after: "DROP TRIGGER tr", paused: "o t"},
		{name: "another's trigger goes", before: "CREATE TRIGGER other_db.tr AFTER INSERT ON other_db.x FOR EACH ROW SET @a = 1", sql: "INSERT INTO u VALUES (5, 5)", after: "USE other_db; DROP TRIGGER tr"},
		{name: "function", before: "CREATE FUNCTION f() RETURNS INT DETERMINISTIC BEGIN UPDATE t SET v = v + 1; RETURN 1; END", sql: "SET @x = f()", paused: "t"},
		{name: "function in a statement", before: "CREATE FUNCTION f() RETURNS INT DETERMINISTIC BEGIN UPDATE t SET v = v + 1; RETURN 1; END", sql: "INSERT INTO u VALUES (5, f())", paused: "t"},
		{name: "cascade", before: "CREATE TABLE un (id INT PRIMARY KEY, u INT, FOREIGN KEY (u) REFERENCES u (id) ON DELETE CASCADE); ALTER TABLE o ADD FOREIGN KEY (id) REFERENCES un (id) ON DELETE CASCADE",
			sql: "DELETE FROM u", paused: "o"},
		{name: "load data", sql: "LOAD DATA INFILE '" + file + "' INTO TABLE t", paused: "t"},
		{name: "load data elsewhere", sql: "LOAD DATA INFILE '" + file + "' INTO TABLE u"},
		{name: "temporary", sql: "CREATE TEMPORARY TABLE x (id INT); INSERT INTO x VALUES (1); DROP TEMPORARY TABLE x"},
		{name: "hosted", sql: "REPLACE INTO mysql.rds_history VALUES (1, NOW())", poor: true},
		{name: "blind", sql: "UPDATE u SET v = 6", poor: true, paused: "o t"},
		{name: "comments", sql: "/* a */ # b\n -- c\n /*!50000 UPDATE u */ SET v = 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := timeout(t, time.Minute)
			conn, err := s.Connect(ctx, "")
			must(t, err)
			defer conn.Close() //nolint:errcheck // a test's connection
			exec := func(sql string) {
				t.Helper()
				for _, q := range strings.Split(sql, "; ") {
					if _, err := conn.Execute(q); err != nil {
						t.Fatalf("%s: %v", q, err)
					}
				}
			}
			exec("DROP DATABASE IF EXISTS d; DROP DATABASE IF EXISTS other_db; CREATE DATABASE other_db; CREATE TABLE other_db.x (id INT); CREATE DATABASE d; USE d; CREATE TABLE u (id INT PRIMARY KEY, v INT); CREATE TABLE t LIKE u; CREATE TABLE o LIKE u")
			if c.before != "" {
				if strings.Contains(c.before, "BEGIN") { // one statement
					_, err := conn.Execute(c.before)
					must(t, err)
				} else {
					exec(c.before)
				}
			}
			cfg := config(s, "d")
			cfg.Exclude = []string{"d.u*"}
			if c.poor {
				cfg.User, cfg.Password = "poor", "x"
			}
			src := newSource(t, cfg)
			ds, err := src.Discover(ctx)
			must(t, err)
			exec("SET SESSION binlog_format = STATEMENT")
			exec(c.sql)
			if c.after != "" {
				exec(c.after)
				exec("USE d")
			}
			exec("SET SESSION binlog_format = ROW; INSERT INTO t VALUES (100, 1); INSERT IGNORE INTO o SELECT 100, 1")
			sink := newSink(t, src)
			var starts []cdc.Start
			for _, d := range ds {
				sink.add(d.Schema, false)
				starts = append(starts, cdc.Start{Schema: d.Schema, Position: d.Position})
			}
			p := follow(t, src, sink, starts)
			p.catchUp(ctx)
			p.stop()
			var paused []string
			for id, mt := range sink.tables {
				if mt.paused == nil {
					sink.equal(s, id)
					continue
				}
				paused = append(paused, id.Name)
				wantCode(t, mt.paused, codeStatement)
				t.Log(mt.paused)
			}
			slices.Sort(paused)
			if got := strings.Join(paused, " "); got != c.paused {
				t.Errorf("%q is paused, want %q", got, c.paused)
			}
		})
	}
}
