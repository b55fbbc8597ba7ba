package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// dialect holds every statement that depends on the server's version. An empty statement is one that the server does not have.
type dialect struct {
	version [3]int
	mariadb bool
	// logStatus returns file and position in columns 0 and 1; MySQL's the executed GTID set in column 4, too.
	logStatus string
	// replicas lists registered replicas; their server ids are in the first column, their uuids in the last.
	replicas string
	// session sets a session up so that values arrive as the log has them, whatever the server's defaults are.
	session []string
	// dump sets a session up for the log.
	dump       []string
	serverUUID string
	// gtids is gtid_executed and gtid_purged; of MariaDB gtid_binlog_pos and gtid_binlog_state.
	gtids string
	// gtidMode asks whether transactions have GTIDs; empty where they always have.
	gtidMode  string
	heartbeat string // takes nanoseconds
	// persist is a statement that sets a variable for good; it takes its name and value.
	persist   string
	waitGTIDs string // takes a set and seconds; 0: reached, 1 or -1: not in time
	// waitReplica: waitGTIDs works on replicas only, for what they replicate.
	waitReplica bool

	// columnKeys says that foreign keys written with a column count; before, they were read and ignored.
	columnKeys bool
}

// oldestVersion is the first release of 5.7 for production.
// Of MariaDB it is 10.5, whose log can describe itself.
var (
	oldestVersion = [3]int{5, 7, 9}
	oldestMariaDB = [3]int{10, 5, 0}
)

// changes are the differences between versions: each holds from its version on, and the newest says what stands in newestMySQL.
var changes = []struct {
	until [3]int // exclusive
	apply func(*dialect)
}{
	{[3]int{9, 0, 0}, func(d *dialect) { d.columnKeys = false }},
	{[3]int{8, 2, 0}, func(d *dialect) { d.logStatus = "SHOW MASTER STATUS" }},
	{[3]int{8, 0, 30}, func(d *dialect) { d.session = d.session[:len(d.session)-1] }}, // no generated primary keys
	{[3]int{8, 0, 22}, func(d *dialect) { d.replicas = "SHOW SLAVE HOSTS" }},
	{[3]int{8, 0, 3}, func(d *dialect) { d.session[1] = "SET SESSION tx_isolation = 'READ-COMMITTED'" }},
	{[3]int{8, 0, 0}, func(d *dialect) { d.persist = "SET GLOBAL %s = %s, and in the server's option file" }},
}

// sessionSettings: sql_select_limit would cut chunks short, PAD_CHAR_TO_FULL_LENGTH pads CHAR, and READ UNCOMMITTED would show rows
// that may never be: none of them may be inherited from the server. A slow S3 holds a stream back for long.
const sessionSettings = "SET SESSION time_zone = '+00:00', sql_mode = '', autocommit = 1, sql_select_limit = 18446744073709551615," +
	" net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 28800, lock_wait_timeout = 5, "

// newestMySQL is what 9.x understands.
func newestMySQL() *dialect {
	return &dialect{
		logStatus: "SHOW BINARY LOG STATUS",
		replicas:  "SHOW REPLICAS",
		session: []string{sessionSettings + "max_execution_time = 0", "SET SESSION transaction_isolation = 'READ-COMMITTED'", "SET NAMES utf8mb4",
			"SET SESSION show_gipk_in_create_table_and_information_schema = ON"}, // the generated primary key is a key
		dump:       []string{"SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32'"},
		serverUUID: "SELECT @@GLOBAL.server_uuid",
		gtids:      "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged",
		gtidMode:   "SELECT @@GLOBAL.gtid_mode",
		heartbeat:  "SET @source_heartbeat_period = %d, @master_heartbeat_period = %[1]d",
		persist:    "SET PERSIST %s = %s",
		waitGTIDs:  "SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', %g)",
		columnKeys: true,
	}
}

// mariaDB is what MariaDB understands from 10.5 on.
func mariaDB() *dialect {
	return &dialect{
		mariadb:   true,
		logStatus: "SHOW MASTER STATUS",
		session:   []string{sessionSettings + "max_statement_time = 0, tx_isolation = 'READ-COMMITTED'", "SET NAMES utf8mb4"},
		// Capability 4: GTID events and all others come as they are. A server that has lost a part of the log must not pass over it.
		dump: []string{"SET @master_binlog_checksum = 'CRC32', @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0"},
		// server_uid follows from the machine and the port; a copy of the data elsewhere has another one.
		serverUUID:  "SELECT CONCAT(@@GLOBAL.server_id, ':', @@GLOBAL.server_uid)",
		gtids:       "SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_binlog_state",
		heartbeat:   "SET @master_heartbeat_period = %d",
		persist:     "SET GLOBAL %s = %s, and in the server's option file",
		waitGTIDs:   "SELECT MASTER_GTID_WAIT('%s', %g)",
		waitReplica: true,
		columnKeys:  true,
	}
}

func dialectOf(version string) (*dialect, error) {
	maria := strings.Contains(strings.ToLower(version), "mariadb")
	// MariaDB 10 says so, for the sake of old replicas.
	v, err := parseVersion(strings.TrimPrefix(version, "5.5.5-"))
	if err != nil {
		return nil, err
	}
	if oldest := pick(maria, "MariaDB 10.5", "MySQL 5.7"); less(v, oldestVersion) || maria && less(v, oldestMariaDB) {
		return nil, &cdc.Error{Code: codePreflight, Msg: "the server's version " + version + " is too old", Fix: "use " + oldest + " or newer"}
	}
	if maria {
		d := mariaDB()
		d.version = v
		return d, nil
	}
	d := newestMySQL()
	d.version = v
	for _, c := range changes {
		if less(v, c.until) {
			c.apply(d)
		}
	}
	return d, nil
}

// waitsFor reports whether chunks can wait for a GTID set where they are read.
func (d *dialect) waitsFor(s *Source) bool { return !d.waitReplica || s.cfg.Load.Replica != "" }

// parseVersion reads the leading numbers of "9.7.4-2" or "8.0.36-28.1-log".
func parseVersion(s string) (v [3]int, err error) {
	head := s
	if i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i >= 0 {
		head = s[:i]
	}
	parts := strings.Split(head, ".")
	if len(parts) < 2 {
		return v, &cdc.Error{Code: codePreflight, Msg: fmt.Sprintf("server version %q cannot be read", s)}
	}
	for i := range min(3, len(parts)) {
		if v[i], err = strconv.Atoi(parts[i]); err != nil {
			return v, &cdc.Error{Code: codePreflight, Msg: fmt.Sprintf("server version %q cannot be read", s)}
		}
	}
	return v, nil
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
