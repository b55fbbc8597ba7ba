package mysql

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// txnState is the transaction that is being read.
type txnState struct {
	open bool // a GTID event (or BEGIN) came, the end has not
	// block: BEGIN or XA START came, so that a statement does not end the transaction.
	block   bool
	id      gtid
	start   uint64 // offset where it starts
	micros  int64  // commit time on the server that we read from
	origin  int64  // commit time on the first server
	skipAll bool   // it was delivered before
	xa      string // the name of its XA branch
	// statements counts those that may concern tables.
	statements int
	before     gtid // of MariaDB's: the one before in its domain
	// pending is the first half of an ALTER TABLE: nothing has changed yet.
	pending bool
}

// beginTxn starts a transaction, and decides which tables it concerns.
func (f *follower) beginTxn(e *binlog.Event) error {
	if f.txn.open {
		return f.unfinished()
	}
	start := f.at.reading - uint64(e.Size)
	if e.Nested {
		return protocolError("a GTID event inside a compressed transaction")
	}
	f.txn = txnState{open: true, start: start, micros: e.GTID.ImmediateMicros, origin: e.GTID.OriginalMicros}
	if f.txn.micros == 0 {
		f.txn.micros = int64(e.Timestamp) * 1e6
		f.txn.origin = f.txn.micros
	}
	if e.Type == binlog.DomainGTIDEvent {
		f.domainTxn(e)
	} else if e.Type != binlog.AnonymousGTIDEvent {
		f.txn.id = gtid{sid: uuid.UUID(e.GTID.UUID), gno: e.GTID.GNO}
		if len(e.GTID.Tag) > 0 {
			f.txn.id.tag = string(e.GTID.Tag)
		}
	} else if f.gtids != nil {
		return &cdc.Error{Code: codeHistory, Msg: "a transaction without GTID came after " + f.label() + ": gtid_mode was changed", Fix: "turn gtid_mode back ON and reload the tables"}
	}
	if err := f.decideSkips(); err != nil {
		return err
	}
	if f.txn.xa != "" {
		f.xaStart()
	}
	f.buf = f.buf[:0]
	if f.labels {
		f.buf = f.txn.appendLabel(f.buf, f.gtids != nil, f.at.file)
	}
	f.dec.Begin(f.txn.micros, f.buf)
	return nil
}

// domainTxn starts a transaction of MariaDB, which has no BEGIN, and only seconds.
func (f *follower) domainTxn(e *binlog.Event) {
	t := &f.txn
	t.id = gtid{domain: e.GTID.Domain, server: e.GTID.Server, gno: e.GTID.GNO}
	t.block, t.xa = !e.GTID.Standalone, e.GTID.XA
	t.pending = e.GTID.Alter&(binlog.AlterStart|binlog.AlterRollback) != 0
	if f.gtids != nil {
		t.before = f.gtids.before(t.id)
	}
}

func (t *txnState) appendLabel(b []byte, gtids bool, file string) []byte {
	if gtids {
		return append(b, t.id.String()...)
	}
	return fmt.Appendf(b, "%s:%d", file, t.start)
}

func (f *follower) unfinished() error {
	return cdc.Errorf(codeConnect, cdc.TableID{}, "the log has a transaction without an end after %s", f.label())
}

// decideSkips sets which tables have the transaction already: all, if it was delivered before, which happens only to the
// last one when it is verified; otherwise those whose starts cover it.
func (f *follower) decideSkips() error {
	t := &f.txn
	switch {
	case f.gtids != nil && f.verify && t.id == f.last.id:
		f.verify = false
		if t.origin != f.last.micros {
			return f.otherHistory()
		}
		t.skipAll = true
	case f.gtids != nil && t.id.server != 0 && t.before.gno >= t.id.gno:
		return &cdc.Error{Code: codeHistory, Msg: fmt.Sprintf("the transaction %s came after %s, which has no smaller number: gtid_strict_mode is OFF, and several servers write in one domain",
			t.id, t.before), Fix: "set gtid_strict_mode=ON and give each server that writes a gtid_domain_id of its own, then reload the tables"}
	case f.gtids != nil:
		t.skipAll = f.gtids.contains(t.id)
	default:
		t.skipAll = t.start < f.at.pos
		if f.verify {
			if t.start != f.last.start || t.origin != f.last.micros {
				return f.otherHistory()
			}
			f.verify = false
		}
	}
	if t.skipAll {
		for _, id := range f.names {
			f.tables[id].table.Skip = true
		}
		return nil
	}
	f.fresh = true
	if len(f.waiting) > 0 {
		left := f.waiting[:0]
		for _, w := range f.waiting {
			if f.contradicts(w) {
				return cdc.Errorf(codeHistory, cdc.TableID{}, "the last transaction that the table %s holds, before %s, is another one on this server: it was restored from a backup, or lost transactions and wrote new ones",
					w.id, abbreviate(w.start.label()))
			}
			before, reached := f.covered(w.start, w.set)
			w.before, w.table.Skip = before, before
			if !reached {
				left = append(left, w)
			}
		}
		f.waiting = left
	}
	if len(f.unread) > 0 {
		f.decideUnread()
	}
	return nil
}

// contradicts reports whether the transaction that begins stands in the place of the last one that a table holds, and is another one. The
// first place where the log is read is verified by asking for its last transaction again; the tables that begin later by what comes.
func (f *follower) contradicts(w *followed) bool {
	p, t := &w.start, &f.txn
	switch {
	case p.LastMicros == 0:
		return false
	case f.gtids != nil:
		return t.id == w.last && t.origin != p.LastMicros
	case f.at.file != p.File || p.LastStart < 4 || t.start < p.LastStart || t.start >= p.Pos:
		return false
	}
	return t.start != p.LastStart || t.origin != p.LastMicros
}

// decideUnread passes over what the loads of tables without a key show, or will show.
func (f *follower) decideUnread() {
	left := f.unread[:0]
	for _, u := range f.unread {
		if u.shows == nil {
			u.shows = f.s.delivered.shown(u.id)
		}
		if u.shows == nil {
			u.table.Skip = true
			left = append(left, u)
			continue
		}
		skip, reached := f.covered(u.shows.position, u.shows.set)
		u.table.Skip = skip || u.before
		if !reached {
			left = append(left, u)
		}
	}
	f.unread = left
}

func (f *follower) otherHistory() error {
	return &cdc.Error{Code: codeHistory, Msg: fmt.Sprintf("the last transaction that the tables hold (%s) is another one on this server: it was restored from a backup, or lost transactions and wrote new ones", f.lastLabel())}
}

func (f *follower) lastLabel() string {
	if f.gtids != nil {
		return f.last.id.String()
	}
	return fmt.Sprintf("%s:%d", f.last.file, f.last.start)
}

// covered reports whether a position, with its set, covers the transaction, and whether it has been reached for good.
func (f *follower) covered(p position, set gtidSet) (skip, reached bool) {
	if f.gtids != nil {
		if set.has(f.txn.id) {
			return true, false
		}
		f.gtids.flush()
		return false, f.gtids.set.covers(set)
	}
	c, err := compareFiles(f.at.file, f.txn.start, p.File, p.Pos)
	before := err == nil && c < 0
	return before, !before
}

// endTxn ends the transaction: this is a boundary.
func (f *follower) endTxn(e *binlog.Event) error {
	t := &f.txn
	if !t.open {
		return protocolError("the end of a transaction without a beginning, after %s", f.label())
	}
	if t.skipAll {
		f.unskip()
		if f.gtids == nil && f.at.reading > f.at.pos {
			return f.otherHistory()
		}
		if f.gtids != nil {
			f.at.pos = f.at.reading
		}
		f.txn = txnState{}
		return nil
	}
	f.dec.Commit(t.micros)
	if f.gtids != nil {
		f.gtids.add(t.id)
	}
	f.last = lastTxn{id: t.id, before: t.before, known: true, start: t.start, file: f.at.file, micros: t.origin}
	f.at.pos = f.at.reading
	f.commit = t.micros
	f.txn = txnState{}
	f.wait.d = 0
	return f.pollDue()
}

// unskip lets the tables that follow the log take rows again.
func (f *follower) unskip() {
	for _, id := range f.names {
		f.tables[id].table.Skip = false
	}
	for _, w := range f.waiting {
		w.table.Skip = true
	}
	for _, u := range f.unread {
		u.table.Skip = true
	}
}
