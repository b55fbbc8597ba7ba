package mysql

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/google/uuid"
)

// gtid names a transaction. The zero value is an anonymous one.
type gtid struct {
	sid uuid.UUID
	tag string
	gno int64
	// MariaDB's have a domain and a server (which is never 0) instead of sid and tag.
	domain, server uint32
}

// numbered returns the GTID that differs in its number only.
func (g gtid) numbered(n int64) gtid {
	g.gno = n
	return g
}

func (g gtid) String() string {
	if g.server != 0 {
		return fmt.Sprintf("%d-%d-%d", g.domain, g.server, g.gno)
	}
	s := g.sid.String() + ":"
	if g.tag != "" {
		s += g.tag + ":"
	}
	return s + strconv.FormatInt(g.gno, 10)
}

// gtidTracker is a growing GTID set. Adding costs a few nanoseconds as long as numbers follow each other, as they do in
// the log of one source: the run of consecutive numbers is kept outside the set.
//
// It belongs to one goroutine; mu is taken to change set, which others may read under it.
type gtidTracker struct {
	mu   sync.Locker
	set  gtidSet
	run  gtid // the run of numbers [run.gno, stop) is not in set yet
	stop int64
}

func newGTIDTracker(set gtidSet, mu sync.Locker) *gtidTracker {
	return &gtidTracker{set: set, mu: mu}
}

func (t *gtidTracker) add(g gtid) {
	if g.gno == t.stop && t.stop > 0 && g == t.run.numbered(g.gno) {
		t.stop++
		return
	}
	t.flush()
	t.run, t.stop = g, g.gno+1
}

// contains reports whether the transaction is in the set.
func (t *gtidTracker) contains(g gtid) bool {
	if t.stop > 0 && g == t.run.numbered(g.gno) {
		if g.gno == t.stop {
			return false // what follows the run is new: servers do not send what was delivered
		}
		if g.gno >= t.run.gno && g.gno < t.stop {
			return true
		}
	}
	return t.set.has(g)
}

// before returns the transaction that came last before g in its domain of MariaDB's; zero if there is none.
func (t *gtidTracker) before(g gtid) gtid {
	if t.stop > 0 && t.run.server != 0 && t.run.domain == g.domain {
		return t.run.numbered(t.stop - 1)
	}
	if s, ok := t.set.(domainSet); ok {
		return s[g.domain]
	}
	return gtid{}
}

// flush moves the run into the set.
func (t *gtidTracker) flush() {
	if t.stop > t.run.gno {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.set.add(t.run, t.stop)
		// The run stays known, so that its successor still takes the quick way.
		t.run.gno = t.stop
	}
}

// text returns the set as the server writes it.
func (t *gtidTracker) text() string {
	t.flush()
	return t.set.String()
}
