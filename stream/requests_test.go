package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

func (p *proc) awaitCode(code string) {
	p.w.t.Helper()
	p.await(code, func() bool {
		s := p.state(tableA)
		return s.Paused != nil && s.Paused.Code == code && p.w.requests() == 0
	})
}

// TestPauseAndResume: a pause costs the others nothing, lasts over a restart, and is ended by a replay from the marker.
func TestPauseAndResume(t *testing.T) {
	w, p := live(t)
	w.ask(checkpoint.Pause, tableA)
	p.awaitCode(CodeByUser.Name)
	if g, r := p.counts(); g != 1 || r != 0 {
		t.Errorf("the pause took %d generations, %d restarts", g, r)
	}
	w.cat.mu.Lock()
	at := w.cat.tables[tableA].marker.Position
	w.cat.mu.Unlock()
	w.txs(60)
	w.ddl(tableA, ddlAlter)
	w.txs(20)
	p.awaitEqual(tableB)
	p.stop()
	p = w.start(nil)
	w.txs(20)
	p.awaitEqual(tableB)
	w.cat.mu.Lock()
	if now := w.cat.tables[tableA].marker.Position; now != at {
		t.Errorf("the marker of the paused table went from %s to %s", at, now)
	}
	w.cat.mu.Unlock()
	if w.equal(tableA) {
		t.Error("the paused table goes on")
	}
	w.ask(checkpoint.Resume, tableA)
	p.awaitEqual()
	p.await("the answer", func() bool { return w.requests() == 0 })
	p.src.mu.Lock()
	from := fakePos(p.src.from[tableA])
	p.src.mu.Unlock()
	if from != at {
		t.Errorf("it goes on from %s, its marker was at %s", from, at)
	}
	// Taken back before it was seen, by either.
	p.stop()
	for _, v := range []checkpoint.Verb{checkpoint.Resume, checkpoint.Reload} {
		w.ask(checkpoint.Pause, tableA)
		w.ask(v, tableA)
		w.txs(5)
		p = w.start(nil)
		p.awaitEqual()
		p.await("the answer", func() bool { return w.requests() == 0 })
		p.stop()
	}
	// Asked for while it is loaded anew: it waits for the first part.
	w.ask(checkpoint.Reload, tableA)
	w.ask(checkpoint.Pause, tableA)
	p = w.start(nil)
	p.awaitCode(CodeByUser.Name)
	w.ask(checkpoint.Resume, tableA)
	p.awaitEqual()
}

// TestResumeOfWhatIsGone: the log does not go back to the pause. The others go on; a reload mends it.
func TestResumeOfWhatIsGone(t *testing.T) {
	w, p := live(t)
	w.ask(checkpoint.Pause, tableA)
	p.awaitCode(CodeByUser.Name)
	w.txs(20)
	p.src.purged.Store(1 << 40)
	w.ask(checkpoint.Resume, tableA)
	p.awaitCode(CodeNoResume.Name)
	w.txs(20)
	p.awaitEqual(tableB)
	w.reload(tableA)
	p.awaitEqual()
	if _, r := p.counts(); r != 0 {
		t.Errorf("%d restarts", r)
	}
}

// TestPausesUnderFaults: pauses, resumes and reloads at any time, while calls fail and processes die.
func TestPausesUnderFaults(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1+i%3, tableA, tableB)
			w.txs(100)
			hook := func(what string) error {
				if w.roll(400) == 0 && i > 0 {
					return fault(what)
				}
				return nil
			}
			p := w.start(hook)
			for range 300 {
				w.tx()
				time.Sleep(time.Duration(w.roll(600)) * time.Microsecond)
				id := w.tables[w.roll(2)]
				switch w.roll(30) {
				case 0, 1:
					w.ask(checkpoint.Pause, id)
				case 2, 3:
					w.ask(checkpoint.Resume, id)
				case 4:
					if rand.IntN(3) == 0 {
						w.reload(id)
					}
				case 5:
					w.ddl(id, ddlAlter)
				case 6:
					if rand.IntN(2) == 0 {
						p.kill()
						p = w.start(hook)
					}
				}
			}
			p.setHook(nil)
			w.ask(checkpoint.Resume, tableA)
			w.ask(checkpoint.Resume, tableB)
			p.awaitEqual()
			p.await("the answers", func() bool { return w.requests() == 0 })
		})
	}
}
