package fidelity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// run is a case in one way.
type run struct {
	c      *fcase
	way    string
	failed error // of a statement
	tables []*table
}

// TestFidelity runs the corpus. CDC2LAKE_FIDELITY=regexp selects cases by name; CDC2LAKE_READERS_PYTHON adds PyIceberg and
// DuckDB; CDC2LAKE_FIDELITY_VARS="binlog_row_metadata=MINIMAL" starts the server with other variables.
// CDC2LAKE_FIDELITY_UPDATE=1 adds what is refused without being expected to cases/refused.txt, and what does not apply to a server to
// cases/inapplicable_SERVER.txt, to be looked at.
// CDC2LAKE_FIDELITY_KILL=1 kills cdc2lake again and again while the log is written. Without any of these, and without CDC2LAKE_TEST_ALL, it is a sample.
func TestFidelity(t *testing.T) { fidelity(t, "mysql", testenv.MySQL) }

// TestFidelityMariaDB is TestFidelity with MariaDB, without the cases of which it is known that it does not understand a statement.
func TestFidelityMariaDB(t *testing.T) {
	was := axisOrder
	defer func() { axisOrder = was }()
	axisOrder = ""
	fidelity(t, "mariadb", testenv.MariaDB)
}

func fidelity(t *testing.T, server string, start func(context.Context, testenv.MySQLOptions) (*testenv.MySQLServer, error)) {
	if testing.Short() {
		t.Skip("needs servers")
	}
	filter, err := regexp.Compile(os.Getenv("CDC2LAKE_FIDELITY"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := corpus(filter, server)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	for _, v := range strings.Fields(os.Getenv("CDC2LAKE_FIDELITY_VARS")) {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	ctx := t.Context()
	m, err := start(ctx, testenv.MySQLOptions{Vars: vars})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.Exec(context.WithoutCancel(ctx), "DO 0") != nil {
			said, err := os.ReadFile(m.LogFile())
			t.Errorf("the server has ended: %v\n%s", err, said[max(0, len(said)-10000):])
		}
		m.Stop() //nolint:errcheck // its process ends with ours anyway
	})
	if err := prepare(ctx, m); err != nil {
		t.Fatal(err)
	}
	more, err := charsetCases(ctx, m, filter)
	if err != nil {
		t.Fatal(err)
	}
	cases = append(cases, more...)
	if os.Getenv("CDC2LAKE_TEST_ALL") == "" && os.Getenv("CDC2LAKE_READERS_PYTHON") == "" && filter.String() == "" {
		cases = sample(cases, server)
	}
	v := newVerdict(t, cases)
	v.server, v.version = server, m.Version()
	defer v.print()
	conn, err := reader(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's connection
	bin, tmp := build(t), t.TempDir()
	const size = 50 // a pipeline starts anew whenever the sink refuses a table, which takes longer with more tables
	batches := assign(cases, size)
	var lakes []*lake
	var runs []*run
	for n := range batches {
		var some []*run
		for _, c := range cases {
			if c.batch != n {
				continue
			}
			for _, way := range ways {
				if c.runs(way) {
					some = append(some, &run{c: c, way: way})
				}
			}
		}
		pair := []*lake{newLake(t, bin, m, n, 2), newLake(t, bin, m, n, 3)}
		begun := time.Now()
		v.batch(ctx, m, conn, tmp, pair, some, 2*n+1)
		t.Logf("batch %d of %d: %.1f s", n+1, batches, time.Since(begun).Seconds())
		lakes, runs = append(lakes, pair...), append(runs, some...)
	}
	if python := os.Getenv("CDC2LAKE_READERS_PYTHON"); python != "" {
		v.judgePython(ctx, lakes, python, runs)
	}
}

// assign numbers the batches, and spreads what is refused over them.
func assign(cases []*fcase, size int) int {
	n := (len(cases) + size - 1) / size
	for i, c := range cases {
		c.batch = i % n
	}
	return n
}

// batch runs some cases through a pipeline for each format. The sentinel's table has n rows.
func (v *verdict) batch(ctx context.Context, m *testenv.MySQLServer, conn *client.Conn, tmp string, lakes []*lake, runs []*run, n int) {
	t := v.t
	t.Helper()
	defer func() {
		why := recover()
		if why == nil {
			return
		}
		text, ok := why.(givenUp)
		if !ok {
			panic(why)
		}
		t.Errorf("batch %d: %s", lakes[0].batch, text)
		for _, l := range lakes {
			l.kill()
		}
		for _, r := range runs {
			v.failed[r.c] = true
			if r.failed == nil {
				r.failed = errors.New("its batch was given up")
			}
		}
	}()
	each(runs, 3, func(r *run) {
		before, _ := r.c.parts(r.way)
		db := r.c.database(r.way)
		if r.failed = m.Exec(ctx, "CREATE DATABASE "+db); r.failed == nil {
			r.failed = execute(ctx, m, db, tmp, r.c.session, before)
		}
	})
	for _, l := range lakes {
		l.start()
	}
	for _, l := range lakes {
		l.loaded(3 * time.Minute)
	}
	quiet := func() {}
	if os.Getenv("CDC2LAKE_FIDELITY_KILL") != "" {
		quiet = crash(lakes)
	}
	each(runs, 3, func(r *run) {
		if _, after := r.c.parts(r.way); r.failed == nil && len(after) > 0 {
			r.failed = execute(ctx, m, r.c.database(r.way), tmp, r.c.session, after)
		}
	})
	quiet()
	if err := m.Exec(ctx, fmt.Sprintf("INSERT INTO sentinel.t VALUES (%d), (%d)", n, n+1)); err != nil {
		t.Fatal(err)
	}
	for _, l := range lakes {
		l.reached(ctx, n+2, 3*time.Minute)
		l.settled(2 * time.Minute)
		l.stop()
	}
	all, err := tablesOf(conn, fmt.Sprintf("^(load|log|split)%d_", lakes[0].batch))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		r.tables = all[r.c.database(r.way)]
		for _, tbl := range r.tables {
			if err := tbl.ask(conn); err != nil {
				tbl.failed = err // a refused table needs no rows
			}
		}
		switch {
		case r.failed == nil:
		case v.doesNotApply(r):
			v.inapplicable[r.c] = r.failed
		default:
			v.fail(r.c, "%s: %v", r.way, r.failed)
		}
	}
	for _, l := range lakes {
		v.judge(ctx, l, runs, "")
	}
	for _, l := range lakes { // what was created in the log joins at the next start; everything else stays
		l.start()
	}
	for _, l := range lakes {
		l.loaded(3 * time.Minute)
		l.settled(time.Minute)
		l.stop()
		v.judge(ctx, l, runs, "after a restart, ")
	}
}

// doesNotApply reports whether the server has refused a statement that it is known to refuse.
func (v *verdict) doesNotApply(r *run) bool {
	var refused *mysql.MyError
	if v.server == "mysql" || r.c.server != "" || !errors.As(r.failed, &refused) {
		return false
	}
	code := strconv.Itoa(int(refused.Code))
	if contains(r.c.foreign, code) {
		return true
	}
	if os.Getenv("CDC2LAKE_FIDELITY_UPDATE") == "" || refused.Code == mysql.ER_LOCK_WAIT_TIMEOUT || refused.Code == mysql.ER_LOCK_DEADLOCK {
		return false
	}
	v.foreign[r.c.name] = append(v.foreign[r.c.name], code)
	return true
}

// crash kills the pipelines and starts them again, until it is told to stop.
func crash(lakes []*lake) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(2 * time.Second): // the moment is what is tested
				l := lakes[i%len(lakes)]
				l.cmd.Process.Kill() //nolint:errcheck // the wait says it
				<-l.done
				l.start()
			}
		}
	}()
	return func() { close(end); <-ended }
}

// sample is what `make test` has time for: one case of ten, without those that are known to fail.
func sample(cases []*fcase, server string) []*fcase {
	var out []*fcase
	every, own := 10, 24
	if server != "mysql" {
		every = 90
	}
	for i, c := range cases {
		if (i%every == 0 || c.server == "mariadb" && i%own == 0) && c.wrong == "" {
			out = append(out, c)
		}
	}
	return out
}

// prepare makes the sentinel, lets queries recurse, and makes a time zone with summer time: no server knows zones by name until it is
// given them.
func prepare(ctx context.Context, m *testenv.MySQLServer) error {
	var transitions []string
	for y := 1971; y < 2037; y++ {
		for _, s := range []struct{ month, typ int }{{3, 1}, {10, 0}} { // the last Sunday, 01:00 UTC
			d := time.Date(y, time.Month(s.month), 31, 1, 0, 0, 0, time.UTC)
			d = d.AddDate(0, 0, -int(d.Weekday()))
			transitions = append(transitions, fmt.Sprintf("(9001, %d, %d)", d.Unix(), s.typ))
		}
	}
	depth := "cte_max_recursion_depth"
	if m.Flavor() == "mariadb" {
		depth = "max_recursive_iterations"
	}
	return m.Exec(ctx, "SET GLOBAL "+depth+" = 100000", "CREATE DATABASE sentinel", "CREATE TABLE sentinel.t (id INT PRIMARY KEY)", "INSERT INTO sentinel.t VALUES (0)",
		"INSERT INTO mysql.time_zone VALUES (9001, 'N')", "INSERT INTO mysql.time_zone_name VALUES ('Test/Summer', 9001)",
		"INSERT INTO mysql.time_zone_transition_type VALUES (9001, 0, 3600, 0, 'CET'), (9001, 1, 7200, 1, 'CEST')",
		"INSERT INTO mysql.time_zone_transition VALUES "+strings.Join(transitions, ", "))
}

// each calls f for all runs, n at a time.
func each(runs []*run, n int, f func(*run)) {
	var wg sync.WaitGroup
	next := make(chan *run)
	for range n {
		wg.Go(func() {
			for r := range next {
				f(r)
			}
		})
	}
	for _, r := range runs {
		next <- r
	}
	close(next)
	wg.Wait()
}

// verdict collects what becomes of the cases.
type verdict struct {
	t                *testing.T
	cases            []*fcase
	wrong            map[*fcase]bool
	failed           map[*fcase]bool
	refused          map[*fcase]map[string]bool // by code
	surprises        map[[2]string]*surprise    // by case and code
	seen             map[string][]string        // codes to write to refused.txt, by case
	said             map[string]bool
	compared         map[string]int // tables by reader
	server, version  string
	inapplicable     map[*fcase]error    // MariaDB does not understand it
	foreign          map[string][]string // errors to write to the list of these, by case
	comparedRowTotal int
}

func newVerdict(t *testing.T, cases []*fcase) *verdict {
	return &verdict{t: t, cases: cases, wrong: map[*fcase]bool{}, failed: map[*fcase]bool{}, refused: map[*fcase]map[string]bool{}, surprises: map[[2]string]*surprise{}, seen: map[string][]string{}, said: map[string]bool{}, compared: map[string]int{}, inapplicable: map[*fcase]error{}, foreign: map[string][]string{}}
}

func (v *verdict) say(c *fcase, text string) {
	if !v.said[text] {
		v.said[text] = true
		v.t.Errorf("%s (%s): %s", c.name, c.file, text)
	}
}

// fail: the case does not go as it says, but no value is wrong.
func (v *verdict) fail(c *fcase, format string, args ...any) {
	v.failed[c] = true
	v.say(c, fmt.Sprintf(format, args...))
}

func (v *verdict) isWrong(c *fcase, where, text string) {
	v.wrong[c] = true
	v.surprise(c, "WRONG", where, text)
}

// surprise is a refusal that the corpus does not expect, or the lack of one that it does.
type surprise struct {
	c     *fcase
	where []string
	msg   string
}

func (v *verdict) surprise(c *fcase, code, where, msg string) {
	id := [2]string{c.name, code}
	if v.surprises[id] == nil {
		v.surprises[id] = &surprise{c: c, msg: msg}
	}
	v.surprises[id].where = append(v.surprises[id].where, where)
}

// judge compares the tables of all runs with what the Go reader finds.
func (v *verdict) judge(ctx context.Context, l *lake, runs []*run, when string) {
	states := l.states()
	cat, err := l.catalog()
	if err != nil {
		v.t.Fatal(err)
	}
	defer cat.Close() //nolint:errcheck // a test's connection
	byDB := map[string][]state{}
	for _, s := range states {
		db, _, _ := strings.Cut(s.Table, ".")
		byDB[db] = append(byDB[db], s)
	}
	for _, r := range runs {
		if r.failed != nil {
			continue
		}
		where := fmt.Sprintf("%s%s, v%d", when, r.way, l.format)
		allowed, must := r.c.refusals(r.way, l.format)
		paused, known := 0, map[string]bool{}
		for _, s := range byDB[r.c.database(r.way)] {
			if s.State != "paused" {
				continue
			}
			paused++
			if !contains(allowed, s.Paused.Code) {
				v.failed[r.c] = true
				v.surprise(r.c, s.Paused.Code, where, s.Paused.Msg)
			}
			if v.refused[r.c] == nil {
				v.refused[r.c] = map[string]bool{}
			}
			v.refused[r.c][s.Paused.Code] = true
		}
		if paused == 0 && must && v.server == "mysql" && when == "" {
			v.failed[r.c] = true
			v.surprise(r.c, "none", where, "not refused any more: correct the expectation "+strings.Join(allowed, " "))
		}
		for _, tbl := range r.tables {
			id := tbl.db + "." + tbl.name
			known[id] = true
			s, ok := states[id]
			switch {
			case ok && s.State == "paused":
			case !ok || s.Iceberg == "":
				if when != "" {
					v.isWrong(r.c, where, id+" is not replicated, and not refused")
				}
			default:
				ns, name := destination(tbl.db, tbl.name)
				got, err := readGo(ctx, cat, ns, name)
				v.compare(r.c, where, "iceberg-go", tbl, got, err)
			}
		}
		for _, s := range byDB[r.c.database(r.way)] {
			if !known[s.Table] && s.State != "paused" {
				v.isWrong(r.c, where, s.Table+" is "+s.State+", and not in MySQL any more")
			}
		}
	}
}

func (v *verdict) compare(c *fcase, where, reader string, tbl *table, got *content, err error) {
	if len(c.readers) > 0 && !contains(c.readers, reader) {
		return
	}
	where += ", " + reader
	if err != nil {
		v.failed[c] = true
		v.surprise(c, "unreadable", where, err.Error())
		return
	}
	v.compared[reader]++
	v.comparedRowTotal += len(tbl.rows)
	if tbl.failed != nil {
		v.fail(c, "%s.%s: %v", tbl.db, tbl.name, tbl.failed)
		return
	}
	diffs := tbl.differences(got)
	if len(diffs) == 0 {
		return
	}
	if strings.HasPrefix(diffs[0], "doc of") {
		v.fail(c, "%s: %s.%s: %s", where, tbl.db, tbl.name, diffs[0])
		return
	}
	v.isWrong(c, where, tbl.db+"."+tbl.name+":\n  "+strings.Join(diffs, "\n  "))
}

// print says how many cases passed, and which are refused for what.
func (v *verdict) print() {
	for id, s := range v.surprises {
		known := ""
		if s.c.wrong != "" && id[1] == "WRONG" {
			known = " (known: " + s.c.wrong + ")"
		}
		if update := os.Getenv("CDC2LAKE_FIDELITY_UPDATE") != ""; update && id[1] == strings.ToUpper(id[1]) && id[1] != "WRONG" {
			known := v.seen[id[0]]
			if !contains(known, id[1]) {
				v.seen[id[0]] = append(known, id[1])
			}
			continue
		}
		v.t.Errorf("%s (%s): %s%s in %s: %s", id[0], s.c.file, id[1], known, strings.Join(s.where, "; "), s.msg)
	}
	if err := errors.Join(addToList(refusedFor(v.server), v.seen), addToList(foreignFile(v.server), v.foreign)); err != nil {
		v.t.Error(err)
	}
	passed, refused := 0, 0
	byCode := map[string][]string{}
	for _, c := range v.cases {
		if len(c.foreign) > 0 && v.inapplicable[c] == nil && !v.failed[c] {
			v.fail(c, "%s understands it: take it out of %s", v.server, foreignFile(v.server))
		}
		switch {
		case v.inapplicable[c] != nil:
		case v.wrong[c] || v.failed[c]:
		case len(v.refused[c]) > 0 || c.stops != "":
			refused++
			if c.stops != "" {
				byCode[c.stops+" (ends the service)"] = append(byCode[c.stops+" (ends the service)"], c.name)
			}
			for code := range v.refused[c] {
				byCode[code] = append(byCode[code], c.name)
			}
		default:
			passed++
		}
	}
	var codes []string
	for code := range byCode {
		codes = append(codes, code)
	}
	sort.Strings(codes)
	for _, code := range codes {
		sort.Strings(byCode[code])
		fmt.Printf("refused %s (%d): %s\n", code, len(byCode[code]), strings.Join(byCode[code], " "))
	}
	for c, err := range v.inapplicable {
		fmt.Printf("does not apply to %s: %s: %v\n", v.server, c.name, err)
	}
	fmt.Printf("tables compared: %v, %d rows\n", v.compared, v.comparedRowTotal)
	fmt.Printf("FIDELITY cases=%d passed=%d refused=%d wrong=%d", len(v.cases)-len(v.inapplicable), passed, refused, len(v.wrong))
	if v.server != "mysql" {
		fmt.Printf(" inapplicable=%d", len(v.inapplicable))
	}
	fmt.Printf(" server=%s-%s\n", v.server, v.version)
	if len(v.cases) == 0 {
		v.t.Error(errors.New("no case was selected"))
	}
}
