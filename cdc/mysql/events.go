package mysql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

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
			return f.misplaced(dumpError(parseError(p)))
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
	if n := serverError(err); n == erMasterFatalReading || n == erSlaveSameID {
		switch {
		case has("same server_uuid/server_id", "same server_uuid/server-id"):
			code = codeServerID
		case has("purged", "could not find first log file"):
			code = codePurged
		case has("more gtids than", "> file size", "bogus data", "entry exceeded", "log_pos", "impossible position", "diverging", "does not know of", "diverged", "not in the master's binlog"):
			code = codeHistory
		case has("truncated in the middle of event"): // there, or where it was asked to begin
			code = binlog.CodeDamaged
		}
	} else if n == erSpecificAccess || n == erAccessDenied || n == erDBAccessDenied {
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
	other := func(w *followed) bool { return w == t }
	f.waiting = slices.DeleteFunc(slices.Clone(f.waiting), other)
	f.unread = slices.DeleteFunc(slices.Clone(f.unread), other)
	for i, n := range f.names {
		if n == t.id {
			f.names = append(f.names[:i:i], f.names[i+1:]...)
			break
		}
	}
}

// Event takes the events without rows (binlog.Handler).
func (f *follower) Event(e *binlog.Event) error {
	if e.Flags&binlog.FlagArtificial == 0 && e.Type != binlog.HeartbeatEvent && e.Type != binlog.HeartbeatV2Event && e.Type != binlog.RotateEvent {
		f.at.advance(e.End)
	}
	switch e.Type {
	case binlog.TableMapEvent:
		f.hold(e)
	case binlog.GTIDEvent, binlog.GTIDTaggedEvent, binlog.DomainGTIDEvent, binlog.AnonymousGTIDEvent:
		return f.beginTxn(e)
	case binlog.XidEvent:
		return f.endTxn(e)
	case binlog.QueryEvent, binlog.ExecuteLoadQueryEvent:
		return f.query(e)
	case binlog.XAPrepareEvent:
		return f.xaPrepare(e)
	case binlog.RotateEvent:
		return f.rotate(e)
	case binlog.HeartbeatEvent, binlog.HeartbeatV2Event:
		return f.heartbeat(e)
	case binlog.FormatDescriptionEvent, binlog.PreviousGTIDsEvent, binlog.GTIDListEvent, binlog.BinlogCheckpointEvent, binlog.StartEncryptionEvent, binlog.StopEvent:
		if !f.txn.open && f.at.reading > f.at.pos {
			f.at.pos = f.at.reading
		}
	case binlog.IncidentEvent:
		return &cdc.Error{Code: codeLogFormat, Msg: fmt.Sprintf("the server says that its log lost events (incident %d after %s)", e.Incident, f.label())}
	case binlog.WriteRowsV1, binlog.UpdateRowsV1, binlog.DeleteRowsV1, binlog.WriteRowsV2, binlog.UpdateRowsV2, binlog.DeleteRowsV2,
		binlog.PartialUpdateRowsEvent, binlog.WriteRowsCompressedV1, binlog.UpdateRowsCompressedV1, binlog.DeleteRowsCompressedV1,
		binlog.WriteRowsCompressed, binlog.UpdateRowsCompressed, binlog.DeleteRowsCompressed:
		if f.xa.open != nil {
			f.hold(e)
			return nil
		}
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
