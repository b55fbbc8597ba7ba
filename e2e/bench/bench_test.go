package main

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPermutationHitsEveryNumberOnce(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 100, 1000, 4097} {
		seen := make([]bool, n)
		p := newPermutation(n, 7)
		for i := range n {
			k := p.at(i)
			if k < 0 || k >= n || seen[k] {
				t.Fatalf("of %d: %d -> %d, twice or out of range", n, i, k)
			}
			seen[k] = true
		}
	}
}

func TestRowsDifferByVersion(t *testing.T) {
	a, b := appendTen(nil, 17, 0), appendTen(nil, 17, 1)
	if !bytes.Equal(a, appendTen(nil, 17, 0)) {
		t.Error("the same row is not the same")
	}
	if bytes.Equal(a, b) {
		t.Error("an update would change nothing")
	}
	total := 0
	for i := range int64(1000) {
		row := appendTen(nil, i, 0)
		f := strings.Split(strings.TrimSuffix(string(row), "\n"), "\t")
		if len(f) != 10 || len(f[3]) > 80 || len(f[4]) > 40 {
			t.Fatalf("%q", row)
		}
		if n := len(f[5]); f[5] != null && (n < 60 || n > 100) {
			t.Fatalf("the text has %d bytes: %q", n, f[5])
		}
		total += 8 + 4 + 6 + 1 + len(f[3]) + 1 + len(f[4]) + 2 + len(f[5]) + 8 + 4 + 8 + 1
	}
	if total < 160_000 || total > 220_000 {
		t.Errorf("rows have %d bytes, not about 200", total/1000)
	}
}

func TestLargeRows(t *testing.T) {
	a, b := appendLarge(nil, 1), appendLarge(nil, 2)
	id, body, _ := strings.Cut(strings.TrimSuffix(string(a), "\n"), "\t")
	if id != "1" || len(body) != 4000 || strings.Contains(string(b), body[1000:1040]) {
		t.Errorf("%d bytes: %q", len(body), a)
	}
}

func TestQuantile(t *testing.T) {
	from, err := parseMetrics(strings.NewReader(`# HELP x y
x_bucket{pipeline="p",transaction="oldest",le="1"} 10
x_bucket{pipeline="p",transaction="oldest",le="2"} 10
x_bucket{pipeline="p",transaction="oldest",le="+Inf"} 10
x_bucket{pipeline="p",transaction="newest",le="+Inf"} 4
`))
	if err != nil {
		t.Fatal(err)
	}
	to := metrics{
		`x_bucket{pipeline="p",transaction="oldest",le="1"}`:    60,
		`x_bucket{pipeline="p",transaction="oldest",le="2"}`:    110,
		`x_bucket{pipeline="p",transaction="oldest",le="+Inf"}`: 110,
		`x_bucket{pipeline="p",transaction="newest",le="+Inf"}`: 1000,
	}
	// 50 observations up to 1, 50 up to 2: the 75th lies in the middle of the second bucket.
	for q, want := range map[float64]float64{0.75: 1.5, 0.25: 0.5, 1: 2} {
		if got := quantile(q, from, to, "x", `transaction="oldest"`); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %v = %v, want %v", q, got, want)
		}
	}
	if got := quantile(0.5, to, to, "x"); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestPuts(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(`cdc2lake_store_requests_total{operation="put",pipeline="p",result="ok"} 3
cdc2lake_store_requests_total{operation="put_if_absent",pipeline="p",result="exists"} 1
cdc2lake_store_requests_total{operation="get",pipeline="p",result="ok"} 100
cdc2lake_store_requests_total{operation="upload_part",pipeline="p",result="ok"} 5
`))
	if err != nil || m.puts() != 9 {
		t.Errorf("%v puts, want 9 (%v)", m.puts(), err)
	}
}

func TestLine(t *testing.T) {
	r := newResult("x")
	r.changes, r.cpu, r.floor, r.puts, r.wall, r.busy, r.machine = 1000, 2, 1000, 7, 4, 2.5, 4
	r.add("y", 0.25)
	want := "BENCH name=x changes=1000 cpu_s=2.00 changes_per_cpu_s=500 floor_per_cpu_s=1000 ratio_to_floor=0.5 allocs_per_change=- rss_mib=- rss_anon_mib=- freshness_p99_s=- s3_puts=7 system_s=- faults=- wall_s=4.00 busy_s=2.5 cores_busy=0.80 machine_cores_busy=1.60 y=0.25 scale=0.1"
	if got := r.line(0.1); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := r.benchmark(), "BenchmarkX 1 2e+06 cpu-ns/change 0.5 ratio 7 puts\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Skip(err) // no /proc
	}
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
	}
	after, err := usageOf(os.Getpid())
	if u := after.minus(before); err != nil || u.cpu < 0.02 || u.cpu > 5 || u.system > u.cpu || u.faults < 0 {
		t.Errorf("%+v after spinning for 0.2 s (%v)", u, err)
	}
}

func TestStagesOfATrace(t *testing.T) {
	const module = "github.com/cdc2lake/cdc2lake/"
	for want, stack := range map[string][]string{
		"decode":    {"runtime.memmove", "runtime.growslice", module + "cdc.resize[go.shape.int64]", module + "cdc/binlog.(*plan).image", module + "cdc/mysql.(*follower).run"},
		"compress":  {"github.com/klauspost/compress/zstd.(*fastEncoder).Encode", module + "iceberg.(*parquetWriter).write"},
		"commit":    {"github.com/klauspost/compress/zstd.(*fastEncoder).Encode", module + "iceberg.(*Sink).Commit.func2"},
		"collapse":  {"runtime.memclrNoHeapPointers", "slices.Grow[go.shape.[]" + module + "iceberg.bufferedRow,go.shape.struct", module + "iceberg.(*collapser).sort", module + "stream.(*shard).run"},
		"gather":    {"runtime.asyncPreempt", module + "cdc.(*Vec).IsNull", module + "iceberg.gatherBytes", module + "iceberg.(*tableWriter).seal"},
		"encode":    {"runtime.memmove", module + "iceberg.(*bufferAllocator).Reallocate", "github.com/apache/arrow-go/v18/arrow/memory.(*Buffer).Reserve"},
		"state":     {"runtime.memmove", "runtime.growslice", module + "iceberg.(*tableWriter).decide", module + "iceberg.(*tableWriter).seal"},
		"route":     {module + "stream.(*router).batch", module + "stream.(*logInput).Batch"},
		"collector": {"runtime.scanObject", "runtime.gcAssistAlloc", "runtime.mallocgc", module + "cdc/binlog.(*writer).room"},
		"observe":   {"runtime.memmove", "net/http.(*conn).serve"},
		"receive":   {"syscall.Read", "net.(*conn).Read", module + "cdc/mysql.(*framer).read", module + "stream.(*generation).operate.func1"},
		"upload":    {"syscall.Write", "net/http.(*persistConn).writeLoop"},
		"start":     {"encoding/json.checkValid", module + "stream/checkpoint.Start", module + "stream.(*generation).recover"},
		"other":     {"runtime.futex", "runtime.notesleep", "runtime.findRunnable", "runtime.mcall"},
	} {
		if got := classify(stack); got != want {
			t.Errorf("%s, want %s: %q", got, want, stack)
		}
		if !slices.Contains(stageNames, want) {
			t.Errorf("%s has no column", want)
		}
	}
	for _, s := range slices.Concat(wholes, stages) {
		if !slices.Contains(stageNames, s.name) {
			t.Errorf("%s has no column", s.name)
		}
	}
	got, err := parseTraces(strings.NewReader(`File: cdc2lake
Type: cpu
-----------+-------------------------------------------------------
     1.50s   runtime.memmove
             runtime.growslice
             github.com/cdc2lake/cdc2lake/cdc/binlog.(*plan).image
             github.com/cdc2lake/cdc2lake/cdc/mysql.(*follower).run
-----------+-------------------------------------------------------
     500ms   github.com/klauspost/compress/zstd.(*fastEncoder).Encode
             github.com/cdc2lake/cdc2lake/iceberg.(*parquetWriter).write
-----------+-------------------------------------------------------
`))
	if err != nil || len(got) != 2 || got["decode"] != 1500*time.Millisecond || got["compress"] != 500*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	r := newResult("x")
	r.changes, r.cpu = 1_000_000, 1 // half of what was sampled
	want := "STAGES name=x cpu_s=2.00 receive=0.0% decode=75.0% route=0.0% collapse=0.0% state=0.0% gather=0.0% encode=0.0% compress=25.0% upload=0.0% commit=0.0% " +
		"collector=0.0% start=0.0% observe=0.0% other=0.0%\n" +
		"STAGE_NS name=x changes=1000000 total=1000 receive=0 decode=750 route=0 collapse=0 state=0 gather=0 encode=0 compress=250 upload=0 commit=0 " +
		"collector=0 start=0 observe=0 other=0"
	if got := formatStages(r, got); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBusyTime(t *testing.T) {
	s := newSampler(os.Getpid())
	defer s.close()
	s.reset()
	begin, before := time.Now(), processSeconds()
	for processSeconds()-before < 0.4 && time.Since(begin) < 10*time.Second {
	}
	spun := time.Since(begin).Seconds() // more on a busy machine
	time.Sleep(600 * time.Millisecond)
	rss, anon := s.peaks()
	if rss == 0 {
		t.Skip("no /proc")
	}
	busy, machine := s.work()
	if busy < 0.1 || busy > spun+0.4 || machine < 0.1 || anon > rss {
		t.Errorf("%v s at work, not about 0.4 to %.1f; %v CPU seconds of all; %d of %d bytes anonymous", busy, spun, machine, anon, rss)
	}
	if got := parseStat("cpu  100 200 300 4000 500 600 700 800 0 0\ncpu0 1 2 3 4 5 6 7 8 9\n"); got != 27 {
		t.Errorf("%v s of all processes, want 27", got)
	}
}

// TestSlowLine sends to a server that answers with what it has got.
func TestSlowLine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	const latency, rate, size = 50 * time.Millisecond, 4 << 20, 1 << 20
	for _, x := range []struct {
		rate  int64
		least time.Duration
	}{{0, latency}, {rate, latency + time.Second*size/rate}} {
		s, err := newSlowLine(server.URL, latency, x.rate)
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: &http.Transport{}}
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		for range 2 { // the second one takes the same connection
			begin := time.Now()
			resp, err := c.Post(s.endpoint(), "text/plain", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if took := time.Since(begin); err != nil || !bytes.Equal(got, body) || took < x.least || took > x.least+5*time.Second {
				t.Errorf("at %d bytes a second: %d bytes of %d after %s, at least %s (%v)", x.rate, len(got), size, took, x.least, err)
			}
			_ = resp.Body.Close()
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		if _, err := c.Get(s.endpoint()); err == nil {
			t.Error("a closed line answers")
		}
	}
}

func TestPlainColumns(t *testing.T) {
	columns, err := plainColumns(1000)
	if err != nil {
		t.Fatal(err)
	}
	for i, width := range map[int]int{0: 8, 1: 4, 2: 8, 6: 8, 7: 8, 9: 4} {
		if len(columns[i]) != 1000*width {
			t.Errorf("column %d has %d bytes", i, len(columns[i]))
		}
	}
	if n := len(columns[4]); n < 850 || n > 950 { // a tenth is NULL
		t.Errorf("%d cities", n)
	}
}

func TestLimitsOfThisMachine(t *testing.T) {
	for _, f := range []func() (limit, error){limitTouch, limitCRC} {
		l, err := f()
		if err != nil || len(l.values) == 0 {
			t.Errorf("%+v, %v", l, err)
		}
		for _, v := range l.values {
			if !(v.value > 0 && v.value < 1e6) {
				t.Errorf("%s: %v", l.line(), v)
			}
		}
	}
	used, err := transfer(16 << 20)
	if err != nil || used[0] < 0 || used[1] <= 0 || used[0]+used[1] > 5 {
		t.Errorf("%v, %v", used, err)
	}
	if s, err := roundTrips(100); err != nil || s < 0 || s > 1 {
		t.Errorf("%v s of 100 round trips, %v", s, err)
	}
}
