package mysql

import (
	"github.com/cdc2lake/cdc2lake/cdc"
)

// checkGTIDs makes sure that the server has all that we have, and still all that we lack.
func checkGTIDs(cn *conn, req *dumpRequest) error {
	row, err := cn.queryRow(cn.dialect.gtids)
	if err != nil {
		return err
	}
	executed, err := parseGTIDs(row[0])
	if err != nil {
		return err
	}
	purged, err := parseGTIDs(row[1])
	if err != nil {
		return err
	}
	if !executed.Contain(req.full) {
		return cdc.Errorf(codeHistory, cdc.TableID{}, "the tables hold transactions that the server %s does not have: ours %s, the server's %s",
			cn.uuid, abbreviate(req.full.String()), abbreviate(executed.String()))
	}
	if !req.full.Contain(purged) {
		var needs []string
		for t, st := range req.starts {
			if st.set != nil && !st.set.Contain(purged) {
				needs = append(needs, t.String())
			}
		}
		return cdc.Errorf(codePurged, cdc.TableID{}, "the log from %s on is needed by %s; the server has purged %s",
			abbreviate(req.full.String()), sorted(needs), abbreviate(purged.String()))
	}
	if req.verify && setContains(purged, req.last) {
		// Nothing is missing, but the last transaction cannot be seen again: the log was purged up to here, or this server
		// was provisioned from a copy.
		req.verify, req.set = false, req.full
	}
	return nil
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
	var needs []string
	for t := range req.starts {
		needs = append(needs, t.String())
	}
	return cdc.Errorf(codePurged, cdc.TableID{}, "the log from %s:%d on is needed by %s; the server has purged %s", req.file, req.pos, sorted(needs), req.file)
}
