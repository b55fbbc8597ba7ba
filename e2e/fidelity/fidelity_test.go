package fidelity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

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
func TestFidelity(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers")
	}
	filter, err := regexp.Compile(os.Getenv("CDC2LAKE_FIDELITY"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := corpus(filter)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	for _, v := range strings.Fields(os.Getenv("CDC2LAKE_FIDELITY_VARS")) {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	ctx := t.Context()
	m, err := testenv.MySQL(ctx, testenv.MySQLOptions{Vars: vars})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop() }) //nolint:errcheck // its process ends with ours anyway
	bin := build(t)
	clock := time.Now()
	lap := func(what string) {
		t.Logf("%5.1f s %s", time.Since(clock).Seconds(), what)
		clock = time.Now()
	}

	if err := prepare(ctx, m); err != nil {
		t.Fatal(err)
	}
	more, err := charsetCases(ctx, m, filter)
	if err != nil {
		t.Fatal(err)
	}
	cases = append(cases, more...)
	var runs []*run
	for _, c := range cases {
		for _, way := range ways {
			if c.runs(way) {
				runs = append(runs, &run{c: c, way: way})
			}
		}
	}
	tmp := t.TempDir()
	each(runs, 3, func(r *run) {
		before, _ := r.c.parts(r.way)
		db := r.c.database(r.way)
		if r.failed = m.Exec(ctx, "CREATE DATABASE "+db); r.failed == nil {
			r.failed = execute(ctx, m, db, tmp, r.c.session, before)
		}
	})
	lap("before the load")
	lakes := []*lake{newLake(t, bin, m, 2), newLake(t, bin, m, 3)}
	for _, l := range lakes {
		l.start()
	}
	for _, l := range lakes {
		l.loaded(4 * time.Minute)
	}
	lap("load")
	each(runs, 3, func(r *run) {
		if _, after := r.c.parts(r.way); r.failed == nil && len(after) > 0 {
			r.failed = execute(ctx, m, r.c.database(r.way), tmp, r.c.session, after)
		}
	})
	lap("after the load")
	if err := m.Exec(ctx, "INSERT INTO sentinel.t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	for _, l := range lakes {
		l.reached(ctx, 2, 2*time.Minute)
		l.stop()
	}
	lap("log")

	conn, err := reader(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's connection
	all, err := tablesOf(conn, "^(load|log|split)_")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		r.tables = all[r.c.database(r.way)]
		for _, tbl := range r.tables {
			if err := tbl.ask(conn); err != nil {
				tbl.rows = []string{err.Error()} // a refused table needs no rows; of another this is a difference
			}
		}
	}
	lap("SELECT")
	v := newVerdict(t, cases)
	for _, r := range runs {
		if r.failed != nil {
			v.fail(r.c, "%s: %v", r.way, r.failed)
		}
	}
	for _, l := range lakes {
		v.judge(ctx, l, runs, "")
	}
	lap("comparison")
	for _, l := range lakes { // what was created in the log joins at the next start; everything else stays
		l.start()
		l.loaded(2 * time.Minute)
		l.stop()
		v.judge(ctx, l, runs, "after a restart, ")
	}
	lap("restart")
	if python := os.Getenv("CDC2LAKE_READERS_PYTHON"); python != "" {
		for _, l := range lakes {
			v.judgePython(ctx, l, python, runs)
		}
		lap("PyIceberg and DuckDB")
	}
	v.print()
}

// prepare makes the sentinel, and a time zone with summer time: no server knows zones by name until it is given them.
func prepare(ctx context.Context, m *testenv.MySQLServer) error {
	var transitions []string
	for y := 1971; y < 2037; y++ {
		for _, s := range []struct{ month, typ int }{{3, 1}, {10, 0}} { // the last Sunday, 01:00 UTC
			d := time.Date(y, time.Month(s.month), 31, 1, 0, 0, 0, time.UTC)
			d = d.AddDate(0, 0, -int(d.Weekday()))
			transitions = append(transitions, fmt.Sprintf("(9001, %d, %d)", d.Unix(), s.typ))
		}
	}
	return m.Exec(ctx, "CREATE DATABASE sentinel", "CREATE TABLE sentinel.t (id INT PRIMARY KEY)", "INSERT INTO sentinel.t VALUES (1)",
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
	said             map[string]bool
	compared         map[string]int // tables by reader
	comparedRowTotal int
}

func newVerdict(t *testing.T, cases []*fcase) *verdict {
	return &verdict{t: t, cases: cases, wrong: map[*fcase]bool{}, failed: map[*fcase]bool{}, refused: map[*fcase]map[string]bool{}, surprises: map[[2]string]*surprise{}, said: map[string]bool{}, compared: map[string]int{}}
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

func (v *verdict) isWrong(c *fcase, format string, args ...any) {
	v.wrong[c] = true
	v.say(c, "WRONG: "+fmt.Sprintf(format, args...))
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
		allowed := r.c.refusals(r.way, l.format)
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
		if paused == 0 && len(allowed) > 0 && when == "" {
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
					v.isWrong(r.c, "%s: %s is not replicated, and not refused", where, id)
				}
			default:
				ns, name := destination(tbl.db, tbl.name)
				got, err := readGo(ctx, cat, ns, name)
				v.compare(r.c, where, "iceberg-go", tbl, got, err)
			}
		}
		for _, s := range byDB[r.c.database(r.way)] {
			if !known[s.Table] && s.State != "paused" {
				v.isWrong(r.c, "%s: %s is %s, and not in MySQL any more", where, s.Table, s.State)
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
		v.fail(c, "%s: %s.%s: %v", where, tbl.db, tbl.name, err)
		return
	}
	v.compared[reader]++
	v.comparedRowTotal += len(tbl.rows)
	diffs := tbl.differences(got)
	if len(diffs) == 0 {
		return
	}
	if strings.HasPrefix(diffs[0], "doc of") {
		v.fail(c, "%s: %s.%s: %s", where, tbl.db, tbl.name, diffs[0])
		return
	}
	v.isWrong(c, "%s: %s.%s:\n  %s", where, tbl.db, tbl.name, strings.Join(diffs, "\n  "))
}

// print says how many cases passed, and which are refused for what.
func (v *verdict) print() {
	for id, s := range v.surprises {
		v.t.Errorf("%s (%s): refused %s in %s: %s", id[0], s.c.file, id[1], strings.Join(s.where, "; "), s.msg)
	}
	passed, refused := 0, 0
	byCode := map[string][]string{}
	for _, c := range v.cases {
		switch {
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
	fmt.Printf("tables compared: %v, %d rows\n", v.compared, v.comparedRowTotal)
	fmt.Printf("FIDELITY cases=%d passed=%d refused=%d wrong=%d\n", len(v.cases), passed, refused, len(v.wrong))
	if len(v.cases) == 0 {
		v.t.Error(errors.New("no case was selected"))
	}
}
