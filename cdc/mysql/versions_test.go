package mysql

import (
	"context"
	"errors"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	fake "github.com/go-mysql-org/go-mysql/server"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// impostor answers as a server of some version would, as far as it is asked before the log and rows flow. A variable or a statement that
// the version does not have is an error, as it is with the real one.
type impostor struct {
	version    string
	vars       map[string]string // all variables that it has
	statements []string          // SHOW statements that it has
	grants     []string

	mu    sync.Mutex
	asked []string
}

// What came and went. The real servers of these versions never ran here: this is what their manuals say.
var variableHistory = []struct {
	name, value string
	from, until [3]int // until is exclusive; zero: still there
}{
	{"log_bin", "ON", [3]int{}, [3]int{}},
	{"binlog_format", "ROW", [3]int{}, [3]int{}},
	{"binlog_row_image", "FULL", [3]int{}, [3]int{}},
	{"binlog_row_metadata", "FULL", [3]int{8, 0, 1}, [3]int{}},
	{"binlog_expire_logs_seconds", "2592000", [3]int{8, 0, 1}, [3]int{}},
	{"expire_logs_days", "30", [3]int{}, [3]int{8, 4, 0}},
	{"gtid_mode", "ON", [3]int{}, [3]int{}},
	{"enforce_gtid_consistency", "ON", [3]int{}, [3]int{}},
	{"gtid_executed", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", [3]int{}, [3]int{}},
	{"gtid_purged", "", [3]int{}, [3]int{}},
	{"server_id", "1", [3]int{}, [3]int{}},
	{"server_uuid", "3e11fa47-71ca-11e1-9e33-c80aa9429562", [3]int{}, [3]int{}},
	{"time_zone", "SYSTEM", [3]int{}, [3]int{}},
	{"system_time_zone", "UTC", [3]int{}, [3]int{}},
	{"lower_case_table_names", "0", [3]int{}, [3]int{}},
	{"tx_isolation", "REPEATABLE-READ", [3]int{}, [3]int{8, 0, 3}},
	{"transaction_isolation", "REPEATABLE-READ", [3]int{5, 7, 20}, [3]int{}},
	{"show_gipk_in_create_table_and_information_schema", "ON", [3]int{8, 0, 30}, [3]int{}},
	{"innodb_native_foreign_keys", "OFF", [3]int{9, 6, 0}, [3]int{}},
	{"max_execution_time", "0", [3]int{5, 7, 8}, [3]int{}},
	{"sql_mode", "", [3]int{}, [3]int{}}, {"autocommit", "1", [3]int{}, [3]int{}}, {"sql_select_limit", "1", [3]int{}, [3]int{}},
	{"net_write_timeout", "60", [3]int{}, [3]int{}}, {"net_read_timeout", "30", [3]int{}, [3]int{}}, {"wait_timeout", "28800", [3]int{}, [3]int{}},
	{"lock_wait_timeout", "31536000", [3]int{}, [3]int{}},
}

func impersonate(t *testing.T, version string, differs map[string]string, grants ...string) *impostor {
	v, err := parseVersion(version)
	must(t, err)
	s := &impostor{version: version, vars: map[string]string{}, grants: grants}
	for _, h := range variableHistory {
		if !less(v, h.from) && (h.until == [3]int{} || less(v, h.until)) {
			s.vars[h.name] = h.value
		}
	}
	maps.Copy(s.vars, differs)
	for name, value := range differs {
		if value == "-" {
			delete(s.vars, name)
		}
	}
	add := func(from, until [3]int, statement string) {
		if !less(v, from) && (until == [3]int{} || less(v, until)) {
			s.statements = append(s.statements, statement)
		}
	}
	add([3]int{}, [3]int{8, 4, 0}, "SHOW MASTER STATUS")
	add([3]int{8, 2, 0}, [3]int{}, "SHOW BINARY LOG STATUS")
	add([3]int{}, [3]int{8, 4, 0}, "SHOW SLAVE HOSTS")
	add([3]int{8, 0, 22}, [3]int{}, "SHOW REPLICAS")
	add([3]int{}, [3]int{}, "SHOW BINARY LOGS")
	if len(grants) == 0 {
		s.grants = []string{"GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT, SHOW VIEW, TRIGGER ON *.* TO `cdc`@`%`"}
	}
	return s
}

var (
	globalVariable = regexp.MustCompile(`@@(?:GLOBAL\.)?(\w+)`)
	assigned       = regexp.MustCompile(`(?:SESSION |, )(\w+) =`)
	quotedName     = regexp.MustCompile(`'(\w+)'`)
)

// HandleQuery implements server.Handler.
func (s *impostor) HandleQuery(q string) (*gomysql.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	answer := func(names []string, rows ...[]any) (*gomysql.Result, error) {
		r, err := gomysql.BuildSimpleTextResultset(names, rows)
		return gomysql.NewResult(r), err
	}
	unknown := func(name string) error {
		return gomysql.NewDefaultError(gomysql.ER_UNKNOWN_SYSTEM_VARIABLE, name)
	}
	switch {
	case strings.HasPrefix(q, "SET NAMES"), strings.HasPrefix(q, "SET @"):
		return nil, nil
	case strings.HasPrefix(q, "SET SESSION"):
		for _, m := range assigned.FindAllStringSubmatch(q, -1) {
			if _, ok := s.vars[m[1]]; !ok {
				return nil, unknown(m[1])
			}
		}
		return nil, nil
	case q == "SHOW GRANTS":
		var rows [][]any
		for _, g := range s.grants {
			rows = append(rows, []any{g})
		}
		return answer([]string{"Grants"}, rows...)
	case strings.HasPrefix(q, "SHOW GLOBAL VARIABLES"):
		var rows [][]any
		for _, m := range quotedName.FindAllStringSubmatch(q, -1) {
			if v, ok := s.vars[m[1]]; ok {
				rows = append(rows, []any{m[1], v})
			}
		}
		return answer([]string{"Variable_name", "Value"}, rows...)
	case q == "SELECT CURRENT_USER()":
		return answer([]string{"u"}, []any{"cdc@%"})
	case strings.HasPrefix(q, "SHOW GLOBAL STATUS"):
		return answer([]string{"Variable_name", "Value"}, []any{"Uptime", "100"})
	case strings.HasPrefix(q, "SELECT @@"):
		var names []string
		var row []any
		for _, m := range globalVariable.FindAllStringSubmatch(q, -1) {
			v, ok := s.vars[m[1]]
			if !ok {
				return nil, unknown(m[1])
			}
			names, row = append(names, m[1]), append(row, v)
		}
		if strings.Contains(q, "UNIX_TIMESTAMP") {
			names, row = append(names, "now"), append(row, "1000000")
		}
		return answer(names, row)
	case strings.HasPrefix(q, "SHOW "):
		if !slices.Contains(s.statements, q) {
			return nil, gomysql.NewDefaultError(gomysql.ER_PARSE_ERROR, "You have an error in your SQL syntax", q, 1)
		}
		if strings.HasSuffix(q, "STATUS") && s.vars["log_bin"] == "ON" {
			return answer([]string{"File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"}, []any{"binlog.000001", "157", "", "", s.vars["gtid_executed"]})
		}
		return answer([]string{"a", "b"})
	case strings.Contains(q, "information_schema.TABLES"):
		return answer([]string{"1", "2", "3", "4", "5", "6"}, []any{"d", "t", "0", "utf8mb4_general_ci", "InnoDB", "BASE TABLE"})
	case strings.Contains(q, "information_schema.COLUMNS"):
		// 8.0.19 and later print no widths of integers.
		return answer(slices.Repeat([]string{"c"}, 10), []any{"t", "id", "int(11)", "", "", "NO", "", "1", "", ""})
	case strings.Contains(q, "information_schema.STATISTICS"):
		return answer([]string{"1", "2", "3", "4"}, []any{"t", "PRIMARY", "id", "1"})
	case strings.Contains(q, "information_schema."):
		return answer([]string{"1"})
	}
	return nil, gomysql.NewError(gomysql.ER_UNKNOWN_ERROR, "not foreseen: "+q)
}

// UseDB and the rest implement server.Handler; nothing of them is used.
func (s *impostor) UseDB(string) error { return nil }
func (s *impostor) HandleFieldList(string, string) ([]*gomysql.Field, error) {
	return nil, errors.New("not used")
}
func (s *impostor) HandleStmtPrepare(string) (int, int, any, error) {
	return 0, 0, nil, errors.New("not used")
}
func (s *impostor) HandleStmtExecute(any, string, []any) (*gomysql.Result, error) {
	return nil, errors.New("not used")
}
func (s *impostor) HandleStmtClose(any) error { return nil }
func (s *impostor) HandleOtherCommand(cmd byte, _ []byte) error {
	if cmd == gomysql.COM_REGISTER_SLAVE || cmd == gomysql.COM_PING {
		return nil
	}
	return errors.New("not used")
}

// listen serves until the test ends.
func (s *impostor) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	conf := fake.NewServer(s.version, gomysql.DEFAULT_COLLATION_ID, gomysql.AUTH_NATIVE_PASSWORD, nil, nil)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close() //nolint:errcheck // a test's connection
				users := fake.NewInMemoryAuthenticationHandler(gomysql.AUTH_NATIVE_PASSWORD)
				if err := users.AddUser("cdc", "cdc", gomysql.AUTH_NATIVE_PASSWORD); err != nil {
					return
				}
				sc, err := conf.NewCustomizedConn(c, users, s)
				for err == nil {
					err = sc.HandleCommand()
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return l.Addr().String()
}

// TestVersions: what is asked before anything is replicated is understood by every version, and judged rightly.
func TestVersions(t *testing.T) {
	noReplication := "GRANT SELECT, INSERT, LOCK TABLES ON `d`.* TO `cdc`@`%`"
	rds := "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE," +
		" REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER ON *.* TO `cdc`@`%` WITH GRANT OPTION"
	off := map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}
	for _, c := range []struct {
		name, version string
		differs       map[string]string
		grants        []string
		code          *cdc.Code // nil: it may start
		says          string
		findings      []string // that are not OK, of which none forbids to start
	}{
		{"5.7 first", "5.7.9-log", nil, nil, nil, "", nil},
		{"5.7 last", "5.7.44-log", nil, nil, nil, "", nil},
		{"5.7 without GTIDs", "5.7.44", off, nil, nil, "", nil},
		{"8.0 first", "8.0.11", nil, nil, nil, "", nil},
		{"8.0 last", "8.0.43", nil, nil, nil, "", nil},
		{"8.0 minimal metadata", "8.0.36-28.1", map[string]string{"binlog_row_metadata": "MINIMAL"}, nil, nil, "", []string{"MYSQL_ROW_METADATA"}},
		{"8.4", "8.4.5", nil, nil, nil, "", nil},
		{"9.7", "9.7.4", nil, nil, nil, "", nil},
		{"RDS 8.0", "8.0.40", map[string]string{"gtid_mode": "OFF_PERMISSIVE", "binlog_row_metadata": "MINIMAL", "binlog_expire_logs_seconds": "86400"},
			[]string{rds, "GRANT `rds_superuser_role`@`%` TO `cdc`@`%`"}, nil, "", []string{"MYSQL_ROW_METADATA", "MYSQL_LOG_RETENTION"}},
		{"RDS with mixed format", "8.0.40", map[string]string{"binlog_format": "MIXED"}, []string{rds}, codePreflight, "binlog_format is MIXED", nil},
		{"RDS without backups", "8.0.40", map[string]string{"log_bin": "OFF"}, []string{rds}, codePreflight, "log_bin is OFF", nil},
		{"Aurora 3, its log off", "8.0.39", map[string]string{"log_bin": "OFF", "binlog_format": "OFF"}, []string{rds}, codePreflight, "log_bin is OFF", nil},
		{"Aurora 2", "5.7.12-log", off, []string{rds}, nil, "", nil},
		{"no replication privileges", "8.4.5", nil, []string{noReplication}, codeAccess, "lacks REPLICATION SLAVE, REPLICATION CLIENT", nil},
		{"no lock without GTIDs", "8.0.43", off, []string{"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `cdc`@`%`"}, codePreflight, "lacks LOCK TABLES", nil},
		{"images without all columns", "5.7.44", map[string]string{"binlog_row_image": "MINIMAL"}, nil, codePreflight, "binlog_row_image is MINIMAL", nil},
		{"5.7 before it was ready", "5.7.8-rc", nil, nil, codePreflight, "too old", nil},
		{"5.6", "5.6.51", nil, nil, codePreflight, "too old", nil},
		{"MariaDB 10.4", "5.5.5-10.4.34-MariaDB", nil, nil, codePreflight, "too old", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			s := impersonate(t, strings.TrimPrefix(c.version, "5.5.5-"), c.differs, c.grants...)
			s.version = c.version
			src := newSource(t, Config{Address: s.listen(t), User: "cdc", Password: "cdc", Include: []string{"d.*"}})
			// The library's server ends a connection now and then.
			again := func(f func() error) (err error) {
				for range 10 {
					if err = f(); err == nil || cdc.AsError(err).Code != codeConnect {
						break
					}
				}
				return err
			}
			var ds []cdc.Discovered
			err := again(func() (err error) { ds, err = src.Discover(ctx); return err })
			if c.code != nil {
				wantCode(t, err, c.code, c.says)
				return
			}
			if err != nil {
				t.Fatalf("%v; asked %q", err, s.asked)
			}
			if len(ds) != 1 || ds[0].Err != nil || len(ds[0].Schema.Columns) != 1 {
				t.Errorf("found %+v", ds)
			}
			must(t, again(func() error { _, err := src.End(ctx); return err }))
			must(t, again(func() error {
				cn, err := src.cfg.connect(ctx, src.cfg.Address)
				if err != nil {
					return err
				}
				defer cn.close()
				return src.checkServerID(cn)
			}))
			var fs []Finding
			must(t, again(func() (err error) { fs, err = src.Check(ctx); return err }))
			var bad []string
			for _, f := range fs {
				if !f.OK {
					bad = append(bad, f.Code)
				}
			}
			if !slices.Equal(bad, c.findings) {
				t.Errorf("findings %q, want %q", bad, c.findings)
			}
		})
	}
}
