package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// result is what a workload measured. NaN stands for what does not apply.
type result struct {
	name    string
	changes int64   // rows changed in the source
	cpu     float64 // seconds of the cdc2lake process
	system  float64 // seconds of them in the kernel
	faults  float64 // pages touched for the first time
	wall    float64 // seconds
	busy    float64 // seconds of them in which the process worked
	machine float64 // CPU seconds of all processes in these
	floor   float64 // rows that the encoder alone writes per CPU-second
	allocs  float64 // heap objects
	rss     float64 // peak, bytes
	anon    float64 // peak of anonymous memory, bytes
	fresh   float64 // 99th percentile, seconds
	puts    float64 // requests that a store charges as PUT
	extra   []extra
}

type extra struct {
	key   string
	value float64
}

func newResult(name string) *result {
	nan := math.NaN()
	return &result{name: name, cpu: nan, system: nan, faults: nan, wall: nan, busy: nan, machine: nan, floor: nan, allocs: nan, rss: nan, anon: nan, fresh: nan, puts: nan}
}

func (r *result) add(key string, value float64) { r.extra = append(r.extra, extra{key, value}) }

// line renders the result for people and for compare.
func (r *result) line(scale float64) string {
	n := float64(r.changes)
	var b strings.Builder
	fmt.Fprintf(&b, "BENCH name=%s changes=%d cpu_s=%s changes_per_cpu_s=%s floor_per_cpu_s=%s ratio_to_floor=%s allocs_per_change=%s rss_mib=%s rss_anon_mib=%s freshness_p99_s=%s s3_puts=%s",
		r.name, r.changes, number(r.cpu, 2), number(n/r.cpu, 0), number(r.floor, 0), number(n/r.cpu/r.floor, 3), number(r.allocs/n, 3),
		number(r.rss/(1<<20), 0), number(r.anon/(1<<20), 0), number(r.fresh, 2), number(r.puts, 0))
	fmt.Fprintf(&b, " system_s=%s faults=%s wall_s=%s busy_s=%s cores_busy=%s machine_cores_busy=%s", number(r.system, 2), number(r.faults, 0), number(r.wall, 2), number(r.busy, 1),
		number(r.cpu/r.busy, 2), number(r.machine/r.busy, 2))
	for _, e := range r.extra {
		fmt.Fprintf(&b, " %s=%s", e.key, number(e.value, 3))
	}
	if scale != 1 {
		fmt.Fprintf(&b, " scale=%s", strconv.FormatFloat(scale, 'g', -1, 64))
	}
	return b.String()
}

// number prints at most so many decimals, and - for what does not apply.
func number(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 2 && strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
