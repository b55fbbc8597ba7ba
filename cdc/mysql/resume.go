package mysql

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// checkGTIDs makes sure that the server has all that we have, and still all that we lack.
func checkGTIDs(cn *conn, req *dumpRequest) error {
	executed, purged, err := cn.history()
	if err != nil {
		return err
	}
	if !executed.covers(req.full) {
		return cdc.Errorf(codeHistory, cdc.TableID{}, "the tables hold transactions that the server %s does not have: ours %s, the server's %s",
			cn.uuid, abbreviate(req.full.String()), abbreviate(executed.String()))
	}
	for _, w := range req.waiting {
		if !executed.covers(w.set) {
			return cdc.Errorf(codeHistory, cdc.TableID{}, "the table %s holds transactions that the server %s does not have: its own %s, the server's %s",
				w.id, cn.uuid, abbreviate(w.set.String()), abbreviate(executed.String()))
		}
	}
	if !req.full.covers(purged) {
		return cdc.Errorf(codePurged, cdc.TableID{}, "the log from %s on is needed; the server has purged %s", abbreviate(req.full.String()), abbreviate(purged.String()))
	}
	if req.verify && !req.set.covers(purged) {
		// Nothing is missing, but the last transaction cannot be seen again: the log was purged up to here, or this server
		// was provisioned from a copy.
		req.verify, req.set = false, req.full
	}
	return nil
}

// history returns what the server has executed, and of that what its log does not have any more.
func (cn *conn) history() (executed interface {
	covers(gtidSet) bool
	String() string
}, purged gtidSet, err error) {
	row, err := cn.queryRow(cn.dialect.gtids)
	if err != nil {
		return nil, nil, err
	}
	if !cn.dialect.mariadb {
		set, err := parseGTIDs(row[0], false)
		if err != nil {
			return nil, nil, err
		}
		purged, err = parseGTIDs(row[1], false)
		return set, purged, err
	}
	state, err := parseDomainGTIDs(row[1])
	if err != nil {
		return nil, nil, err
	}
	logs, err := cn.query("SHOW BINARY LOGS")
	if err != nil {
		return nil, nil, err
	}
	if len(logs) == 0 {
		return nil, nil, cdc.Errorf(codePreflight, cdc.TableID{}, "the binary log is off")
	}
	// The state at the start of the oldest file; NULL if that has been purged meanwhile.
	first, err := cn.queryRow("SELECT BINLOG_GTID_POS(" + quoteString(logs[0][0]) + ", 4), BINLOG_GTID_POS(" + quoteString(logs[0][0]) + ", 4) IS NULL")
	if err != nil {
		return nil, nil, err
	}
	if first[1] != "0" {
		return nil, nil, cdc.Errorf(codeConnect, cdc.TableID{}, "the server's log file %s went away", logs[0][0])
	}
	purged, err = parseGTIDs(first[0], true)
	return domainState(state), purged, err
}

// domainState is MariaDB's gtid_binlog_state: the last transaction of each server in each domain.
type domainState []gtid

// covers reports whether all of the set happened here: the last transaction of each domain must have come from the same server, or an
// older one's number would say nothing about the ones before.
func (s domainState) covers(o gtidSet) bool {
	set, ok := o.(domainSet)
	for _, g := range set {
		ok = ok && slices.ContainsFunc(s, func(x gtid) bool { return x.domain == g.domain && x.server == g.server && x.gno >= g.gno })
	}
	return ok
}

func (s domainState) String() string {
	out := make([]string, len(s))
	for i, g := range s {
		out[i] = g.String()
	}
	return strings.Join(out, ",")
}

// checkFile makes sure that a file position belongs to this server, and that the file is still there.
func checkFile(cn *conn, req *dumpRequest) error {
	if req.server != cn.uuid {
		return cdc.Errorf(codeHistory, cdc.TableID{}, "the position %s:%d is of the server %s, and this is %s; file positions mean nothing on another server", req.file, req.pos, req.server, cn.uuid)
	}
	logs, err := cn.query("SHOW BINARY LOGS")
	if err != nil {
		return err
	}
	for _, w := range req.waiting {
		if err := w.within(logs); err != nil {
			return err
		}
	}
	for _, l := range logs {
		if l[0] == req.file {
			return nil
		}
	}
	if len(logs) > 0 {
		if c, err := compareFiles(req.file, 0, logs[0][0], 0); err == nil && c > 0 {
			return cdc.Errorf(codeHistory, cdc.TableID{}, "the server's log ends before %s: it was reset, or lost its end", req.file)
		}
	}
	return cdc.Errorf(codePurged, cdc.TableID{}, "the log from %s:%d on is needed; the server has purged %s", req.file, req.pos, req.file)
}

// within makes sure that a table begins where the server's log files have come to.
func (t *followed) within(logs [][]string) error {
	if len(logs) == 0 {
		return nil
	}
	end := logs[len(logs)-1]
	size, err := strconv.ParseUint(end[1], 10, 64)
	if err != nil {
		return protocolError("SHOW BINARY LOGS: %v", err)
	}
	if c, err := compareFiles(t.start.File, t.start.Pos, end[0], size); err != nil || c <= 0 {
		return err
	}
	return cdc.Errorf(codeHistory, cdc.TableID{}, "the server's log ends at %s:%d, before %s, up to which the table %s holds it: it was reset, or lost its end", end[0], size, t.start.label(), t.id)
}

// Holds implements cdc.Source.
func (s *Source) Holds(ctx context.Context, at cdc.Position) error {
	p, err := decodePosition(at)
	if err != nil {
		return err
	}
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return err
	}
	defer cn.close()
	return cn.holds(p)
}

func (cn *conn) holds(p position) (err error) {
	req := dumpRequest{gtids: p.GTIDMode, server: p.Server, file: p.File, pos: p.Pos}
	if !p.GTIDMode {
		return checkFile(cn, &req)
	}
	if req.full, err = p.set(); err != nil {
		return err
	}
	return checkGTIDs(cn, &req)
}
