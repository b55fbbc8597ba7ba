package main

import (
	"bytes"
	"math"
	"os"
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
	r.changes, r.cpu, r.floor, r.puts = 1000, 2, 1000, 7
	r.add("y", 0.25)
	want := "BENCH name=x changes=1000 cpu_s=2.00 changes_per_cpu_s=500 floor_per_cpu_s=1000 ratio_to_floor=0.5 allocs_per_change=- rss_mib=- rss_anon_mib=- freshness_p99_s=- s3_puts=7 system_s=- faults=- y=0.25 scale=0.1"
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
	got, err := parseTraces(strings.NewReader(`File: cdc2lake
Type: cpu
-----------+-------------------------------------------------------
     1.50s   runtime.memmove
             runtime.growslice
             github.com/cdc2lake/cdc2lake/cdc/binlog.(*plan).image
             github.com/cdc2lake/cdc2lake/cdc/mysql.(*follower).run
-----------+-------------------------------------------------------
      20ms   github.com/klauspost/compress/zstd.(*fastEncoder).Encode
             github.com/cdc2lake/cdc2lake/iceberg.(*parquetWriter).write
-----------+-------------------------------------------------------
      30ms   github.com/klauspost/compress/zstd.(*fastEncoder).Encode
             github.com/cdc2lake/cdc2lake/iceberg.(*Sink).Commit.func2
-----------+-------------------------------------------------------
`))
	if err != nil || len(got) != 3 || got["decode"] != 1500*time.Millisecond || got["compress"] != 20*time.Millisecond || got["commit"] != 30*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
}
