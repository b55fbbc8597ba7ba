package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// expirySoon is the share of the time that the server keeps its log beyond which a position is about to be lost.
const expirySoon = 0.75

// Expiring says which of the positions the server's log does not go back to any more, or soon will not, and why.
func (s *Source) Expiring(ctx context.Context, at []cdc.Position) (map[cdc.Position]string, error) {
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return nil, err
	}
	defer cn.close()
	rows, err := cn.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days', 'binlog_expire_logs_auto_purge')")
	if err != nil {
		return nil, err
	}
	vars := map[string]string{}
	for _, r := range rows {
		vars[r[0]] = r[1]
	}
	kept := time.Duration(keptSeconds(vars)) * time.Second
	if vars["binlog_expire_logs_auto_purge"] == "OFF" {
		kept = 0
	}
	files, err := cn.query("SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	gtids, err := cn.hasGTIDs()
	if err != nil {
		return nil, err
	}
	end, err := s.currentPosition(cn, gtids)
	if err != nil {
		return nil, err
	}
	out := map[cdc.Position]string{}
	for _, c := range at {
		p, err := decodePosition(c)
		if err != nil {
			return nil, err
		}
		err = cn.holds(p)
		if err == nil && (p.hasAll(end) || p.Server == cn.uuid && len(files) > 0 && p.File == files[len(files)-1][0]) {
			continue // nothing that it needs can be deleted
		}
		switch age := time.Since(time.UnixMicro(p.LastMicros)); {
		case err != nil && cdc.ClassOf(err) == cdc.Retryable:
			return nil, err
		case err != nil:
			out[c] = err.Error()
		case kept > 0 && p.LastMicros > 0 && float64(age) > expirySoon*float64(kept):
			out[c] = fmt.Sprintf("the server deletes its log after %s, and the last transaction before the position is %s old", kept, age.Round(time.Second))
		case oldestFile(p, cn.uuid, files):
			out[c] = fmt.Sprintf("the position is in %s, the oldest file that the server has left of its log", p.File)
		}
	}
	return out, nil
}

// hasAll reports whether no transaction follows the position before the end.
func (p position) hasAll(end position) bool {
	if !p.GTIDMode || !end.GTIDMode {
		return false
	}
	have, err := p.set()
	if err != nil {
		return false
	}
	want, err := end.set()
	return err == nil && have.covers(want)
}

// oldestFile reports whether the next purge takes the position's file: files before it were purged already, and others follow.
func oldestFile(p position, server string, files [][]string) bool {
	if p.File == "" || p.Server != server || len(files) < 2 || files[0][0] != p.File {
		return false
	}
	n, err := fileNumber(p.File)
	return err == nil && n.n > 1
}
