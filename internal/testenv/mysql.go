package testenv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// The user that replicates: SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE and REPLICATION CLIENT, nothing more.
const (
	CDCUser     = "cdc"
	CDCPassword = "cdc"
)

// MySQLOptions configure a server. The zero value is a server with GTIDs, full row images and full row metadata.
type MySQLOptions struct {
	Vars map[string]string // server variables, over the defaults: {"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}
	Dir  string            // keep the data here, and leave it there; a temporary folder where empty
	Port int               // a free one where 0
}

// MySQLServer is a running server, of either flavor. Methods are safe for use by several goroutines, except those
// that stop and start it.
type MySQLServer struct {
	host           string
	port           int
	user, password string

	flavor, version, socket string

	// of a server that we started; zero of an external one
	options MySQLOptions
	env     []string // for mysql.sh
	dir     string
	temp    *tempDir
	proc    *process
}

// MySQL starts a server, or MariaDB where no MySQL can be had (see Flavor). The first use on a machine fetches it.
func MySQL(ctx context.Context, o MySQLOptions) (*MySQLServer, error) {
	return startMySQL(ctx, o, "mysql")
}

// MariaDB starts a MariaDB 10.11. The first use on a machine fetches it.
func MariaDB(ctx context.Context, o MySQLOptions) (*MySQLServer, error) {
	return startMySQL(ctx, o, "mariadb")
}

func startMySQL(ctx context.Context, o MySQLOptions, flavor string) (*MySQLServer, error) {
	s := &MySQLServer{host: "127.0.0.1", port: o.Port, user: "root", password: "root", options: o, env: []string{"CDC2LAKE_FLAVOR=" + flavor}}
	if _, err := script(ctx, s.env, "mysql.sh", "path"); err != nil {
		return nil, fmt.Errorf("mysql: %w: %w", ErrUnavailable, err)
	}
	var err error
	if s.dir, s.temp, err = folder(o.Dir, "mysql"); err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// ExternalMySQL uses a server that runs already; the DSN is like root:secret@tcp(127.0.0.1:3306)/ and names a user who
// may create users and databases. It makes sure of the cdc user.
func ExternalMySQL(ctx context.Context, dsn string) (*MySQLServer, error) {
	user, rest, ok1 := strings.Cut(dsn, ":")
	at := strings.LastIndex(rest, "@tcp(")
	if !ok1 || at < 0 || !strings.Contains(rest[at:], ")") {
		return nil, fmt.Errorf("mysql: the DSN must be like user:password@tcp(host:port)/")
	}
	addr, _, _ := strings.Cut(rest[at+len("@tcp("):], ")")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("mysql: DSN address: %w", err)
	}
	s := &MySQLServer{host: host, user: user, password: rest[:at]}
	if s.port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("mysql: DSN port: %w", err)
	}
	if err := s.identify(ctx); err != nil {
		return nil, err
	}
	return s, s.Exec(ctx,
		"CREATE USER IF NOT EXISTS '"+CDCUser+"'@'%' IDENTIFIED BY '"+CDCPassword+"'",
		"GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT, TRIGGER, SHOW VIEW ON *.* TO '"+CDCUser+"'@'%'")
}

// Start starts the server again after Kill or Shutdown, on the same port and data.
func (s *MySQLServer) Start(ctx context.Context) error {
	if s.external() {
		return errExternal
	}
	if s.running() {
		return errors.New("mysql: it runs already")
	}
	for attempt := 1; ; attempt++ {
		port := s.port
		if port == 0 {
			var err error
			if port, err = freePort(); err != nil {
				return fmt.Errorf("mysql: %w", err)
			}
		}
		err := s.launch(ctx, port)
		if err == nil {
			s.port = port
			return nil
		}
		// Another process may have taken the port in between.
		if s.port == 0 && attempt < 5 && strings.Contains(err.Error(), "another mysqld server running on port") {
			continue
		}
		return fmt.Errorf("mysql: %w", err)
	}
}

func (s *MySQLServer) launch(ctx context.Context, port int) error {
	dir, err := root()
	if err != nil {
		return err
	}
	args := []string{"run", s.dir, strconv.Itoa(port)}
	for name, value := range s.options.Vars {
		args = append(args, "--"+name+"="+value)
	}
	log, err := os.Create(s.LogFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(dir, "docker", "local", "mysql.sh"), args...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.proc, err = startProcess(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	was := s.port
	s.port = port
	err = poll(ctx, s.proc, 10*time.Millisecond, func() error { return s.identify(ctx) })
	s.port = was
	if err != nil {
		s.proc.kill()
		return fmt.Errorf("%w; the end of its log:\n%s", err, logTail(s.LogFile()))
	}
	return nil
}

// identify connects, and asks the server who it is.
func (s *MySQLServer) identify(ctx context.Context) error {
	rows, err := s.Query(ctx, "SELECT @@version, @@version_comment, @@socket")
	if err != nil {
		return err
	}
	s.version, s.flavor, s.socket = rows[0][0], "mysql", rows[0][2]
	if strings.Contains(strings.ToLower(rows[0][0]+rows[0][1]), "mariadb") {
		s.flavor = "mariadb"
	}
	return nil
}

var errExternal = errors.New("mysql: a server that runs elsewhere (CDC2LAKE_MYSQL_DSN) is not ours to start, stop or pause")

func (s *MySQLServer) external() bool { return s.dir == "" }
func (s *MySQLServer) running() bool  { return s.proc != nil && !s.proc.ended() }

func (s *MySQLServer) Host() string     { return s.host }
func (s *MySQLServer) Port() int        { return s.port }
func (s *MySQLServer) Addr() string     { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }
func (s *MySQLServer) User() string     { return s.user }     // the administrator: root
func (s *MySQLServer) Password() string { return s.password } // of User
func (s *MySQLServer) Socket() string   { return s.socket }   // for root without a password
func (s *MySQLServer) Flavor() string   { return s.flavor }   // mysql or mariadb
func (s *MySQLServer) Version() string  { return s.version }
func (s *MySQLServer) Dir() string      { return s.dir } // empty of an external server
func (s *MySQLServer) LogFile() string  { return filepath.Join(s.dir, "mysqld.log") }

// DSN is the administrator's address in the form of go-sql-driver/mysql; db may be empty.
func (s *MySQLServer) DSN(db string) string { return s.dsn(s.user, s.password, db) }

// CDCDSN is the same for the user that replicates.
func (s *MySQLServer) CDCDSN(db string) string { return s.dsn(CDCUser, CDCPassword, db) }

func (s *MySQLServer) dsn(user, password, db string) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", user, password, s.Addr(), db)
}

// Connect opens a connection of the administrator; the caller closes it. db may be empty.
func (s *MySQLServer) Connect(ctx context.Context, db string) (*client.Conn, error) {
	return client.ConnectWithContext(ctx, s.Addr(), s.user, s.password, db, 10*time.Second)
}

// Exec runs statements in one session of the administrator.
func (s *MySQLServer) Exec(ctx context.Context, statements ...string) error {
	return s.exec(ctx, "", statements)
}

func (s *MySQLServer) exec(ctx context.Context, db string, statements []string) error {
	conn, err := s.Connect(ctx, db)
	if err != nil {
		return fmt.Errorf("mysql: connect to %s: %w", s.Addr(), err)
	}
	defer conn.Close()
	for _, sql := range statements {
		if _, err := conn.Execute(sql); err != nil {
			return fmt.Errorf("mysql: %s: %w", abbreviate(sql), err)
		}
	}
	return nil
}

// Query runs one statement as the administrator and returns the rows as text, NULL as "NULL".
func (s *MySQLServer) Query(ctx context.Context, sql string) ([][]string, error) {
	return s.query(ctx, "", sql)
}

func (s *MySQLServer) query(ctx context.Context, db, sql string) ([][]string, error) {
	conn, err := s.Connect(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("mysql: connect to %s: %w", s.Addr(), err)
	}
	defer conn.Close()
	result, err := conn.Execute(sql)
	if err != nil {
		return nil, fmt.Errorf("mysql: %s: %w", abbreviate(sql), err)
	}
	defer result.Close()
	var rows [][]string
	for i := range result.RowNumber() {
		row := make([]string, result.ColumnNumber())
		for j := range row {
			null, err := result.IsNull(i, j)
			if err != nil {
				return nil, err
			}
			if row[j] = "NULL"; !null {
				v, err := result.GetString(i, j)
				row[j] = strings.Clone(v) // it aliases a buffer that Close gives to the next result
				if err != nil {
					return nil, err
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func abbreviate(sql string) string {
	if len(sql) > 200 {
		return sql[:200] + "…"
	}
	return sql
}

// BinlogEnd returns where the binary log ends now, and the executed GTIDs ("" without GTIDs).
func (s *MySQLServer) BinlogEnd(ctx context.Context) (mysql.Position, string, error) {
	sql, gtids := "SHOW BINARY LOG STATUS", 4
	if s.flavor == "mariadb" {
		sql, gtids = "SHOW MASTER STATUS", -1
	}
	rows, err := s.Query(ctx, sql)
	if err != nil {
		return mysql.Position{}, "", err
	}
	if len(rows) == 0 {
		return mysql.Position{}, "", errors.New("mysql: the binary log is off")
	}
	pos, err := strconv.ParseUint(rows[0][1], 10, 32)
	if err != nil {
		return mysql.Position{}, "", err
	}
	at := mysql.Position{Name: rows[0][0], Pos: uint32(pos)}
	if gtids < 0 {
		set, err := s.Query(ctx, "SELECT @@gtid_binlog_pos")
		if err != nil {
			return at, "", err
		}
		return at, set[0][0], nil
	}
	return at, strings.ReplaceAll(rows[0][gtids], "\n", ""), nil
}

// Pause stops the server's process (SIGSTOP): it keeps its connections and answers nothing, from the moment it returns.
func (s *MySQLServer) Pause() error {
	if s.external() {
		return errExternal
	}
	if !s.running() {
		return errors.New("mysql: the server does not run")
	}
	return s.proc.pause()
}

// Resume lets a paused server go on.
func (s *MySQLServer) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *MySQLServer) signal(sig syscall.Signal) error {
	if s.external() {
		return errExternal
	}
	if !s.running() {
		return errors.New("mysql: the server does not run")
	}
	return s.proc.signal(sig)
}

// Kill is a crash: the server ends at once. Start brings it back.
func (s *MySQLServer) Kill() error {
	if s.external() {
		return errExternal
	}
	if s.proc != nil {
		s.proc.kill()
	}
	return nil
}

// Shutdown ends the server in good order (1 to 2 seconds) and keeps its data. Start brings it back.
func (s *MySQLServer) Shutdown(ctx context.Context) error {
	if err := s.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.proc.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mysql: shut down: %w", context.Cause(ctx))
	}
}

// RestartWith is Restart with other server variables.
func (s *MySQLServer) RestartWith(ctx context.Context, vars map[string]string) error {
	all := maps.Clone(vars)
	for name, value := range s.options.Vars {
		if _, ok := vars[name]; !ok {
			all[name] = value
		}
	}
	s.options.Vars = all
	return s.Restart(ctx)
}

// Restart is Shutdown and Start.
func (s *MySQLServer) Restart(ctx context.Context) error {
	if err := s.Shutdown(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Stop ends the server and removes its temporary folder. Data in a folder of the caller's (MySQLOptions.Dir) is shut
// down in good order and stays. It may be called twice.
func (s *MySQLServer) Stop() error {
	if s.external() {
		return nil
	}
	if s.temp == nil && s.running() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = s.Resume()
		_ = s.Shutdown(ctx)
	}
	if err := s.Kill(); err != nil {
		return err
	}
	if s.temp == nil {
		return nil
	}
	temp := s.temp
	s.temp = nil
	return temp.remove()
}
