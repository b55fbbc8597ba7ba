package state

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// The benchmarks report CPU time of the whole process per key (cpu-ns/key), merging in the background included, since a
// second core may be busy with it. STATE_BENCH_KEYS sets the size of the table; 20 million is what DESIGN 5 measured.

func benchKeys(b *testing.B) int {
	if s := os.Getenv("STATE_BENCH_KEYS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return 200_000
	}
	return 2_000_000
}

const benchBatch = 131_072

var benchID = cdc.TableID{Database: "shop", Name: "orders"}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchKey is the i-th key of a table with an integer key, or a longer one.
func benchKey(i uint64, exact bool) cdc.Key {
	k := cdc.Key{Hi: cdc.Mix64(i)}
	if !exact {
		k.Lo = cdc.Mix64(^i)
	}
	return k
}

func eachKind(b *testing.B, f func(b *testing.B, exact bool)) {
	b.Run("exact", func(b *testing.B) { f(b, true) })
	b.Run("hashed", func(b *testing.B) { f(b, false) })
}

func openBench(b *testing.B, dir string, manual bool) *Shard {
	s, err := Open(Options{Dir: dir, Groups: cdc.GroupRange{From: 0, To: 128, Of: 128}, manualMerge: manual})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// build loads n keys in the order of a table with rows in files of a million.
func build(b *testing.B, t *Table, n int) {
	bl := t.NewBuilder()
	keys, locs := make([]cdc.Key, 8192), make([]Loc, 8192)
	for i := 0; i < n; {
		m := min(len(keys), n-i)
		for j := range m {
			keys[j], locs[j] = benchKey(uint64(i), t.exact), MakeLoc(uint32(i/1e6), uint32(i%1e6))
			i++
		}
		if err := bl.Add(keys[:m], locs[:m]); err != nil {
			b.Fatal(err)
		}
	}
	if err := bl.Finish([]byte("built")); err != nil {
		b.Fatal(err)
	}
}

func perKey(b *testing.B, cpu time.Duration, keys int) {
	b.ReportMetric(float64(cpu)/float64(keys), "cpu-ns/key")
	b.ReportMetric(float64(keys)/cpu.Seconds()/1e6, "Mkeys/cpu-s")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkBuild(b *testing.B) {
	eachKind(b, func(b *testing.B, exact bool) {
		n := benchKeys(b)
		var cpu time.Duration
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			s := openBench(b, b.TempDir(), true)
			t := s.Table(benchID, exact)
			b.StartTimer()
			c := cpuTime()
			build(b, t, n)
			cpu += cpuTime() - c
			b.ReportMetric(float64(s.Stats().DiskBytes)/float64(n), "disk-B/key")
			b.ReportMetric(float64(s.Stats().MemoryBytes)/float64(n), "mem-B/key")
			_ = s.Close()
		}
		perKey(b, cpu, b.N*n)
	})
}

// BenchmarkOpen restarts: all checksums are compared.
func BenchmarkOpen(b *testing.B) {
	n := benchKeys(b)
	dir := b.TempDir()
	s := openBench(b, dir, true)
	build(b, s.Table(benchID, true), n)
	_ = s.Close()
	c := cpuTime()
	for b.Loop() {
		s := openBench(b, dir, true)
		if s.Table(benchID, true).Len() != int64(n) {
			b.Fatal("keys are missing")
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(cpuTime()-c)/1e6/float64(b.N), "cpu-ms/open")
}

// BenchmarkLookup looks up random keys that exist, in sorted batches, in one run. Making and sorting the batch is not
// counted: the caller has it sorted.
func BenchmarkLookup(b *testing.B) {
	for _, hit := range []bool{true, false} {
		for _, batch := range []int{1, 1000, 16_384, benchBatch} {
			b.Run(fmt.Sprintf("hit=%v/batch=%d", hit, batch), func(b *testing.B) {
				eachKind(b, func(b *testing.B, exact bool) {
					n := benchKeys(b)
					s := openBench(b, b.TempDir(), true)
					t := s.Table(benchID, exact)
					build(b, t, n)
					x := rand.New(rand.NewPCG(1, 2))
					const batches = 16
					var keys [batches][]cdc.Key
					for i := range keys {
						for range batch {
							v := x.Uint64N(uint64(n))
							if !hit {
								v += uint64(n)
							}
							keys[i] = append(keys[i], benchKey(v, exact))
						}
						slices.SortFunc(keys[i], compareKeys)
						keys[i] = slices.Compact(keys[i])
					}
					out := make([]Loc, batch)
					for i := range keys { // fault the pages in
						t.Lookup(keys[i], out)
					}
					runtime.GC()
					b.ReportAllocs()
					c, done := cpuTime(), 0
					for i := 0; b.Loop(); i++ {
						k := keys[i%batches]
						t.Lookup(k, out)
						done += len(k)
						if (out[0] != None) != hit {
							b.Fatal("wrong answer")
						}
					}
					perKey(b, cpuTime()-c, done)
				})
			})
		}
	}
}

// BenchmarkChurn is a running pipeline: batches of random updates (9 of 10) and inserts are looked up and put, and every
// few batches a checkpoint is completed, with merging beside it. All CPU is counted except the making of the batches.
func BenchmarkChurn(b *testing.B) {
	for _, batch := range []int{20_000, benchBatch} {
		for _, perCheckpoint := range []int{1, 8} {
			b.Run(fmt.Sprintf("batch=%d/checkpoint=%d", batch, perCheckpoint*batch), func(b *testing.B) {
				eachKind(b, func(b *testing.B, exact bool) { churn(b, exact, batch, perCheckpoint) })
			})
		}
	}
}

func churn(b *testing.B, exact bool, batch, perCheckpoint int) {
	n := benchKeys(b)
	s := openBench(b, b.TempDir(), true) // merged below, in this goroutine, so that its time can be told apart
	t := s.Table(benchID, exact)
	build(b, t, n)
	x := rand.New(rand.NewPCG(1, 2))
	next := uint64(n)
	keys, old, locs := make([]cdc.Key, 0, batch), make([]Loc, batch), make([]Loc, batch)
	var lookup, put, complete, merge time.Duration
	done, row, runs := 0, uint32(0), 0
	runtime.GC()
	k := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		k++
		for range perCheckpoint {
			keys = keys[:0]
			for range batch {
				v := x.Uint64N(uint64(n))
				if v%10 == 0 {
					v = next
					next++
				}
				keys = append(keys, benchKey(v, exact))
			}
			slices.SortFunc(keys, compareKeys)
			keys = slices.Compact(keys)
			for i := range keys {
				row++
				locs[i] = MakeLoc(uint32(k), row)
			}
			c0 := cpuTime()
			t.Lookup(keys, old[:len(keys)])
			c1 := cpuTime()
			t.Put(keys, locs[:len(keys)], old[:len(keys)])
			put += cpuTime() - c1
			lookup += c1 - c0
			done += len(keys)
		}
		c0 := cpuTime()
		s.Seal(k)
		if err := s.Complete(k, map[cdc.TableID][]byte{benchID: []byte("meta")}); err != nil {
			b.Fatal(err)
		}
		c1 := cpuTime()
		complete += c1 - c0
		for {
			did, err := s.mergeOnce()
			if err != nil {
				b.Fatal(err)
			}
			if !did {
				break
			}
		}
		merge += cpuTime() - c1
		runs += s.Stats().Runs
	}
	b.ReportMetric(float64(lookup)/float64(done), "lookup-ns/key")
	b.ReportMetric(float64(put)/float64(done), "put-ns/key")
	b.ReportMetric(float64(complete)/float64(done), "complete-ns/key")
	b.ReportMetric(float64(merge)/float64(done), "merge-ns/key")
	b.ReportMetric(float64(merge)/float64(max(1, s.Stats().MergedKeys)), "merge-ns/entry")
	b.ReportMetric(float64(runs)/float64(b.N), "runs")
	b.ReportMetric(float64(s.Stats().DiskBytes)/float64(t.Len()), "disk-B/key")
	perKey(b, lookup+put+complete+merge, done)
}

// BenchmarkManyTables completes checkpoints of 500 tables with forty changes each.
func BenchmarkManyTables(b *testing.B) {
	const tables, changes = 500, 40
	s := openBench(b, b.TempDir(), false)
	meta := map[cdc.TableID][]byte{}
	var ts []*Table
	for i := range tables {
		id := cdc.TableID{Database: "shop", Name: fmt.Sprint("t", i)}
		ts = append(ts, s.Table(id, true))
		meta[id] = make([]byte, 200)
	}
	keys, old, locs := make([]cdc.Key, changes), make([]Loc, changes), make([]Loc, changes)
	k := uint64(0)
	b.ReportAllocs()
	c := cpuTime()
	for b.Loop() {
		k++
		for _, t := range ts {
			for i := range keys {
				keys[i], locs[i] = benchKey(rand.Uint64N(100_000), true), MakeLoc(uint32(k), uint32(i))
			}
			slices.SortFunc(keys, compareKeys)
			if u := slices.Compact(keys); len(u) == changes {
				t.Lookup(u, old)
				t.Put(u, locs, old)
			}
		}
		s.Seal(k)
		if err := s.Complete(k, meta); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime()-c)/1e6/float64(b.N), "cpu-ms/checkpoint")
	b.ReportMetric(float64(s.Stats().Runs), "runs")
}
