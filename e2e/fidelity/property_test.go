package fidelity

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/go-mysql-org/go-mysql/client"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "first seed of TestProperty; 0: a random one")
	runsFlag   = flag.Int("runs", 0, "runs of TestProperty; 0: a sample, or 500 with CDC2LAKE_TEST_ALL; 1 if a seed is given")
	togetherBy = flag.Int("together", 10, "runs of TestProperty that share a pipeline")
	serverFlag = flag.String("server", "", "mysql or mariadb; empty: MariaDB for the second of every four batches of TestProperty, if there are more than 20 runs")
	shrinkFlag = flag.Bool("shrink", false, "shrink the script of the first run that fails")
)

// prun is one run of the property: a database with a random script.
type prun struct {
	seed   uint64
	db     string
	g      *generator
	tables []*table
	diffs  []string
}

// pbatch is a pipeline under some runs, which is stopped, killed and asked for reloads while their scripts are executed.
type pbatch struct {
	*lake
	ctx        context.Context
	m          *testenv.MySQLServer
	conn       *client.Conn
	rng        *rand.Rand
	runs       []*prun
	restarts   int
	mixed      bool // some changes are logged as statements
	compared   int  // tables
	boundaries int  // snapshots looked at
}

// TestProperty makes random schemas and changes them and their rows at random, under a pipeline that is restarted and killed
// at random, and compares every table with MySQL in the end: by verify, and by reading it with iceberg-go.
//
// Seeds are consecutive, and a run's script follows from its seed alone; what happens to the pipeline, which the runs of a batch
// share, from that of the batch's first run. (Where only tables that are loaded may be truncated, the moment decides that.) -seed N repeats a run, -seed N -runs 10 a batch, with -server mariadb where it was
// MariaDB's.
func TestProperty(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers")
	}
	seed, n := *seedFlag, *runsFlag
	switch {
	case n > 0:
	case seed != 0:
		n = 1
	case os.Getenv("CDC2LAKE_TEST_ALL") != "":
		n = 500
	default:
		n = 15
	}
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	t.Logf("seeds %d to %d", seed, seed+uint64(n)-1)
	servers := map[string]*testenv.MySQLServer{}
	bin := build(t)
	total := propertyTotal{errors: map[uint16]int{}, ddl: map[string]int{}}
	begun := time.Now()
	for at := 0; at < n; at += *togetherBy {
		server := *serverFlag
		if server == "" {
			server = either(n > 20 && at / *togetherBy % 4 == 1, "mariadb", "mysql")
		}
		if servers[server] == nil {
			servers[server] = propertyServer(t, server)
		}
		b := newBatch(t, bin, servers[server], seed+uint64(at), min(*togetherBy, n-at))
		b.run()
		total.add(b)
		if t.Context().Err() != nil {
			break
		}
	}
	t.Logf("%.1f s a run; DDL %v; refused statements %v", time.Since(begun).Seconds()/float64(n), total.ddl, total.errors)
	fmt.Printf("PROPERTY runs=%d rows=%d ddl=%d restarts=%d wrong=%d\n", total.runs, total.rows, total.ddls, total.restarts, total.wrong)
}

func propertyServer(t *testing.T, flavor string) *testenv.MySQLServer {
	t.Helper()
	start := testenv.MySQL
	if flavor == "mariadb" {
		start = testenv.MariaDB
	}
	m, err := start(t.Context(), testenv.MySQLOptions{Vars: map[string]string{"sync_binlog": "0", "innodb_flush_log_at_trx_commit": "0",
		"max_binlog_size": "262144", "binlog_row_event_max_size": "1024", "binlog_cache_size": "4096"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop() }) //nolint:errcheck // its process ends with ours anyway
	if err := m.Exec(t.Context(), "CREATE DATABASE sentinel", "CREATE TABLE sentinel.t (id INT PRIMARY KEY)", "INSERT INTO sentinel.t VALUES (0)"); err != nil {
		t.Fatal(err)
	}
	return m
}

// propertyTotal is what is printed in the end.
type propertyTotal struct {
	runs, ddls, restarts, wrong int
	rows                        int64
	errors                      map[uint16]int
	ddl                         map[string]int
}

func (p *propertyTotal) add(b *pbatch) {
	p.runs, p.restarts = p.runs+len(b.runs), p.restarts+b.restarts
	for _, r := range b.runs {
		p.rows += r.g.rows
		for code, n := range r.g.errors {
			p.errors[code] += n
		}
		for kind, n := range r.g.ddl {
			p.ddl[kind] += n
			p.ddls += n
		}
		if len(r.diffs) > 0 {
			p.wrong++
		}
	}
}

func newBatch(t *testing.T, bin string, m *testenv.MySQLServer, seed uint64, n int) *pbatch {
	t.Helper()
	b := &pbatch{lake: &lake{t: t, bin: bin, dir: t.TempDir(), batch: int(seed), format: 2}, ctx: t.Context(), m: m, rng: rand.New(rand.NewPCG(seed, 2))}
	for i := range n {
		r := &prun{seed: seed + uint64(i)}
		r.db = fmt.Sprintf("p%d", r.seed)
		r.g = newGenerator(newPlayer(b.ctx, m, r.db), r.seed)
		b.runs, b.mixed = append(b.runs, r), b.mixed || r.g.mixed
	}
	return b
}

// config is the pipeline's, once the tables are there.
func (b *pbatch) config() {
	include, rules := []string{`"sentinel.*"`}, []string{}
	for _, r := range b.runs {
		include = append(include, fmt.Sprintf(`"%s.*"`, r.db))
		options := fmt.Sprintf(`format_version: %d, zero_dates: "null"`, r.g.format)
		for _, t := range r.g.list {
			if k := t.keys(); len(k) > 0 && !r.g.plain && r.g.chance(15) && partitionable[k[0].typ.family] {
				rules = append(rules, fmt.Sprintf(`{match: "%s.%s", %s, partition: ["bucket(3, %s)"], target_file_size: 1MiB}`, r.db, t.name, options, k[0].name))
			}
		}
		rules = append(rules, fmt.Sprintf(`{match: "%s.*", %s}`, r.db, options))
	}
	where := pickOne(b.rng, []string{"", "", "", ", position: file"})
	if b.m.Flavor() == "mariadb" {
		where = "" // its log is followed by GTID only
	}
	b.configure(b.m, lakeConfig{include: strings.Join(include, ", "), rules: strings.Join(rules, ", "), mysql: where,
		chunk: pickOne(b.rng, []int{100, 100, 1000}), interval: pickOne(b.rng, []string{"200ms", "500ms", "1s"}), parallelism: 1 + b.rng.IntN(2)})
}

// partitionable are families of types that buckets can be made of.
var partitionable = map[string]bool{"int": true, "text": true, "bytes": true, "decimal": true}

// run does all of it. What goes wrong is an error of the test, with the script that led to it.
func (b *pbatch) run() {
	t := b.t
	begun := time.Now()
	defer func() {
		b.kill()
		for _, r := range b.runs {
			r.g.close()
		}
		b.forget()
		for _, r := range b.runs {
			if err := b.m.Exec(context.Background(), "DROP DATABASE IF EXISTS "+r.db); err != nil {
				t.Error(err)
			}
		}
		if b.conn != nil {
			b.conn.Close() //nolint:errcheck // a test's connection
		}
		os.RemoveAll(b.dir) //nolint:errcheck // the test's folder goes later anyway
	}()
	defer func() {
		switch why := recover().(type) {
		case nil:
		case givenUp:
			t.Errorf("seeds %d to %d (-seed %d -runs %d -server %s): %s", b.runs[0].seed, b.runs[len(b.runs)-1].seed, b.runs[0].seed, len(b.runs), b.m.Flavor(), why)
			for _, r := range b.runs {
				b.keep(r)
			}
		default:
			panic(why)
		}
	}()
	metadata := pickOne(b.rng, []string{"FULL", "MINIMAL"})
	b.must(b.m.Exec(b.ctx, "SET GLOBAL binlog_row_metadata = "+metadata))
	var err error
	b.conn, err = reader(b.ctx, b.m)
	b.must(err)
	b.each(func(r *prun) error {
		if err := b.m.Exec(b.ctx, "CREATE DATABASE "+r.db); err != nil {
			return err
		}
		return r.g.setup()
	})
	b.config()
	b.start()
	segments := 3 + b.rng.IntN(3)
	for i := range segments {
		disturbed := make(chan any, 1)
		what := b.rng.IntN(100)
		pause := time.Duration(b.rng.IntN(600)) * time.Millisecond // the moment is what is tested
		go func() {
			defer func() { disturbed <- recover() }()
			b.disturb(what, pause)
		}()
		b.each(func(r *prun) error { return r.g.segment(15+r.g.rng.IntN(45), i == segments-1) })
		if why := <-disturbed; why != nil {
			panic(why)
		}
		if b.rng.IntN(2) == 0 && b.caughtUp() {
			b.each(func(r *prun) error {
				for _, t := range r.g.list {
					t.loaded = true
				}
				return nil
			})
			if b.rng.IntN(2) == 0 {
				b.glance()
			}
		}
	}
	b.settle()
	b.compare()
	b.snapshots()
	b.stop()
	b.quietLog()
	for _, r := range b.runs {
		if len(r.diffs) > 0 {
			t.Errorf("seed %d (v%d, %s, %s), %s:\n  %s", r.seed, r.g.format, b.m.Flavor(), metadata, b.keep(r), strings.Join(r.diffs, "\n  "))
			if *shrinkFlag {
				*shrinkFlag = false
				shrink(t, b.bin, b.m, r)
			}
		}
	}
	t.Logf("seeds %d to %d (%s): %.1f s, %d restarts, %d tables compared, %d snapshots", b.runs[0].seed, b.runs[len(b.runs)-1].seed, b.m.Flavor(), time.Since(begun).Seconds(), b.restarts, b.compared, b.boundaries)
}

// forget takes back what a script that was not executed to its end has left prepared.
func (b *pbatch) forget() {
	rows, err := b.m.Query(context.Background(), "XA RECOVER")
	if err != nil {
		b.t.Error(err)
	}
	for _, r := range rows {
		if err := b.m.Exec(context.Background(), "XA ROLLBACK '"+r[3]+"'"); err != nil && !strings.Contains(err.Error(), "XA_RBROLLBACK") {
			b.t.Error(err)
		}
	}
}

func (b *pbatch) must(err error) {
	b.t.Helper()
	if err != nil {
		panic(givenUp(err.Error()))
	}
}

// each calls f for all runs at once.
func (b *pbatch) each(f func(*prun) error) {
	b.t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(b.runs))
	for i, r := range b.runs {
		wg.Go(func() {
			if err := f(r); err != nil {
				errs[i] = fmt.Errorf("seed %d: %w", r.seed, err)
			}
		})
	}
	wg.Wait()
	b.must(errors.Join(errs...))
}

// disturb is what happens to the pipeline while the scripts go on.
func (b *pbatch) disturb(what int, pause time.Duration) {
	switch {
	case what < 10:
		b.caughtUp()
		return
	case what < 30:
		time.Sleep(pause) // the moment is what is tested
		r := b.runs[what%len(b.runs)]
		if r.g.plain {
			return
		}
		if names, err := b.m.Query(b.ctx, "SHOW TABLES IN "+r.db); err == nil && len(names) > 0 {
			b.command("reload", "--no-wait", r.db+"."+names[what%len(names)][0]) // it need not know the table
		}
		return
	}
	time.Sleep(pause) // the moment is what is tested
	b.alive()
	if what%4 == 0 {
		b.must(b.m.Exec(b.ctx, "SET GLOBAL binlog_row_metadata = "+[]string{"FULL", "MINIMAL"}[what/4%2]))
	}
	switch {
	case what < 50:
		b.terminate()
	case what < 90:
		b.kill()
	default:
		b.kill()
		b.must(os.RemoveAll(filepath.Join(b.dir, "state")))
	}
	b.restarts++
	b.start()
}

// terminate is SIGTERM, which may come before the process has asked to hear of it, or before there is a pipeline to end.
func (b *pbatch) terminate() {
	b.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // the wait says it
	select {
	case err := <-b.done:
		if b.cmd = nil; err != nil && err.Error() != "signal: terminated" && err.Error() != "exit status 143" {
			panic(givenUp(fmt.Sprintf("stop: %v", err)))
		}
	case <-time.After(time.Minute):
		panic(givenUp("still running a minute after SIGTERM"))
	}
}

// sentinel writes a row by which the end of the log is known, and returns the number of such rows.
func (b *pbatch) sentinel() int {
	b.t.Helper()
	rows, err := b.m.Query(b.ctx, "SELECT COUNT(*) FROM sentinel.t")
	b.must(err)
	var n int
	_, err = fmt.Sscan(rows[0][0], &n)
	b.must(err)
	b.must(b.m.Exec(b.ctx, fmt.Sprintf("INSERT INTO sentinel.t VALUES (%d)", n)))
	return n + 1
}

// sentinels is the number of these rows in Iceberg, as far as it can be read.
func (b *pbatch) sentinels() int {
	cat, err := b.catalog()
	if err != nil {
		return 0
	}
	defer cat.Close() //nolint:errcheck // a test's connection
	got, err := readGo(b.ctx, cat, "sentinel", "t")
	if err != nil {
		return 0
	}
	return len(got.rows)
}

// caughtUp waits until the log has been passed to where it ends now and no table is loading, unless what holds that up (a
// prepared transaction, say) goes on until the next part of a script.
func (b *pbatch) caughtUp() bool {
	n := b.sentinel()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		b.alive()
		b.resume()
		if b.sentinels() == n && !b.loading() {
			return true
		}
	}
	return false
}

// resume asks for reloads of what paused for changes that were logged as statements: all tables, where it is not known which these
// have changed.
func (b *pbatch) resume() {
	if !b.mixed {
		return
	}
	for name, s := range b.states() {
		if s.State == "paused" && s.Paused.Code == unlogged {
			b.command("reload", "--no-wait", name) // it may have been asked for already
		}
	}
}

// unlogged is the code of such pauses.
const unlogged = "MYSQL_STATEMENT_FORMAT"

// loading reports whether a table is being loaded.
func (b *pbatch) loading() bool {
	for _, s := range b.states() {
		if s.State != "live" && s.State != "paused" {
			return true
		}
	}
	return false
}

// passed waits until everything that has been written by now is in the tables.
func (b *pbatch) passed() {
	b.t.Helper()
	n := b.sentinel()
	for deadline := time.Now().Add(2 * time.Minute); b.mixed && b.sentinels() != n && time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		b.alive()
		b.resume()
	}
	b.loaded(2 * time.Minute)
	b.reached(b.ctx, n, 2*time.Minute)
}

// glance compares the tables that are followed, while the scripts pause and the end of the log has been passed.
func (b *pbatch) glance() {
	b.t.Helper()
	all, err := tablesOf(b.conn, "^("+strings.Join(b.databases(), "|")+")$")
	b.must(err)
	states := b.states()
	cat, err := b.catalog()
	b.must(err)
	defer cat.Close() //nolint:errcheck // a test's connection
	for _, r := range b.runs {
		for _, t := range all[r.db] {
			if states[t.db+"."+t.name].State != "live" {
				continue
			}
			b.compared++
			b.must(t.ask(b.conn))
			// Other tables of the checkpoint may be a moment behind the sentinel's.
			diffs := b.different(cat, t)
			for deadline := time.Now().Add(5 * time.Second); len(diffs) > 0 && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
				diffs = b.different(cat, t)
			}
			if len(diffs) > 0 {
				r.diffs = append(r.diffs, t.name+", before the end: "+strings.Join(diffs, "\n    "))
			}
		}
	}
}

// different reads a table with iceberg-go and returns how it differs from what MySQL says.
func (b *pbatch) different(cat goCatalog, t *table) []string {
	ns, name := destination(t.db, t.name)
	got, err := readGo(b.ctx, cat, ns, name)
	if err != nil && strings.Contains(err.Error(), "unsupported write-default value") {
		return nil // iceberg-go does not read defaults of timestamps; verify does
	} else if err != nil {
		return []string{err.Error()}
	}
	return t.differences(got)
}

// refusals are what a table may be refused with after its columns have become others: a key that is a zero date by now, or one
// whose values cannot be told apart.
var refusals = []string{"ZERO_DATE", "UNSUPPORTED_TYPE", "KEY_TYPE"}

// settle brings the tables to the end of the log. Those that were created in it join, and those that a DDL has paused are loaded
// anew, by themselves.
func (b *pbatch) settle() {
	b.t.Helper()
	b.passed()
	all, err := tablesOf(b.conn, "^("+strings.Join(b.databases(), "|")+")$")
	b.must(err)
	if b.rng.IntN(3) == 0 {
		b.terminate()
		b.restarts++
		b.start()
	}
	for _, r := range b.runs {
		r.tables = all[r.db]
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		b.resume()
		b.loaded(time.Until(deadline))
		states, waits := b.states(), []string{}
		for _, r := range b.runs {
			for _, t := range r.tables {
				s, known := states[t.db+"."+t.name]
				before := len(waits)
				switch {
				case !known:
					waits = append(waits, t.name+" is neither replicated nor refused")
				case s.State == "paused" && strings.Contains(s.Paused.Msg, "the table is partitioned by it"): // nothing else can be done
				case s.State == "paused" && !(r.g.retyped[t.name] && contains(refusals, s.Paused.Code)):
					waits = append(waits, fmt.Sprintf("%s is paused: %s: %s", t.name, s.Paused.Code, s.Paused.Msg))
				case s.State != "paused" && s.State != "live":
					waits = append(waits, t.name+" is "+s.State)
				}
				if len(waits) > before && time.Now().After(deadline) {
					r.diffs = append(r.diffs, waits[len(waits)-1])
				}
			}
		}
		if len(waits) == 0 || time.Now().After(deadline) {
			return
		}
	}
}

func (b *pbatch) databases() []string {
	var out []string
	for _, r := range b.runs {
		out = append(out, r.db)
	}
	return out
}

// verifyFinds are the lines of verify about tables that are not equal.
var verifyFinds = regexp.MustCompile(`(?m)^.*(: \d+ rows, [1-9]\d* differences| undecided|could not be compared).*(\n  .*)*`)

// compare looks for differences: verify does for all tables, and each is read with iceberg-go.
func (b *pbatch) compare() {
	b.t.Helper()
	out, err := b.command("verify")
	cat, cerr := b.catalog()
	b.must(cerr)
	defer cat.Close() //nolint:errcheck // a test's connection
	found := false
	states := b.states()
	for _, r := range b.runs {
		for _, t := range r.tables {
			if states[t.db+"."+t.name].State == "paused" {
				continue
			}
			b.compared++
			b.must(t.ask(b.conn))
			if diffs := b.different(cat, t); len(diffs) > 0 {
				r.diffs, found = append(r.diffs, t.name+": "+strings.Join(diffs, "\n    ")), true
			}
		}
	}
	if err != nil && !found {
		for _, line := range verifyFinds.FindAllString(out, -1) {
			for _, r := range b.runs {
				table, _, _ := strings.Cut(line, ": ")
				if strings.HasPrefix(line, r.db+".") && states[strings.TrimSuffix(table, " could not be compared")].State != "paused" {
					r.diffs, found = append(r.diffs, "verify, where iceberg-go finds no difference: "+line), true
				}
			}
		}
		if !found && !strings.Contains(out, "could not be compared") {
			panic(givenUp(fmt.Sprintf("verify: %v:\n%s", err, out)))
		}
	}
	if err == nil && found {
		b.t.Error("verify finds no difference where iceberg-go does")
	}
}

// snapshots looks at the accounts in every snapshot that stands for a boundary between transactions: they always add up to
// nothing, and none is missing.
func (b *pbatch) snapshots() {
	b.t.Helper()
	cat, err := b.catalog()
	b.must(err)
	defer cat.Close() //nolint:errcheck // a test's connection
	for _, r := range b.runs {
		tbl, err := cat.LoadTable(b.ctx, []string{r.db, "account"})
		b.must(err)
		for _, s := range tbl.Metadata().Snapshots() {
			if s.Summary == nil || !strings.Contains(s.Summary.Properties["cdc2lake.marker"], `"phase":"done"`) {
				continue
			}
			_, it, err := tbl.Scan(icetable.WithSnapshotID(s.SnapshotID), icetable.WithSelectedFields("amount")).ToArrowRecords(b.ctx)
			b.must(err)
			rows, sum := 0, int64(0)
			for rec, err := range it {
				b.must(err)
				for _, v := range rec.Column(0).(*array.Int64).Int64Values() {
					rows, sum = rows+1, sum+v
				}
				rec.Release()
			}
			if b.boundaries++; rows != accounts || sum != 0 {
				r.diffs = append(r.diffs, fmt.Sprintf("snapshot %d of account is within a transaction: %d rows, sum %d", s.SnapshotID, rows, sum))
			}
		}
	}
}

// command runs another command of the program.
func (b *pbatch) command(args ...string) (string, error) {
	out, err := exec.CommandContext(b.ctx, b.bin, append(args, "--config", filepath.Join(b.dir, "pipeline.yaml"))...).CombinedOutput()
	return string(out), err
}

// quietLog looks for what a pipeline should never say.
func (b *pbatch) quietLog() {
	text, err := os.ReadFile(b.log.Name())
	b.must(err)
	for _, line := range strings.Split(string(text), "\n") {
		for _, bad := range []string{"changes contradict the table", "INTERNAL", "panic:", "MYSQL_PROTOCOL", "CORRUPT"} {
			if strings.Contains(line, bad) {
				b.must(errors.New(line))
			}
		}
		excused := strings.Contains(line, "has no key") || strings.Contains(line, unlogged) || strings.Contains(line, "may contain it already")
		for _, r := range b.runs {
			if r.g.plain && !excused && strings.Contains(line, `msg="table paused"`) && strings.Contains(line, "table="+r.db+".") {
				r.diffs = append(r.diffs, "paused after DDL that docs/ddl.md calls metadata: "+line)
			}
		}
	}
}

// keep writes the script of a run where CDC2LAKE_TEST_KEEP says, or to the system's folder of temporary files, and says where.
func (b *pbatch) keep(r *prun) string {
	dir := os.Getenv("CDC2LAKE_TEST_KEEP")
	if dir == "" {
		dir = os.TempDir()
	}
	path := filepath.Join(dir, fmt.Sprintf("property-%d.sql", r.seed))
	if text, err := os.ReadFile(b.log.Name()); err == nil {
		os.WriteFile(filepath.Join(dir, fmt.Sprintf("property-%d.log", b.runs[0].seed)), text, 0o644) //nolint:errcheck // a help for people
	}
	text := fmt.Sprintf("-- seed %d, format %d\n%s", r.seed, r.g.format, r.g.script.String())
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err.Error()
	}
	return path
}
