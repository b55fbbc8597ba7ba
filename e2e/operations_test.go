package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestFirstSteps: what `init` writes is well-formed, and a first try needs no file.
func TestFirstSteps(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	t.Run("init", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "p.yaml")
		if out, code := tell(t, tr.bin, "init", file); code != 0 || !strings.Contains(out, "cdc2lake check --config "+file) {
			t.Fatalf("init: %d: %s", code, out)
		}
		out, code := tell(t, tr.bin, "check", "--config", file)
		if code != 1 || !strings.Contains(out, "MYSQL_PASSWORD") {
			t.Errorf("without the variable that the file names: %d: %s", code, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(text), "${MYSQL_PASSWORD}", tr.password, 1)
		edited = strings.Replace(edited, "mysql://cdc2lake@127.0.0.1:3306", fmt.Sprintf("mysql://%s@%s", tr.user, tr.mysql.Addr()), 1)
		edited = strings.Replace(edited, `include: ["shop.*"]`, `include: ["`+tr.db+`.*"]`, 1)
		i := strings.Index(edited, "warehouse: ")
		j := i + strings.IndexByte(edited[i:], '\n')
		edited = edited[:i] + "warehouse: file://" + t.TempDir() + edited[j:]
		if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
		out, code = tell(t, tr.bin, "check", "--config", file)
		if !strings.Contains(out, "✓ config") || code != 0 || !strings.Contains(out, "all right") {
			t.Errorf("the edited file of init: %d: %s", code, out)
		}
	})
	t.Run("without a file", func(t *testing.T) {
		tr.t = t
		flags := []string{"--mysql", fmt.Sprintf("mysql://%s@%s/%s", tr.user, tr.mysql.Addr(), tr.db), "--warehouse", tr.warehouse}
		out, code := tellWith(t, []string{"MYSQL_PWD=pw-geheim-wrong"}, tr.bin, append([]string{"run"}, flags...)...)
		tr.heard.WriteString(out)
		if code != 1 || !strings.Contains(out, "error MYSQL_ACCESS") || !strings.Contains(out, "\nfix: ") {
			t.Errorf("wrong password: %d: %s", code, out)
		}
		env := []string{"MYSQL_PWD=" + tr.password}
		tr.uri = strings.TrimPrefix(tr.warehouse, "file://") + "/catalog.db"
		tr.launch(env, append([]string{"run"}, flags...)...)
		tr.equal(tr.mysql, soon, "a", "b")
		out, code = tellWith(t, env, tr.bin, append([]string{"tables"}, flags...)...)
		tr.heard.WriteString(out)
		if code != 0 || !strings.Contains(out, tr.db+".a") || !strings.Contains(out, tr.db+".b") {
			t.Errorf("tables: %d: %s", code, out)
		}
		tr.stops()
	})
}

// launch starts the program with variables and arguments of its own.
func (tr *trial) launch(env []string, args ...string) {
	tr.t.Helper()
	tr.cmd = exec.Command(tr.bin, args...)
	tr.cmd.Env = append(os.Environ(), env...)
	tr.cmd.Stdout, tr.cmd.Stderr = tr.log, tr.log
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := tr.cmd.Start(); err != nil {
		tr.t.Fatal(err)
	}
	tr.done = make(chan error, 1)
	go func(c *exec.Cmd, done chan error) { done <- c.Wait() }(tr.cmd, tr.done)
}

// outage is how long a server is away: longer than a request, shorter than the service's patience.
const outage = 2 * time.Second

// TestS3Away: the storage hangs, goes away and comes back, while the service runs and while it starts.
func TestS3Away(t *testing.T) {
	needServers(t)
	s3, err := testenv.S3(t.Context(), testenv.S3Options{Bucket: "away"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s3.Stop() }) //nolint:errcheck // its process ends with ours anyway
	useBackend(filepath.Join(s3.Dir(), "data"))
	tr := sharedTrial(t, settings{file: true})
	tr.warehouse = "s3://away/lake"
	tr.s3conf = fmt.Sprintf("s3: {endpoint: %q, region: %q, access_key: %q, secret_key: %q}\n", s3.Endpoint, s3.Region, s3.AccessKey, s3.SecretKey)
	tr.configure()
	tr.edit("user: "+testenv.CDCUser+", password: "+testenv.CDCPassword, "user: "+tr.user+", password: "+tr.password)
	change := func() {
		tr.sql("UPDATE a SET n = n + 1", "DELETE FROM b ORDER BY id LIMIT 1", "INSERT INTO a (id, v) SELECT MAX(id) + 1, 'x' FROM a")
	}
	tr.well("a", "b")
	change()
	if err := s3.Pause(); err != nil {
		t.Fatal(err)
	}
	change()
	time.Sleep(outage) // the fault itself
	if err := s3.Resume(); err != nil {
		t.Fatal(err)
	}
	change()
	tr.equal(tr.mysql, soon, "a", "b")
	change()
	s3.Kill()
	change()
	tr.logs("the storage does not answer, trying again", soon)
	tr.contains("check", tr.checks(1), "✗ storage", "check the endpoint")
	if err := tr.dead(); err != nil {
		t.Fatal(err)
	}
	if err := s3.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.equal(tr.mysql, soon, "a", "b")
	tr.kill()
	change()
	s3.Kill()
	tr.start()
	time.Sleep(outage) // the fault itself
	if err := tr.dead(); err != nil {
		t.Fatal(err)
	}
	if err := s3.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.equal(tr.mysql, soon, "a", "b")
	if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
	tr.stops()
}

// wire forwards connections to a server until it is cut.
type wire struct {
	addr, to string
	mu       sync.Mutex // guards the rest
	l        net.Listener
	open     map[net.Conn]bool
	wg       sync.WaitGroup
}

// mend lets connections through, at the same address as before.
func (w *wire) mend(t *testing.T) {
	t.Helper()
	at := w.addr
	if at == "" {
		at = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.addr, w.l, w.open = l.Addr().String(), l, map[net.Conn]bool{}
	w.mu.Unlock()
	w.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", w.to)
			if err != nil {
				in.Close() //nolint:errcheck // the server is away
				continue
			}
			w.mu.Lock()
			w.open[in], w.open[out] = true, true
			w.mu.Unlock()
			pipe := func(a, b net.Conn) {
				io.Copy(a, b) //nolint:errcheck // ends when either side is cut
				a.Close()     //nolint:errcheck // as above
				b.Close()     //nolint:errcheck // as above
			}
			w.wg.Go(func() { pipe(in, out) })
			w.wg.Go(func() { pipe(out, in) })
		}
	})
}

// cut ends all connections and refuses new ones.
func (w *wire) cut() {
	w.mu.Lock()
	w.l.Close() //nolint:errcheck // it may be closed
	for c := range w.open {
		c.Close() //nolint:errcheck // as above
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// TestCatalogAway: commits wait for the catalog and go on by themselves; commands say that it is away.
func TestCatalogAway(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true, catalog: "postgres"})
	u, err := url.Parse(tr.uri)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{to: u.Host}
	w.mend(t)
	t.Cleanup(w.cut)
	tr.edit(u.Host, w.addr)
	tr.well("a", "b")
	w.cut()
	tr.sql("UPDATE a SET n = n + 1", "DELETE FROM b WHERE id = 1")
	tr.logs("CATALOG: ", soon)
	out, code := tr.tell("tables")
	if code != 75 || !strings.Contains(out, "error CATALOG: ") || !strings.Contains(out, "\nfix: ") {
		t.Errorf("tables, with the catalog away: %d: %s", code, out)
	}
	tr.contains("check", tr.checks(1), "✗ catalog", "CATALOG", "fix: ")
	if err := tr.dead(); err != nil {
		t.Fatal(err)
	}
	w.mend(t)
	tr.equal(tr.mysql, soon, "a", "b")
	tr.stops()
	w.cut()
	tr.sql("UPDATE a SET n = n + 1", "DELETE FROM b WHERE id = 2")
	tr.start()
	tr.logs("cannot open the catalog, trying again", soon)
	w.mend(t)
	tr.equal(tr.mysql, soon, "a", "b")
}

// mysqlCrashes: the server dies with changes under way, and comes back; so it does while the service starts.
func mysqlCrashes(t *testing.T, m *testenv.MySQLServer) {
	tr := newTrial(t, m, "crash", settings{file: true})
	tr.well("a", "b")
	for i := range 2 {
		tr.sql("UPDATE a SET n = n + 1", fmt.Sprintf("DELETE FROM b WHERE id = %d", i), fmt.Sprintf("INSERT INTO a VALUES (%d, 'before', 1)", 100+i))
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			tr.kill()
			tr.start()
		}
		from := len(tr.logged())
		for deadline := time.Now().Add(soon); !strings.Contains(tr.logged()[from:], "MYSQL_"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the log does not say that MySQL is away")
			}
		}
		if i == 1 {
			tr.logs("code=MYSQL_CONNECT", soon)
		} else {
			tr.contains("check", tr.checks(1), "MYSQL_CONNECT", tr.mysql.Addr())
		}
		if err := tr.dead(); err != nil {
			t.Fatal(err)
		}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		tr.sql("UPDATE a SET n = n + 1", fmt.Sprintf("INSERT INTO a VALUES (%d, 'after', 1)", 200+i))
		tr.equal(m, soon, "a", "b")
	}
	if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
	tr.stops()
}

// TestStopDuringLoad: SIGTERM in the middle of the initial load ends the service in good order; the load goes on where it was.
func TestStopDuringLoad(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	var rows []string
	for i := range 10000 {
		rows = append(rows, fmt.Sprintf("(%d, 'r%d')", i, i))
	}
	tr.sql("CREATE TABLE slow (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO slow VALUES "+strings.Join(rows, ","))
	tr.edit("chunk_rows: 500}", "chunk_rows: 500, rows_per_second: 1000}")
	tr.start()
	var read int64
	for deadline := time.Now().Add(soon); read < 1000; time.Sleep(100 * time.Millisecond) {
		if s := tr.states()[tr.db+".slow"]; s.State == "loading" {
			read = s.Read
		}
		if time.Now().After(deadline) {
			t.Fatalf("the load has not begun: %+v", tr.states())
		}
	}
	tr.sql("DELETE FROM slow WHERE id % 7 = 3", "UPDATE slow SET v = 'changed' WHERE id % 11 = 2", "UPDATE slow SET id = id + 100000 WHERE id % 13 = 5")
	begun := time.Now()
	tr.stops()
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("the stop took %s", d)
	}
	s := tr.states()[tr.db+".slow"]
	if s.State != "loading" || s.Read < read {
		t.Errorf("after the stop %+v, before it %d rows were read", s, read)
	}
	tr.sql("INSERT INTO slow VALUES (-1, 'first'), (777777, 'last')", "DELETE FROM slow WHERE id % 17 = 1")
	tr.edit(", rows_per_second: 1000", "")
	tr.well("a", "b", "slow")
	tr.shows("slow", "live", "")
	if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
}

const memoryBudget = 256 // MiB, the least that can be configured

// TestBigTransaction: a transaction of a million rows stays within the memory budget.
func TestBigTransaction(t *testing.T) {
	needServers(t)
	const rows = 1_000_000
	tr := sharedTrial(t, settings{file: true, format: 3})
	tr.edit("runtime: {parallelism: 2}", fmt.Sprintf("runtime: {parallelism: 2, memory: %dMiB}", memoryBudget))
	tr.sql("CREATE TABLE big (id BIGINT PRIMARY KEY, v VARCHAR(60) NOT NULL, n INT NOT NULL)")
	tr.well("a", "b")
	tr.sql("SET SESSION cte_max_recursion_depth = 2000000",
		fmt.Sprintf("INSERT INTO big WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i * 3, CONCAT('row ', SHA2(i, 224)), i %% 1000 FROM s", rows))
	for deadline := time.Now().Add(2 * soon); ; time.Sleep(200 * time.Millisecond) {
		if s := tr.states()[tr.db+".big"]; s.Rows != 0 {
			if s.Rows != rows {
				t.Errorf("%d rows of a transaction of %d are committed", s.Rows, rows)
			}
			break
		}
		if err := tr.dead(); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the transaction is not committed")
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tr.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib := func(field string) (n int64) {
		_, after, _ := strings.Cut(string(status), field+":")
		if _, err := fmt.Sscan(after, &n); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		return n
	}
	// Pages of files (the program, the state's runs) are the kernel's to take back.
	peak, files := kib("VmHWM")>>10, kib("RssFile")>>10
	t.Logf("%d MiB at the most, about %d of them pages of files", peak, files)
	if peak-files > memoryBudget {
		t.Errorf("%d MiB were used besides pages of files; the budget is %d", peak-files, memoryBudget)
	}
	tr.stops()

	cat, err := tr.catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := cat.LoadTable(t.Context(), table.Identifier{tr.db, "big"})
	if err != nil {
		t.Fatal(err)
	}
	_, it, err := tbl.Scan().ToArrowRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, rows+1)
	count, sum := 0, int64(0)
	for rec, err := range it {
		if err != nil {
			t.Fatal(err)
		}
		id, n := rec.Column(0).(*array.Int64), rec.Column(2).(*array.Int32)
		for i := range int(rec.NumRows()) {
			k := id.Value(i) / 3
			if k < 1 || k > rows || id.Value(i)%3 != 0 || seen[k] {
				t.Fatalf("a row with id %d that is not there, or twice", id.Value(i))
			}
			seen[k] = true
			count++
			sum += int64(n.Value(i))
		}
		rec.Release()
	}
	want := tr.query("SELECT COUNT(*), SUM(n) FROM big")[0]
	if got := []string{fmt.Sprint(count), fmt.Sprint(sum)}; got[0] != want[0] || got[1] != want[1] {
		t.Errorf("count and sum are %v, in MySQL %v", got, want)
	}
}

func (tr *trial) query(q string) [][]string {
	tr.t.Helper()
	rows, err := tr.mysql.Query(tr.t.Context(), strings.Replace(q, " FROM ", " FROM `"+tr.db+"`.", 1))
	if err != nil {
		tr.t.Fatal(err)
	}
	return rows
}

// TestNames: databases and tables with names that are no plain words.
func TestNames(t *testing.T) {
	needServers(t)
	shared := testenv.NeedMySQL(t)
	dash := "Dash-" + strings.ReplaceAll(shared.Name, "_", "-")
	t.Cleanup(func() { shared.Exec("DROP DATABASE IF EXISTS `"+dash+"`", "DROP DATABASE IF EXISTS `"+dash+".x`") })
	tr := newTrial(t, shared.MySQLServer, dash, settings{file: true})
	ddl := []string{"CREATE TABLE `UPPER` (`Id` INT PRIMARY KEY, `Größe` INT, `select` VARCHAR(10))", "INSERT INTO `UPPER` VALUES (1, 2, 'x')",
		"CREATE TABLE `größe 漢字` (id INT PRIMARY KEY, `ключ` TEXT)", "INSERT INTO `größe 漢字` VALUES (1, 'я')", "CREATE TABLE `with-dash` (id INT PRIMARY KEY)", "INSERT INTO `with-dash` VALUES (7)"}
	tr.sql(ddl...)
	names := []string{"a", "UPPER", "größe 漢字", "with-dash"}
	same := func(namespace string, lower bool) {
		t.Helper()
		for _, name := range names {
			ident := table.Identifier{namespace, name}
			if lower {
				ident = table.Identifier{strings.ToLower(namespace), strings.ToLower(name)}
			}
			keys, err := tr.keys(t.Context(), tr.mysql, name)
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) {
				want, cols, err := mysqlRows(t.Context(), tr.mysql, tr.db, name)
				if err != nil {
					t.Fatal(err)
				}
				var got map[string]string
				cat, err := tr.catalog(t.Context()) // made by the program's first run
				if err == nil {
					got, err = icebergRows(t.Context(), cat, ident, cols, keys)
				}
				if err == nil && len(diff(want, got)) == 0 && len(want) > 0 {
					break
				}
				if e := tr.dead(); e != nil {
					t.Fatal(e)
				}
				if time.Now().After(deadline) {
					t.Fatalf("%v: %v %v", ident, err, diff(want, got))
				}
			}
		}
	}
	tr.start()
	same(dash, true)
	tr.sql("UPDATE `UPPER` SET `Größe` = 3", "INSERT INTO `größe 漢字` VALUES (2, 'ю')", "ALTER TABLE `größe 漢字` ADD COLUMN `naïve` INT", "INSERT INTO `größe 漢字` VALUES (3, 'ё', 1)")
	same(dash, true)
	out, code := tr.tell("reload", dash+".größe 漢字", "--no-wait")
	if code != 0 {
		t.Errorf("reload: %d: %s", code, out)
	}
	same(dash, true)
	tr.stops()

	// A dot in the name of a database cannot be in an Iceberg namespace.
	tr.mysqlDB(dash + ".x")
	tr.sql(append(ddl, "CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)")...)
	tr.set.include, tr.set.pipeline = "/.*"+strings.ReplaceAll(dash, "-", ".")+"[.]x[.].*/", "dots"
	tr.configure()
	tr.edit("user: "+testenv.CDCUser+", password: "+testenv.CDCPassword, "user: "+tr.user+", password: "+tr.password)
	tr.start()
	same(dash+"_2e_x", true)
	tr.stops()
	tr.set.pipeline = "fixed"
	tr.configure()
	tr.edit("user: "+testenv.CDCUser+", password: "+testenv.CDCPassword, "user: "+tr.user+", password: "+tr.password)
	tr.edit("iceberg:\n", "iceberg:\n  namespace: Fixed\n  lower_case: false\n")
	tr.start()
	same("Fixed", false)
	tr.sql("UPDATE `UPPER` SET `Größe` = 4", "DELETE FROM `größe 漢字` WHERE id = 1", "INSERT INTO `größe 漢字` VALUES (9, 'x')")
	same("Fixed", false)
}

// mysqlDB makes another database the trial's.
func (tr *trial) mysqlDB(name string) {
	tr.t.Helper()
	if err := tr.mysql.Exec(tr.t.Context(), "CREATE DATABASE `"+name+"`"); err != nil {
		tr.t.Fatal(err)
	}
	tr.db = name
}
