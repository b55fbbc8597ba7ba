package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// trial is a pipeline over two small tables, as a MySQL user of its own. Its secrets can be told from any other text, and
// may be in nothing that it prints, logs or keeps.
type trial struct {
	*pipeline
	user, password string
	heard          bytes.Buffer // all that its commands printed
}

var trials atomic.Int64

func newTrial(t *testing.T, m *testenv.MySQLServer, db string, set settings) *trial {
	t.Helper()
	n := trials.Add(1)
	tr := &trial{user: fmt.Sprintf("u%d_%d", os.Getpid(), n), password: fmt.Sprintf("pw-geheim-%d", n)}
	var rows []string
	for i := range 20 {
		rows = append(rows, fmt.Sprintf("(%d, 'v%d', %d)", i, i, i))
	}
	values := strings.Join(rows, ", ")
	err := m.Exec(t.Context(), "CREATE DATABASE IF NOT EXISTS `"+db+"`", "USE `"+db+"`",
		"CREATE TABLE a (id BIGINT PRIMARY KEY, v VARCHAR(50), n INT)", "INSERT INTO a VALUES "+values,
		"CREATE TABLE b (id INT, k VARCHAR(10), n INT, PRIMARY KEY (id, k))", "INSERT INTO b VALUES "+values,
		"CREATE USER '"+tr.user+"'@'%' IDENTIFIED BY '"+tr.password+"'",
		"GRANT SELECT, TRIGGER, SHOW VIEW, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '"+tr.user+"'@'%'")
	if err != nil {
		t.Fatal(err)
	}
	if set.interval == "" {
		set.interval = "300ms"
	}
	if set.format == 0 {
		set.format = 2
	}
	if set.rules == "" {
		set.rules = `{match: "none.none", zero_dates: refuse}`
	}
	if set.catalog == "" {
		set.catalog = "sqlite"
	}
	set.parallelism = 2
	tr.pipeline = newPipeline(t, m, db, set)
	tr.edit("user: "+testenv.CDCUser+", password: "+testenv.CDCPassword, "user: "+tr.user+", password: "+tr.password)
	t.Cleanup(func() {
		tr.kill()
		m.Exec(context.Background(), "DROP USER '"+tr.user+"'@'%'") //nolint:errcheck // the server may have ended
		tr.keepsSecrets()
	})
	return tr
}

func sharedTrial(t *testing.T, set settings) *trial {
	db := testenv.NeedMySQL(t)
	return newTrial(t, db.MySQLServer, db.Name, set)
}

// keepsSecrets looks for the secrets in all that was printed and logged, and in all files but the configuration.
func (tr *trial) keepsSecrets() {
	tr.t.Helper()
	secrets := []string{tr.password, "pepper"}
	if tr.s3 != nil {
		secrets = append(secrets, tr.s3.SecretKey)
	}
	look := func(where string, text []byte) {
		for _, s := range secrets {
			if bytes.Contains(text, []byte(s)) {
				tr.t.Errorf("%s holds the secret %s", where, s)
			}
		}
	}
	look("what was printed", tr.heard.Bytes())
	err := filepath.WalkDir(tr.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".yaml") {
			return err
		}
		text, err := os.ReadFile(path)
		look(path, text)
		return err
	})
	if err != nil {
		tr.t.Error(err)
	}
}

// sql runs statements in the trial's database.
func (tr *trial) sql(statements ...string) {
	tr.t.Helper()
	if err := tr.mysql.Exec(tr.t.Context(), append([]string{"USE `" + tr.db + "`"}, statements...)...); err != nil {
		tr.t.Fatal(err)
	}
}

// edit replaces a part of the configuration.
func (tr *trial) edit(old, text string) {
	tr.t.Helper()
	b, err := os.ReadFile(tr.cfg)
	if err != nil {
		tr.t.Fatal(err)
	}
	if strings.Count(string(b), old) != 1 {
		tr.t.Fatalf("%q is not once in the configuration:\n%s", old, b)
	}
	if err := os.WriteFile(tr.cfg, []byte(strings.Replace(string(b), old, text, 1)), 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

// tell runs a command of the program until it ends; one that does not is a failure.
func (tr *trial) tell(args ...string) (string, int) {
	tr.t.Helper()
	out, code := tell(tr.t, tr.bin, append(args, "--config", tr.cfg)...)
	tr.heard.WriteString(out)
	return out, code
}

func tell(t *testing.T, bin string, args ...string) (string, int) {
	t.Helper()
	return tellWith(t, nil, bin, args...)
}

// tellWith adds variables to the environment.
func tellWith(t *testing.T, env []string, bin string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%v has not ended by itself:\n%s", args, out)
	}
	if cmd.ProcessState == nil {
		t.Fatalf("%v: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// refuses starts the service, which has to end with the error: exit status, code, a fix, and all the words.
func (tr *trial) refuses(status int, code string, words ...string) string {
	tr.t.Helper()
	out, got := tr.tell("run")
	_, last, found := strings.Cut(out, "error "+code+": ")
	if got != status || !found || !strings.Contains(last, "\nfix: ") {
		tr.t.Errorf("run ended with %d, want %d, error %s and a fix:\n%s", got, status, code, out)
	}
	tr.documented(code, map[int]string{1: "Fatal", 75: "Retryable", 4: "Fenced"}[status])
	for _, w := range words {
		if !strings.Contains(last, w) {
			tr.t.Errorf("the error does not say %q: %s", w, last)
		}
	}
	return last
}

// documented makes sure that docs/errors.md has the code in the section of its class.
func (tr *trial) documented(code, class string) {
	tr.t.Helper()
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		tr.t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## "+class+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !strings.Contains(section, "| `"+code+"` |") {
		tr.t.Errorf("docs/errors.md does not have %s in its section %q", code, class)
	}
}

// checks runs `check` and returns its findings that are not right; each has to come with a fix.
func (tr *trial) checks(status int) string {
	tr.t.Helper()
	out, got := tr.tell("check")
	if got != status {
		tr.t.Errorf("check ended with %d, want %d:\n%s", got, status, out)
	}
	var bad []string
	lines := strings.Split(out, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "✗") && !strings.HasPrefix(lines[i], "!") {
			continue
		}
		from := i
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "   ") {
			i++
		}
		f := strings.Join(lines[from:i+1], "\n")
		// Storage says the fix in the message, behind a semicolon.
		if !strings.Contains(f, "fix: ") && !strings.Contains(f, "storage") {
			tr.t.Errorf("no fix: %s", f)
		}
		bad = append(bad, f)
	}
	if (status == 0) != strings.Contains(out, "all right: ") {
		tr.t.Errorf("check ended with %d, and says:\n%s", status, out)
	}
	return strings.Join(bad, "\n")
}

func (tr *trial) contains(what, text string, words ...string) {
	tr.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			tr.t.Errorf("%s does not say %q:\n%s", what, w, text)
		}
	}
}

// well starts the service and waits until the tables equal MySQL; it runs on.
func (tr *trial) well(names ...string) {
	tr.t.Helper()
	tr.start()
	tr.equal(tr.mysql, soon, names...)
}

func (tr *trial) stops() {
	tr.t.Helper()
	if err := tr.stop(); err != nil {
		tr.t.Fatalf("stop: %v", err)
	}
}

// shows waits until `tables --json` shows the table in the state; with a reason's code if it is paused.
func (tr *trial) shows(name, state, code string) tableState {
	tr.t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) {
		s := tr.states()[tr.db+"."+name]
		if s.State == state && (code == "" || s.Paused != nil && s.Paused.Code == code) {
			if code != "" {
				tr.documented(code, "Table paused")
			}
			if state == "paused" && (s.Paused == nil || s.Paused.Msg == "" || s.Paused.Remedy == "") {
				tr.t.Errorf("%s is paused without a reason or a remedy: %+v", name, s.Paused)
			}
			return s
		}
		if time.Now().After(deadline) {
			tr.t.Fatalf("%s does not become %s %s: %+v %+v", name, state, code, s, s.Paused)
		}
	}
}

// tableState is what `tables --json` shows, by the names that are documented to users.
type tableState struct {
	Table, Iceberg, State string
	Rows                  int64
	Read                  int64 `json:"load_rows_read"`
	Paused                *struct{ Code, Msg, Remedy string }
}

func (tr *trial) states() map[string]tableState {
	tr.t.Helper()
	cmd := exec.CommandContext(tr.t.Context(), tr.bin, "tables", "--json", "--config", tr.cfg)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	text, err := cmd.Output()
	tr.heard.Write(text)
	if err != nil {
		tr.t.Fatalf("tables --json: %v: %s", err, errs.String())
	}
	var list []tableState
	if err := json.Unmarshal(text, &list); err != nil {
		tr.t.Fatalf("tables --json: %v:\n%s", err, text)
	}
	out := map[string]tableState{}
	for _, s := range list {
		out[s.Table] = s
	}
	return out
}

// writableCatalog opens the pipeline's SQLite catalog as another program would.
func (tr *trial) writableCatalog() (*sqlcatalog.Catalog, error) {
	db, err := sql.Open("sqlite", "file:"+tr.uri+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	tr.t.Cleanup(func() { db.Close() }) //nolint:errcheck // a test's connection
	return sqlcatalog.NewCatalog("cdc2lake", db, sqlcatalog.SQLite, iceberggo.Properties{"warehouse": tr.warehouse})
}

func needServers(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs servers")
	}
	t.Parallel()
}
