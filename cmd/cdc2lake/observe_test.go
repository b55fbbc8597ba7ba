package main

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/telemetry"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// samples are the series of a scrape: name and labels as they stand in the text, without the pipeline.
type samples map[string]float64

var sampleLine = regexp.MustCompile(`^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$`)

func scrape(t *testing.T, r *background) samples {
	t.Helper()
	code, text := get(t, r, "/metrics")
	if code != 200 {
		t.Fatalf("/metrics: %d", code)
	}
	s := samples{}
	for line := range strings.Lines(text) {
		m := sampleLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(line)
		}
		var labels []string
		for _, l := range strings.Split(m[2], ",") {
			if l != "" && !strings.HasPrefix(l, "pipeline=") {
				labels = append(labels, l)
			}
		}
		key := m[1]
		if len(labels) > 0 {
			key += "{" + strings.Join(labels, ",") + "}"
		}
		s[key] = v
	}
	return s
}

// get returns the value of a series, which must be there.
func (s samples) get(t *testing.T, format string, args ...any) float64 {
	t.Helper()
	k := fmt.Sprintf(format, args...)
	v, ok := s[k]
	if !ok {
		t.Errorf("%s is missing", k)
	}
	return v
}

// gate is a TCP proxy that can be shut: it then refuses connections, and ends those there are.
type gate struct {
	to string
	l  net.Listener

	mu    sync.Mutex // guards the rest
	shut  bool
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newGate(t *testing.T, to string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{to: to, l: l, conns: map[net.Conn]bool{}}
	g.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.serve(c)
		}
	})
	t.Cleanup(func() {
		l.Close()
		g.set(true)
		g.wg.Wait()
	})
	return g
}

func (g *gate) serve(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	up, err := net.Dial("tcp", g.to)
	if err != nil || g.shut {
		c.Close()
		if err == nil {
			up.Close()
		}
		return
	}
	g.conns[c], g.conns[up] = true, true
	pipe := func(a, b net.Conn) {
		_, _ = io.Copy(a, b)
		a.Close()
		b.Close()
	}
	g.wg.Go(func() { pipe(c, up) })
	g.wg.Go(func() { pipe(up, c) })
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for c := range g.conns {
			c.Close()
		}
		clear(g.conns)
	}
}

// TestObservability: a real run under load, idle, cut off from MySQL and connected again, as /metrics and the probes show it.
func TestObservability(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE a_b (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE p (id INT PRIMARY KEY)")
	for i := range 20 {
		db.Exec(fmt.Sprintf("INSERT INTO a_b VALUES (%d, REPEAT('x', 1000))", -i-1))
	}
	g := newGate(t, net.JoinHostPort(db.Host(), strconv.Itoa(db.Port())))
	host, port, _ := net.SplitHostPort(g.l.Addr().String())
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := fmt.Sprintf("version: 1\npipeline: seen\nmysql: {host: %s, port: %s, user: %s, password: %s}\n"+
		"tables:\n  include: ['%s.*']\n  rules:\n  - {match: '/.*[.]a_b/', format_version: 3, metadata: [op]}\n  - {match: '%s.p', columns: {hash: []}, partition: ['bucket(2, id)']}\n"+
		"iceberg: {warehouse: 'file://%s/lake'}\ncheckpoints: {interval: 1s}\nruntime: {parallelism: 2, memory: 256MiB}\nhttp: {listen: '127.0.0.1:0'}\n",
		host, port, testenv.CDCUser, testenv.CDCPassword, db.Name, db.Name, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func(d time.Duration) { askEvery = d }(askEvery)
	askEvery = 300 * time.Millisecond
	g.set(true)
	r := startRun(t, file)
	defer r.stop()
	eventually(t, r, "not ready, since MySQL cannot be reached", func() bool {
		code, why := get(t, r, "/readyz")
		alive, _ := get(t, r, "/healthz")
		return code == 503 && strings.Contains(why, "restarting") && alive == 200
	})
	g.set(false)
	table := db.Name + ".a_b"
	eventually(t, r, "ready, and the table loaded", func() bool {
		code, _ := get(t, r, "/readyz")
		_, s := get(t, r, "/status")
		return code == 200 && strings.Count(s, `"state":"live"`) == 2
	})
	if i := tablesJSON(t, file)[table]; i.Format != 3 {
		t.Errorf("the rule does not apply to %s: %+v", table, i)
	}
	before, began := scrape(t, r), time.Now()

	// Load: 400 transactions of 10 KB, spread over a few checkpoints.
	const rows, size = 400, 10_000
	first := began
	for i := range rows {
		db.Exec(fmt.Sprintf("INSERT INTO a_b VALUES (%d, REPEAT('y', %d))", i, size))
		if i%4 == 3 {
			<-time.After(25 * time.Millisecond)
		}
	}
	var s samples
	eventually(t, r, "all is committed, and there is no lag", func() bool {
		s = scrape(t, r)
		_, known := s["cdc2lake_lag_bytes"]
		return known && s[fmt.Sprintf("cdc2lake_rows_total{op=%q,table=%q}", "insert", table)] == rows &&
			s["cdc2lake_lag_seconds"] == 0 && s["cdc2lake_lag_bytes"] == 0
	})
	if got := s.get(t, "cdc2lake_rows_total{op=%q,table=%q}", "read", table); got != 20 {
		t.Errorf("%v rows of the load, want 20", got)
	}
	grown := func(format string, args ...any) float64 {
		k := fmt.Sprintf(format, args...)
		return s[k] - before[k]
	}
	// The log holds other tests' databases too, and rows once.
	if n := grown("cdc2lake_source_bytes_total"); n < rows*size {
		t.Errorf("%v bytes received, the rows alone have %d", n, rows*size)
	}
	if n := s.get(t, "cdc2lake_source_connects_total"); n != 1 {
		t.Errorf("%v connections to the log", n)
	}
	// Freshness: every transaction waits for the next barrier, up to a second, and for its checkpoint.
	took := time.Since(first).Seconds()
	for _, w := range []string{"oldest", "newest"} {
		n, sum := grown("cdc2lake_freshness_seconds_count{transaction=%q}", w), grown("cdc2lake_freshness_seconds_sum{transaction=%q}", w)
		if n < 2 || n > took+2 {
			t.Errorf("%s: %v commits with rows within %.1f s", w, n, took)
		}
		if mean := sum / n; mean <= 0 || mean > 5 {
			t.Errorf("%s: freshness is %.2f s on the average, with a checkpoint a second", w, mean)
		}
	}
	if o, n := s["cdc2lake_freshness_seconds_sum{transaction=\"oldest\"}"], s["cdc2lake_freshness_seconds_sum{transaction=\"newest\"}"]; o < n+0.5 {
		t.Errorf("the oldest transactions waited %.2f s together, the newest %.2f: an interval should lie between", o, n)
	}
	if n, d := grown("cdc2lake_checkpoint_duration_seconds_count"), grown("cdc2lake_checkpoint_duration_seconds_sum"); n < 2 || d <= 0 || d > 3*took {
		t.Errorf("%v checkpoints took %v s", n, d)
	}
	// Every operator was in one state or another all the time, and did something.
	elapsed := time.Since(began).Seconds()
	for _, op := range [][2]string{{"log", ""}, {"shard", "0"}, {"shard", "1"}, {"encoder", "0"}, {"encoder", "1"}, {"committer", ""}, {"load", "0"}} {
		labels := func(state string) string {
			return fmt.Sprintf("cdc2lake_operator_seconds_total{operator=%q,slot=%q,state=%q}", op[0], op[1], state)
		}
		total := grown("%s", labels("busy")) + grown("%s", labels("idle")) + grown("%s", labels("blocked"))
		if math.Abs(total-elapsed) > 2.5 { // reports come once a second
			t.Errorf("%s %s: %.2f s in all states, and %.2f s have passed", op[0], op[1], total, elapsed)
		}
		if op[0] == "load" {
			continue // any of the readers may have read the two tables
		}
		if busy := s.get(t, "%s", labels("busy")); busy <= 0 || grown("%s", labels("busy")) > 0.9*elapsed {
			t.Errorf("%s %s was busy for %v of %v s", op[0], op[1], busy, elapsed)
		}
	}
	read := 0.0
	for k, v := range s {
		if strings.HasPrefix(k, `cdc2lake_operator_seconds_total{operator="load",`) && strings.HasSuffix(k, `state="busy"}`) {
			read += v
		}
	}
	if read <= 0 {
		t.Error("no reader of the load was busy")
	}
	limit := s.get(t, "cdc2lake_queue_limit_bytes")
	for _, in := range []string{"log", "load"} {
		for slot := range 2 {
			if v := s.get(t, "cdc2lake_queue_bytes{input=%q,slot=\"%d\"}", in, slot); v < 0 || v > limit {
				t.Errorf("queue of %s: %v of %v bytes", in, v, limit)
			}
		}
	}
	for _, d := range telemetry.Table() {
		if len(d.Labels) > 0 || d.Kind == telemetry.Histogram {
			continue
		}
		s.get(t, "%s", d.FullName())
	}

	g.set(true)
	eventually(t, r, "not ready without the log", func() bool {
		code, why := get(t, r, "/readyz")
		alive, _ := get(t, r, "/healthz")
		m := scrape(t, r)
		_, known := m["cdc2lake_lag_bytes"]
		return code == 503 && strings.Contains(why, "the log of MySQL is not followed") && alive == 200 && m["cdc2lake_ready"] == 0 && m["cdc2lake_alive"] == 1 && !known
	})
	g.set(false)
	eventually(t, r, "ready again", func() bool {
		code, _ := get(t, r, "/readyz")
		m := scrape(t, r)
		v, known := m["cdc2lake_lag_bytes"]
		return code == 200 && m["cdc2lake_source_connects_total"] >= 2 && known && v == 0 && m["cdc2lake_lag_seconds"] == 0
	})
	if code := r.stop(); code != 0 {
		t.Errorf("stopped with %d:\n%s", code, r.log)
	}
	http.DefaultClient.CloseIdleConnections()
}
