package mysql

import (
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestMixedTransactions: transactions over tables with and without transactions, which only a server without GTIDs allows. What they take
// back is either not in the log, or the tables that it concerns stop.
func TestMixedTransactions(t *testing.T) {
	s := server(t, fileMode)
	for _, c := range []struct{ name, sql string }{
		{name: "commit", sql: "BEGIN; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); UPDATE t JOIN m USING (id) SET t.v = 3, m.v = 4; COMMIT"},
		{name: "rollback", sql: "BEGIN; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); ROLLBACK"},
		{name: "rollback of both in one statement", sql: "BEGIN; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); UPDATE t JOIN m USING (id) SET t.v = 3, m.v = 4; ROLLBACK"},
		{name: "savepoint", sql: "BEGIN; INSERT INTO t VALUES (1, 1); SAVEPOINT a; INSERT INTO m VALUES (1, 1); INSERT INTO t VALUES (2, 2); ROLLBACK TO a; INSERT INTO t VALUES (3, 3); COMMIT"},
		{name: "savepoint over both", sql: "BEGIN; INSERT INTO t VALUES (1, 1); SAVEPOINT a; INSERT INTO m SELECT id, v FROM t; UPDATE t JOIN m USING (id) SET t.v = 3, m.v = 4; ROLLBACK TO a; INSERT INTO t VALUES (3, 3); COMMIT"},
		{name: "trigger", sql: "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO m VALUES (NEW.id, NEW.v); BEGIN; INSERT INTO t VALUES (1, 1); SAVEPOINT a; INSERT INTO t VALUES (2, 2); ROLLBACK TO a; COMMIT; BEGIN; INSERT INTO t VALUES (5, 5); ROLLBACK"},
		{name: "statement that fails", sql: "INSERT INTO m VALUES (3, 3); BEGIN; INSERT INTO t VALUES (1, 1); !INSERT INTO m VALUES (1, 1), (2, 2), (3, 4), (4, 4); !INSERT INTO t VALUES (7, 7), (1, 2); COMMIT"},
		{name: "failing over both", sql: "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO m VALUES (NEW.id, NEW.v); INSERT INTO t VALUES (9, 1); BEGIN; INSERT INTO t VALUES (1, 1); !INSERT INTO t VALUES (2, 2), (3, 3), (9, 9), (10, 10); COMMIT"},
		{name: "xa", sql: "XA START 'x'; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'"},
		{name: "xa rollback", sql: "XA START 'x'; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); XA END 'x'; XA PREPARE 'x'; XA ROLLBACK 'x'"},
		{name: "xa unprepared", sql: "XA START 'x'; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); UPDATE t JOIN m USING (id) SET t.v = 3, m.v = 4; XA END 'x'; XA ROLLBACK 'x'"},
		{name: "direct", sql: "SET SESSION binlog_direct_non_transactional_updates = ON; BEGIN; INSERT INTO t VALUES (1, 1); INSERT INTO m VALUES (1, 1); ROLLBACK"},
		{name: "temporary", sql: "BEGIN; INSERT INTO t VALUES (1, 1); CREATE TEMPORARY TABLE x (id INT) ENGINE = MyISAM; INSERT INTO x VALUES (1); DROP TEMPORARY TABLE x; ROLLBACK"},
		{name: "create and select", sql: "CREATE TABLE n SELECT * FROM o; BEGIN; INSERT INTO t VALUES (1, 1); ROLLBACK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := timeout(t, time.Minute)
			conn, err := s.Connect(ctx, "")
			must(t, err)
			defer conn.Close() //nolint:errcheck // a test's connection
			exec := func(sql string) {
				t.Helper()
				for _, q := range strings.Split(sql, "; ") {
					q, fails := strings.CutPrefix(q, "!")
					if _, err := conn.Execute(q); (err != nil) != fails {
						t.Fatalf("%s: %v", q, err)
					}
				}
			}
			exec("DROP DATABASE IF EXISTS d; CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE o LIKE t; CREATE TABLE m (id INT PRIMARY KEY, v INT) ENGINE = MyISAM")
			src := newSource(t, config(s, "d"))
			p, _ := startAll(t, src, false)
			exec(c.sql)
			exec("INSERT INTO o VALUES (100, 1)")
			p.catchUp(ctx)
			p.stop()
			for id, mt := range p.sink.tables {
				if mt.paused == nil {
					p.sink.equal(s, id)
					continue
				}
				wantCode(t, mt.paused, codeRollback)
				t.Log(mt.paused)
				if id == (cdc.TableID{Database: "d", Name: "o"}) {
					t.Error("a table that the transaction did not change is paused")
				}
			}
		})
	}
}
