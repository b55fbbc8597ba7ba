package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// A running pipeline under writes is equal; rows changed behind the log's back are found; without the service late rows are not
// called different.
func TestVerify(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE a (id BIGINT PRIMARY KEY, v VARCHAR(20), d DECIMAL(30,4), at DATETIME(3))",
		"CREATE TABLE b (k VARCHAR(10) PRIMARY KEY, n INT, secret VARCHAR(20), note TEXT)", "CREATE TABLE nokey (v INT, f DOUBLE, s VARCHAR(10))", "INSERT INTO nokey VALUES (1, 0.1, 'x'), (1, 0.1, 'x'), (NULL, NULL, NULL), (2, 1, '')")
	for i := range 20 {
		var as, bs []string
		for j := range 100 {
			as = append(as, fmt.Sprintf("(%d, 'v%d', %d.5, '2026-01-01 00:00:00.%03d')", i*100+j, j, i, j))
			bs = append(bs, fmt.Sprintf("('k%d', %d, 's%d', NULL)", i*100+j, j, j))
		}
		db.Exec("INSERT INTO a VALUES "+strings.Join(as, ","), "INSERT INTO b VALUES "+strings.Join(bs, ","))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := fmt.Sprintf("version: 1\npipeline: verified\nmysql: {host: %q, port: %d, user: %s, password: %s}\n"+
		"tables: {include: ['%s.*'], hash_salt: pepper, rules: [{match: '%s.b', columns: {exclude: [note], hash: [secret]}, metadata: [op, ts]}]}\n"+
		"iceberg: {warehouse: 'file://%s/lake'}\ncheckpoints: {interval: 200ms}\nhttp: {listen: '127.0.0.1:0'}\nlog: {level: debug}\n",
		db.Host(), db.Port(), testenv.CDCUser, testenv.CDCPassword, db.Name, db.Name, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := cli(t, "verify", "-c", file, "--patience", "1s"); code != 1 || !strings.Contains(errs, "NOT_COMPARABLE") {
		t.Errorf("before the first run: %d\n%s%s", code, out, errs)
	}
	run := startRun(t, file)
	eventually(t, run, "the tables are live", func() bool {
		_, s := get(t, run, "/status")
		return strings.Count(s, `"state":"live"`) == 3
	})

	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			conn, err := db.Connect(context.Background(), db.Name)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for i := w; ctx.Err() == nil; i += 2 {
				for _, q := range []string{fmt.Sprintf("UPDATE a SET d = d + 1, v = 'u%d' WHERE id %% 200 = %d", i, i%200),
					fmt.Sprintf("REPLACE INTO a VALUES (%d, 'new', 0, NOW(3))", 5000+i%500), fmt.Sprintf("DELETE FROM a WHERE id = %d", 5000+i*3%500),
					fmt.Sprintf("UPDATE b SET n = %d, secret = 't%d' WHERE k = 'k%d'", i, i, i*17%2000),
					fmt.Sprintf("INSERT INTO nokey VALUES (%d, %d / 10, 'w%d')", 3+i%7, i%5, w), fmt.Sprintf("DELETE FROM nokey WHERE s = 'w%d' LIMIT 1", w)} {
					if _, err := conn.Execute(q); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 3 {
		out, errs, code := cli(t, "verify", "-c", file)
		if code != 0 || !strings.Contains(out, "verify: 3 tables, ") || !strings.HasSuffix(out, " 0 differences\n") {
			t.Errorf("under writes: %d\n%s%s", code, out, errs)
		}
	}
	cancel()
	writers.Wait()

	// Changes that no log tells of.
	db.Exec("SET sql_log_bin = 0", "UPDATE a SET v = 'wrong' WHERE id = 7", "DELETE FROM a WHERE id = 8", "UPDATE b SET secret = 'other' WHERE k = 'k9'",
		"INSERT INTO b VALUES ('extra', 1, 's', 'n')", "UPDATE b SET note = 'not replicated' WHERE k = 'k1'",
		"INSERT INTO nokey VALUES (1, 0.1, 'x')", "DELETE FROM nokey WHERE v IS NULL")
	out, errs, code := cli(t, "verify", "-c", file, "--show", "5")
	if code != 1 || !strings.Contains(errs, "DIFFERENT") || !strings.HasSuffix(out, " 6 differences\n") {
		t.Errorf("six wrong rows: %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"  id=7\n", "v=\"wrong\"", "  id=8\n    mysql:   no such row\n", "  k=\"k9\"\n", "  k=\"extra\"\n", "    iceberg: no such row\n",
		"    mysql:   3 times\n    iceberg: 2 times\n", "  v=NULL f=NULL s=NULL\n    mysql:   no such row\n    iceberg: once\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	if strings.Contains(out, "note=") || strings.Contains(out, "other") {
		t.Errorf("shows what is left out or hashed:\n%s", out)
	}
	out, errs, code = cli(t, "verify", "-c", file, db.Name+".a")
	if code != 1 || !strings.HasPrefix(out[strings.LastIndex(out, "verify: "):], "verify: 1 tables, ") || !strings.HasSuffix(out, " 2 differences\n") {
		t.Errorf("one table: %d\n%s%s", code, out, errs)
	}
	db.Exec("SET sql_log_bin = 0", "UPDATE a SET v = (SELECT x.v FROM (SELECT v FROM a WHERE id = 7) x) WHERE id = 7")
	if code := run.stop(); code != 0 {
		t.Fatalf("stopped with %d\n%s", code, run.log)
	}

	db.Exec("CREATE TABLE c (id INT PRIMARY KEY)", "INSERT INTO b VALUES ('late', 1, 's', NULL)", "DELETE FROM b WHERE k = 'extra'")
	out, errs, code = cli(t, "verify", "-c", file, "--patience", "1s", db.Name+".b")
	if code != cdc.Retryable.ExitCode() || !strings.Contains(errs, "UNDECIDED") || !strings.Contains(out, "MySQL is ahead") || !strings.HasSuffix(out, " 0 differences\n") {
		t.Errorf("late rows: %d\n%s%s", code, out, errs)
	}
	if out, errs, code = cli(t, "verify", "-c", file, "--patience", "1s", db.Name+".c"); code != 1 || !strings.Contains(errs, "no Iceberg table") {
		t.Errorf("a table that is not there yet: %d\n%s%s", code, out, errs)
	}
	if _, errs, code = cli(t, "verify", "-c", file, db.Name+".zzz"); code != 1 || !strings.Contains(errs, "UNKNOWN_TABLE") {
		t.Errorf("an unknown table: %d %s", code, errs)
	}
	if _, errs, code = cli(t, "verify", "-c", file, "zzz"); code != exitUsage {
		t.Errorf("a name without a database: %d %s", code, errs)
	}
	http.DefaultClient.CloseIdleConnections()
}
