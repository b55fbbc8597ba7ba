package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// keylessTable makes a table without a key, with rows that are equal to each other.
func (tr *trial) keylessTable(name string, rows int) {
	tr.t.Helper()
	var values []string
	for i := range rows {
		values = append(values, fmt.Sprintf("(%d, 'v%d', NULL)", i%(rows/3+1), i%(rows/3+1)))
	}
	tr.sql("CREATE TABLE "+name+" (a INT, v VARCHAR(400), n INT, KEY (a))", "INSERT INTO "+name+" VALUES "+strings.Join(values, ", "),
		"UPDATE "+name+" SET v = RPAD(v, 300, '.')")
}

// TestKeylessLoadIsInterrupted: the load of a table without a key starts over when its connection is lost and when the service is killed,
// while rows change; a definition that changes meanwhile has it loaded anew.
func TestKeylessLoadIsInterrupted(t *testing.T) {
	needServers(t)
	for _, mode := range []string{"gtid", "file"} {
		t.Run(mode, func(t *testing.T) {
			if mode == "file" {
				testenv.Slow(t)
			}
			tr := sharedTrial(t, settings{file: true})
			tr.edit("mysql: {host:", "mysql: {position: "+mode+", host:")
			tr.keylessTable("k", 60000) // several batches, and more than sockets hold
			tr.edit("chunk_rows: 500}", "chunk_rows: 500, rows_per_second: 15000}")
			tr.start()
			loading := func() string { // the id of the connection that reads
				t.Helper()
				for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
					// Not more often: the server makes INNODB_TRX anew only after nobody has asked for 0.1 s.
					rows, err := tr.mysql.Query(t.Context(), "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id "+
						"WHERE USER = '"+tr.user+"' AND trx_isolation_level = 'REPEATABLE READ'")
					if err != nil {
						t.Fatal(err)
					}
					if len(rows) == 1 {
						return rows[0][0]
					}
				}
				t.Fatal("nobody reads the table")
				return ""
			}
			change := func(n int) {
				tr.sql(fmt.Sprintf("UPDATE k SET n = %d WHERE a < 1000 LIMIT 700", n), fmt.Sprintf("DELETE FROM k WHERE a = %d LIMIT 2", n), "INSERT INTO k SELECT * FROM k WHERE a BETWEEN 10 AND 20 LIMIT 30",
					"UPDATE a SET n = n + 1")
			}
			id := loading()
			change(1)
			tr.sql("KILL " + id)
			tr.logs("LOAD_BROKEN", soon)
			change(2)
			loading()
			change(3)
			tr.kill()
			change(4)
			tr.start()
			loading()
			change(5)
			tr.stops()
			tr.start()
			loading()
			change(6)
			tr.equal(tr.mysql, soon, "a", "b") // they do not wait
			tr.stops()
			tr.edit(", rows_per_second: 15000", "")
			tr.start()
			tr.equal(tr.mysql, soon, "a", "b", "k")
			change(7)
			tr.kill()
			change(8)
			tr.well("a", "b", "k")
			if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
				t.Errorf("divergence alarm: %v, %v", n, err)
			}
			// What the state has is lost, and comes from the table again.
			tr.kill()
			change(9)
			if err := os.RemoveAll(tr.dir + "/state"); err != nil {
				t.Fatal(err)
			}
			tr.well("a", "b", "k")
			if out, code := tr.tell("verify", tr.db+".k", "--tmp", t.TempDir()); code != 0 || !strings.Contains(out, tr.db+".k: ") || !strings.Contains(out, " 0 differences") {
				t.Errorf("verify ended with %d:\n%s", code, out)
			}
			tr.sql("SET sql_log_bin = 0", "DELETE FROM k WHERE a = 15 LIMIT 1")
			if out, code := tr.tell("verify", tr.db+".k", "--tmp", t.TempDir()); code != 1 || !strings.Contains(out, "a=15") {
				t.Errorf("verify ended with %d:\n%s", code, out)
			}
		})
	}
}

// TestKeylessLock: the lock that the load of a table without a key needs is waited for, and holds nothing else back; a user that may not
// take it has that table paused.
func TestKeylessLock(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	tr.keylessTable("k", 30)
	other, err := tr.mysql.Connect(t.Context(), tr.db)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // a test's connection
	for _, q := range []string{"BEGIN", "INSERT INTO k VALUES (1, 'open', 1)"} {
		if _, err := other.Execute(q); err != nil {
			t.Fatal(err)
		}
	}
	tr.start()
	tr.equal(tr.mysql, soon, "a", "b")
	tr.sql("UPDATE a SET n = 77")
	tr.equal(tr.mysql, soon, "a", "b")
	if s := tr.states()[tr.db+".k"]; s.State != "loading" {
		t.Errorf("behind an open transaction: %+v", s)
	}
	// Writers get through between the attempts.
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := tr.mysql.Exec(ctx, "USE "+tr.db, "INSERT INTO k VALUES (2, 'through', 2)"); err != nil {
		t.Errorf("the load holds writers back: %v", err)
	}
	if _, err := other.Execute("COMMIT"); err != nil {
		t.Fatal(err)
	}
	tr.equal(tr.mysql, soon, "a", "b", "k")
	tr.stops()

	tr.keylessTable("l", 30)
	tr.sql("REVOKE LOCK TABLES ON *.* FROM '" + tr.user + "'@'%'")
	tr.contains("check", tr.checks(0), "LOCK TABLES", tr.db+".l")
	tr.start()
	tr.shows("l", "paused", "MYSQL_LOCK")
	tr.sql("UPDATE a SET n = 78", "UPDATE k SET n = 3 WHERE a = 2 LIMIT 1", "INSERT INTO l VALUES (9, 'later', 9)")
	tr.equal(tr.mysql, soon, "a", "b", "k")
	tr.sql("GRANT LOCK TABLES ON *.* TO '" + tr.user + "'@'%'")
	if out, code := tr.tell("reload", tr.db+".l"); code != 0 {
		t.Errorf("reload ended with %d:\n%s", code, out)
	}
	tr.equal(tr.mysql, soon, "a", "b", "k", "l")
}
