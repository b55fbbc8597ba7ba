package fidelity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// lake is a pipeline over the cases of a batch, in one Iceberg format.
type lake struct {
	t      *testing.T
	bin    string
	dir    string
	batch  int
	format int
	port   int
	cmd    *exec.Cmd
	done   chan error
	log    *os.File
}

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cdc2lake")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/cdc2lake").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

func newLake(t *testing.T, bin string, m *testenv.MySQLServer, batch, format int) *lake {
	t.Helper()
	l := &lake{t: t, bin: bin, dir: t.TempDir(), batch: batch, format: format}
	include := fmt.Sprintf(`"load%d_*.*", "log%d_*.*", "split%d_*.*", "sentinel.*"`, batch, batch, batch)
	l.configure(m, lakeConfig{include: include, chunk: 200, interval: "1s", parallelism: 1,
		rules: `{match: "*_choice_*.*", zero_dates: "null", columns: {boolean: ["*"], microseconds: ["*"], wkb: ["*"]}}`})
	return l
}

// lakeConfig is what differs between pipelines.
type lakeConfig struct {
	include, rules string // items of lists
	mysql          string // more of the section, each with a comma before it
	chunk          int
	interval       string
	parallelism    int
}

// configure writes the configuration and opens the log.
func (l *lake) configure(m *testenv.MySQLServer, c lakeConfig) {
	t := l.t
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.port = listen.Addr().(*net.TCPAddr).Port
	listen.Close() //nolint:errcheck // only its number is wanted
	cfg := fmt.Sprintf(`version: 1
pipeline: fidelity%d
mysql: {host: %s, port: %d, user: %s, password: %s, load: {readers: 2, chunk_rows: %d}%s}
tables:
  include: [%s]
  rules: [%s]
iceberg:
  warehouse: "file://%s/warehouse"
  format_version: %d
  catalog: {type: sqlite, uri: "%s/catalog.db"}
checkpoints: {interval: %s}
state: {dir: "%s/state"}
runtime: {parallelism: %d, memory: 512MiB}
http: {listen: "127.0.0.1:%d"}
`, l.format, m.Host(), m.Port(), testenv.CDCUser, testenv.CDCPassword, c.chunk, c.mysql, c.include, c.rules, l.dir, l.format, l.dir, c.interval, l.dir, c.parallelism, l.port)
	if err := os.WriteFile(filepath.Join(l.dir, "pipeline.yaml"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	if l.log, err = os.Create(filepath.Join(l.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.end)
}

func (l *lake) start() {
	l.cmd = exec.Command(l.bin, "run", "--config", filepath.Join(l.dir, "pipeline.yaml"))
	l.cmd.Stdout, l.cmd.Stderr = l.log, l.log
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.done = make(chan error, 1)
	go func(c *exec.Cmd, done chan error) { done <- c.Wait() }(l.cmd, l.done)
}

// stop is SIGTERM: a last checkpoint, and no error.
func (l *lake) stop() {
	l.t.Helper()
	l.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // the wait says it
	select {
	case err := <-l.done:
		l.cmd = nil
		if err != nil {
			l.t.Errorf("v%d: stop: %v", l.format, err)
		}
	case <-time.After(60 * time.Second):
		panic(givenUp(fmt.Sprintf("v%d: still running a minute after SIGTERM", l.format)))
	}
}

func (l *lake) kill() {
	if l.cmd != nil {
		l.cmd.Process.Kill() //nolint:errcheck // it may be dead already
		<-l.done
		l.cmd = nil
	}
}

func (l *lake) end() {
	l.kill()
	l.log.Close() //nolint:errcheck // a log
	if keep := os.Getenv("CDC2LAKE_TEST_KEEP"); keep != "" {
		if b, err := os.ReadFile(l.log.Name()); err == nil {
			os.WriteFile(filepath.Join(keep, fmt.Sprintf("fidelity-%d-v%d.log", l.batch, l.format)), b, 0o644) //nolint:errcheck // a help for people
		}
	}
}

// givenUp is a panic that ends a batch, and lets the others go on.
type givenUp string

// alive gives up if the process has ended.
func (l *lake) alive() {
	l.t.Helper()
	select {
	case err := <-l.done:
		l.cmd = nil
		b, _ := os.ReadFile(l.log.Name()) //nolint:errcheck // as far as it can be read
		if len(b) > 3000 {
			b = b[len(b)-3000:]
		}
		panic(givenUp(fmt.Sprintf("v%d: cdc2lake ended by itself: %v\n%s", l.format, err, b)))
	default:
	}
}

// loaded waits until no table is being loaded.
func (l *lake) loaded(within time.Duration) {
	l.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(300 * time.Millisecond) {
		l.alive()
		var s struct {
			Ready  bool
			Tables []struct{ Table, State string }
		}
		waits, live := "no answer", false
		if res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/status", l.port)); err == nil {
			err = json.NewDecoder(res.Body).Decode(&s)
			res.Body.Close() //nolint:errcheck // read to its end
			if err == nil {
				waits = ""
				for _, t := range s.Tables {
					if t.State != "live" && t.State != "paused" {
						waits += " " + t.Table + ":" + t.State
					}
					live = live || t.Table == "sentinel.t" && t.State == "live"
				}
				if s.Ready && live && waits == "" {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			panic(givenUp(fmt.Sprintf("v%d: not loaded after %s: %s", l.format, within, waits)))
		}
	}
}

// reached waits until the sentinel's table holds n rows: everything before them has been committed in the same checkpoint or an earlier one.
func (l *lake) reached(ctx context.Context, n int, within time.Duration) {
	l.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(300 * time.Millisecond) {
		l.alive()
		cat, err := l.catalog()
		if err == nil {
			var got *content
			if got, err = readGo(ctx, cat, "sentinel", "t"); err == nil && len(got.rows) == n {
				return
			}
			err = errors.Join(err, cat.Close())
		}
		if time.Now().After(deadline) {
			panic(givenUp(fmt.Sprintf("v%d: the end of the log is not reached after %s: %v", l.format, within, err)))
		}
	}
}

// mends are the codes of pauses that end by themselves.
var mends = map[string]bool{"MYSQL_DDL": true, "SCHEMA_CHANGE": true, "KEY_CHANGED": true, "MYSQL_TABLE_REPLACED": true, "TABLE_EMPTIED": true}

// settled waits until no table is being loaded, or will be by itself.
func (l *lake) settled(within time.Duration) {
	l.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(300 * time.Millisecond) {
		l.alive()
		waits := ""
		for _, s := range l.states() {
			if s.State == "paused" && s.Paused != nil && mends[s.Paused.Code] {
				waits += " " + s.Table + ":" + s.Paused.Code
			}
		}
		if waits == "" {
			l.loaded(time.Until(deadline))
			return
		}
		if time.Now().After(deadline) {
			l.t.Logf("v%d: still paused after %s: %s", l.format, within, waits)
			return
		}
	}
}

// state is what `tables --json` shows of a table.
type state struct {
	Table, Iceberg, State string
	Paused                *struct{ Code, Msg, Remedy string }
}

// states asks for all tables, by the source's names.
func (l *lake) states() map[string]state {
	l.t.Helper()
	cmd := exec.Command(l.bin, "tables", "--json", "--config", filepath.Join(l.dir, "pipeline.yaml"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		l.t.Fatalf("tables: %v: %s", err, stderr.String())
	}
	var list []state
	if err := json.Unmarshal(b, &list); err != nil {
		l.t.Fatal(err)
	}
	out := map[string]state{}
	for _, s := range list {
		out[s.Table] = s
	}
	return out
}

// destination is the Iceberg name of a table: lower case, and without what cannot be in a path or an identifier.
func destination(db, name string) (string, string) {
	r := strings.NewReplacer(".", "_2e_", "/", "_2f_", `\`, "_5c_", "`", "_60_", `"`, "_22_", "{", "_7b_", "}", "_7d_")
	return strings.ToLower(db), strings.ToLower(r.Replace(name))
}
