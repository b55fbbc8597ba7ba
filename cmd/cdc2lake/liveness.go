package main

import (
	"fmt"
	"sync"
	"time"
)

// A checkpoint that is overdue for this long will not come without help: intervals that have to pass, and the least time,
// since a checkpoint may be large and a store slow.
const (
	overdueIntervals = 30
	overdueLeast     = 5 * time.Minute
)

// liveness judges whether checkpoints go on. Time counts while tables are replicated, while attempts fail and between them;
// a recovery that succeeds may take as long as it wants, since ending the process would only begin it anew. Methods may be
// called concurrently.
type liveness struct {
	limit time.Duration
	now   func() time.Time

	mu     sync.Mutex // guards the rest
	phase  livePhase
	since  time.Time     // of the phase, or of the last checkpoint in it
	lost   time.Duration // without a checkpoint, before since
	reason string        // why the last attempt ended
}

type livePhase uint8

const (
	recovering livePhase = iota // also: waiting for the next attempt
	working
	resting // no table can be replicated: there is nothing to checkpoint
)

func newLiveness(interval time.Duration) *liveness {
	l := &liveness{limit: max(overdueIntervals*interval, overdueLeast), now: time.Now}
	l.since = l.now()
	return l
}

// generation: recovery is done.
func (l *liveness) generation(active bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(l.phase == working)
	l.phase = working
	if !active {
		l.phase, l.lost = resting, 0
	}
}

// checkpoint: one is complete.
func (l *liveness) checkpoint() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(false)
	l.lost, l.reason = 0, ""
}

// restart: an attempt has failed, during recovery or later.
func (l *liveness) restart(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(l.phase != resting)
	l.phase, l.reason = recovering, err.Error()
}

// settle starts a new span; the one before counts if it was lost. The caller holds mu.
func (l *liveness) settle(lost bool) {
	now := l.now()
	if lost {
		l.lost += now.Sub(l.since)
	}
	l.since = now
}

// overdue returns why the process should not be taken for alive, or nothing.
func (l *liveness) overdue() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.lost
	if l.phase == working {
		d += l.now().Sub(l.since)
	}
	if d <= l.limit {
		return ""
	}
	why := fmt.Sprintf("no checkpoint has been completed for %s (%d intervals, at least %s)", d.Round(time.Second), overdueIntervals, overdueLeast)
	if l.reason != "" {
		why += "; the last attempt ended with: " + l.reason
	}
	return why
}
