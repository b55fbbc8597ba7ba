package mysql

import (
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// An XA transaction that is prepared is two transactions of the log: the rows come with the first, and whether they ever were with
// the second. So the rows are held until then, and delivered as those of the second: nobody sees them before, and the branch keeps its
// locks, so that nothing can come between. What is not at hand by then (it came before the position that we started from, or was too
// much to hold) is read from the log once more. A position therefore says nothing of branches.

// branch is an XA transaction between its two halves.
type branch struct {
	at place // of its first half
	// changed are the followed tables that it has rows of; nil: its rows have not been looked at.
	changed map[cdc.TableID]bool
	// events are its rows with their table maps, in data; dropped: there were too many.
	events  []heldEvent
	data    []byte
	dropped bool
	ids     map[uint64]bool // numbers that table maps gave to changed tables
}

type heldEvent struct {
	typ  binlog.EventType
	end  uint32
	size int
}

// xaState is what a follower knows of XA transactions.
type xaState struct {
	held int // bytes of all branches
	// open is the branch whose rows are being read, prepared are those that wait for their second half, by name.
	open     *branch
	prepared map[string]*branch
	// searched is the oldest file that was searched for branches prepared before the stream began, and the server that it is of.
	searched, server string
}

// xaName is the name of the branch in a statement of the log, as the server writes it: XA START X'31',X”,1.
func xaName(sql string) string {
	f := strings.Fields(sql)
	return strings.TrimSpace(strings.Join(f[min(2, len(f)):], ""))
}

// xaText is the statement, as far as it is of interest here.
func xaText(e *binlog.Event) string {
	if e.Type != binlog.QueryEvent {
		return ""
	}
	return string(e.Query.SQL[:min(len(e.Query.SQL), 400)])
}

// xaBegins returns the name of the branch that the event begins, "" for none: MariaDB says so in the GTID event.
func xaBegins(e *binlog.Event) string {
	if e.Type == binlog.DomainGTIDEvent {
		return e.GTID.XA
	}
	if sql := xaText(e); strings.HasPrefix(sql, "XA START") || strings.HasPrefix(sql, "XA BEGIN") {
		return xaName(sql)
	}
	return ""
}

// xaStart holds what follows.
func (f *follower) xaStart() {
	f.txn.block = true
	f.xa.open = &branch{at: place{f.at.file, f.txn.start}, changed: map[cdc.TableID]bool{}, ids: map[uint64]bool{}}
	f.dec.Hold(true)
}

// xaEnd takes the open branch off.
func (f *follower) xaEnd() *branch {
	b := f.xa.open
	f.xa.open = nil
	f.dec.Hold(false)
	return b
}

// wanted reports whether a table map or rows event is one of a followed table.
func (b *branch) wanted(f *follower, e *binlog.Event) bool {
	id, table, isMap := binlog.EventTable(e)
	if !isMap {
		return b.ids[id]
	}
	t := f.tables[table]
	if t == nil || t.paused {
		delete(b.ids, id)
		return false
	}
	b.ids[id], b.changed[table] = true, true
	return true
}

// hold keeps an event of the open branch.
func (f *follower) hold(e *binlog.Event) {
	b := f.xa.open
	if !b.wanted(f, e) || b.dropped {
		return
	}
	if f.xa.held += len(e.Body); f.xa.held > f.s.cfg.xaMemory {
		f.xa.held -= len(e.Body)
		f.discard(b)
		return
	}
	b.events = append(b.events, heldEvent{e.Type, e.End, len(e.Body)})
	b.data = append(b.data, e.Body...)
}

// discard gives up the rows that are held of a branch.
func (f *follower) discard(b *branch) {
	f.xa.held -= len(b.data)
	b.events, b.data, b.dropped = nil, nil, true
}

// xaPrepare ends the first half of an XA transaction. The event starts with a byte that says whether it is instead the end of
// XA COMMIT … ONE PHASE, which is a transaction as any other.
func (f *follower) xaPrepare(e *binlog.Event) error {
	b := f.xaEnd()
	if b == nil {
		return protocolError("XA PREPARE without XA START, after %s", f.label())
	}
	if len(e.Body) > 0 && e.Body[0] == 1 {
		if !f.txn.skipAll {
			if err := f.deliver(f.txn.xa, b); err != nil {
				return err
			}
		}
		f.discard(b)
		return f.endTxn(e)
	}
	f.forgetBranch(f.txn.xa)
	if f.xa.prepared == nil {
		f.xa.prepared = map[string]*branch{}
	}
	f.xa.prepared[f.txn.xa] = b
	return f.endTxn(e)
}

func (f *follower) forgetBranch(name string) {
	if b := f.xa.prepared[name]; b != nil {
		f.discard(b)
		delete(f.xa.prepared, name)
	}
}

// xaDecided handles XA COMMIT and XA ROLLBACK.
func (f *follower) xaDecided(e *binlog.Event, name string, commit bool) error {
	if f.xa.open != nil {
		// It was not prepared, and is logged all the same: it changed tables without transactions, whose rows stay.
		if err := f.pauseTouched("an XA transaction was taken back that also changed tables without transactions"); err != nil {
			return err
		}
		f.discard(f.xaEnd())
		return f.endTxn(e)
	}
	if commit && !f.txn.skipAll {
		b, err := f.findBranch(name)
		if err == nil && b != nil {
			err = f.deliver(name, b)
		}
		if b == nil && err == nil || purgedError(err) {
			err = f.pauseDelivered(b, name)
		}
		if err != nil {
			return err
		}
	}
	f.forgetBranch(name)
	return f.endTxn(e)
}

// purgedError reports whether a file of the log is gone.
func purgedError(err error) bool {
	e := cdc.AsError(err)
	return e != nil && e.Code == codePurged
}

// pauseDelivered pauses the tables that the current transaction is delivered to, and that a branch may have changed whose rows are gone.
func (f *follower) pauseDelivered(b *branch, name string) error {
	for _, id := range append([]cdc.TableID(nil), f.names...) {
		if f.tables[id].table.Skip || b != nil && b.changed != nil && !b.changed[id] {
			continue
		}
		if err := f.pause(id, cdc.Errorf(codeXA, id, "%s committed, and the first half of this XA transaction, with its rows, is no longer in the server's log", name)); err != nil {
			return err
		}
	}
	return nil
}

// deliver decodes a branch's rows as those of the current transaction.
func (f *follower) deliver(name string, b *branch) error {
	if b.changed != nil && len(b.changed) == 0 {
		return nil
	}
	if b.changed == nil || b.dropped {
		return f.deliverAgain(name, b)
	}
	data := b.data
	for _, h := range b.events {
		if err := f.dec.Apply(&binlog.Event{Type: h.typ, End: h.end, Body: data[:h.size]}); err != nil {
			return err
		}
		data = data[h.size:]
	}
	return nil
}

// deliverAgain does it from the log.
func (f *follower) deliverAgain(name string, b *branch) error {
	found := false
	again := &branch{changed: map[cdc.TableID]bool{}, ids: map[uint64]bool{}} // b stays as it is, in case that this fails
	err := f.s.scanLog(f.ctx, b.at, func(e *binlog.Event, at place) (bool, error) {
		switch e.Type {
		case binlog.QueryEvent, binlog.DomainGTIDEvent:
			if !found {
				found = at == b.at && xaBegins(e) == name
				return found, nil
			}
		case binlog.TableMapEvent, binlog.WriteRowsV1, binlog.UpdateRowsV1, binlog.DeleteRowsV1, binlog.WriteRowsV2, binlog.UpdateRowsV2, binlog.DeleteRowsV2,
			binlog.PartialUpdateRowsEvent, binlog.WriteRowsCompressedV1, binlog.UpdateRowsCompressedV1, binlog.DeleteRowsCompressedV1,
			binlog.WriteRowsCompressed, binlog.UpdateRowsCompressed, binlog.DeleteRowsCompressed:
			if found && again.wanted(f, e) {
				return true, f.dec.Apply(e)
			}
		case binlog.XAPrepareEvent:
			return !found, nil
		}
		return true, nil
	})
	if err == nil && !found {
		err = cdc.Errorf(codeConnect, cdc.TableID{}, "the XA transaction %s is not at %s:%d of the log", name, b.at.file, b.at.pos)
	}
	return err
}

// findBranch returns a branch by its name, nil if it was prepared before the log begins that the server still has.
func (f *follower) findBranch(name string) (*branch, error) {
	if b := f.xa.prepared[name]; b != nil {
		return b, nil
	}
	files, err := f.olderFiles()
	if err != nil {
		return nil, err
	}
	for i := len(files) - 1; i >= 0; i-- {
		if err := f.searchFile(files[i]); err != nil {
			return nil, err
		}
		f.xa.searched, f.xa.server = files[i], f.server
		if b := f.xa.prepared[name]; b != nil {
			return b, nil
		}
	}
	return nil, nil
}

// olderFiles returns the files, oldest first, that may have branches that are not known yet.
func (f *follower) olderFiles() ([]string, error) {
	cn, err := f.s.cfg.connect(f.ctx, f.s.cfg.Address)
	if err != nil {
		return nil, err
	}
	defer cn.close()
	rows, err := cn.query("SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range rows {
		if f.xa.server == f.server && r[0] == f.xa.searched {
			break
		}
		out = append(out, r[0])
		if r[0] == f.at.file {
			break
		}
	}
	return out, nil
}

// searchFile notes the branches that are open at the end of a file, or of what was read of it.
func (f *follower) searchFile(file string) error {
	open := map[string]place{}
	starting := ""
	err := f.s.scanLog(f.ctx, place{file, 4}, func(e *binlog.Event, at place) (bool, error) {
		if e.Type == binlog.RotateEvent {
			return string(e.File) == file, nil
		}
		if at.file == f.at.file && at.pos >= f.txn.start {
			return false, nil
		}
		switch e.Type {
		case binlog.QueryEvent, binlog.DomainGTIDEvent:
			if name := xaBegins(e); name != "" {
				starting = name
			} else if sql := xaText(e); strings.HasPrefix(sql, "XA COMMIT") || strings.HasPrefix(sql, "XA ROLLBACK") {
				delete(open, xaName(sql))
			}
		case binlog.XAPrepareEvent:
			if len(e.Body) > 0 && e.Body[0] != 1 {
				open[starting] = at
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for name, at := range open {
		if f.xa.prepared[name] == nil {
			if f.xa.prepared == nil {
				f.xa.prepared = map[string]*branch{}
			}
			f.xa.prepared[name] = &branch{at: at, dropped: true}
		}
	}
	return nil
}

// otherFiles forgets where branches stand: the server is another one.
func (x *xaState) otherFiles() {
	for name, b := range x.prepared {
		if b.dropped {
			delete(x.prepared, name)
		} else {
			b.at = place{}
		}
	}
}
