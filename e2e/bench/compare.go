package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// comparison runs the workloads with the program of another revision and with the checkout's, in turns.
type comparison struct {
	revision  string
	benchstat string // the program
	count     int
}

// buildRevision builds cdc2lake as it was.
func (c comparison) buildRevision(ctx context.Context, dir string) (string, error) {
	source, out := filepath.Join(dir, "source"), filepath.Join(dir, "cdc2lake-old")
	if err := os.Mkdir(source, 0o755); err != nil {
		return "", err
	}
	top, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return "", fmt.Errorf("git rev-parse: %w", err)
	}
	archive := exec.CommandContext(ctx, "git", "-C", strings.TrimSpace(string(top)), "archive", "--format=tar", c.revision)
	var stderr bytes.Buffer
	archive.Stderr = &stderr
	tar := exec.CommandContext(ctx, "tar", "-x", "-C", source)
	if tar.Stdin, err = archive.StdoutPipe(); err != nil {
		return "", err
	}
	if err := tar.Start(); err != nil {
		return "", err
	}
	if err := archive.Run(); err != nil {
		_ = tar.Wait()
		return "", fmt.Errorf("git archive %s: %w: %s", c.revision, err, stderr.String())
	}
	if err := tar.Wait(); err != nil {
		return "", fmt.Errorf("tar: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./cmd/cdc2lake")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build at %s: %w\n%s", c.revision, err, text)
	}
	return out, nil
}

func (c comparison) run(ctx context.Context, l *lab, todo []workload) error {
	dir, err := os.MkdirTemp("", "cdc2lake-bench-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l.say("building %s", c.revision)
	old, err := c.buildRevision(ctx, dir)
	if err != nil {
		return err
	}
	current := l.binary
	if current == "" { // once, since the checkout may be edited meanwhile
		current = filepath.Join(dir, "cdc2lake")
		if err := goBuild(ctx, "build", "-trimpath", "-buildvcs=false", "-o", current, program); err != nil {
			return err
		}
	}
	files := [2]string{filepath.Join(dir, "old.txt"), filepath.Join(dir, "new.txt")}
	var text [2]strings.Builder
	for i := range text {
		text[i].WriteString(benchUnits)
	}
	for n := range c.count {
		for i, binary := range []string{old, current} {
			l.say("run %d of %d, %s", n+1, c.count, [2]string{c.revision, "checkout"}[i])
			rs, err := runOnce(ctx, &lab{scale: l.scale, binary: binary, started: l.started}, todo)
			if err != nil {
				return err
			}
			for _, r := range rs {
				text[i].WriteString(r.benchmark())
			}
		}
	}
	for i, file := range files {
		if err := os.WriteFile(file, []byte(text[i].String()), 0o644); err != nil {
			return err
		}
	}
	stat := exec.CommandContext(ctx, c.benchstat, c.revision+"="+files[0], "checkout="+files[1])
	stat.Stdout, stat.Stderr = os.Stdout, os.Stderr
	return stat.Run()
}

// benchUnits tells benchstat what is better.
const benchUnits = "Unit cpu-ns/change better=lower\nUnit ratio better=higher\nUnit allocs/change better=lower\nUnit rss-MiB better=lower\n" +
	"Unit anon-MiB better=lower\nUnit fresh-p99-s better=lower\nUnit puts better=lower\n\n"

// benchmark renders the result in Go's benchmark format.
func (r *result) benchmark() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Benchmark%s 1", strings.ToUpper(r.name[:1])+r.name[1:])
	n := float64(r.changes)
	for _, v := range []struct {
		unit  string
		value float64
	}{{"cpu-ns/change", r.cpu / n * 1e9}, {"ratio", n / r.cpu / r.floor}, {"allocs/change", r.allocs / n}, {"rss-MiB", r.rss / (1 << 20)},
		{"anon-MiB", r.anon / (1 << 20)}, {"fresh-p99-s", r.fresh}, {"puts", r.puts}} {
		if !math.IsNaN(v.value) {
			fmt.Fprintf(&b, " %.6g %s", v.value, v.unit)
		}
	}
	return b.String() + "\n"
}
