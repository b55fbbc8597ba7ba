package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every family gets a series, so that the linter sees all of them.
func exercise(m *Metrics) {
	m.Build("v1", "abc", "go1.26")
	m.TableCommit("shop.orders", Commit{Inserts: 3, Updates: 2, Deletes: 1, Reads: 7, Events: 9, Skipped: 1, Divergent: 1, Files: 2, Bytes: 100,
		Oldest: time.Unix(100, 0), Newest: time.Unix(102, 0)}, time.Unix(103, 0))
	m.Checkpoint(7, time.Unix(200, 0), 2*time.Second, time.Second)
	m.CheckpointFailed("STORE")
	m.CommitFailed("CATALOG")
	m.Generation(4)
	m.Restart("STORE")
	m.Error("STORE", "retryable")
	m.Lag(3, 1000)
	m.TableLag("shop.orders", 2)
	m.Source(500, 1)
	m.Queue("log", 0, 10, 20)
	m.Operator("shard", 1, time.Second, time.Second, time.Second)
	m.Table("shop.orders", "paused", "KEY_TYPE")
	m.Load("shop.orders", 5, 10)
	m.StoreRequest("put", "ok", 12, time.Millisecond)
}

// series returns the values of a family's counters and gauges with the labels (name, value, …).
func series(t *testing.T, m *Metrics, family string, labels ...string) []float64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
	metrics:
		for _, v := range f.Metric {
			have := map[string]string{}
			for _, l := range v.Label {
				have[l.GetName()] = l.GetValue()
			}
			for i := 0; i < len(labels); i += 2 {
				if have[labels[i]] != labels[i+1] {
					continue metrics
				}
			}
			out = append(out, v.GetCounter().GetValue()+v.GetGauge().GetValue())
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	m := New("p")
	exercise(m)
	for op, want := range map[string]float64{"insert": 3, "update": 2, "delete": 1, "read": 7} {
		if got := series(t, m, "cdc2lake_rows_total", "table", "shop.orders", "op", op); len(got) != 1 || got[0] != want {
			t.Errorf("rows of %s: %v, want %v", op, got, want)
		}
	}
	fam, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range fam {
		seen[f.GetName()] = true
		if f.GetName() == "cdc2lake_freshness_seconds" {
			for i, want := range map[int]float64{0: 1, 1: 3} { // newest, oldest
				if h := f.Metric[i].Histogram; h.GetSampleCount() != 1 || h.GetSampleSum() != want {
					t.Errorf("freshness: %v, want %v", f.Metric[i], want)
				}
			}
		}
	}
	for _, d := range Table() {
		if !seen[d.FullName()] {
			t.Errorf("%s is in the table, and nothing sets it", d.FullName())
		}
	}
	problems, err := promlint.NewWithMetricFamilies(fam).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "cdc2lake_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestTableStateMoves(t *testing.T) {
	m := New("p")
	m.Table("a.b", "paused", "KEY_TYPE")
	m.Table("a.b", "live", "")
	if v := series(t, m, "cdc2lake_table_paused"); len(v) != 0 {
		t.Errorf("%d series say that the table is paused", len(v))
	}
	for _, s := range TableStates {
		want := 0.0
		if s == "live" {
			want = 1
		}
		if got := series(t, m, "cdc2lake_table_state", "table", "a.b", "state", s); len(got) != 1 || got[0] != want {
			t.Errorf("state %s is %v", s, got)
		}
	}
}

func TestLagUnknownIsAbsent(t *testing.T) {
	m := New("p")
	m.Lag(1, 5)
	m.Lag(1, -1)
	if v := series(t, m, "cdc2lake_lag_bytes"); len(v) != 0 {
		t.Errorf("lag in bytes is %v", v)
	}
}

// Run with UPDATE_DOCS=1 (make docs) to write the page.
func TestMetricsPage(t *testing.T) {
	const path = "../../docs/metrics.md"
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Markdown() {
		t.Error("docs/metrics.md is not what the table says: run make docs")
	}
}

func TestServer(t *testing.T) {
	m := New("p")
	h := NewHealth(m)
	s, err := Listen(ServerOptions{Addr: "127.0.0.1:0", Token: "s3cret", Metrics: m, Health: h,
		Status: func() any { return map[string]int{"tables": 2} }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	get := func(path, token string) (int, string) {
		t.Helper()
		r, _ := http.NewRequest("GET", "http://"+s.Addr()+path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	expect := func(path, token string, code int, text string) {
		t.Helper()
		if c, b := get(path, token); c != code || !strings.Contains(b, text) {
			t.Errorf("%s: %d %q, want %d %q", path, c, b, code, text)
		}
	}
	expect("/healthz", "", 200, "ok")
	expect("/readyz", "", 503, "starting")
	h.Ready()
	expect("/readyz", "", 200, "ok")
	expect("/metrics", "s3cret", 200, `cdc2lake_ready{pipeline="p"} 1`)
	expect("/status", "s3cret", 200, `"tables":2`)
	for _, p := range []string{"/metrics", "/status"} {
		expect(p, "", 401, "token")
		expect(p, "wrong", 401, "token")
	}
	h.NotReady("restarting")
	expect("/readyz", "", 503, "restarting")
	h.Stalled("no checkpoint")
	expect("/healthz", "", 503, "no checkpoint")
	expect("/metrics", "s3cret", 200, `cdc2lake_alive{pipeline="p"} 0`)
	h.Moving()
	expect("/healthz", "", 200, "ok")
	expect("/metrics", "s3cret", 200, `cdc2lake_alive{pipeline="p"} 1`)
	h.Failed("fenced")
	h.Ready() // what failed for good does not come back
	expect("/healthz", "", 503, "fenced")
	if ok, _ := h.Readiness(); ok {
		t.Error("ready although failed")
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + s.Addr() + "/healthz"); err == nil {
		t.Error("still answering")
	}
}

func TestListenInUse(t *testing.T) {
	o := ServerOptions{Addr: "127.0.0.1:0", Metrics: New("p"), Health: NewHealth(nil), Logger: slog.New(slog.DiscardHandler)}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	o.Addr = s.Addr()
	if _, err := Listen(o); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second listener: %v", err)
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	l, err := NewLogger(&b, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	l.Info("quiet")
	l.Warn("loud", "err", errors.New("x"))
	if s := b.String(); strings.Contains(s, "quiet") || !strings.Contains(s, `"msg":"loud","err":"x"`) {
		t.Error(s)
	}
	for _, bad := range [][2]string{{"INFO", "json"}, {"trace", "text"}, {"info", "xml"}} {
		if _, err := NewLogger(&b, bad[0], bad[1]); err == nil {
			t.Errorf("%v accepted", bad)
		}
	}
}
