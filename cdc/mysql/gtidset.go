package mysql

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// gtidSet is a set of transactions: all of a server's log up to a place. The two kinds are never mixed, since a position never goes
// from MySQL to MariaDB or back.
type gtidSet interface {
	has(g gtid) bool
	// covers reports whether the set holds all of o.
	covers(o gtidSet) bool
	// add takes g and those that follow it up to the number stop, exclusively.
	add(g gtid, stop int64)
	union(o gtidSet)
	clone() gtidSet
	String() string
}

// uuidSet is MySQL's: intervals by server and tag.
type uuidSet struct{ *gomysql.MysqlGTIDSet }

func (s uuidSet) has(g gtid) bool {
	for _, in := range (*s.MysqlGTIDSet)[g.sid][gomysql.NewTag(g.tag)] {
		if g.gno >= in.Start && g.gno < in.Stop {
			return true
		}
	}
	return false
}

func (s uuidSet) covers(o gtidSet) bool {
	u, ok := o.(uuidSet)
	return ok && s.Contain(u.MysqlGTIDSet)
}

func (s uuidSet) add(g gtid, stop int64) { s.addRun(g.sid, gomysql.NewTag(g.tag), g.gno, stop) }

func (s uuidSet) addRun(sid uuid.UUID, tag gomysql.Tag, start, stop int64) {
	set := *s.MysqlGTIDSet
	tags := set[sid]
	if tags == nil {
		tags = map[gomysql.Tag]gomysql.IntervalSlice{}
		set[sid] = tags
	}
	tags[tag] = append(tags[tag], gomysql.Interval{Start: start, Stop: stop}).Normalize()
}

func (s uuidSet) union(o gtidSet) {
	u, ok := o.(uuidSet)
	if !ok {
		return
	}
	for sid, tags := range *u.MysqlGTIDSet {
		for tag, ins := range tags {
			for _, in := range ins {
				s.addRun(sid, tag, in.Start, in.Stop)
			}
		}
	}
}

func (s uuidSet) clone() gtidSet { return uuidSet{s.Clone().(*gomysql.MysqlGTIDSet)} }

// without returns a copy of the set that lacks one transaction.
func (s uuidSet) without(g gtid) uuidSet {
	c := s.clone().(uuidSet)
	out := *c.MysqlGTIDSet
	k := gomysql.NewTag(g.tag)
	var left gomysql.IntervalSlice
	for _, in := range out[g.sid][k] {
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
		out[g.sid][k] = left
	} else if delete(out[g.sid], k); len(out[g.sid]) == 0 {
		delete(out, g.sid)
	}
	return c
}

// domainSet is MariaDB's: the last transaction of each domain. Within a domain numbers only grow (gtid_strict_mode; the follower
// refuses a log where they do not), so that it stands for all before it.
type domainSet map[uint32]gtid

func (s domainSet) has(g gtid) bool {
	last, ok := s[g.domain]
	return ok && (g.gno < last.gno || g == last)
}

func (s domainSet) covers(o gtidSet) bool {
	d, ok := o.(domainSet)
	for _, g := range d {
		ok = ok && s.has(g)
	}
	return ok
}

func (s domainSet) add(g gtid, stop int64) { s[g.domain] = g.numbered(stop - 1) }

func (s domainSet) union(o gtidSet) {
	d, _ := o.(domainSet)
	for domain, g := range d {
		if s[domain].gno < g.gno {
			s[domain] = g
		}
	}
}

func (s domainSet) clone() gtidSet { return maps.Clone(s) }

// without returns a copy of the set that ends before its last transaction of a domain: at the one before, zero for none.
func (s domainSet) without(g, before gtid) domainSet {
	c := maps.Clone(s)
	if c[g.domain] = before; before.server == 0 {
		delete(c, g.domain)
	}
	return c
}

func (s domainSet) String() string {
	var out []string
	for _, domain := range slices.Sorted(maps.Keys(s)) {
		out = append(out, s[domain].String())
	}
	return strings.Join(out, ",")
}

// parseGTIDs reads a set as the server writes it.
func parseGTIDs(s string, mariadb bool) (gtidSet, error) {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == ' ' || r == '\r' {
			return -1
		}
		return r
	}, s)
	if mariadb {
		set := domainSet{}
		list, err := parseDomainGTIDs(s)
		for _, g := range list {
			if set[g.domain].server != 0 {
				return nil, cdc.Errorf(codePosition, cdc.TableID{}, "GTID set %.200q names a domain twice", s)
			}
			set[g.domain] = g
		}
		return set, err
	}
	g, err := gomysql.ParseMysqlGTIDSet(s)
	if err != nil {
		return nil, cdc.Errorf(codePosition, cdc.TableID{}, "GTID set %.200q: %w", s, err)
	}
	return uuidSet{g.(*gomysql.MysqlGTIDSet)}, nil
}

// parseDomainGTIDs reads "domain-server-number,…".
func parseDomainGTIDs(s string) ([]gtid, error) {
	if s == "" {
		return nil, nil
	}
	var out []gtid
	for _, item := range strings.Split(s, ",") {
		f := strings.Split(item, "-")
		if len(f) != 3 {
			return nil, cdc.Errorf(codePosition, cdc.TableID{}, "GTID %.200q", item)
		}
		domain, err1 := strconv.ParseUint(f[0], 10, 32)
		server, err2 := strconv.ParseUint(f[1], 10, 32)
		gno, err3 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil || server == 0 || gno <= 0 {
			return nil, cdc.Errorf(codePosition, cdc.TableID{}, "GTID %.200q", item)
		}
		out = append(out, gtid{domain: uint32(domain), server: uint32(server), gno: gno})
	}
	return out, nil
}

// parseGTID reads "uuid:n", "uuid:tag:n" or "domain-server-n".
func parseGTID(s string, mariadb bool) (gtid, error) {
	set, err := parseGTIDs(s, mariadb)
	switch set := set.(type) {
	case domainSet:
		for _, g := range set {
			return g, err
		}
	case uuidSet:
		for sid, tags := range *set.MysqlGTIDSet {
			for tag, ins := range tags {
				return gtid{sid: sid, tag: tag.String(), gno: ins[0].Start}, err
			}
		}
	}
	return gtid{}, err
}
