package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// Rows that were changed behind the log's back are repaired while others, and the same ones, change; a service that is not running
// makes the repair when it is.
func TestRepair(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE a (id BIGINT PRIMARY KEY, v VARCHAR(20), d DECIMAL(30,4), at DATETIME(3), secret VARCHAR(20))",
		"CREATE TABLE b (k VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, day DATE, n INT, note TEXT, PRIMARY KEY (k, day))")
	const rows = 4000
	for i := range rows / 100 {
		var as, bs []string
		for j := range 100 {
			as = append(as, fmt.Sprintf("(%d, 'v%d', %d.5, '2026-01-01 00:00:00.%03d', 's%d')", i*100+j, j, i, j, j))
			bs = append(bs, fmt.Sprintf("('k%d', '2026-02-%02d', %d, 'n')", i*100+j, 1+j%28, j))
		}
		db.Exec("INSERT INTO a VALUES "+strings.Join(as, ","), "INSERT INTO b VALUES "+strings.Join(bs, ","))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := fmt.Sprintf("version: 1\npipeline: repaired\nmysql: {host: %q, port: %d, user: %s, password: %s}\n"+
		"tables: {include: ['%s.*'], hash_salt: pepper, rules: [{match: '%s.a', columns: {hash: [secret]}, metadata: [op, ts]}]}\n"+
		"iceberg: {warehouse: 'file://%s/lake'}\ncheckpoints: {interval: 200ms}\nhttp: {listen: '127.0.0.1:0'}\nlog: {level: debug}\n",
		db.Host(), db.Port(), testenv.CDCUser, testenv.CDCPassword, db.Name, db.Name, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := startRun(t, file)
	live := func() {
		t.Helper()
		eventually(t, run, "the tables are live", func() bool {
			_, s := get(t, run, "/status")
			return strings.Count(s, `"state":"live"`) == 2
		})
	}
	live()

	// The writers also change the rows that are wrong, and put others beside them.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
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
				time.Sleep(4 * time.Millisecond) // some hundred transactions a second: at full speed a small machine has no CPU left for the rest
				for _, q := range []string{fmt.Sprintf("UPDATE a SET d = d + 1 WHERE id %% 400 = %d", i%400), fmt.Sprintf("REPLACE INTO a VALUES (%d, 'new', 0, NOW(3), 'x')", rows+i%500),
					fmt.Sprintf("DELETE FROM a WHERE id = %d", rows+i*3%500), fmt.Sprintf("UPDATE b SET n = n + 1 WHERE k = 'k%d'", i*17%rows)} {
					if _, err := conn.Execute(q); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	conn, err := db.Connect(t.Context(), db.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	silently := func(stmts ...string) {
		t.Helper()
		for _, q := range append([]string{"SET sql_log_bin = 0"}, stmts...) {
			if _, err := conn.Execute(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		silently(fmt.Sprintf("UPDATE a SET v = 'wrong%d' WHERE id %% 50 = %d", round, round), fmt.Sprintf("DELETE FROM a WHERE id %% 50 = %d AND id < %d", 10+round, rows),
			fmt.Sprintf("INSERT INTO a SELECT id + 100000 * %d, v, d, at, secret FROM a WHERE id < 77", round+1),
			fmt.Sprintf("UPDATE b SET k = CONCAT('K', SUBSTR(k, 2)), note = 'moved' WHERE n %% 40 = %d AND k LIKE BINARY 'k%%'", round),
			fmt.Sprintf("DELETE FROM b WHERE n %% 41 = %d", 20+round))
		out, errs, code := cli(t, "verify", "-c", file, "--repair", "--show", "3", "--state", filepath.Join(dir, "state"))
		if code != 0 || !strings.Contains(out, "rows repaired") || !strings.Contains(out, " 0 differences, ") {
			t.Fatalf("repair: %d\n%s%s\n%s", code, out, errs, run.log)
		}
		t.Log(out[strings.LastIndex(out, "verify:"):])
	}
	cancel()
	writers.Wait()
	for _, m := range []string{"cdc2lake_restarts_total"} {
		if _, s := get(t, run, "/metrics"); strings.Contains(s, m+`{pipeline="repaired"} `) && !strings.Contains(s, m+`{pipeline="repaired"} 0`) {
			t.Errorf("restarted:\n%s", run.log)
		}
	}

	// Exactly these are found, and shown.
	silently("UPDATE a SET v = 'once more' WHERE id = 7", "DELETE FROM b WHERE k = 'k1'", "INSERT INTO b VALUES ('extra', '2026-03-01', 1, 'x')")
	out, errs, code := cli(t, "verify", "-c", file, "--json")
	var sum struct {
		Tables []struct {
			Table       string
			Different   int
			Differences []struct {
				Key            string
				MySQL, Iceberg *string
			}
		}
		Different int
	}
	if err := json.Unmarshal([]byte(out), &sum); err != nil || code != 1 || sum.Different != 3 || len(sum.Tables) != 2 || len(sum.Tables[0].Differences) != 1 ||
		sum.Tables[0].Differences[0].Key != "id=7" || len(sum.Tables[1].Differences) != 2 {
		t.Errorf("three wrong rows: %d %v\n%s%s", code, err, out, errs)
	}
	if out, errs, code := cli(t, "verify", "-c", file, "--repair", "--repair-limit", "1"); code != 1 || !strings.Contains(errs, "REPAIR_TOO_LARGE") || !strings.Contains(out, "1 rows repaired") {
		t.Errorf("beyond the limit: %d\n%s%s", code, out, errs)
	}
	if code := run.stop(); code != 0 {
		t.Fatalf("stopped with %d\n%s", code, run.log)
	}
	if out, errs, code := cli(t, "verify", "-c", file, "--repair", "--patience", "1s"); code != 75 || !strings.Contains(errs, "REPAIR_WAITS") {
		t.Errorf("without a service: %d\n%s%s", code, out, errs)
	}
	run = startRun(t, file)
	live()
	deadline := time.Now().Add(30 * time.Second)
	for {
		if out, errs, code = cli(t, "verify", "-c", file); code == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the request of before is not answered: %d\n%s%s\n%s", code, out, errs, run.log)
		}
	}
	run.stop()
	http.DefaultClient.CloseIdleConnections()
}
