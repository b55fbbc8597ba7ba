package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// runCold updates random rows while the process may use a quarter of its state's size as memory.
func runCold(ctx context.Context, l *lab) (*result, error) {
	const table = "cold"
	limit := int64(256 << 20)
	group, err := newMemoryGroup(limit)
	if err != nil {
		l.say("cold: skipped: no memory cgroup can be made here: %v", err)
		return nil, nil
	}
	defer group.remove()
	r, warm, load := newResult("cold"), newResult("cold-warm"), newResult("cold-load")
	rows := l.count(45_000_000) // of 24 bytes each in the state
	r.changes = l.count(500_000)
	o := pipelineOptions{name: "cold", include: table, interval: "1s", more: "runtime: {memory: 256MiB}"}
	p, err := l.narrow(ctx, stringKeys, o, rows, load)
	if err != nil {
		return nil, err
	}
	for i, x := range []*result{warm, r} {
		if err := l.updateNarrow(ctx, stringKeys, table, rows, int64(i)*r.changes, r.changes); err != nil {
			return nil, err
		}
		if x == r {
			p.around = group.around()
			if err := evict(ctx, p.stateDir()); err != nil {
				return nil, err
			}
		}
		l.say("%s: replaying %d updates", x.name, r.changes)
		if _, _, err := p.replay(ctx, x); err != nil {
			return nil, err
		}
	}
	r.add("state_mib", float64(size(p.stateDir()))/(1<<20))
	r.add("limit_mib", float64(limit)/(1<<20))
	r.add("group_peak_mib", group.peak()/(1<<20))
	r.add("slowdown", r.wall/warm.wall)
	r.add("cpu_slowdown", r.cpu/warm.cpu)
	if err := l.check(ctx, p, r, table); err != nil {
		return nil, err
	}
	return r, l.mysql.Exec(ctx, "DROP TABLE "+database+"."+table)
}

// memoryGroup is a cgroup with a memory limit, of version 1 or 2.
type memoryGroup struct{ dir string }

func newMemoryGroup(limit int64) (*memoryGroup, error) {
	var errs error
	for _, v := range []struct{ root, file string }{{"/sys/fs/cgroup", "memory.max"}, {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}} {
		dir := filepath.Join(v.root, fmt.Sprintf("cdc2lake-bench-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		// The file is there only where the controller is; it must not be made on a file system that is none.
		f, err := os.OpenFile(filepath.Join(dir, v.file), os.O_WRONLY, 0)
		if err == nil {
			_, err = fmt.Fprint(f, limit)
			err = errors.Join(err, f.Close())
		}
		if err == nil {
			return &memoryGroup{dir}, nil
		}
		errs = errors.Join(errs, err, os.Remove(dir))
	}
	return nil, errs
}

// around is a command that runs another one in the group.
func (g *memoryGroup) around() []string {
	return []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}
}

// peak is the most that the group ever held, in bytes: it shows that the limit holds. A process can have more resident, since pages of files
// count for the group that read them first.
func (g *memoryGroup) peak() float64 {
	for _, file := range []string{"memory.peak", "memory.max_usage_in_bytes"} {
		if b, err := os.ReadFile(filepath.Join(g.dir, file)); err == nil {
			n, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
			if err == nil {
				return n
			}
		}
	}
	return math.NaN()
}

func (g *memoryGroup) remove() { _ = os.Remove(g.dir) }

// evict drops a folder's files from the system's cache.
func evict(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if out, err := exec.CommandContext(ctx, "dd", "of="+path, "oflag=nocache", "conv=notrunc,fdatasync", "count=0").CombinedOutput(); err != nil {
			return fmt.Errorf("evict %s: %w: %s", path, err, out)
		}
		return nil
	})
}

func size(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil //nolint:nilerr // files come and go
	})
	return total
}
