package mysql

import (
	"bytes"
	"fmt"
	"strings"

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
	xa      bool
}

// logPos is a place in the log's files. Event headers carry the low 32 bits of offsets only; the rest is counted.
type logPos struct {
	file string
	pos  uint64 // of the last boundary
	// reading is the end of the last event, whether or not it ended a transaction.
	reading uint64
}

// advance takes the end of an event in the current file.
func (p *logPos) advance(end uint32) {
	if end == 0 {
		return
	}
	full := p.reading&^(1<<32-1) | uint64(end)
	if full < p.reading {
		full += 1 << 32
	}
	p.reading = full
}

// block decodes the packets of a block.
func (f *follower) block(b block) error {
	for {
		p, ok := b.next()
		if !ok {
			return nil
		}
		if len(p) == 0 {
			return protocolError("an empty packet in the log")
		}
		switch p[0] {
		case 0:
			if err := f.dec.Event(p[1:]); err != nil {
				return f.misplaced(err)
			}
		case 0xff:
			return dumpError(parseError(p))
		case 0xfe:
			return cdc.Errorf(codeConnect, cdc.TableID{}, "the server ended the log's stream")
		default:
			return protocolError("a packet of type %d in the log", p[0])
		}
	}
}

// misplaced: without GTIDs, nonsense where the last transaction should begin means that another one stands there.
func (f *follower) misplaced(err error) error {
	if e := cdc.AsError(err); f.verify && f.gtids == nil && e != nil && (e.Code == codeProtocol || e.Code == binlog.CodeDamaged) {
		return f.otherHistory()
	}
	return err
}

// dumpError tells the server's reasons to refuse the log apart.
func dumpError(err error) error {
	msg := strings.ToLower(err.Error())
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(msg, p) {
				return true
			}
		}
		return false
	}
	code := codeConnect
	if serverError(err) == erMasterFatalReading {
		switch {
		case has("same server_uuid/server_id", "same server_uuid/server-id"):
			code = codeServerID
		case has("purged", "could not find first log file"):
			code = codePurged
		case has("more gtids than", "> file size", "bogus data", "entry exceeded", "log_pos", "impossible position", "diverging", "does not know of"):
			code = codeHistory
		}
	} else if n := serverError(err); n == erSpecificAccess || n == erAccessDenied || n == erDBAccessDenied {
		code = codeAccess
	}
	return cdc.Errorf(code, cdc.TableID{}, "the server ended the log: %w", err)
}

// TableError pauses a table that the decoder cannot follow (binlog.Handler).
func (f *follower) TableError(err *cdc.Error) error {
	return f.pause(err.Table, err)
}

// pause gives a table up. What was handed on of it since the last barrier is dropped by the other side.
func (f *follower) pause(id cdc.TableID, reason *cdc.Error) error {
	t := f.tables[id]
	if t == nil || t.paused {
		return nil
	}
	t.paused = true
	f.drop(t)
	if err := f.dec.Unregister(id); err != nil {
		return err
	}
	f.seq++
	return downstream(f.out.Pause(f.ctx, id, reason))
}

func (f *follower) drop(t *followed) {
	for i, w := range f.waiting {
		if w == t {
			f.waiting = append(f.waiting[:i:i], f.waiting[i+1:]...)
			break
		}
	}
	for i, n := range f.names {
		if n == t.id {
			f.names = append(f.names[:i:i], f.names[i+1:]...)
			break
		}
	}
}

// Event takes the events without rows (binlog.Handler).
func (f *follower) Event(e *binlog.Event) error {
	if e.Flags&binlog.FlagArtificial == 0 && e.Type != binlog.HeartbeatEvent && e.Type != binlog.HeartbeatV2Event && e.Type != binlog.RotateEvent && !e.Nested {
		f.at.advance(e.End)
	}
	switch e.Type {
	case binlog.GTIDEvent, binlog.GTIDTaggedEvent, binlog.AnonymousGTIDEvent:
		return f.beginTxn(e)
	case binlog.XidEvent:
		return f.endTxn(e)
	case binlog.QueryEvent:
		return f.query(e)
	case binlog.XAPrepareEvent:
		return f.xaPrepare(e)
	case binlog.RotateEvent:
		return f.rotate(e)
	case binlog.HeartbeatEvent, binlog.HeartbeatV2Event:
		return f.heartbeat(e)
	case binlog.FormatDescriptionEvent, binlog.PreviousGTIDsEvent, binlog.StopEvent:
		if !f.txn.open && f.at.reading > f.at.pos {
			f.at.pos = f.at.reading
		}
	case binlog.IncidentEvent:
		return &cdc.Error{Code: codeLogFormat, Msg: fmt.Sprintf("the server says that its log lost events (incident %d after %s)", e.Incident, f.label())}
	case binlog.WriteRowsV1, binlog.UpdateRowsV1, binlog.DeleteRowsV1, binlog.WriteRowsV2, binlog.UpdateRowsV2, binlog.DeleteRowsV2:
		f.s.foreignKeys(e.Table, e.RowFlags)
	}
	return nil
}

func (s *Source) foreignKeys(t cdc.TableID, flags uint16) {
	s.mu.Lock()
	fk := s.fk
	s.mu.Unlock()
	if fk != nil {
		fk(t, flags)
	}
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
	if e.Type != binlog.AnonymousGTIDEvent {
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
	f.buf = f.buf[:0]
	if f.labels {
		f.buf = f.txn.appendLabel(f.buf, f.gtids != nil, f.at.file)
	}
	f.dec.Begin(f.txn.micros, f.buf)
	return nil
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
	if len(f.waiting) == 0 {
		return nil
	}
	left := f.waiting[:0]
	for _, w := range f.waiting {
		skip, reached := f.covered(w)
		w.table.Skip = skip
		if !reached {
			left = append(left, w)
		}
	}
	f.waiting = left
	return nil
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

// covered reports whether the table's start covers the transaction, and whether it has been reached for good.
func (f *follower) covered(t *followed) (skip, reached bool) {
	if f.gtids != nil {
		if setContains(t.set, f.txn.id) {
			return true, false
		}
		f.gtids.flush()
		return false, f.gtids.set.Contain(t.set)
	}
	c, err := compareFiles(f.at.file, f.txn.start, t.start.File, t.start.Pos)
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
	f.last = lastTxn{id: t.id, known: true, start: t.start, file: f.at.file, micros: t.origin}
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
}

var (
	sqlBegin  = []byte("BEGIN")
	sqlCommit = []byte("COMMIT")
)

// query handles statements: the frame of transactions, DDL, and changes that were logged as statements.
func (f *follower) query(e *binlog.Event) error {
	sql := e.Query.SQL
	if bytes.Equal(sql, sqlBegin) {
		if !f.txn.open {
			// Servers before 5.6 and some proxies send no GTID event; such a log is not one that was checked.
			return protocolError("a transaction without a GTID event, after %s", f.label())
		}
		f.txn.block = true
		return nil
	}
	if !f.txn.open {
		return protocolError("a statement outside a transaction, after %s", f.label())
	}
	if bytes.Equal(sql, sqlCommit) {
		return f.endTxn(e)
	}
	text := string(sql)
	words := firstWords(text)
	switch {
	case strings.HasPrefix(words, "XA START"), strings.HasPrefix(words, "XA BEGIN"):
		f.txn.block, f.txn.xa = true, true
		return nil
	case strings.HasPrefix(words, "XA END"), strings.HasPrefix(words, "SAVEPOINT"), strings.HasPrefix(words, "RELEASE SAVEPOINT"):
		return nil
	case strings.HasPrefix(words, "XA "): // COMMIT and ROLLBACK of a prepared branch
		return f.endTxn(e)
	case strings.HasPrefix(words, "ROLLBACK TO"):
		// Logged only if a table without transactions kept its rows: what is taken back cannot be told apart.
		return f.pauseTouched("ROLLBACK TO SAVEPOINT took back a part of a transaction that also changed tables without transactions")
	case words == "ROLLBACK":
		if err := f.pauseTouched("a transaction was rolled back that also changed tables without transactions"); err != nil {
			return err
		}
		return f.endTxn(e)
	}
	if !f.txn.skipAll {
		if err := f.statement(e, text); err != nil {
			return err
		}
	}
	if f.txn.block {
		return nil
	}
	return f.endTxn(e)
}

// pauseTouched pauses the tables that the open transaction has changed.
func (f *follower) pauseTouched(why string) error {
	var ids []cdc.TableID
	for _, t := range f.dec.Touched() {
		ids = append(ids, t.Schema().Table)
	}
	for _, id := range ids {
		if err := f.pause(id, cdc.Errorf(codeRollback, id, "%s, after %s", why, f.label())); err != nil {
			return err
		}
	}
	return nil
}

// xaPrepare ends the first half of an XA transaction; its rows would have to wait for the second. The event starts with a
// byte that says whether it is instead the end of XA COMMIT … ONE PHASE, which is a transaction as any other.
func (f *follower) xaPrepare(e *binlog.Event) error {
	if len(e.Body) > 0 && e.Body[0] == 1 {
		return f.endTxn(e)
	}
	var ids []cdc.TableID
	for _, t := range f.dec.Touched() {
		ids = append(ids, t.Schema().Table)
	}
	for _, id := range ids {
		if err := f.pause(id, cdc.Errorf(codeXA, id, "the XA transaction %s changed it", f.txn.id)); err != nil {
			return err
		}
	}
	return f.endTxn(e)
}

// rotate goes on to the next file. The event that a server makes up at the start says where it reads.
func (f *follower) rotate(e *binlog.Event) error {
	if f.txn.open {
		return f.unfinished()
	}
	if string(e.File) == f.at.file && e.Position <= f.at.pos {
		f.at.reading = e.Position
		return nil
	}
	if f.gtids == nil && f.at.file != "" && string(e.File) != f.at.file {
		if c, err := compareFiles(string(e.File), 4, f.at.file, 4); err != nil || c < 0 {
			return cdc.Errorf(codeHistory, cdc.TableID{}, "the server went back from %s to the log file %s: its log was reset", f.at.file, e.File)
		}
	}
	f.at = logPos{file: string(e.File), pos: e.Position, reading: e.Position}
	return nil
}

// heartbeat says where the server stands when it has nothing to send. Two at one place mean that it stands at the log's end;
// while it steps over transactions that we have, it sends some too, at places that move.
func (f *follower) heartbeat(e *binlog.Event) error {
	if f.txn.open {
		return nil
	}
	if f.verify && e.Position > 0 {
		if f.idle.pos == e.Position && f.idle.file == string(e.File) {
			return cdc.Errorf(codeHistory, cdc.TableID{}, "the server did not send the last transaction that the tables hold (%s) again", f.lastLabel())
		}
		f.idle = logPos{file: string(e.File), pos: e.Position}
	}
	if f.gtids != nil && string(e.File) == f.at.file && e.Position > f.at.pos {
		f.at.pos, f.at.reading = e.Position, e.Position
	}
	return f.pollDue()
}

var _ binlog.Handler = (*follower)(nil)
