package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func TestMain(m *testing.M) {
	code := testenv.Wrap(m).Run()
	if binaryDir != "" {
		os.RemoveAll(binaryDir) //nolint:errcheck // more than 100 MB, but only that
	}
	os.Exit(code)
}

var binaryDir string // set by binary

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cdc2lake-e2e-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "cdc2lake")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/cdc2lake").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

// settings are the axes of the matrix.
type settings struct {
	interval    string
	parallelism int
	format      int
	gtid        bool
	catalog     string // sqlite, postgres, rest
	metadata    string // binlog_row_metadata
	file        bool   // file:// warehouse instead of s3://
	include     string // tables.include, instead of all
	rules       string // tables.rules, instead of the default
	pipeline    string // name, instead of e2e
	reload      string // tables.reload, instead of auto
}

// pipeline is a cdc2lake process with its configuration.
type pipeline struct {
	t    *testing.T
	bin  string
	dir  string
	cfg  string
	port int
	cmd  *exec.Cmd
	done chan error
	log  *os.File
	s3   *testenv.Bucket
	set  settings
	uri  string // of the catalog
	db   string

	mysql             *testenv.MySQLServer
	warehouse, s3conf string
}

func newPipeline(t *testing.T, m *testenv.MySQLServer, db string, set settings) *pipeline {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{t: t, bin: bin, dir: t.TempDir(), port: freePort(t), set: set, db: db, mysql: m}
	warehouse, s3 := "file://"+p.dir+"/warehouse", ""
	if !set.file {
		p.s3 = testenv.NeedS3(t)
		useBackend(filepath.Join(p.s3.Dir(), "data"))
		warehouse = "s3://" + p.s3.Name + "/lake"
		s3 = fmt.Sprintf("s3: {endpoint: %q, region: %q, access_key: %q, secret_key: %q}\n", p.s3.Endpoint, p.s3.Region, p.s3.AccessKey, p.s3.SecretKey)
	}
	switch set.catalog {
	case "postgres":
		pg, err := testenv.PostgreSQL(t.Context())
		if errors.Is(err, testenv.ErrUnavailable) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pg.Stop() }) //nolint:errcheck // its process ends with ours anyway
		p.uri = pg.DSN("postgres")
	default:
		p.uri = p.dir + "/catalog.db"
	}
	p.warehouse, p.s3conf = warehouse, s3
	if set.catalog == "rest" {
		p.serveCatalog()
	}
	p.configure()
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// serveCatalog starts the REST catalog server, as a process of its own over a SQLite catalog.
func (p *pipeline) serveCatalog() {
	p.t.Helper()
	port := freePort(p.t)
	cfg := filepath.Join(p.dir, "catalog.yaml")
	text := fmt.Sprintf("version: 1\npipeline: e2e\nmysql: {host: 127.0.0.1, user: nobody}\niceberg: {warehouse: %q, catalog: {type: sqlite, uri: %q}}\n%s", p.warehouse, p.uri, p.s3conf)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(p.dir, "catalog.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(p.bin, "catalog", "serve", "--config", cfg, "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may be dead already
		cmd.Wait()         //nolint:errcheck // killed
		log.Close()        //nolint:errcheck // a log
		if b, err := os.ReadFile(log.Name()); err == nil && p.t.Failed() {
			p.t.Logf("log of the catalog server:\n%s", b)
		}
	})
	p.uri = fmt.Sprintf("http://127.0.0.1:%d", port)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(p.uri + "/v1/config")
		if err == nil {
			res.Body.Close() //nolint:errcheck // only its status is wanted
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the catalog server does not answer: %v", err)
		}
	}
}

// configure writes the configuration as p.set says.
func (p *pipeline) configure() {
	set, db, m := p.set, p.db, p.mysql
	include, rules, name := set.include, set.rules, set.pipeline
	if include == "" {
		include = db + ".*"
	}
	if name == "" {
		name = "e2e"
	}
	reload := set.reload
	if reload == "" {
		reload = "auto"
	}
	if rules == "" {
		rules = fmt.Sprintf(`{match: "%s.plain", partition: ["bucket(4, id)"], target_file_size: 1MiB}`, db)
	}
	cfg := fmt.Sprintf(`version: 1
pipeline: %s
mysql: {host: %s, port: %d, user: %s, password: %s, load: {readers: 2, chunk_rows: 500}}
tables:
  include: ["%s"]
  hash_salt: pepper
  reload: %s
  rules: [%s]
iceberg:
  warehouse: %q
  format_version: %d
  catalog: {type: %s, uri: %q}
%scheckpoints: {interval: %s}
state: {dir: %q}
runtime: {parallelism: %d}
http: {listen: "127.0.0.1:%d"}
log: {level: debug}
`, name, m.Host(), m.Port(), testenv.CDCUser, testenv.CDCPassword, include, reload, rules, p.warehouse, set.format, set.catalog, p.uri, p.s3conf, set.interval, p.dir+"/state", set.parallelism, p.port)
	p.cfg = filepath.Join(p.dir, "pipeline.yaml")
	if err := os.WriteFile(p.cfg, []byte(cfg), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// end kills the process, and shows its log if the test failed.
func (p *pipeline) end() {
	p.kill()
	p.log.Close() //nolint:errcheck // a log
	if !p.t.Failed() {
		return
	}
	b := p.logged()
	if keep := os.Getenv("CDC2LAKE_TEST_KEEP"); keep != "" {
		os.WriteFile(filepath.Join(keep, strings.ReplaceAll(p.t.Name(), "/", "_")+".log"), []byte(b), 0o644) //nolint:errcheck // a help for people
	}
	if len(b) > 6000 {
		b = "…" + b[len(b)-6000:]
	}
	p.t.Logf("log of cdc2lake:\n%s", b)
}

// logged is what all processes of the pipeline have logged so far.
func (p *pipeline) logged() string {
	b, _ := os.ReadFile(p.log.Name()) //nolint:errcheck // as far as it can be read
	return string(b)
}

// logs waits until the log contains the text.
func (p *pipeline) logs(text string, within time.Duration) {
	p.t.Helper()
	for deadline := time.Now().Add(within); !strings.Contains(p.logged(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("the log does not say %q after %s", text, within)
		}
	}
}

// command runs another command of the program with the pipeline's configuration, and returns what it prints and its exit
// status.
func (p *pipeline) command(args ...string) (string, int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.bin, append(args, "--config", p.cfg)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("%v: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only its number is wanted
	return l.Addr().(*net.TCPAddr).Port
}

func (p *pipeline) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "run", "--config", p.cfg)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan error, 1)
	go func(c *exec.Cmd, done chan error) { done <- c.Wait() }(p.cmd, p.done)
}

// kill is SIGKILL.
func (p *pipeline) kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill() //nolint:errcheck // it may be dead already
	<-p.done
	p.cmd = nil
}

// stop is SIGTERM; the process has to end by itself, without an error.
func (p *pipeline) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		p.cmd = nil
		return err
	case <-time.After(45 * time.Second):
		return errors.New("still running 45 s after SIGTERM")
	}
}

// dead reports whether the process has ended by itself.
func (p *pipeline) dead() error {
	select {
	case err := <-p.done:
		p.cmd = nil
		return fmt.Errorf("cdc2lake ended by itself: %w", err)
	default:
		return nil
	}
}

// catalog opens the pipeline's catalog with iceberg-go's own clients.
func (p *pipeline) catalog(ctx context.Context) (catalog.Catalog, error) {
	props := iceberggo.Properties{}
	switch p.set.catalog {
	case "postgres":
		db, err := sql.Open("pgx", p.uri)
		if err != nil {
			return nil, err
		}
		p.t.Cleanup(func() { db.Close() }) //nolint:errcheck // a test's connection
		return sqlcatalog.NewCatalog("cdc2lake", db, sqlcatalog.Postgres, props)
	case "rest":
		return rest.NewCatalog(ctx, "cdc2lake", p.uri, rest.WithAdditionalProps(props))
	}
	db, err := sql.Open("sqlite", "file:"+p.uri+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	p.t.Cleanup(func() { db.Close() }) //nolint:errcheck // a test's connection
	return sqlcatalog.NewCatalog("cdc2lake", db, sqlcatalog.SQLite, props)
}

// differences compares all tables with MySQL, which must be quiet.
func (p *pipeline) differences(ctx context.Context, m *testenv.MySQLServer, names ...string) ([]string, error) {
	cat, err := p.catalog(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		want, cols, err := mysqlRows(ctx, m, p.db, name)
		if err != nil {
			return nil, err
		}
		isKey, err := p.keys(ctx, m, name)
		if err != nil {
			return nil, err
		}
		got, err := icebergRows(ctx, cat, []string{p.db, name}, cols, isKey)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, d := range diff(want, got) {
			out = append(out, name+": "+d)
		}
	}
	return out, nil
}

// keys returns the columns of a table's primary key.
func (p *pipeline) keys(ctx context.Context, m *testenv.MySQLServer, table string) (map[string]bool, error) {
	rows, err := m.Query(ctx, fmt.Sprintf("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='%s' AND TABLE_NAME='%s' AND COLUMN_KEY='PRI'", p.db, table))
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, r := range rows {
		out[r[0]] = true
	}
	return out, nil
}

// equal waits until all tables equal MySQL, which must be quiet.
func (p *pipeline) equal(m *testenv.MySQLServer, within time.Duration, names ...string) {
	p.t.Helper()
	deadline := time.Now().Add(within)
	for {
		diffs, err := p.differences(p.t.Context(), m, names...)
		if err == nil && len(diffs) == 0 {
			return
		}
		if e := p.dead(); e != nil {
			p.t.Fatal(e)
		}
		if time.Now().After(deadline) {
			p.cmd.Process.Signal(syscall.SIGQUIT) //nolint:errcheck // its log then says where it stands
			<-p.done
			p.cmd = nil
			p.t.Fatalf("not equal after %s: %v\n%s", within, err, strings.Join(diffs, "\n"))
		}
		time.Sleep(200 * time.Millisecond) // nothing tells a reader from outside that a table has changed
	}
}

// metric returns the sum of a metric over its labels.
func (p *pipeline) metric(name string) (float64, error) {
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", p.port))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for _, l := range bytes.Split(b, []byte("\n")) {
		s := string(l)
		if strings.HasPrefix(s, name+"{") || strings.HasPrefix(s, name+" ") {
			var v float64
			if _, err := fmt.Sscan(s[strings.LastIndexByte(s, ' ')+1:], &v); err != nil {
				return 0, err
			}
			sum, found = sum+v, true
		}
	}
	if !found {
		// A counter that never counted is not shown; one that does not exist would never be.
		doc, err := os.ReadFile("../docs/metrics.md")
		if err != nil {
			return 0, err
		}
		if !bytes.Contains(doc, []byte(name)) {
			return 0, fmt.Errorf("there is no metric %s", name)
		}
	}
	return sum, nil
}
