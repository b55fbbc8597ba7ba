package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// syncBuffer collects the output of a service that runs in this process.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// background is a `cdc2lake run` in this process.
type background struct {
	log    *syncBuffer
	cancel context.CancelFunc
	done   chan struct{}
	code   int
}

func startRun(t *testing.T, file string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &background{log: &syncBuffer{}, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		cmd := newRoot(io.Discard, r.log)
		cmd.SetArgs([]string{"run", "--config", file})
		r.code = report(r.log, cmd.ExecuteContext(ctx))
	}()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *background) stop() int {
	r.cancel()
	<-r.done
	return r.code
}

var metricsURL = regexp.MustCompile(`metrics=(http://\S+)/metrics`)

// eventually asks until the condition holds.
func eventually(t *testing.T, r *background, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-r.done:
			t.Fatalf("%s: the service has ended with %d\n%s", what, r.code, r.log)
		case <-deadline:
			t.Fatalf("waited in vain: %s\n%s", what, r.log)
		case <-tick.C:
		}
	}
}

func get(t *testing.T, r *background, path string) (int, string) {
	t.Helper()
	m := metricsURL.FindStringSubmatch(r.log.String())
	if m == nil {
		return 0, ""
	}
	resp, err := http.Get(m[1] + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func tablesJSON(t *testing.T, file string) map[string]tableInfo {
	t.Helper()
	out, errs, code := cli(t, "tables", "--json", "--config", file)
	if code != 0 {
		t.Fatalf("tables: %d %s", code, errs)
	}
	var list []tableInfo
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := map[string]tableInfo{}
	for _, i := range list {
		m[i.Table] = i
	}
	return m
}

// A life with all commands, on a real MySQL: check, run, tables, reload, a second process, stop.
func TestService(t *testing.T) {
	db := testenv.NeedMySQL(t)
	const secret = "s3cr3t-of-the-test"
	db.Exec("CREATE TABLE a (id BIGINT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO a VALUES (1, 'x'), (2, 'y'), (3, 'z')",
		"CREATE TABLE b (k VARCHAR(10) PRIMARY KEY, n INT)", "INSERT INTO b VALUES ('p', 1)",
		"CREATE TABLE refused (v CHAR(9) CHARACTER SET sjis PRIMARY KEY)")
	user := "u" + strings.ReplaceAll(db.Name, "_", "")[:min(20, len(strings.ReplaceAll(db.Name, "_", "")))]
	db.Exec("CREATE USER IF NOT EXISTS '"+user+"'@'%' IDENTIFIED BY '"+secret+"'",
		"GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '"+user+"'@'%'")
	t.Cleanup(func() { db.Exec("DROP USER '" + user + "'@'%'") })

	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := fmt.Sprintf("version: 1\npipeline: life\nmysql: {host: %q, port: %d, user: %s, password: %s}\ntables: {include: ['%s.*']}\n"+
		"iceberg: {warehouse: 'file://%s/lake'}\ncheckpoints: {interval: 200ms}\nhttp: {listen: '127.0.0.1:0'}\nlog: {level: debug}\n",
		db.Host(), db.Port(), user, secret, db.Name, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b, refused := db.Name+".a", db.Name+".b", db.Name+".refused"

	out, errs, code := cli(t, "check", "--config", file)
	if code != 0 || !strings.Contains(out, "✓ mysql") || !strings.Contains(out, "! mysql") || !strings.Contains(out, refused) {
		t.Errorf("check: %d\n%s%s", code, out, errs)
	}
	seen := out
	if out, _, code := cli(t, "tables", "--config", file); code != 0 || !strings.Contains(out, "no tables yet") {
		t.Errorf("tables before the first run: %d %s", code, out)
	}
	if _, errs, code := cli(t, "reload", a, "--config", file); code != 1 || !strings.Contains(errs, "has never run") {
		t.Errorf("reload before the first run: %d %s", code, errs)
	}

	first := startRun(t, file)
	eventually(t, first, "both tables are live", func() bool {
		_, s := get(t, first, "/status")
		return strings.Count(s, `"state":"live"`) == 2
	})
	if code, _ := get(t, first, "/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	db.Exec("INSERT INTO a VALUES (4, 'n')", "DELETE FROM a WHERE id = 1", "UPDATE b SET n = 2")
	eventually(t, first, "the changes are counted", func() bool {
		_, m := get(t, first, "/metrics")
		return strings.Contains(m, `cdc2lake_rows_total{op="delete",pipeline="life",table="`+a+`"} 1`)
	})
	eventually(t, first, "the rows are shown", func() bool { return tablesJSON(t, file)[a].Rows == 3 })
	infos := tablesJSON(t, file)
	if i := infos[a]; i.State != "live" || i.Files == 0 || i.Snapshot == 0 || i.Iceberg == "" || i.Checkpoint == 0 || i.Micros == 0 {
		t.Errorf("%+v", i)
	}
	if i := infos[refused]; i.State != "paused" || i.Paused == nil || i.Paused.Remedy == "" {
		t.Errorf("%+v", i)
	}
	if infos[b].Rows != 1 {
		t.Errorf("%+v", infos[b])
	}
	out, _, _ = cli(t, "tables", "--config", file)
	seen += out
	if !strings.Contains(out, "paused") || !strings.Contains(out, "fix: ") {
		t.Error(out)
	}

	if out, errs, code := cli(t, "reload", a, "--config", file); code != 0 || !strings.Contains(out, "complete again, with 3 rows") {
		t.Errorf("reload: %d\n%s%s\n%s", code, out, errs, first.log)
	}
	if _, errs, code := cli(t, "reload", db.Name+".zzz", "--config", file); code != 1 || !strings.Contains(errs, "UNKNOWN_TABLE") || !strings.Contains(errs, a) {
		t.Errorf("reload of nothing: %d %s", code, errs)
	}

	_, m := get(t, first, "/metrics")
	_, s := get(t, first, "/status")
	seen += m + s
	second := startRun(t, file)
	eventually(t, second, "the newer process has taken a generation", func() bool {
		code, _ := get(t, second, "/readyz")
		return code == 200 || strings.Contains(second.log.String(), "STATE_LOCKED")
	})
	db.Exec("INSERT INTO a VALUES (5, 'm')") // at the latest when there is something to commit the older one learns of it
	select {
	case <-first.done:
	case <-time.After(60 * time.Second):
		t.Fatal("the older process goes on beside the newer one")
	}
	if first.code != cdc.Fenced.ExitCode() || !strings.Contains(first.log.String(), "fix: ") {
		t.Errorf("the older process ended with %d:\n%s", first.code, first.log)
	}
	eventually(t, second, "the newer process goes on", func() bool { return tablesJSON(t, file)[a].Rows == 4 })
	if code := second.stop(); code != 0 {
		t.Errorf("stopped with %d:\n%s", code, second.log)
	}

	seen += first.log.String() + second.log.String()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == file {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s holds the password", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(seen, secret) {
		t.Error("the password is shown")
	}
	http.DefaultClient.CloseIdleConnections()
}
