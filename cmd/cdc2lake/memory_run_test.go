package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

var anonLine = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// anonymous is the memory of this process without what the system can take back (mapped files), in bytes.
func anonymous(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.ParseInt(string(anonLine.FindSubmatch(b)[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestMemoryOfARun: a load of a million rows of 200 bytes and a transaction that changes them all, with four shards, stay within
// runtime.memory. The test's own memory counts too, and MySQL's does not.
func TestMemoryOfARun(t *testing.T) {
	testenv.Slow(t)
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE w (id BIGINT PRIMARY KEY, a INT, b VARCHAR(60), c VARCHAR(200), d DATETIME, e DECIMAL(12,2))",
		"INSERT INTO w WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) SELECT i, i%1000, SHA2(i,224), CONCAT(SHA2(i,256),SHA2(i,224)), NOW(), i/100 FROM n")
	for rows := 1000; rows < 1_000_000; rows *= 10 {
		for k := 1; k < 10; k++ {
			db.Exec(fmt.Sprintf("INSERT INTO w SELECT id+%d, a, SHA2(id+%[1]d,224), CONCAT(SHA2(id+%[1]d,256),SHA2(id,224)), d, e FROM w WHERE id <= %d", k*rows, rows))
		}
	}
	const memory = 1 << 30
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := fmt.Sprintf("version: 1\npipeline: mem\nmysql: {host: %q, port: %d, user: %s, password: %s}\ntables: {include: ['%s.*']}\n"+
		"iceberg: {warehouse: 'file://%s/lake'}\ncheckpoints: {interval: 1s}\nruntime: {parallelism: 4, memory: 1GiB}\nhttp: {listen: '127.0.0.1:0'}\n",
		db.Host(), db.Port(), testenv.CDCUser, testenv.CDCPassword, db.Name, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var peak int64
	r := startRun(t, file)
	table := db.Name + ".w"
	eventually(t, r, "the table is loaded", func() bool {
		peak = max(peak, anonymous(t))
		_, s := get(t, r, "/status")
		return strings.Contains(s, `"state": "live"`)
	})
	loaded := peak
	db.Exec("UPDATE w SET a = a + 1")
	eventually(t, r, "every row is changed", func() bool {
		if n := anonymous(t); n > peak {
			peak = n
			if dir := os.Getenv("CDC2LAKE_TEST_HEAP"); dir != "" {
				f, err := os.Create(filepath.Join(dir, "heap"))
				if err != nil {
					t.Fatal(err)
				}
				_ = pprof.WriteHeapProfile(f)
				f.Close()
			}
		}
		return scrape(t, r)[fmt.Sprintf("cdc2lake_rows_total{op=%q,table=%q}", "update", table)] == 1_000_000
	})
	t.Logf("at most %d MiB in the load, %d with the update, of %d", loaded>>20, peak>>20, memory>>20)
	if peak > memory {
		t.Errorf("%d MiB were used, and the budget is %d", peak>>20, memory>>20)
	}
	if code := r.stop(); code != 0 {
		t.Errorf("stopped with %d:\n%s", code, r.log)
	}
}
