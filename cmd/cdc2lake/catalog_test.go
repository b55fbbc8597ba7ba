package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

var catalogURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// A pipeline commits through the catalog that another process serves.
func TestServedCatalog(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "INSERT INTO a VALUES (1, 1), (2, 2)", "CREATE TABLE b LIKE a", "INSERT INTO b SELECT * FROM a")
	dir := t.TempDir()
	write := func(name, catalog string) string {
		text := fmt.Sprintf("version: 1\npipeline: through\nmysql: {host: %q, port: %d, user: %s, password: %s}\ntables: {include: ['%s.*']}\n"+
			"iceberg: {warehouse: 'file://%s/lake', catalog: %s}\ncheckpoints: {interval: 200ms}\nhttp: {listen: '127.0.0.1:0'}\n",
			db.Host(), db.Port(), testenv.CDCUser, testenv.CDCPassword, db.Name, dir, catalog)
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	served := write("served.yaml", "{type: sqlite}")
	if _, errs, code := cli(t, "catalog", "serve", "-c", served, "--listen", "0.0.0.0:0"); code != 1 || !strings.Contains(errs, "not a loopback address") {
		t.Errorf("beyond loopback: %d %s", code, errs)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, done := &syncBuffer{}, make(chan int, 1)
	go func() {
		cmd := newRoot(out, out)
		cmd.SetArgs([]string{"catalog", "serve", "-c", served, "--listen", "127.0.0.1:0"})
		done <- report(out, cmd.ExecuteContext(ctx))
	}()
	var url string
	for deadline := time.Now().Add(30 * time.Second); url == ""; time.Sleep(10 * time.Millisecond) {
		if url = catalogURL.FindString(out.String()); url == "" && time.Now().After(deadline) {
			t.Fatalf("the catalog does not start: %s", out)
		}
	}
	file := write("p.yaml", "{type: rest, uri: '"+url+"'}")
	run := startRun(t, file)
	eventually(t, run, "the tables are live", func() bool {
		_, s := get(t, run, "/status")
		return strings.Count(s, `"state":"live"`) == 2
	})
	for i := range 20 {
		db.Exec(fmt.Sprintf("INSERT INTO a VALUES (%d, 0)", 10+i), fmt.Sprintf("UPDATE b SET v = %d", i))
	}
	if out, errs, code := cli(t, "verify", "-c", file); code != 0 || !strings.HasSuffix(out, "verify: 2 tables, 24 rows, 0 differences\n") {
		t.Errorf("verify: %d\n%s%s\n%s", code, out, errs, run.log)
	}
	if code := run.stop(); code != 0 {
		t.Errorf("the service ended with %d\n%s", code, run.log)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("the catalog ended with %d: %s", code, out)
	}
}
