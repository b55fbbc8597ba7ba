package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Finding is the result of one check of the server.
type Finding struct {
	// Code names the check: MYSQL_VERSION, MYSQL_LOG_BIN, …
	Code string
	OK   bool
	// Fatal says that replication cannot start while the check fails.
	Fatal   bool
	Message string // what was found
	Fix     string // what to do, if not OK
}

// minRetention is the log retention below which a pause over a weekend loses the log.
const minRetention = 3 * 24 * 3600

// Check connects and looks at everything that replication depends on. It fails only if it cannot look; what is wrong is in
// the findings.
func (s *Source) Check(ctx context.Context) ([]Finding, error) {
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return nil, err
	}
	defer cn.close()
	out, err := s.checkServer(cn)
	if err != nil {
		return nil, err
	}
	grants, err := s.checkGrants(cn)
	if err != nil {
		return nil, err
	}
	out = append(out, grants...)
	tables, err := s.discover(ctx, cn)
	if err != nil {
		return nil, err
	}
	lock, err := checkLock(cn, tables)
	if err != nil {
		return nil, err
	}
	return append(append(out, lock...), checkTables(tables)...), nil
}

// preflight returns an error if the server's settings or the user's privileges forbid to start.
func (s *Source) preflight(cn *conn) error {
	findings, err := s.checkServer(cn)
	if err != nil {
		return err
	}
	grants, err := s.checkGrants(cn)
	if err != nil {
		return err
	}
	return fatalFinding(append(findings, grants...))
}

// fatalFinding returns an error if a finding forbids to start.
func fatalFinding(fs []Finding) error {
	for _, f := range fs {
		if !f.OK && f.Fatal {
			code := codePreflight
			if f.Code == "MYSQL_GRANTS" {
				code = codeAccess
			}
			return &cdc.Error{Code: code, Msg: f.Message, Fix: f.Fix}
		}
	}
	return nil
}

type checker struct {
	vars    map[string]string
	persist string // of the dialect
	out     []Finding
}

func (c *checker) add(code string, ok, fatal bool, message, fix string) {
	if ok {
		fix = ""
	}
	c.out = append(c.out, Finding{Code: code, OK: ok, Fatal: fatal, Message: message, Fix: fix})
}

// want checks that a variable has a value. A variable that the server does not have counts as having it.
func (c *checker) want(code, name, value, why string, fatal bool) {
	v, known := c.vars[name]
	ok := !known || strings.EqualFold(v, value)
	msg := name + " is " + v
	if !known {
		msg = "the server has no " + name
	} else if !ok {
		if v == "" {
			msg = name + " is empty"
		}
		msg += ": " + why
	}
	set := value
	if value == "" {
		set = "''"
	}
	c.add(code, ok, fatal, msg, fmt.Sprintf(c.persist+"; sessions that are open keep the old value until they reconnect", name, set))
}

// checkServer looks at the server's variables.
func (s *Source) checkServer(cn *conn) ([]Finding, error) {
	rows, err := cn.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin','binlog_format','binlog_row_image'," +
		"'binlog_row_metadata','gtid_mode','enforce_gtid_consistency','binlog_expire_logs_seconds','expire_logs_days','server_id','time_zone','system_time_zone'," +
		"'lower_case_table_names','binlog_transaction_compression','binlog_rows_query_log_events','log_replica_updates','log_slave_updates','gtid_strict_mode')")
	if err != nil {
		return nil, err
	}
	c := &checker{vars: map[string]string{}, persist: cn.dialect.persist}
	for _, r := range rows {
		c.vars[r[0]] = r[1]
	}
	c.add("MYSQL_VERSION", true, true, pick(cn.dialect.mariadb, "", "MySQL ")+strings.TrimPrefix(cn.GetServerVersion(), "5.5.5-"), "")
	c.add("MYSQL_LOG_BIN", c.vars["log_bin"] == "ON", true, "log_bin is "+c.vars["log_bin"], "start the server with --log-bin")
	c.want("MYSQL_BINLOG_FORMAT", "binlog_format", "ROW", "statements cannot be replicated exactly", true)
	c.want("MYSQL_ROW_IMAGE", "binlog_row_image", "FULL", "rows in the log would lack columns", true)
	c.want("MYSQL_ROW_METADATA", "binlog_row_metadata", "FULL", "the definition of tables is tracked from DDL statements, since the log does not carry it", false)
	if cn.dialect.mariadb {
		s.checkDomains(c)
	} else {
		s.checkLogMode(c)
	}
	sec := keptSeconds(c.vars)
	c.add("MYSQL_LOG_RETENTION", sec == 0 || sec >= minRetention, false, "the log is kept for "+retentionText(sec),
		fmt.Sprintf(c.persist, "binlog_expire_logs_seconds", "604800")+", so that a stop of some days does not need a new load")
	c.add("MYSQL_SERVER_ID", c.vars["server_id"] != strconv.FormatUint(uint64(s.cfg.ServerID), 10), true,
		fmt.Sprintf("server_id is %s, ours is %d", c.vars["server_id"], s.cfg.ServerID), "set source.server_id to a number that no server of the replication group uses")
	if c.vars["server_id"] == "0" {
		c.add("MYSQL_SERVER_ID", false, true, "the server's server_id is 0: it refuses replicas", fmt.Sprintf(c.persist, "server_id", "1"))
	}
	if c.vars["lower_case_table_names"] == "2" { // of macOS; statements and rows spell names as they like
		c.add("MYSQL_TABLE_NAMES", false, true, "lower_case_table_names is 2: the log does not spell tables as the server lists them", "replicate from a server with lower_case_table_names 0 or 1")
	}
	zone := c.vars["time_zone"]
	if zone == "SYSTEM" {
		zone = c.vars["system_time_zone"] + " (system)"
	}
	c.add("MYSQL_TIME_ZONE", true, false, "time_zone is "+zone+"; TIMESTAMP values are read as UTC, DATETIME values have no zone", "")
	return c.out, nil
}

func (s *Source) checkLogMode(c *checker) {
	mode := c.vars["gtid_mode"]
	switch {
	case s.cfg.LogMode == "gtid":
		c.add("MYSQL_GTID_MODE", mode == "ON", true, "gtid_mode is "+mode, "set gtid_mode and enforce_gtid_consistency to ON, or choose log mode file")
	case s.cfg.LogMode == "file" || mode != "ON":
		c.add("MYSQL_GTID_MODE", true, false, "gtid_mode is "+mode+"; the log is followed by file and offset, which ends with this server", "")
	default:
		c.add("MYSQL_GTID_MODE", true, false, "gtid_mode is ON; the log can be followed on any server of the replication group", "")
	}
	if s.cfg.Load.Replica != "" {
		c.add("MYSQL_LOAD_REPLICA", mode == "ON" && s.cfg.LogMode != "file", true, "loads read from "+s.cfg.Load.Replica, "reading from a replica needs GTIDs: leave load.replica out")
	}
}

// checkDomains is checkLogMode for MariaDB, whose transactions always have GTIDs.
func (s *Source) checkDomains(c *checker) {
	c.add("MYSQL_GTID_MODE", s.cfg.LogMode != "file", true, "MariaDB's log is followed by GTID", "leave log_mode out: MariaDB's log is not followed by file and offset")
	c.want("MYSQL_GTID_STRICT", "gtid_strict_mode", "ON", "several servers that write in one domain end replication", false)
	if s.cfg.Load.Replica != "" {
		c.add("MYSQL_LOAD_REPLICA", true, false, "loads read from "+s.cfg.Load.Replica, "")
	}
}

// keptSeconds is how long the server keeps its log by its variables; 0: for ever.
func keptSeconds(vars map[string]string) int64 {
	sec, err := strconv.ParseInt(vars["binlog_expire_logs_seconds"], 10, 64)
	if err == nil && sec > 0 {
		return sec
	}
	if days, err := strconv.ParseFloat(vars["expire_logs_days"], 64); err == nil && days > 0 {
		return int64(days * 86400)
	}
	return 0
}

func retentionText(sec int64) string {
	if sec == 0 {
		return "ever"
	}
	return fmt.Sprintf("%.1f days", float64(sec)/86400)
}

// checkGrants looks at the privileges of the session. Roles count once they are active (SET DEFAULT ROLE).
func (s *Source) checkGrants(cn *conn) ([]Finding, error) {
	rows, err := cn.query("SHOW GRANTS")
	if err != nil {
		return nil, err
	}
	global := map[string]bool{}
	// MariaDB has taken REPLICATION CLIENT apart.
	also := map[string]string{"REPLICATION CLIENT": "BINLOG MONITOR", "REPLICATION SLAVE": "REPLICATION REPLICA"}
	scoped := false // privileges on databases or tables
	for _, r := range rows {
		privileges, level, ok := parseGrant(r[0])
		if !ok {
			continue
		}
		if level == "*.*" {
			for _, p := range privileges {
				global[p] = true
			}
		} else {
			for _, p := range privileges {
				scoped = scoped || p == "SELECT" || p == "ALL PRIVILEGES"
			}
		}
	}
	all := global["ALL PRIVILEGES"] || global["ALL"]
	var missing []string
	for _, p := range []string{"REPLICATION SLAVE", "REPLICATION CLIENT"} {
		if !all && !global[p] && !global[also[p]] {
			missing = append(missing, p)
		}
	}
	select_ := all || global["SELECT"] || scoped
	if !select_ {
		missing = append(missing, "SELECT")
	}
	c := &checker{}
	user := "the user"
	if row, err := cn.queryRow("SELECT CURRENT_USER()"); err == nil {
		user = row[0]
	}
	c.add("MYSQL_GRANTS", len(missing) == 0, true, grantsText(user, missing), fmt.Sprintf("GRANT %s ON *.* TO %s", strings.Join(missing, ", "), quoteUser(user)))
	blind, _ := seesPrograms(rows)
	c.add("MYSQL_GRANT_PROGRAMS", blind == "", false, user+lacks(blind == "", " sees all views, triggers and routines",
		" lacks "+blind+" ON *.*: if a session logs a change as a statement (binlog_format), all tables are loaded anew and not only those that it may have changed"),
		"GRANT "+blind+" ON *.* TO "+quoteUser(user))
	gtids := false
	if s.cfg.LogMode != "file" && cn.dialect.waitsFor(s) {
		if gtids, err = cn.hasGTIDs(); err != nil {
			return nil, err
		}
	}
	if !gtids {
		// Chunks wait for visibility by taking and giving back a table lock.
		ok := mayLock(rows)
		c.add("MYSQL_GRANT_LOCK", ok, true, user+lacks(ok, " may LOCK TABLES", " lacks LOCK TABLES, which initial loads need without GTIDs"),
			"GRANT LOCK TABLES ON *.* TO "+quoteUser(user))
	}
	return c.out, nil
}

// mayLock looks for LOCK TABLES in what SHOW GRANTS says.
func mayLock(grants [][]string) bool {
	for _, r := range grants {
		ps, _, _ := parseGrant(r[0])
		for _, p := range ps {
			if p == "LOCK TABLES" || p == "ALL PRIVILEGES" || p == "ALL" {
				return true
			}
		}
	}
	return false
}

// checkLock looks at the privilege that initial loads of tables without a key need.
func checkLock(cn *conn, ts []cdc.Discovered) ([]Finding, error) {
	var names []string
	for _, t := range ts {
		if t.Err == nil && t.Schema.Keyless() {
			names = append(names, t.Table.String())
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	rows, err := cn.query("SHOW GRANTS")
	if err != nil {
		return nil, err
	}
	user, err := cn.queryRow("SELECT CURRENT_USER()")
	if err != nil {
		return nil, err
	}
	c := &checker{}
	ok := mayLock(rows)
	c.add("MYSQL_LOCK", ok, false, abbreviate(user[0]+lacks(ok, " may LOCK TABLES", " lacks LOCK TABLES")+", which the initial load of tables without a key needs: "+strings.Join(names, ", ")),
		"GRANT LOCK TABLES ON *.* TO "+quoteUser(user[0]))
	return c.out, nil
}

func grantsText(user string, missing []string) string {
	if len(missing) == 0 {
		return user + " has REPLICATION SLAVE, REPLICATION CLIENT and SELECT"
	}
	return user + " lacks " + strings.Join(missing, ", ")
}

func lacks(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

func quoteUser(u string) string {
	if i := strings.LastIndexByte(u, '@'); i >= 0 {
		return quoteString(u[:i]) + "@" + quoteString(u[i+1:])
	}
	return u
}

func quoteString(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
}

// parseGrant reads a line of SHOW GRANTS: GRANT a, b (columns) ON level TO user. Lines that grant roles have no ON.
func parseGrant(line string) (privileges []string, level string, ok bool) {
	rest, found := strings.CutPrefix(line, "GRANT ")
	if !found {
		return nil, "", false
	}
	list, rest, found := strings.Cut(rest, " ON ")
	if !found {
		return nil, "", false
	}
	level, _, _ = strings.Cut(rest, " TO ")
	depth, start := 0, 0
	for i := 0; i <= len(list); i++ {
		switch {
		case i == len(list) || list[i] == ',' && depth == 0:
			p := strings.TrimSpace(list[start:i])
			p, _, _ = strings.Cut(p, " (")
			privileges = append(privileges, strings.ToUpper(p))
			start = i + 1
		case list[i] == '(':
			depth++
		case list[i] == ')':
			depth--
		}
	}
	return privileges, level, true
}

// checkTables reports tables that cannot be replicated.
func checkTables(ts []cdc.Discovered) []Finding {
	c := &checker{}
	bad := 0
	for _, t := range ts {
		if t.Err != nil {
			bad++
			c.add(t.Err.Code.Name, false, false, t.Err.Error(), t.Err.Remedy())
		}
	}
	c.add("MYSQL_TABLES", len(ts) > bad, true, fmt.Sprintf("%d tables are selected, %d of them can be replicated", len(ts), len(ts)-bad),
		"correct tables.include and tables.exclude; SELECT is needed on the tables for them to be seen")
	return c.out
}
