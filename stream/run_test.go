package stream

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestEqualUnderFaults is the runtime's promise: whatever fails, in whatever order, the tables end equal to the source, no
// row is lost or doubled (the fake catalog watches), and no divergence is seen after a load.
func TestEqualUnderFaults(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		t.Run(fmt.Sprintf("round=%d", i), func(t *testing.T) {
			t.Parallel()
			equalUnderFaults(newWorld(t, 1+i%4, tableA, tableB, tableC), float64(i%3)*0.004)
		})
	}
}

func equalUnderFaults(w *world, rate float64) {
	var healed atomic.Bool
	hook := func(what string) error {
		if !healed.Load() && float64(w.roll(1e6))/1e6 < rate {
			return fault(what)
		}
		return nil
	}
	w.txs(250)
	p := w.start(hook)
	for i := range 600 {
		w.tx()
		time.Sleep(time.Duration(w.roll(300)) * time.Microsecond)
		switch {
		case w.roll(60) == 0:
			w.ddl(w.tables[w.roll(3)], ddlAlter)
		case w.roll(80) == 0:
			w.ddl(w.tables[w.roll(3)], ddlTruncate)
		case w.roll(150) == 0:
			w.ddl(w.tables[w.roll(3)], ddlSilent)
		case w.roll(200) == 0:
			id := w.tables[w.roll(3)]
			w.ddl(id, ddlBreak)
			w.reload(id)
		}
		if i%150 == 149 {
			p.kill()
			p = w.start(hook)
		}
	}
	healed.Store(true)
	// A request may have come before the break was seen; then another one is needed, as its remedy says.
	p.await("equality", func() bool {
		for _, id := range w.tables {
			if p.state(id).State == "paused" && w.requests() == 0 {
				w.reload(id)
			}
		}
		return w.equal()
	})
	p.stop()
	if !w.equal() {
		w.t.Error("the tables differ after the end")
	}
}

// TestCrashAtEveryStep kills a process before and after each call to the store and the catalog while a table is loaded
// anew and others go on; the next process has to end well.
func TestCrashAtEveryStep(t *testing.T) {
	for n, ended := 1, false; !ended; n += 1 + n/12 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, 2, tableA, tableB)
			w.txs(40)
			p := w.start(nil)
			p.awaitEqual()
			p.stop()
			w.ddl(tableA, ddlBreak)
			w.txs(10)
			w.reload(tableA)
			var calls atomic.Int64
			var dead atomic.Bool // beside p.dead: the hook runs before start has returned
			p = w.start(func(what string) error {
				switch strings.Fields(what)[0] {
				case "store", "lose", "commit", "catch", "caught", "markers", "clean":
				default:
					return nil
				}
				if calls.Add(1) == int64(n) {
					dead.Store(true)
				}
				if dead.Load() {
					return cdc.Errorf(codeKilled, cdc.TableID{}, "%s", what)
				}
				return nil
			})
			deadline := time.Now().Add(10 * time.Second)
			for i := 0; !dead.Load() && !(w.equal() && w.requests() == 0) && time.Now().Before(deadline); i++ {
				if i < 200 { // a busy machine has to be able to catch up
					w.tx(tableB)
				}
				time.Sleep(500 * time.Microsecond)
			}
			ended = !dead.Load()
			p.kill()
			w.tx()
			q := w.start(nil)
			q.awaitEqual()
			q.await("the request's end", func() bool { return w.requests() == 0 })
		})
		if n > 2000 {
			t.Fatal("the process never comes to its end")
		}
	}
}

// TestOneHistory: of two processes on one store the older one ends with class Fenced, however often they meet.
func TestOneHistory(t *testing.T) {
	w := newWorld(t, 2, tableA, tableB)
	w.txs(60)
	p := w.start(nil)
	for range 6 {
		w.txs(10)
		p.await("a checkpoint", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.checkpoints > w.roll(4) })
		q := w.start(nil)
		q.await("the end of the older one", func() bool {
			w.tx()
			select {
			case <-p.done:
				return true
			default:
				return false
			}
		})
		if cdc.ClassOf(p.err) != cdc.Fenced {
			t.Fatalf("the older process ended with %v", p.err)
		}
		p = q
	}
	p.awaitEqual()
}

// TestZombieCommitsLate: a process stops in the middle of a commit, another one takes over, and then the commit's request
// arrives.
func TestZombieCommitsLate(t *testing.T) {
	for _, where := range []string{"commit before a", "commit swap a", "commit before b", "commit swap b", "store put_if_absent"} {
		t.Run(where, func(t *testing.T) {
			w := newWorld(t, 2, tableA, tableB)
			w.txs(40)
			p := w.start(nil)
			p.awaitEqual()
			held, release := make(chan struct{}), make(chan struct{})
			free := sync.OnceFunc(func() { close(release) })
			t.Cleanup(free)
			var once atomic.Bool
			p.setHook(func(what string) error {
				if strings.HasPrefix(what, where) && once.CompareAndSwap(false, true) {
					close(held)
					<-release
				}
				return nil
			})
			w.tx(tableA)
			w.tx(tableB)
			p.await("the commit", func() bool {
				w.tx()
				select {
				case <-held:
					return true
				default:
					return false
				}
			})
			q := w.start(nil)
			q.awaitEqual()
			w.txs(5)
			q.awaitEqual()
			free()
			q.await("the zombie's end", func() bool {
				w.tx()
				select {
				case <-p.done:
					return true
				default:
					return false
				}
			})
			if cdc.ClassOf(p.err) != cdc.Fenced {
				t.Errorf("the zombie ended with %v", p.err)
			}
			q.awaitEqual()
		})
	}
}

// TestLostStore: the tables' markers are enough to go on from.
func TestLostStore(t *testing.T) {
	w := newWorld(t, 2, tableA, tableB)
	w.txs(40)
	p := w.start(nil)
	p.awaitEqual()
	for i := range 3 {
		if i == 1 {
			p.kill() // else: while it runs
		}
		for info, err := range w.objs.List(t.Context(), "records/", "") {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.objs.Delete(t.Context(), info.Key); err != nil {
				t.Fatal(err)
			}
		}
		w.txs(10)
		q := w.start(nil)
		q.awaitEqual()
		w.txs(10)
		q.awaitEqual()
		p.kill()
		p = q
	}
}

// TestStopTakesALastCheckpoint: what the source had handed on is in the tables when Run returns.
func TestStopTakesALastCheckpoint(t *testing.T) {
	w := newWorld(t, 2, tableA)
	w.txs(30)
	p := w.start(nil, func(o *Options) { o.Interval = 30 * time.Millisecond })
	p.awaitEqual()
	for range 5 {
		w.tx()
		end := w.db.end()
		p.await("delivery", func() bool {
			p.src.mu.Lock()
			defer p.src.mu.Unlock()
			return p.src.delivered == end
		})
		p.stop()
		if !w.equal() {
			t.Fatal("rows that were handed on are missing after a stop")
		}
		p = w.start(nil, func(o *Options) { o.Interval = 30 * time.Millisecond })
		w.tx()
		p.awaitEqual()
	}
}

// TestStopWhileNothingComes: a stop does not wait for a source that was never reached, nor during recovery.
func TestStopWhileNothingComes(t *testing.T) {
	for _, where := range []string{"connect", "discover", "catch up", "markers"} {
		t.Run(where, func(t *testing.T) {
			w := newWorld(t, 1, tableA)
			held, release := make(chan struct{}), make(chan struct{})
			var once atomic.Bool
			p := w.start(func(what string) error {
				if what == where && once.CompareAndSwap(false, true) {
					close(held)
					<-release
				} else if what == "read" || what == "next" {
					return fault(what)
				}
				return nil
			})
			<-held
			start := time.Now()
			p.cancel()
			close(release)
			<-p.done
			if d := time.Since(start); d > 5*time.Second || p.err != nil {
				t.Errorf("the stop took %s, err %v", d, p.err)
			}
		})
	}
}
