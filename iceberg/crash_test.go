package iceberg

import (
	"fmt"
	"os"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
)

// TestProcessDies: the process dies before or after every storage call of a commit, before or after the catalog's swap, and at every
// storage call of the catching up that follows. The record is finished by the next process, or by the one after it; with and without
// the local disk.
func TestProcessDies(t *testing.T) {
	if testing.Short() {
		t.Skip("many rounds")
	}
	every := 7 // sampled; the slow tests take every call
	if os.Getenv("CDC2LAKE_TEST_ALL") != "" {
		every = 1
	}
	formats(t, func(t *testing.T, format int) {
		p, cat, st := faultyPipe(t, format)
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b"), 3: row(3, "c")})
		p.checkpoint()
		n := int64(0)
		crash := func(what string, disk bool, arm func()) (hit bool) {
			n++
			p.tx(map[int64]testRow{1: row(int32(n), what), n + 10: row(1, "n"), n + 9: nil})
			if n%5 == 0 {
				p.start() // a long log and a rebuilt dictionary
			}
			r := p.decide()
			arm()
			o, err := p.tryCommit(r)
			hit = st.was()
			st.arm(0, objtest.Fault{})
			cat.set(nil)
			if err == nil && o != cdc.Committed {
				t.Fatalf("%s: outcome %d", what, o)
			}
			p.reopen(disk)
			p.number++
			p.gen = p.number
			if o, err := p.tryCommit(r); err != nil || o != cdc.Committed {
				t.Fatalf("%s: finished with %d, %v", what, o, err)
			}
			if c := p.carriers(r.id); c != 1 {
				t.Fatalf("%s: committed %d times", what, c)
			}
			return hit
		}
		rest := func(what string) {
			t.Helper()
			if got, want := p.start().Rows, int64(len(p.model)); got != want {
				t.Fatalf("%s: %d rows, expected %d", what, got, want)
			}
			p.checkState()
			p.check()
		}
		for name, h := range map[string]func(do func() error) error{
			"before the swap": func(func() error) error { return objtest.ErrCrash },
			"after the swap":  func(do func() error) error { _ = do(); return objtest.ErrCrash },
		} {
			crash(name, true, func() { cat.set(h) })
			rest(name)
		}
		for _, lose := range []bool{false, true} {
			for at := 1; ; at += every {
				what := fmt.Sprintf("call %d of a commit", at)
				hit := crash(what, at%2 == 0, func() { st.die(at, lose) })
				rest(what)
				if !hit {
					break
				}
			}
		}
		for at := 1; ; at += every {
			what := fmt.Sprintf("call %d of catching up", at)
			crash(what, at%4 != 0, func() { cat.set(func(func() error) error { return objtest.ErrCrash }) })
			st.die(at, false)
			_, err := p.tryStart(false)
			st.arm(0, objtest.Fault{})
			p.reopen(true)
			rest(what)
			if err == nil { // of a dead process nothing succeeds: that was the last call
				if at < 5 {
					t.Fatalf("%s: no error", what)
				}
				break
			}
		}
	})
}

// die makes the n-th call, and all later ones, those of a process that is dead. lose: the n-th call is done.
func (f *faultyStore) die(n int, lose bool) {
	f.arm(n, objtest.Fault{Refuse: objtest.ErrCrash})
	if lose {
		f.arm(n, objtest.Fault{Lose: objtest.ErrCrash})
	}
	f.mu.Lock()
	f.dead = true
	f.mu.Unlock()
}
