package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// lazy starts a server at its first use and keeps it for the tests that follow.
type lazy[T interface{ Stop() error }] struct {
	mu      sync.Mutex // guards the rest, and makes a second test wait for the start
	tried   bool
	server  T
	err     error
	started func(context.Context) (T, error)
}

func (l *lazy[T]) get(t testing.TB) T {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tried {
		// Long enough for the fetch or the build of a first use on a slow line.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		l.tried = true
		l.server, l.err = l.started(ctx)
	}
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.server
}

func (l *lazy[T]) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tried || l.err != nil {
		return nil
	}
	l.tried = false
	return l.server.Stop()
}

var (
	sharedMySQL = lazy[*MySQLServer]{started: func(ctx context.Context) (*MySQLServer, error) {
		if dsn := os.Getenv("CDC2LAKE_MYSQL_DSN"); dsn != "" {
			return ExternalMySQL(ctx, dsn)
		}
		return MySQL(ctx, MySQLOptions{})
	}}
	sharedMariaDB = lazy[*MySQLServer]{started: func(ctx context.Context) (*MySQLServer, error) {
		return MariaDB(ctx, MySQLOptions{})
	}}
	sharedS3 = lazy[*S3Server]{started: func(ctx context.Context) (*S3Server, error) {
		return S3(ctx, S3Options{})
	}}
	sharedPostgreSQL = lazy[*PostgreSQLServer]{started: PostgreSQL}

	serial atomic.Int64 // numbers the databases and buckets of this process
)

// Database is a test's own database on the shared server.
type Database struct {
	*MySQLServer
	Name string
	t    testing.TB
}

// NeedMySQL gives a fresh database on the server that the tests of this process share. The test fails where no server
// can be had, and is skipped with -short.
func NeedMySQL(t testing.TB) *Database {
	t.Helper()
	return newDatabase(t, sharedMySQL.get(t))
}

// NeedMariaDB is NeedMySQL for MariaDB.
func NeedMariaDB(t testing.TB) *Database {
	t.Helper()
	return newDatabase(t, sharedMariaDB.get(t))
}

func newDatabase(t testing.TB, s *MySQLServer) *Database {
	t.Helper()
	name := unique(t, "_", 60)
	if err := s.Exec(context.Background(), "CREATE DATABASE `"+name+"`"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec(context.Background(), "DROP DATABASE IF EXISTS `"+name+"`"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return &Database{s, name, t}
}

// Exec runs statements in one session in the test's database; an error ends the test.
func (d *Database) Exec(statements ...string) {
	d.t.Helper()
	if err := d.exec(context.Background(), d.Name, statements); err != nil {
		d.t.Fatal(err)
	}
}

// Query runs a statement in the test's database and returns the rows as text, NULL as "NULL"; an error ends the test.
func (d *Database) Query(sql string) [][]string {
	d.t.Helper()
	rows, err := d.query(context.Background(), d.Name, sql)
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

// Bucket is a test's own bucket on the shared S3 server.
type Bucket struct {
	*S3Server
	Name string
}

// NeedS3 gives a fresh bucket on the S3 server that the tests of this process share. The test fails where the server
// cannot be built, and is skipped with -short.
func NeedS3(t testing.TB) *Bucket {
	t.Helper()
	s := sharedS3.get(t)
	name := unique(t, "-", 60)
	if err := s.NewBucket(name); err != nil {
		t.Fatal(err)
	}
	return &Bucket{s, name}
}

// NeedPostgreSQL gives the PostgreSQL that the tests of this process share. The test is skipped where none is
// installed: nothing but the SQL catalog's second dialect needs it.
func NeedPostgreSQL(t testing.TB) *PostgreSQLServer {
	t.Helper()
	if _, err := postgresBin(); err != nil {
		t.Skip(err)
	}
	return sharedPostgreSQL.get(t)
}

// unique makes a name from the test's, the process and a number: servers outlive tests, and an external one is shared.
func unique(t testing.TB, sep string, limit int) string {
	suffix := fmt.Sprintf("%s%d%s%d", sep, os.Getpid(), sep, serial.Add(1))
	var b strings.Builder
	b.WriteString("t")
	for _, r := range strings.ToLower(t.Name()) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
		if b.Len()+len(suffix) >= limit {
			break
		}
	}
	return b.String() + suffix
}

// Main runs a package's tests and then stops the shared servers. Call it from TestMain.
func Main(m *testing.M) { os.Exit(Wrap(m).Run()) }

// Runner is what TestMain gets, and what goleak.VerifyTestMain takes.
type Runner interface{ Run() int }

// Wrap returns a Runner that stops the shared servers after the tests: goleak.VerifyTestMain(testenv.Wrap(m)).
func Wrap(m Runner) Runner { return wrapped{m} }

type wrapped struct{ Runner }

func (w wrapped) Run() int {
	code := w.Runner.Run()
	if err := Shutdown(); err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		code = max(code, 1)
	}
	return code
}

// Shutdown stops the shared servers.
func Shutdown() error {
	return errors.Join(sharedMySQL.stop(), sharedMariaDB.stop(), sharedS3.stop(), sharedPostgreSQL.stop())
}

// Slow skips a test that takes too long for every change, unless CDC2LAKE_TEST_ALL is set (make test-all).
func Slow(t testing.TB) {
	t.Helper()
	if os.Getenv("CDC2LAKE_TEST_ALL") == "" {
		t.Skip("slow: runs with CDC2LAKE_TEST_ALL=1 (make test-all)")
	}
}
