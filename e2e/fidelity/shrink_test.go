package fidelity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// shrinker looks for a shorter script that fails like that of a run. Scripts are tried by the dozen, each in a database of its
// own under one pipeline.
type shrinker struct {
	t      *testing.T
	bin    string
	m      *testenv.MySQLServer
	format int
	want   string // how it fails
	how    int
	rounds int
}

// hows are the ways of executing a script again.
var hows = []string{"loaded first, then the rest in the log", "written while the pipeline starts", "with a SIGKILL in the middle", "all of it before the pipeline starts"}

// shrink writes a shorter script that fails like the run's, if one is found.
func shrink(t *testing.T, bin string, m *testenv.MySQLServer, r *prun) {
	s := &shrinker{t: t, bin: bin, m: m, format: r.g.format, want: failure(r.diffs)}
	script := r.g.script
	found := false
	for s.how = range hows {
		if s.try([]sscript{script, script, script}) >= 0 {
			found = true
			break
		}
	}
	if !found {
		t.Logf("seed %d: its script alone does not fail again (%s)", r.seed, s.want)
		return
	}
	for size := max(1, script.len()/2); s.rounds < 60; {
		var shorter []sscript
		for from := 0; from < script.len(); from += size {
			shorter = append(shorter, script.without(from, from+size))
		}
		if i := s.try(shorter); i >= 0 {
			script = shorter[i]
			size = min(size, max(1, script.len()/2))
		} else if size == 1 {
			break
		} else {
			size = (size + 1) / 2
		}
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("property-%d-short.sql", r.seed))
	if err := os.WriteFile(path, []byte(fmt.Sprintf("-- %s: %s, v%d\n%s", hows[s.how], s.want, s.format, script.String())), 0o644); err != nil {
		t.Error(err)
	}
	t.Logf("seed %d: %s (%s, v%d):\n%s", r.seed, path, hows[s.how], s.format, script.String())
}

// failure is the kind of a failure.
func failure(diffs []string) string {
	for _, d := range diffs {
		if _, after, ok := strings.Cut(d, " is paused: "); ok {
			code, _, _ := strings.Cut(after, ":")
			return "paused with " + code
		}
	}
	if len(diffs) > 0 {
		return "different"
	}
	return ""
}

// without leaves out statements.
func (s *sscript) without(from, to int) sscript {
	var out sscript
	i := 0
	for _, part := range s.parts {
		var keep []sstep
		for _, st := range part {
			if i < from || i >= to {
				keep = append(keep, st)
			}
			i++
		}
		out.parts = append(out.parts, keep)
	}
	return out
}

// try returns the first script that fails as wanted, or -1.
func (s *shrinker) try(scripts []sscript) int {
	const together = 12
	for from := 0; from < len(scripts); from += together {
		some := scripts[from:min(from+together, len(scripts))]
		if i := s.tryTogether(some); i >= 0 {
			return from + i
		}
	}
	return -1
}

func (s *shrinker) tryTogether(scripts []sscript) (failed int) {
	s.rounds++
	b := &pbatch{lake: &lake{t: s.t, bin: s.bin, dir: s.t.TempDir(), batch: s.rounds, format: s.format}, ctx: s.t.Context(), m: s.m, rng: rand.New(rand.NewPCG(1, 1))}
	include := []string{`"sentinel.*"`}
	for i := range scripts {
		r := &prun{db: fmt.Sprintf("s%d_%d", s.rounds, i)}
		r.g = newGenerator(newPlayer(b.ctx, s.m, r.db), uint64(i))
		b.runs = append(b.runs, r)
		include = append(include, fmt.Sprintf(`"%s.*"`, r.db))
	}
	b.configure(s.m, lakeConfig{include: strings.Join(include, ", "), rules: `{match: "s*.*", zero_dates: "null"}`, chunk: 100, interval: "200ms", parallelism: 1})
	failed = -1
	defer func() {
		if why := recover(); why != nil {
			s.t.Logf("shrinking: %v", why)
			if s.want == "" {
				failed = 0
			}
		}
		b.kill()
		b.forget()
		for _, r := range b.runs {
			r.g.close()
			s.m.Exec(context.Background(), "DROP DATABASE IF EXISTS "+r.db) //nolint:errcheck // the server goes soon
		}
	}()
	var err error
	b.conn, err = reader(b.ctx, s.m)
	b.must(err)
	defer b.conn.Close() //nolint:errcheck // a test's connection
	play := func(from, to int) {
		b.each(func(r *prun) error {
			script := scripts[b.index(r)]
			for _, part := range script.parts[min(from, len(script.parts)):min(to, len(script.parts))] {
				if err := r.g.replay(part); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.each(func(r *prun) error { return s.m.Exec(b.ctx, "CREATE DATABASE "+r.db) })
	all := 1 << 20
	switch s.how {
	case 0:
		play(0, 1)
		b.start()
		b.loaded(time.Minute)
		play(1, all)
	case 1:
		play(0, 1)
		b.start()
		play(1, all)
	case 2:
		play(0, 1)
		b.start()
		b.loaded(time.Minute)
		play(1, 3)
		b.kill()
		b.start()
		play(3, all)
	case 3:
		play(0, all)
		b.start()
	}
	for _, r := range b.runs {
		r.g.close()
	}
	b.passed()
	b.settled(20 * time.Second)
	tables, err := tablesOf(b.conn, fmt.Sprintf("^s%d_", s.rounds))
	b.must(err)
	states := b.states()
	cat, err := b.catalog()
	b.must(err)
	defer cat.Close() //nolint:errcheck // a test's connection
	for i, r := range b.runs {
		var diffs []string
		for _, t := range tables[r.db] {
			st, known := states[t.db+"."+t.name]
			switch {
			case !known:
			case st.State == "paused":
				diffs = append(diffs, t.name+" is paused: "+st.Paused.Code+":")
			default:
				b.must(t.ask(b.conn))
				ns, name := destination(t.db, t.name)
				got, err := readGo(b.ctx, cat, ns, name)
				if err != nil {
					diffs = append(diffs, err.Error())
					continue
				}
				got.docs = nil
				diffs = append(diffs, t.differences(got)...)
			}
		}
		for _, d := range diffs {
			if failure([]string{d}) == s.want {
				return i
			}
		}
	}
	return -1
}

func (b *pbatch) index(r *prun) int {
	for i := range b.runs {
		if b.runs[i] == r {
			return i
		}
	}
	return -1
}
