package mysql

import (
	"slices"
	"strconv"
	"sync"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"
)

// gtid names a transaction. The zero value is an anonymous one.
type gtid struct {
	sid uuid.UUID
	tag string
	gno int64
}

func (g gtid) String() string {
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
	mu    sync.Locker
	set   *gomysql.MysqlGTIDSet
	sid   uuid.UUID
	tag   string
	start int64 // run [start, stop) of sid and tag that is not in set yet
	stop  int64
}

func newGTIDTracker(set *gomysql.MysqlGTIDSet, mu sync.Locker) *gtidTracker {
	return &gtidTracker{set: set, mu: mu}
}

func (t *gtidTracker) add(g gtid) {
	if g.gno == t.stop && t.stop > 0 && g.sid == t.sid && g.tag == t.tag {
		t.stop++
		return
	}
	t.flush()
	t.sid, t.tag, t.start, t.stop = g.sid, g.tag, g.gno, g.gno+1
}

// contains reports whether the transaction is in the set.
func (t *gtidTracker) contains(g gtid) bool {
	if t.stop > 0 && g.sid == t.sid && g.tag == t.tag {
		if g.gno == t.stop {
			return false // what follows the run is new: servers do not send what was delivered
		}
		if g.gno >= t.start && g.gno < t.stop {
			return true
		}
	}
	return setContains(t.set, g)
}

func setContains(set *gomysql.MysqlGTIDSet, g gtid) bool {
	for _, in := range (*set)[g.sid][gomysql.NewTag(g.tag)] {
		if g.gno >= in.Start && g.gno < in.Stop {
			return true
		}
	}
	return false
}

// flush moves the run into the set.
func (t *gtidTracker) flush() {
	if t.stop > t.start {
		t.mu.Lock()
		defer t.mu.Unlock()
		addRun(t.set, t.sid, t.tag, t.start, t.stop)
		// The run stays known, so that its successor still takes the quick way.
		t.start = t.stop
	}
}

func addRun(set *gomysql.MysqlGTIDSet, sid uuid.UUID, tag string, start, stop int64) {
	tags := (*set)[sid]
	if tags == nil {
		tags = map[gomysql.Tag]gomysql.IntervalSlice{}
		(*set)[sid] = tags
	}
	k := gomysql.NewTag(tag)
	tags[k] = append(tags[k], gomysql.Interval{Start: start, Stop: stop}).Normalize()
}

// text returns the set as MySQL writes it.
func (t *gtidTracker) text() string {
	t.flush()
	return t.set.String()
}

// without returns a copy of the set that lacks one transaction.
func without(set *gomysql.MysqlGTIDSet, g gtid) *gomysql.MysqlGTIDSet {
	out := set.Clone().(*gomysql.MysqlGTIDSet)
	k := gomysql.NewTag(g.tag)
	var left gomysql.IntervalSlice
	for _, in := range (*out)[g.sid][k] {
		if g.gno < in.Start || g.gno >= in.Stop {
			left = append(left, in)
			continue
		}
		if in.Start < g.gno {
			left = append(left, gomysql.Interval{Start: in.Start, Stop: g.gno})
		}
		if g.gno+1 < in.Stop {
			left = append(left, gomysql.Interval{Start: g.gno + 1, Stop: in.Stop})
		}
	}
	left = slices.Clip(left)
	if len(left) > 0 {
		(*out)[g.sid][k] = left
	} else if delete((*out)[g.sid], k); len((*out)[g.sid]) == 0 {
		delete(*out, g.sid)
	}
	return out
}

// parseGTID reads "uuid:n" or "uuid:tag:n".
func parseGTID(s string) (gtid, error) {
	set, err := parseGTIDs(s)
	if err != nil {
		return gtid{}, err
	}
	for sid, tags := range *set {
		for tag, ins := range tags {
			return gtid{sid, tag.String(), ins[0].Start}, nil
		}
	}
	return gtid{}, nil
}
