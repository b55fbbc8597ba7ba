// Command bench measures cdc2lake as a whole: a real MySQL, a real S3 server and the built program on this machine. Each workload prints a
// line that begins with BENCH; docs/performance.md says how to read it. Run it with `make bench`, or
// `make bench WORKLOADS=load,insert SCALE=0.1`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type workload struct {
	name string
	run  func(context.Context, *lab) (*result, error)
}

// workloads in the order in which they run.
var workloads = []workload{
	{"load", runLoad},
	{"insert", runInsert},
	{"update", runUpdate},
	{"small", runSmall},
	{"hot", runHot},
	{"wide", runWide},
	{"ignore", runIgnore},
	{"many", runMany},
	{"fresh", runFresh},
	{"operations-few", runOperationsFew},
	{"operations-many", runOperationsMany},
	{"vectors-v2", runVectorsV2},
	{"vectors-v3", runVectorsV3},
	{"keys-int", runIntKeys},
	{"keys-string", runStringKeys},
	{"cold", runCold},
	{"shards-cores", runShards},
	{"shards-latency", runShardsLatency},
	{"shards-line", runShardsLine},
	{"limits", runLimits},
}

func main() {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	chosen := flag.String("workloads", "all", "comma-separated: "+strings.Join(names, ", "))
	l := &lab{started: time.Now()}
	flag.Float64Var(&l.scale, "scale", 1, "multiplies all numbers of rows")
	flag.StringVar(&l.profile, "profile", "", "`folder` for a CPU profile of each workload")
	flag.StringVar(&l.binary, "binary", "", "measure this cdc2lake instead of the checkout's")
	count := flag.Int("count", 1, "repetitions, each with new servers")
	c := comparison{}
	flag.StringVar(&c.revision, "compare", "", "compare with the program of this `revision`")
	flag.StringVar(&c.benchstat, "benchstat", "benchstat", "the `program` that compares")
	flag.Parse()
	c.count = *count
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, l, *chosen, c); err != nil {
		fmt.Fprintln(os.Stderr, "bench: failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, l *lab, chosen string, c comparison) error {
	var todo []workload
	for name := range strings.SplitSeq(chosen, ",") {
		found := false
		for _, w := range workloads {
			if name == "all" || w.name == name || strings.HasPrefix(w.name, name+"-") {
				todo, found = append(todo, w), true
			}
		}
		if !found {
			return fmt.Errorf("there is no workload %q", name)
		}
	}
	for _, path := range []*string{&l.profile, &l.binary} {
		if *path != "" {
			abs, err := filepath.Abs(*path)
			if err != nil {
				return err
			}
			*path = abs
		}
	}
	if l.profile != "" {
		if err := os.MkdirAll(l.profile, 0o755); err != nil {
			return err
		}
	}
	if c.revision != "" {
		return c.run(ctx, l, todo)
	}
	for range c.count {
		if _, err := runOnce(ctx, &lab{scale: l.scale, profile: l.profile, binary: l.binary, started: l.started}, todo); err != nil {
			return err
		}
	}
	return nil
}

// runOnce runs the workloads on servers of their own.
func runOnce(ctx context.Context, l *lab, todo []workload) (_ []*result, err error) {
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	for _, w := range todo {
		r, err := w.run(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		if r == nil { // it has said why, or reported by itself
			continue
		}
		if err := l.report(ctx, r); err != nil {
			return nil, err
		}
	}
	return l.results, nil
}

// report prints a result, and where the CPU went. A workload of several results reports them itself.
func (l *lab) report(ctx context.Context, r *result) error {
	fmt.Println(r.line(l.scale))
	l.results = append(l.results, r)
	if l.profile == "" {
		return nil
	}
	lines, err := stageLines(ctx, r, filepath.Join(l.profile, r.name+".pprof"))
	if err != nil {
		return err
	}
	fmt.Println(lines)
	return nil
}
