package testenv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// childEnv makes this test binary a process that starts servers and waits to be killed.
const childEnv = "CDC2LAKE_TESTENV_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	testenv.Main(m)
}

func TestMySQLIsSetUpForReplication(t *testing.T) {
	db := testenv.NeedMySQL(t)
	if db.Flavor() != "mysql" {
		t.Skipf("the server here is %s %s", db.Flavor(), db.Version())
	}
	rows := db.Query("SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata, @@gtid_mode")
	if got := strings.Join(rows[0], " "); got != "1 ROW FULL FULL ON" {
		t.Errorf("log_bin, format, image, metadata, gtid_mode: %s", got)
	}
	rows = db.Query("SELECT user, plugin FROM mysql.user WHERE host IN ('127.0.0.1', '%') ORDER BY user")
	if got := fmt.Sprint(rows); got != "[[cdc caching_sha2_password] [root caching_sha2_password]]" {
		t.Errorf("users: %s", got)
	}

	db.Exec("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10))", "INSERT INTO t VALUES (1, 'a'), (2, NULL)")
	if got := fmt.Sprint(db.Query("SELECT * FROM t ORDER BY id")); got != "[[1 a] [2 NULL]]" {
		t.Errorf("rows: %s", got)
	}
	at, gtids, err := db.BinlogEnd(t.Context())
	if err != nil || at.Name == "" || at.Pos == 0 || gtids == "" {
		t.Errorf("end of the binary log: %v %q %v", at, gtids, err)
	}

	// The cdc user reads and replicates, and may not write.
	cdc, err := client.Connect(db.Addr(), testenv.CDCUser, testenv.CDCPassword, db.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer cdc.Close()
	if _, err := cdc.Execute("SHOW BINARY LOG STATUS"); err != nil {
		t.Error(err)
	}
	var refused *mysql.MyError
	if _, err := cdc.Execute("INSERT INTO t VALUES (3, 'c')"); !errors.As(err, &refused) || refused.Code != mysql.ER_TABLEACCESS_DENIED_ERROR {
		t.Errorf("INSERT by cdc: %v", err)
	}
}

func TestMySQLOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	ctx := t.Context()
	s, err := testenv.MySQL(ctx, testenv.MySQLOptions{Vars: map[string]string{
		"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF", "binlog_row_metadata": "MINIMAL",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	other := testenv.NeedMySQL(t)
	one := func(s *testenv.MySQLServer, sql string) string {
		rows, err := s.Query(ctx, sql)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(rows[0], " ")
	}
	if got := one(s, "SELECT @@gtid_mode, @@binlog_row_metadata"); got != "OFF MINIMAL" {
		t.Errorf("gtid_mode, binlog_row_metadata: %s", got)
	}
	uuid := one(s, "SELECT @@server_uuid")
	if uuid == one(other.MySQLServer, "SELECT @@server_uuid") {
		t.Error("two servers have one uuid")
	}

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)"))
	addr := s.Addr()
	must(s.Kill())
	if _, err := s.Query(ctx, "SELECT 1"); err == nil {
		t.Error("it answers after Kill")
	}
	must(s.Start(ctx))
	must(s.Exec(ctx, "INSERT INTO d.t VALUES (2)"))
	must(s.Restart(ctx))
	if got := one(s, "SELECT COUNT(*) FROM d.t"); got != "2" {
		t.Errorf("rows after a crash and a restart: %s", got)
	}
	if s.Addr() != addr || uuid != one(s, "SELECT @@server_uuid") {
		t.Error("a restart changed the address or the uuid")
	}

	must(s.Pause())
	answered := make(chan error, 1)
	go func() { _, err := s.Query(ctx, "SELECT 1"); answered <- err }()
	select {
	case err := <-answered:
		t.Errorf("a paused server answers: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	must(s.Resume())
	must(<-answered)

	dir := s.Dir()
	must(s.Stop())
	must(s.Stop())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("Stop left %s", dir)
	}
}

func TestMySQLKeepsTheFolderOfItsCaller(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	// A path that is too long for a socket in it.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	for i := range 2 {
		s, err := testenv.MySQL(t.Context(), testenv.MySQLOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = s.Exec(t.Context(), "CREATE DATABASE kept")
		} else {
			err = s.Exec(t.Context(), "USE kept")
		}
		if err := errors.Join(err, s.Stop()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExternalMySQL(t *testing.T) {
	db := testenv.NeedMySQL(t)
	s, err := testenv.ExternalMySQL(t.Context(), db.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	if s.Kill() == nil || s.Pause() == nil {
		t.Error("a server that is not ours was stopped")
	}
	if err := s.Exec(t.Context(), "DROP USER 'cdc'@'%'"); err != nil {
		t.Error(err)
	}
	for _, dsn := range []string{"", "root", "root:x@unix(/a)/", "root:x@tcp(a)/", "root:x@tcp(a:b)/"} {
		if _, err := testenv.ExternalMySQL(t.Context(), dsn); err == nil {
			t.Errorf("DSN %q was taken", dsn)
		}
	}
}

func TestMariaDB(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	s, err := testenv.MariaDB(t.Context(), testenv.MySQLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if s.Flavor() != "mariadb" {
		t.Errorf("flavor %s", s.Flavor())
	}
	if err := s.Exec(t.Context(), "CREATE DATABASE d"); err != nil {
		t.Error(err)
	}
	if at, gtids, err := s.BinlogEnd(t.Context()); err != nil || at.Pos == 0 || gtids == "" {
		t.Errorf("end of the binary log: %v %q %v", at, gtids, err)
	}
}

func s3Client(s *testenv.S3Server, secret string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint, Region: s.Region, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, secret, ""),
	})
}

func status(err error) int {
	var re *awshttp.ResponseError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &re):
		return re.HTTPStatusCode()
	}
	return 0
}

func TestS3ConditionalWrites(t *testing.T) {
	bucket := testenv.NeedS3(t)
	if bucket2 := testenv.NeedS3(t); bucket2.Name == bucket.Name {
		t.Fatal("two tests share a bucket")
	}
	c := s3Client(bucket.S3Server, bucket.SecretKey)
	star := "*"
	put := func(key, body string) error {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &bucket.Name, Key: &key, Body: strings.NewReader(body), IfNoneMatch: &star,
		})
		return err
	}
	if err := put("a/record", "1"); err != nil {
		t.Fatal(err)
	}
	if got := status(put("a/record", "2")); got != http.StatusPreconditionFailed {
		t.Errorf("a second If-None-Match PUT got status %d, want 412", got)
	}
	for round := range 20 {
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if put(fmt.Sprint("race/", round), fmt.Sprint(i)) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d of 8 writers won", round, won.Load())
		}
	}

	_, err := s3Client(bucket.S3Server, "wrong").ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket.Name})
	if got := status(err); got != http.StatusForbidden {
		t.Errorf("a wrong secret got status %d, want 403", got)
	}
}

func TestS3OfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	s, err := testenv.S3(t.Context(), testenv.S3Options{Bucket: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	c, key := s3Client(s, s.SecretKey), "k"
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: strings.NewReader("v")}); err != nil {
		t.Fatal(err)
	}

	head := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.Bucket, Key: &key})
		return err
	}
	for range 30 {
		if err := errors.Join(s.Pause(), s.Pause()); err != nil {
			t.Fatal(err)
		}
		if head() == nil {
			t.Error("a paused server answers")
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
	}

	endpoint := s.Endpoint
	s.Kill()
	if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: &key}); status(err) != 0 {
		t.Errorf("after Kill: %v", err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Endpoint != endpoint {
		t.Errorf("a restart moved it from %s to %s", endpoint, s.Endpoint)
	}
	if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: &key}); err != nil {
		t.Errorf("the object is gone after a crash: %v", err)
	}
	dir := s.Dir()
	if err := errors.Join(s.Stop(), s.Stop()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("Stop left %s", dir)
	}
}

func TestPostgreSQLAnswers(t *testing.T) {
	pg := testenv.NeedPostgreSQL(t)
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("no psql")
	}
	out, err := exec.CommandContext(t.Context(), psql, pg.DSN(""), "-Atc", "SELECT 6 * 7").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "42" {
		t.Errorf("%v: %s", err, out)
	}
}

// child starts one server of each kind and waits for its death.
func child() {
	ctx := context.Background()
	my, err := testenv.MySQL(ctx, testenv.MySQLOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bucket, err := testenv.S3(ctx, testenv.S3Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if pg, err := testenv.PostgreSQL(ctx); err == nil {
		fmt.Println(pg.Dir())
	} else if !errors.Is(err, testenv.ErrUnavailable) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(my.Dir())
	fmt.Println(bucket.Dir())
	fmt.Println("up")
	select {}
}

// A crash of the tests must leave no server behind.
func TestServersEndWithAKilledProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs /proc and the parent-death signal of Linux")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "up" {
		defer os.RemoveAll(lines.Text())
	}
	pids := descendants(t, cmd.Process.Pid)
	if len(pids) < 2 {
		t.Errorf("the child runs %d processes, want at least a MySQL and an S3 server", len(pids))
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				t.Errorf("process %d outlived the tests: %s", pid, strings.ReplaceAll(string(b), "\x00", " "))
				break
			}
			time.Sleep(10 * time.Millisecond) // the end of a process that is not a child raises no event
		}
	}
}

// stat returns a process's state and parent, of the fields after its name in parentheses.
func stat(pid int) (state string, parent int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	fields := strings.Fields(string(b[strings.LastIndex(string(b), ")")+1:]))
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

func alive(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" // a zombie only waits for its new parent
}

func descendants(t *testing.T, of int) []int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, _ := strconv.Atoi(filepath.Base(e))
		if state, parent := stat(pid); state != "" {
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	for queue := children[of]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}
