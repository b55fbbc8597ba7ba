package mysql

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

var codeCascade = cdc.NewCode("MYSQL_CASCADE", cdc.TablePaused,
	"a foreign key changes rows of the table, and the server does not log these changes",
	"set innodb_native_foreign_keys=OFF (MySQL 9.6 and newer log cascades then), or change the foreign key to RESTRICT, or leave the table out; then `cdc2lake reload TABLE`")

// readCascades marks the tables whose rows a foreign key changes without a trace in the log: ON DELETE and ON UPDATE with
// CASCADE, SET NULL or SET DEFAULT. Before MySQL 9.6 the storage engine does it below the log; since then the server does, unless
// innodb_native_foreign_keys is on.
func readCascades(cn *conn, db string, tables map[cdc.TableID]*foundTable) error {
	if logged, err := logsCascades(cn); err != nil || logged {
		return err
	}
	rows, err := cn.query("SELECT TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS" +
		" WHERE CONSTRAINT_SCHEMA = " + stringLiteral(db) + " ORDER BY TABLE_NAME, CONSTRAINT_NAME")
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := tables[cdc.TableID{Database: db, Name: r[0]}]
		if t == nil || t.refused != nil || !changesRows(r[2]) && !changesRows(r[3]) {
			continue
		}
		t.refused = cdc.Errorf(codeCascade, t.Table, "foreign key %s is ON UPDATE %s, ON DELETE %s, and the server leaves what it does to this table out of the log", r[1], r[2], r[3])
	}
	return nil
}

// cascadeLog says which statements of the log were executed where cascades are logged. That is a matter of the server that executed them
// and of how it was started, not of the one that is asked now: the log may be older than an upgrade, or come from another server.
type cascadeLog struct {
	logged   bool   // by this server since its start
	serverID uint32 // of this server
	since    int64  // its start, seconds since the epoch
}

// readCascadeLog asks the server. The option cannot be changed while it runs.
func readCascadeLog(cn *conn) (c cascadeLog, err error) {
	if c.logged, err = logsCascades(cn); err != nil || !c.logged {
		return c, err
	}
	up, err := cn.queryRow("SHOW GLOBAL STATUS LIKE 'Uptime'")
	if err != nil {
		return c, err
	}
	row, err := cn.queryRow("SELECT @@server_id, UNIX_TIMESTAMP()")
	if err != nil {
		return c, err
	}
	id, err1 := strconv.ParseUint(row[0], 10, 32)
	now, err2 := strconv.ParseFloat(row[1], 64)
	uptime, err3 := strconv.ParseInt(up[1], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return c, protocolError("server id %s, time %s and uptime %s: %v", row[0], row[1], up[1], err)
	}
	c.serverID, c.since = uint32(id), int64(now)-uptime
	return c, nil
}

// cascadeSlack covers that both clocks have whole seconds.
const cascadeSlack = 2

// holds reports whether an event was made where cascades are logged.
func (c cascadeLog) holds(e *binlog.Event) bool {
	return c.logged && e.ServerID == c.serverID && int64(e.Timestamp) >= c.since+cascadeSlack
}

// logsCascades reports whether the server writes what foreign keys change into the log.
func logsCascades(cn *conn) (bool, error) {
	native, err := cn.query("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'")
	return err == nil && len(native) == 1 && strings.EqualFold(native[0][1], "OFF"), err
}

// addedCascade says why the table of a new foreign key cannot be followed, or returns nil.
func (a *alteration) addedCascade(ref *ast.ReferenceDef) *cdc.Error {
	if a.r.d.cascadesLogged || ref == nil {
		return nil
	}
	rule := func(r ast.ReferOptionType) bool {
		return r == ast.ReferOptionCascade || r == ast.ReferOptionSetNull || r == ast.ReferOptionSetDefault
	}
	if ref.OnDelete != nil && rule(ref.OnDelete.ReferOpt) || ref.OnUpdate != nil && rule(ref.OnUpdate.ReferOpt) {
		return cdc.Errorf(codeCascade, a.table, "a foreign key was added, and the server leaves what it does to this table out of the log: %q", abbreviate(a.r.sql))
	}
	return nil
}

func changesRows(rule string) bool {
	switch strings.ToUpper(rule) {
	case "CASCADE", "SET NULL", "SET DEFAULT":
		return true
	}
	return false
}
