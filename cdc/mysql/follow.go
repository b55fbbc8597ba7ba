package mysql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// progressEvery is how often boundaries are reported between barriers.
const progressEvery = time.Second

// followed is a table of a running Follow.
type followed struct {
	id     cdc.TableID
	schema *cdc.Schema
	def    *binlog.SourceTable
	opts   binlog.TableOptions
	table  *binlog.Table
	start  position
	set    gtidSet // of start, with GTIDs
	last   gtid    // the last transaction of start, with GTIDs; zero if that is not known
	before bool    // start covers the transaction that is being read
	// shows is what the load shows of a table without a key, nil as long as that is not known; see moment.
	shows *moment
	// paused tables are followed no further.
	paused bool
}

// follower is one run of Follow. Everything in it belongs to its goroutine; only gtids' set is shared (see delivered).
type follower struct {
	s   *Source
	ctx context.Context
	out cdc.LogEmitter
	log *slog.Logger
	obs *Observer
	dec *binlog.Decoder
	ddl *ddlReader
	// cascades says where the log has what foreign keys change.
	cascades cascadeLog
	tables   map[cdc.TableID]*followed
	names    []cdc.TableID
	// waiting are the tables that begin later than the log is read: their starts are not reached yet.
	waiting []*followed
	// unread are the tables without a key of which the log is still behind what their load shows.
	unread []*followed
	labels bool // some table has a column for the position

	gtids  *gtidTracker // nil without GTIDs
	server string
	at     logPos
	last   lastTxn
	// verify says that the last transaction was asked for again and has not come; fresh that others came meanwhile.
	verify, fresh bool
	idle          logPos // of the last heartbeat while verify is set

	txn txnState
	xa  xaState
	// programs are read when a change was logged as a statement; nil: they have to be read again.
	programs *programs
	seq      uint64
	due      uint64 // the checkpoint whose barrier is wanted; 0: none
	commit   int64  // source's commit time of the last transaction, for Boundary
	buf      []byte
	wait     backoff // of reconnecting; a transaction that comes resets it
}

// lastTxn is the last complete transaction.
type lastTxn struct {
	id     gtid
	before gtid // of MariaDB's: the one before in its domain
	known  bool
	start  uint64 // offset in the file of at
	file   string
	micros int64 // original commit time
}

// Follow delivers the log from the earliest of the starts on; see cdc.Source.
func (s *Source) Follow(ctx context.Context, starts []cdc.Start, out cdc.LogEmitter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	f := &follower{s: s, ctx: ctx, out: out, log: s.cfg.Logger, obs: &s.cfg.Observer, tables: map[cdc.TableID]*followed{}}
	if err := f.begin(starts); err != nil {
		return err
	}
	defer s.delivered.end()
	defer f.dec.Close()
	err := f.run()
	var down *downstreamError
	if errors.As(err, &down) {
		err = down.error
	}
	f.obs.disconnected(err)
	return err
}

// begin works out where the log starts, and sets the decoder up.
func (f *follower) begin(starts []cdc.Start) error {
	if len(starts) == 0 {
		return configError("no table can be followed")
	}
	from := map[cdc.TableID]startOf{}
	var first *followed
	for _, st := range starts {
		t := &followed{id: st.Schema.Table, schema: st.Schema}
		var err error
		if t.start, err = decodePosition(st.Position); err != nil {
			return fmt.Errorf("start of %s: %w", t.id, err)
		}
		if t.start.GTIDMode {
			if t.set, err = t.start.set(); err != nil {
				return err
			}
			if t.start.LastGTID != "" {
				if t.last, err = parseGTID(t.start.LastGTID, t.start.MariaDB); err != nil {
					return err
				}
			}
		}
		def, perr := binlog.ParseSource(st.Schema)
		if perr != nil {
			return perr
		}
		t.def = &def
		if f.tables[t.id] != nil {
			return cdc.Errorf(cdc.CodeInternal, t.id, "the table is followed twice")
		}
		f.tables[t.id] = t
		f.names = append(f.names, t.id)
		f.waiting = append(f.waiting, t)
		if st.Unread {
			f.unread = append(f.unread, t)
		}
		from[t.id] = startOf{set: t.set, truncates: st.Truncates}
		if first == nil {
			first = t
			continue
		}
		if t.start.GTIDMode != first.start.GTIDMode {
			return &cdc.Error{Code: codePosition, Table: t.id, Msg: "some tables have positions with GTIDs and some without: gtid_mode was changed",
				Fix: "set the log mode to file, or reload the tables whose positions have no GTIDs"}
		}
		c, err := comparePositions(t.start, first.start)
		if err != nil {
			return fmt.Errorf("starts of %s and %s: %w", t.id, first.id, err)
		}
		if c < 0 {
			first = t
		}
	}
	sort.Slice(f.names, func(i, j int) bool { return f.names[i].Less(f.names[j]) })
	if mode := f.s.cfg.LogMode; mode == "gtid" && !first.start.GTIDMode {
		return &cdc.Error{Code: codePosition, Table: first.id, Msg: "the log mode is gtid, and the table's position has no GTIDs", Fix: "reload the table, or set the log mode to file"}
	}
	if err := f.startAt(first.start, from); err != nil {
		return err
	}
	f.ddl = newDDLReader(f.definition, func() []cdc.TableID { return f.names })
	f.dec = binlog.NewDecoder(f, f.s.cfg.KeySeed)
	for _, id := range slices.Clone(f.names) { // a table that is paused is taken out
		t := f.tables[id]
		t.opts = f.s.cfg.TableOptions(id)
		f.labels = f.labels || t.opts.MetaPos != ""
		var err error
		if t.table, err = f.dec.Register(t.schema, t.opts); err == nil {
			t.table.Skip = true // until its start is reached
			continue
		}
		refused := cdc.AsError(err)
		if refused == nil || refused.Code.Class != cdc.TablePaused {
			return err
		}
		if err := f.pause(id, refused); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) startAt(p position, from map[cdc.TableID]startOf) error {
	f.server, f.at = p.Server, logPos{file: p.File, pos: p.Pos}
	f.last = lastTxn{micros: p.LastMicros, start: p.LastStart, file: p.File}
	f.commit = p.LastMicros
	if !p.GTIDMode {
		f.last.known = p.LastMicros != 0
		f.s.delivered.begin(false, nil, from)
		return nil
	}
	set, err := p.set()
	if err != nil {
		return err
	}
	// The place in the files is learned anew: the position may be continued on another server.
	f.at = logPos{}
	if p.LastGTID != "" {
		if f.last.id, err = parseGTID(p.LastGTID, p.MariaDB); err != nil {
			return err
		}
		if f.last.before, err = parseGTID(p.LastBefore, p.MariaDB); err != nil {
			return err
		}
		f.last.known = true
	}
	f.gtids = newGTIDTracker(set, &f.s.delivered.mu)
	f.s.delivered.begin(true, set, from)
	return nil
}

// definition returns the tracked definition of a followed table. One that the log does not reach yet was read later than what is read now.
func (f *follower) definition(t cdc.TableID) *binlog.SourceTable {
	if x := f.tables[t]; x != nil && !x.paused && !x.before {
		return x.def
	}
	return nil
}

// run receives, decodes and hands on until ctx ends or something fails.
func (f *follower) run() error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var retry *time.Timer
	var again <-chan time.Time
	r := f.s.receive(f.ctx, f.request())
	defer func() { r.stop() }()
	in := r.out
	defer f.obs.Meter.Stop()
	for {
		f.obs.Meter.Enter(cdc.Idle)
		select {
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		case x := <-in:
			f.obs.Meter.Enter(cdc.Busy)
			switch {
			case x.started != nil:
				f.connected(x.started)
				continue
			case x.err == nil:
				err := f.block(x.blk)
				r.recycle(x.blk)
				if err == nil {
					continue
				}
				x.err = err
			}
			if f.ctx.Err() != nil {
				return context.Cause(f.ctx)
			}
			if cdc.ClassOf(x.err) != cdc.Retryable || !f.resumable(x.err) {
				return f.midway(x.err)
			}
			r.stop()
			in = nil
			f.obs.disconnected(x.err)
			d := f.wait.next()
			f.log.Warn("the log is interrupted; reconnecting", "after", d, "error", x.err)
			retry = time.NewTimer(d)
			defer retry.Stop()
			again = retry.C
		case <-again:
			again = nil
			f.rewind()
			r = f.s.receive(f.ctx, f.request())
			in = r.out
		case k := <-f.out.Due():
			f.due = k
			if err := f.barrierIfDue(); err != nil {
				return err
			}
		case <-tick.C:
			if err := f.progress(); err != nil {
				return err
			}
		}
	}
}

// resumable reports whether the connection can be replaced without anybody noticing: nothing of an incomplete
// transaction was decoded, and the fault is the connection's.
func (f *follower) resumable(err error) bool {
	var down *downstreamError
	return len(f.dec.Touched()) == 0 && !errors.As(err, &down)
}

func (f *follower) midway(err error) error {
	if len(f.dec.Touched()) > 0 && cdc.ClassOf(err) == cdc.Retryable {
		return cdc.Errorf(codeLostMidway, cdc.TableID{}, "after %s: %w", f.label(), err)
	}
	return err
}

// rewind forgets an incomplete transaction of which nothing was used.
func (f *follower) rewind() {
	f.txn = txnState{}
	if b := f.xaEnd(); b != nil {
		f.discard(b)
	}
	f.dec.Reset()
}

// request asks for what follows the last complete transaction, and for that one again.
func (f *follower) request() dumpRequest {
	req := dumpRequest{server: f.server, file: f.at.file, pos: f.at.pos, waiting: slices.Clone(f.waiting)}
	if f.gtids != nil {
		f.gtids.flush()
		req.gtids, req.full = true, f.gtids.set.clone()
		req.set = req.full
		if !f.last.known {
			return req
		}
		switch set := req.full.(type) {
		case uuidSet:
			if set.has(f.last.id) {
				req.verify, req.last, req.set = true, f.last.id, set.without(f.last.id)
			}
		case domainSet:
			if set[f.last.id.domain] == f.last.id {
				req.verify, req.last, req.set = true, f.last.id, set.without(f.last.id, f.last.before)
			}
		}
		return req
	}
	if f.last.known && f.last.file == f.at.file && f.last.start >= 4 && f.last.start < f.at.pos {
		req.verify, req.pos = true, f.last.start
	}
	return req
}

// connected takes note of a new connection.
func (f *follower) connected(st *started) {
	if st.server != f.server {
		f.at = logPos{} // other files
		f.xa.otherFiles()
		f.programs = nil
	}
	f.server = st.server
	f.verify, f.fresh, f.idle = st.verify, false, logPos{}
	f.obs.connected()
	f.ddl.lowerNames, f.ddl.columnKeys, f.ddl.mariadb, f.cascades = st.lower, st.columnKeys, st.mariadb, st.cascades
	f.at.reading = f.at.pos
	if f.gtids == nil && st.verify {
		f.at.reading = f.last.start
	}
}
