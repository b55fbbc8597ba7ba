package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// dialect holds every statement that depends on the server's version.
type dialect struct {
	version [3]int
	// logStatus returns file, position, …, executed GTID set in columns 0, 1 and 4.
	logStatus string
	// replicas lists registered replicas; their server ids are in the first column.
	replicas string
	// session sets a session up so that values arrive as the log has them, whatever the server's defaults are.
	session []string
	// dump sets a session up for the log.
	dump       []string
	serverUUID string
	gtids      string // gtid_executed, gtid_purged
	gtidMode   string
	heartbeat  string // takes nanoseconds
	// expiry returns the log's retention in seconds, 0 for ever.
	expiry string
	// variables that preflight looks at, by SHOW GLOBAL VARIABLES
	waitGTIDs string // takes a set and seconds; 0: reached, 1: not in time
}

// oldestVersion is 5.7.6: before, there were no row-level original commit times to fall back from, and no GTID waits.
var oldestVersion = [3]int{5, 7, 6}

func dialectOf(version string) (*dialect, error) {
	if strings.Contains(strings.ToLower(version), "mariadb") {
		return nil, &cdc.Error{Code: codePreflight, Msg: "the server is MariaDB " + version + ", which is not supported yet", Fix: "use a MySQL server"}
	}
	v, err := parseVersion(version)
	if err != nil {
		return nil, err
	}
	if less(v, oldestVersion) {
		return nil, &cdc.Error{Code: codePreflight, Msg: "the server's version " + version + " is too old", Fix: "use MySQL 5.7 or newer"}
	}
	at := func(a, b, c int) bool { return !less(v, [3]int{a, b, c}) }
	d := &dialect{
		version:    v,
		logStatus:  "SHOW BINARY LOG STATUS",
		replicas:   "SHOW REPLICAS",
		serverUUID: "SELECT @@GLOBAL.server_uuid",
		gtids:      "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged",
		gtidMode:   "SELECT @@GLOBAL.gtid_mode",
		heartbeat:  "SET @source_heartbeat_period = %d, @master_heartbeat_period = %[1]d",
		expiry:     "SELECT @@GLOBAL.binlog_expire_logs_seconds",
		waitGTIDs:  "SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', %g)",
	}
	// sql_select_limit would cut chunks short, PAD_CHAR_TO_FULL_LENGTH pads CHAR, and READ UNCOMMITTED would show rows
	// that may never be: none of them may be inherited from the server. A slow S3 holds a stream back for long.
	set := "SET SESSION time_zone = '+00:00', sql_mode = '', autocommit = 1, sql_select_limit = 18446744073709551615," +
		" max_execution_time = 0, net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 28800, lock_wait_timeout = 5"
	if at(8, 0, 3) {
		set += ", transaction_isolation = 'READ-COMMITTED'"
	} else {
		set += ", tx_isolation = 'READ-COMMITTED'"
	}
	if at(8, 0, 30) {
		set += ", show_gipk_in_create_table_and_information_schema = ON" // the generated primary key is a key
	}
	d.session = []string{set, "SET NAMES utf8mb4"}
	d.dump = []string{"SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32'"}
	if !at(8, 2, 0) {
		d.logStatus = "SHOW MASTER STATUS"
	}
	if !at(8, 0, 22) {
		d.replicas = "SHOW SLAVE HOSTS"
	}
	if !at(8, 0, 1) {
		d.expiry = "SELECT @@GLOBAL.expire_logs_days * 86400"
	}
	return d, nil
}

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
