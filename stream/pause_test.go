package stream

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// live starts a pipeline on two loaded tables.
func live(t *testing.T) (*world, *proc) {
	w := newWorld(t, 2, tableA, tableB)
	w.txs(40)
	p := w.start(nil)
	p.awaitEqual()
	return w, p
}

func (p *proc) counts() (generations, restarts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.generations, len(p.restarts)
}

func (p *proc) awaitState(t cdc.TableID, state string) {
	p.w.t.Helper()
	p.await(t.String()+" "+state, func() bool { return p.state(t).State == state })
}

// TestPauseBetweenTwoCheckpoints: the log pauses a table while the checkpoint before is being committed. That one keeps
// the table's part, the next one has none of it, and its marker stays.
func TestPauseBetweenTwoCheckpoints(t *testing.T) {
	w, p := live(t)
	held, release := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	p.setHook(func(what string) error {
		if what == "commit swap a" && once.CompareAndSwap(false, true) {
			close(held)
			<-release
		}
		return nil
	})
	w.tx(tableA)
	<-held
	before := w.db.end()
	w.ddl(tableA, ddlBreak)
	w.tx(tableB)
	end := w.db.end()
	p.await("delivery", func() bool { p.src.mu.Lock(); defer p.src.mu.Unlock(); return p.src.delivered == end })
	time.Sleep(30 * time.Millisecond) // several intervals: a third checkpoint must not begin, nor the second be decided
	close(release)
	p.awaitState(tableA, "paused")
	p.awaitEqual(tableB)
	w.cat.mu.Lock()
	a := w.cat.tables[tableA]
	if a.marker.Position != fakePos(before) {
		t.Errorf("the paused table's marker is at %s, the checkpoint before ended at %d", a.marker.Position, before)
	}
	id := a.marker.ID
	w.cat.mu.Unlock()
	rec, err := w.store().Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e := rec.Tables[tableA]; e.Paused == nil || e.ID != id {
		t.Errorf("the record says %+v of the paused table, its marker is %+v", e, id)
	}
	// Nothing but a reload ends it.
	p.stop()
	p = w.start(nil)
	w.tx(tableB)
	p.awaitEqual(tableB)
	p.awaitState(tableA, "paused")
	if g, r := p.counts(); g != 1 || r != 0 {
		t.Errorf("after a restart: %d generations, %d restarts", g, r)
	}
	w.tx(tableA)
	w.reload(tableA)
	p.awaitEqual()
	p.await("the request's end", func() bool { return w.requests() == 0 })
}

// TestPartThatCannotBeCommitted pauses its table, once: the decided part is given up, and the other tables go on.
func TestPartThatCannotBeCommitted(t *testing.T) {
	w, p := live(t)
	p.setHook(func(what string) error {
		if what == "commit swap a" {
			return cdc.Errorf(codeUnwritten, tableA, "no")
		}
		return nil
	})
	w.tx(tableA)
	p.awaitState(tableA, "paused")
	w.tx(tableB)
	p.awaitEqual(tableB)
	if g, r := p.counts(); g != 2 || r != 1 {
		t.Errorf("%d generations, %d restarts", g, r)
	}
	p.setHook(nil)
	w.reload(tableA)
	p.awaitEqual()
	p.await("the request's end", func() bool { return w.requests() == 0 })
}

// TestReloadThatPausesAgain: the request is answered by the pause, and not tried again and again.
func TestReloadThatPausesAgain(t *testing.T) {
	w, p := live(t)
	p.setHook(func(what string) error {
		if what == "read" {
			return cdc.Errorf(codeUnwritten, tableA, "no")
		}
		return nil
	})
	w.ddl(tableA, ddlBreak)
	p.awaitState(tableA, "paused")
	w.reload(tableA)
	p.await("the answer", func() bool { return w.requests() == 0 && p.state(tableA).State == "paused" })
	w.tx(tableB)
	p.awaitEqual(tableB)
	if g, _ := p.counts(); g > 4 {
		t.Errorf("%d generations for one request", g)
	}
	p.setHook(nil)
	w.tx(tableA)
	w.reload(tableA)
	p.awaitEqual()
}

// TestAllPaused: a pipeline without a table that can go on records why, and waits for a request.
func TestAllPaused(t *testing.T) {
	w, p := live(t)
	w.ddl(tableA, ddlBreak)
	w.ddl(tableB, ddlBreak)
	p.awaitState(tableA, "paused")
	p.awaitState(tableB, "paused")
	p.stop() // with all tables paused since the start
	p = w.start(nil)
	p.awaitState(tableA, "paused")
	p.awaitState(tableB, "paused")
	p.stop() // idle
	p = w.start(nil)
	p.awaitState(tableB, "paused")
	w.txs(10)
	w.reload(tableB)
	p.awaitEqual(tableB)
	w.reload(tableA)
	p.awaitEqual()
	if _, r := p.counts(); r != 0 {
		t.Errorf("%d restarts", r)
	}
}

// byRequest has tables loaded anew only if somebody asks for it.
func byRequest(o *Options) { o.Reload = func(cdc.TableID) bool { return false } }

// TestGoneTableLoadsItself when it is there again, unless it is to be asked for.
func TestGoneTableLoadsItself(t *testing.T) {
	w, p := live(t)
	p.stop()
	w.ddl(tableA, ddlDrop)
	p = w.start(nil)
	p.awaitState(tableA, "paused")
	w.ddl(tableA, ddlCreate)
	w.txs(20)
	p.awaitEqual()
}

// TestTableGoesAndReturns: a table that is dropped pauses; when it is there again it takes a reload.
func TestTableGoesAndReturns(t *testing.T) {
	for _, running := range []bool{true, false} {
		w, p := live(t)
		if !running {
			p.stop()
		}
		w.ddl(tableA, ddlDrop)
		w.tx(tableB)
		if !running {
			p = w.start(nil, byRequest)
		}
		p.awaitState(tableA, "paused")
		p.awaitEqual(tableB)
		w.reload(tableA) // of what is not there: answered, not repeated
		p.await("the answer", func() bool { return w.requests() == 0 })
		w.ddl(tableA, ddlCreate)
		w.tx(tableA)
		w.tx(tableB)
		p.awaitEqual(tableB)
		if s := p.state(tableA); s.State != "paused" {
			t.Fatalf("running=%t: %+v", running, s)
		}
		w.reload(tableA)
		p.awaitEqual()
	}
}

// TestNewTableJoins a running pipeline without a restart of the process.
func TestNewTableJoins(t *testing.T) {
	w, p := live(t)
	w.db.exec(change{table: tableC, ddl: ddlCreate})
	w.tables, w.keys[tableC] = append(w.tables, tableC), map[int64]bool{}
	w.txs(40)
	p.awaitEqual()
	if g, r := p.counts(); g != 2 || r != 0 {
		t.Errorf("%d generations, %d restarts", g, r)
	}
}

// TestNewTablePausesAndJoins: the first load of a table ends in a pause that a reload mends, before anything of it was committed. It
// begins again, and that is all: the others are not made to start over and over.
func TestNewTablePausesAndJoins(t *testing.T) {
	w, p := live(t)
	var once atomic.Bool
	p.setHook(func(what string) error {
		if what == "read" && once.CompareAndSwap(false, true) {
			return cdc.Errorf(codeFakeSilent, tableC, "dropped and created again")
		}
		return nil
	})
	w.db.exec(change{table: tableC, ddl: ddlCreate})
	w.tables, w.keys[tableC] = append(w.tables, tableC), map[int64]bool{}
	w.txs(40)
	p.awaitEqual()
	if g, _ := p.counts(); !once.Load() || g > 4 {
		t.Errorf("%d generations, paused: %t", g, once.Load())
	}
}

// TestReloadAskedForTwice: a second request during the reload begins another one; both go away.
func TestReloadAskedForTwice(t *testing.T) {
	w, p := live(t)
	w.reload(tableA)
	w.reload(tableA)
	p.await("the requests' end", func() bool { return w.requests() == 0 })
	w.reload(tableA)
	w.tx(tableA)
	p.await("the request's end", func() bool { return w.requests() == 0 })
	p.awaitEqual()
	if g, r := p.counts(); g > 4 || r != 0 {
		t.Errorf("%d generations, %d restarts", g, r)
	}
}

// TestHousekeepingMayFail: requests that cannot be listed, records that cannot be deleted and heads that cannot be looked
// at end no generation.
func TestHousekeepingMayFail(t *testing.T) {
	w, p := live(t)
	var failed atomic.Int64
	p.setHook(func(what string) error {
		for _, s := range []string{"store list requests", "store delete", "moved", "discover"} {
			if strings.HasPrefix(what, s) {
				failed.Add(1)
				return fault(what)
			}
		}
		return nil
	})
	p.await("failures", func() bool { return failed.Load() > 30 })
	w.txs(10)
	p.awaitEqual()
	if g, r := p.counts(); g != 1 || r != 0 {
		t.Errorf("%d generations, %d restarts", g, r)
	}
}

// TestDecidedReloadOfAPausedTable: the part of a reload is decided and not committed when the process dies.
func TestDecidedReloadOfAPausedTable(t *testing.T) {
	w, p := live(t)
	w.ddl(tableA, ddlBreak)
	p.awaitState(tableA, "paused")
	p.setHook(func(what string) error {
		if strings.HasPrefix(what, "commit before a") {
			return cdc.Errorf(codeKilled, cdc.TableID{}, "%s", what)
		}
		return nil
	})
	w.reload(tableA)
	<-p.done
	if e := cdc.AsError(p.err); e == nil || e.Code != codeKilled {
		t.Fatalf("Run: %v", p.err)
	}
	w.txs(5)
	q := w.start(nil)
	q.awaitEqual()
	q.await("the request's end", func() bool { return w.requests() == 0 })
}

// TestRestartsBackOff: an error that does not go away is not met with a storm of generations.
func TestRestartsBackOff(t *testing.T) {
	w := newWorld(t, 1, tableA)
	var calls atomic.Int64
	p := w.start(func(what string) error {
		if what == "catch up" {
			calls.Add(1)
			return fault(what)
		}
		return nil
	})
	p.await("restarts", func() bool { return calls.Load() >= 2 })
	p.mu.Lock()
	ok := slices.ContainsFunc(p.restarts, func(err error) bool { e := cdc.AsError(err); return e != nil && e.Code == errFault })
	p.mu.Unlock()
	if !ok {
		t.Errorf("the observer was not told: %v", p.restarts)
	}
	if n := calls.Load(); n > 3 {
		t.Errorf("%d attempts", n)
	}
}
