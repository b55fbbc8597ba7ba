package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// serviceEnv makes the test binary the service: memory is measured of a process that does nothing else.
const serviceEnv = "CDC2LAKE_TEST_SERVICE"

func TestServiceProcess(t *testing.T) {
	file := os.Getenv(serviceEnv)
	if file == "" {
		t.Skip("the child of TestMemoryOfARun")
	}
	os.Exit(run([]string{"run", "--config", file}))
}

var anonLine = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// watchMemory samples the memory of a process, without what the system can take back (mapped files), until it has ended. It returns the
// most, in bytes.
func watchMemory(pid int, ended <-chan struct{}) <-chan int64 {
	out := make(chan int64, 1)
	go func() {
		var peak int64
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				out <- peak
				return
			case <-tick.C:
			}
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if m := anonLine.FindSubmatch(b); m != nil {
				n, _ := strconv.ParseInt(string(m[1]), 10, 64)
				peak = max(peak, n<<10)
			}
		}
	}()
	return out
}

// double makes a table's rows 2ⁿ times as many. set is what differs between them.
func double(db *testenv.Database, n int, columns, set string) {
	for i := range n {
		db.Exec(fmt.Sprintf("INSERT INTO w (id, %s) SELECT id+(1<<%d), %s FROM w", columns, i, set))
	}
}

// TestMemoryOfARun: a load and a transaction that changes every row stay within runtime.memory.
func TestMemoryOfARun(t *testing.T) {
	testenv.Slow(t)
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip(err)
	}
	s3 := testenv.NeedS3(t)
	for _, c := range []struct {
		name, memory string
		slots        int
		budget       int64
		rows         int
		fill         func(db *testenv.Database)
	}{
		// The budget of a default configuration, with more shards than it would have on two CPUs.
		{"narrow", "1GiB", 4, 1 << 30, 1 << 20, narrowRows(20)},
		{"narrow", "256MiB", 2, 256 << 20, 1 << 20, narrowRows(20)},
		{"wide", "256MiB", 2, 256 << 20, 1 << 16, wideRows},
		{"wide", "512MiB", 4, 512 << 20, 1 << 16, wideRows},
		{"large", "256MiB", 2, 256 << 20, 1 << 8, largeRows},
		{"large", "512MiB", 4, 512 << 20, 1 << 8, largeRows},
	} {
		t.Run(c.name+" "+c.memory, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			c.fill(db)
			dir := t.TempDir()
			file, logFile := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "log")
			text := fmt.Sprintf("version: 1\npipeline: mem\nmysql: {host: %q, port: %d, user: %s, password: %s}\ntables: {include: ['%s.*']}\n"+
				"iceberg: {warehouse: 's3://%s/%s', catalog: {type: sqlite, uri: '%s/catalog.db'}}\ns3: {endpoint: '%s', region: %s, access_key: %s, secret_key: %s}\n"+
				"state: {dir: '%s/state'}\nruntime: {parallelism: %d, memory: %s}\ncheckpoints: {interval: 2s}\nhttp: {listen: '127.0.0.1:0'}\n",
				db.Host(), db.Port(), testenv.CDCUser, testenv.CDCPassword, db.Name, s3.Bucket, db.Name, dir, s3.Endpoint, s3.Region, s3.AccessKey, s3.SecretKey,
				dir, c.slots, c.memory)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			log, err := os.Create(logFile)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd := exec.Command(os.Args[0], "-test.run=^TestServiceProcess$")
			cmd.Env = append(os.Environ(), serviceEnv+"="+file)
			cmd.Stdout, cmd.Stderr = log, log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r := &background{log: &syncBuffer{}, done: make(chan struct{})}
			r.cancel = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
			go func() {
				defer close(r.done)
				var exit *exec.ExitError
				if err := cmd.Wait(); errors.As(err, &exit) {
					r.code = exit.ExitCode()
				}
			}()
			defer r.stop()
			peak := watchMemory(cmd.Process.Pid, r.done)
			read := 0
			copyLog := func() {
				b, _ := os.ReadFile(logFile)
				_, _ = r.log.Write(b[read:])
				read = len(b)
			}
			eventually(t, r, "the table is loaded", func() bool {
				copyLog()
				_, s := get(t, r, "/status")
				return strings.Contains(s, `"state":"live"`)
			})
			db.Exec("UPDATE w SET a = a + 1")
			eventually(t, r, "every row is changed", func() bool {
				copyLog()
				return scrape(t, r)[fmt.Sprintf("cdc2lake_rows_total{op=%q,table=%q}", "update", db.Name+".w")] == float64(c.rows)
			})
			if code := r.stop(); code != 0 {
				copyLog()
				t.Errorf("stopped with %d:\n%s", code, r.log)
			}
			if most := <-peak; most > c.budget {
				t.Errorf("%d MiB were used, and the budget is %d", most>>20, c.budget>>20)
			} else {
				t.Logf("at most %d MiB of %d", most>>20, c.budget>>20)
			}
		})
	}
}

// narrowRows makes 2ⁿ rows of 200 bytes.
func narrowRows(n int) func(db *testenv.Database) {
	return func(db *testenv.Database) {
		db.Exec("CREATE TABLE w (id BIGINT PRIMARY KEY, a INT, b VARCHAR(60), c VARCHAR(200), d DATETIME, e DECIMAL(12,2))",
			"INSERT INTO w VALUES (0, 1, SHA2(0,224), CONCAT(SHA2(0,256),SHA2(0,224)), NOW(), 0)")
		double(db, n, "a, b, c, d, e", "a, SHA2(id,224), CONCAT(SHA2(id,256),SHA2(id,224)), d, e+1")
	}
}

// wideRows makes 65,536 rows of 200 columns, some 3 KB.
func wideRows(db *testenv.Database) {
	var def, names, values, next []string
	for i := range 150 {
		def = append(def, fmt.Sprintf("i%d BIGINT", i))
		names, values, next = append(names, fmt.Sprintf("i%d", i)), append(values, strconv.Itoa(i)), append(next, fmt.Sprintf("i%d+id", i))
	}
	for i := range 48 {
		def = append(def, fmt.Sprintf("s%d VARCHAR(64)", i))
		names, values, next = append(names, fmt.Sprintf("s%d", i)), append(values, "''"), append(next, fmt.Sprintf("SHA2(CONCAT(id,'-',%d),%d)", i, []int{224, 256}[i%2]))
	}
	db.Exec("CREATE TABLE w (id BIGINT PRIMARY KEY, a INT, "+strings.Join(def, ", ")+")", "INSERT INTO w VALUES (0, 0, "+strings.Join(values, ", ")+")")
	double(db, 16, "a, "+strings.Join(names, ", "), "a, "+strings.Join(next, ", "))
}

// largeRows makes 256 rows of a megabyte.
func largeRows(db *testenv.Database) {
	db.Exec("CREATE TABLE w (id BIGINT PRIMARY KEY, a INT, b LONGBLOB)", "INSERT INTO w VALUES (0, 1, REPEAT(RANDOM_BYTES(1000), 1048))")
	double(db, 8, "a, b", "a, REPEAT(RANDOM_BYTES(1000), 1048)")
}
