package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PostgreSQLServer is a running PostgreSQL with the superuser postgres and no password.
type PostgreSQLServer struct {
	port int
	temp *tempDir
	proc *process
}

// PostgreSQL starts a server from the host's programs; ErrUnavailable where there are none.
func PostgreSQL(ctx context.Context) (*PostgreSQLServer, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	temp, err := newTempDir("pg")
	if err != nil {
		return nil, fmt.Errorf("postgresql: %w", err)
	}
	s := &PostgreSQLServer{temp: temp}
	if err := s.start(ctx, bin); err != nil {
		return nil, errors.Join(fmt.Errorf("postgresql: %w", err), s.Stop())
	}
	return s, nil
}

// postgresBin finds the folder with initdb and postgres: Debian keeps it off PATH.
func postgresBin() (string, error) {
	var dirs []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			dirs = append(dirs, filepath.Dir(initdb))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found) // the newest first
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		if _, err := exec.LookPath(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("postgresql: %w: install the package postgresql (initdb and postgres are needed)", ErrUnavailable)
}

// unprivileged is the identity to run as: PostgreSQL refuses root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (s *PostgreSQLServer) start(ctx context.Context, bin string) error {
	cred, err := unprivileged()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.temp.path, "pg")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	logFile := filepath.Join(s.temp.path, "log")
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	for attempt := 1; ; attempt++ {
		if s.port, err = freePort(); err != nil {
			return err
		}
		cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.port), "-h", "127.0.0.1",
			"-k", dir, "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=50")
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		// SIGQUIT: its immediate shutdown, which leaves no shared memory behind
		if s.proc, err = startProcess(cmd, syscall.SIGQUIT); err != nil {
			return err
		}
		// The last line of postmaster.pid is what pg_ctl waits for, too.
		err = poll(ctx, s.proc, 10*time.Millisecond, func() error {
			b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
			if err == nil && !strings.HasSuffix(strings.TrimSpace(string(b)), "ready") {
				err = errors.New("starting")
			}
			return err
		})
		if err == nil {
			return nil
		}
		s.proc.kill()
		tail := logTail(logFile)
		if attempt < 5 && strings.Contains(tail, "Address already in use") {
			continue
		}
		return fmt.Errorf("%w; the end of its log:\n%s", err, tail)
	}
}

func (s *PostgreSQLServer) Dir() string { return s.temp.path }

// DSN is the address of a database; "" stands for the one named postgres.
func (s *PostgreSQLServer) DSN(db string) string {
	if db == "" {
		db = "postgres"
	}
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, db)
}

// Stop ends the server and removes its folder. It may be called twice.
func (s *PostgreSQLServer) Stop() error {
	if s.proc != nil && !s.proc.ended() {
		_ = s.proc.signal(syscall.SIGQUIT)
		<-s.proc.done
	}
	if s.temp == nil {
		return nil
	}
	temp := s.temp
	s.temp = nil
	return temp.remove()
}
