package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// LogEnd is where the server's log ended when the server was asked.
type LogEnd struct {
	// Asked is when the server was asked: everything in the log up to here was committed before.
	Asked time.Time
	end   position
	sizes []logSize // of all files, oldest first; nil if only the last one was of interest
}

type logSize struct {
	file  string
	bytes uint64
}

// Covers reports whether the position has everything that was published when the server was asked. It fails if the two
// cannot be compared: after a failover, or before a position's place in the files is known.
func (e *LogEnd) Covers(p cdc.Position) (bool, error) {
	at, err := decodePosition(p)
	if err != nil {
		return false, err
	}
	if at.GTIDMode && e.end.GTIDMode {
		// Not comparePositions: a set that has what is not published yet, and lacks what is, comes from no other history.
		have, err := at.set()
		if err != nil {
			return false, err
		}
		want, err := e.end.set()
		if err != nil {
			return false, err
		}
		return have.covers(want), nil
	}
	c, err := comparePositions(at, e.end)
	return c >= 0, err
}

// Beyond returns how many bytes of the log's files follow the position, -1 if nobody can tell: the files are another
// server's or gone, or the position's place in them is not known yet. File headers count.
func (e *LogEnd) Beyond(p cdc.Position) int64 {
	at, err := decodePosition(p)
	if err != nil || at.File == "" || at.Server != e.end.Server {
		return -1
	}
	if at.File == e.end.File {
		return max(0, int64(e.end.Pos)-int64(at.Pos))
	}
	if c, err := compareFiles(at.File, at.Pos, e.end.File, e.end.Pos); err != nil {
		return -1
	} else if c > 0 {
		return 0 // it was read after the server was asked
	}
	sum, found := -int64(at.Pos), false
	for _, f := range e.sizes {
		if f.file == e.end.File {
			break // of the last one the end counts, since it grows
		}
		if found = found || f.file == at.File; found {
			sum += int64(f.bytes)
		}
	}
	if !found {
		return -1
	}
	return max(0, sum+int64(e.end.Pos))
}

// WatchEnd asks the server every so often where its log ends, and tells it, or why it could not be asked, until ctx ends. It
// uses one connection of its own. from returns the position that LogEnd.Beyond will be asked about.
func (s *Source) WatchEnd(ctx context.Context, every time.Duration, from func() cdc.Position, tell func(*LogEnd, error)) {
	var cn *conn
	defer func() {
		if cn != nil {
			cn.close()
		}
	}()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		e, err := s.logEnd(ctx, &cn, from())
		if ctx.Err() != nil {
			return
		}
		if err != nil && cn != nil {
			cn.close()
			cn = nil
		}
		tell(e, err)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// logEnd asks on the connection, making it if there is none.
func (s *Source) logEnd(ctx context.Context, cn **conn, from cdc.Position) (*LogEnd, error) {
	if *cn == nil {
		c, err := s.cfg.connect(ctx, s.cfg.Address)
		if err != nil {
			return nil, err
		}
		*cn = c
	}
	// A server that has gone without a word must not hold this up for ever.
	if err := (*cn).socket().SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return nil, lostConnection(err)
	}
	e := &LogEnd{Asked: time.Now()}
	rows, err := (*cn).query((*cn).dialect.logStatus)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows[0]) < 4 {
		return nil, cdc.Errorf(codePreflight, cdc.TableID{}, "the binary log is off")
	}
	r := rows[0]
	e.end = position{Server: (*cn).uuid, File: r[0]}
	if (*cn).dialect.mariadb {
		row, err := (*cn).queryRow((*cn).dialect.gtids)
		if err != nil {
			return nil, err
		}
		e.end.GTIDMode, e.end.GTIDs, e.end.MariaDB = true, row[0], true
	} else if len(r) > 4 {
		e.end.GTIDMode, e.end.GTIDs = r[4] != "", r[4]
	}
	if e.end.Pos, err = strconv.ParseUint(r[1], 10, 64); err != nil {
		return nil, protocolError("log position %q", r[1])
	}
	if at, err := decodePosition(from); err != nil || at.File == "" || at.File == e.end.File || at.Server != e.end.Server {
		return e, nil
	}
	if rows, err = (*cn).query("SHOW BINARY LOGS"); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if len(r) < 2 {
			return nil, protocolError("SHOW BINARY LOGS returned %d columns", len(r))
		}
		n, err := strconv.ParseUint(r[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("size of log file %s: %w", r[0], errors.Join(protocolError("%q", r[1]), err))
		}
		e.sizes = append(e.sizes, logSize{r[0], n})
	}
	return e, nil
}
