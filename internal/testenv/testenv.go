// Package testenv gives tests and the local demo real servers: MySQL, MariaDB, an S3 endpoint, PostgreSQL.
//
// Servers are child processes on free ports of 127.0.0.1 with their data in a folder of their own under the system's
// temporary folder. They end with the process that started them, even if that is killed, and folders that a killed
// process left behind are removed by the next one.
//
// A test package uses it like this:
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
//
//	func TestX(t *testing.T) {
//		db := testenv.NeedMySQL(t) // one server for the package's tests, a fresh database for each
//		db.Exec("CREATE TABLE t (id INT PRIMARY KEY)")
//		bucket := testenv.NeedS3(t)
//	}
//
// Tests that stop, pause or configure a server start one of their own with MySQL or S3. With go test -short, the Need
// functions skip the test. CDC2LAKE_MYSQL_DSN=user:password@tcp(host:port)/ makes them use a server that runs already.
package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrUnavailable says that a server cannot be had on this machine; the message names what to install.
var ErrUnavailable = errors.New("not available on this machine")

// root is the folder of the repository: that of go.mod above the working folder (as in tests), or else above this
// source file (as in go run from elsewhere).
func root() (string, error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "docker", "local", "mysql.sh")); err == nil {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("testenv: the repository was not found above the working folder: run from inside the checkout")
}

// script runs docker/local/NAME and returns its standard output; its progress lines go to stderr.
func script(ctx context.Context, env []string, name string, args ...string) (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "docker", "local", name), args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	cmd.Stderr = &tee{&stderr}
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// tee shows progress while it is collected for a possible error.
type tee struct{ kept *bytes.Buffer }

func (w *tee) Write(p []byte) (int, error) {
	w.kept.Write(p)
	return os.Stderr.Write(p)
}

// freePort finds a port that nobody listens on. Another process can take it before its use: callers try again.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// poll calls ready until it returns nil, the process ends, or ctx does. For servers that announce nothing.
func poll(ctx context.Context, p *process, every time.Duration, ready func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (last: %w)", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

var errEnded = errors.New("the server ended while starting")

// logTail returns the last lines of a server's log, for an error message.
func logTail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
