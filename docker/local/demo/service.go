package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// service is cdc2lake as a child process.
type service struct {
	dir, program string
	url          string // of its HTTP server, once known
	shown        time.Time

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // of Wait; read after done
}

func goBuild(ctx context.Context, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", out, "github.com/cdc2lake/cdc2lake/cmd/cdc2lake")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build cdc2lake: %w\n%s", err, b)
	}
	return nil
}

func (s *service) configFile() string  { return filepath.Join(s.dir, "pipeline.yaml") }
func (s *service) catalogFile() string { return filepath.Join(s.dir, "catalog.db") }
func (s *service) logFile() string     { return filepath.Join(s.dir, "cdc2lake.log") }

// configure writes the configuration: a checkpoint a second, so that there is something to see.
func (s *service) configure(db *testenv.MySQLServer, s3 *testenv.S3Server) error {
	text := fmt.Sprintf(`version: 1
pipeline: demo
mysql:
  host: %q
  port: %d
  user: %s
  password: ${DEMO_PASSWORD}
  load: {chunk_rows: 5000, rows_per_second: 60000}
tables:
  include: [%s.*]
  rules:
    - match: %s.orders
      format_version: 3
iceberg:
  warehouse: s3://%s/warehouse
  catalog: {type: sqlite, uri: %q}
s3:
  endpoint: %s
  region: %s
  access_key: %s
  secret_key: ${DEMO_SECRET_KEY}
checkpoints: {interval: 1s}
state: {dir: %q}
http: {listen: "127.0.0.1:0"}
`, db.Host(), db.Port(), testenv.CDCUser, shop, shop, s3.Bucket, s.catalogFile(), s3.Endpoint, s3.Region, s3.AccessKey, filepath.Join(s.dir, "state"))
	os.Setenv("DEMO_PASSWORD", testenv.CDCPassword)
	os.Setenv("DEMO_SECRET_KEY", s3.SecretKey)
	return os.WriteFile(s.configFile(), []byte(text), 0o600)
}

// command runs another command of cdc2lake.
func (s *service) command(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, s.program, append(args, "--config", s.configFile())...).CombinedOutput()
	return string(out), err
}

func (s *service) start() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(s.program, "run", "--config", s.configFile())
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = childAttr()
	done, started := make(chan struct{}), make(chan error)
	s.done = done
	go func() {
		// On Linux the child ends with the thread that has started it, so that thread is kept until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	// The port is free choice of the service; its log tells.
	s.url = ""
	for wait := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-done:
			wait.Stop()
			return s.ended()
		case <-wait.C:
		}
		if url := s.logged(begin, "metrics="); url != "" {
			s.url = strings.TrimSuffix(url, "/metrics")
			wait.Stop()
			return nil
		}
	}
}

// logged returns the word after a text in the log from an offset on.
func (s *service) logged(from int64, text string) string {
	b, err := os.ReadFile(s.logFile())
	if err != nil || int64(len(b)) < from {
		return ""
	}
	_, rest, ok := strings.Cut(string(b[from:]), text)
	line, _, whole := strings.Cut(rest, "\n")
	if !ok || !whole {
		return ""
	}
	word, _, _ := strings.Cut(line, " ")
	return strings.Trim(word, `"`)
}

// ended is the error of a service that has ended by itself.
func (s *service) ended() error {
	b, _ := os.ReadFile(s.logFile())
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return fmt.Errorf("cdc2lake has ended (%w); the end of its log:\n%s", errors.Join(s.err, errEnded), strings.Join(lines[max(0, len(lines)-20):], "\n"))
}

var errEnded = errors.New("it should run")

func (s *service) running() bool {
	if s.cmd == nil || s.done == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// kill ends the service at once, as a crash would.
func (s *service) kill() {
	if s.running() {
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// stop ends the service as an operator would.
func (s *service) stop() error {
	if !s.running() {
		return s.ended()
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-s.done
	if s.err != nil {
		return s.ended()
	}
	return nil
}

// saveLog keeps the log of a demo that has failed, outside of what is removed.
func (s *service) saveLog() string {
	b, err := os.ReadFile(s.logFile())
	if err == nil {
		to := filepath.Join(os.TempDir(), "cdc2lake-demo-failed.log")
		if err = os.WriteFile(to, b, 0o600); err == nil {
			return "the log of cdc2lake is kept in " + to
		}
	}
	return fmt.Sprintf("the log of cdc2lake is lost: %v", err)
}

// status is the part of /status that is looked at.
type status struct {
	Generation uint64
	Checkpoint uint64
	Position   string
	LastError  string `json:"last_error"`
	Tables     []struct {
		Table, State string
		Read         int64 `json:"load_rows_read"`
		Estimate     int64 `json:"load_rows_estimated"`
		Paused       *struct{ Code, Msg string }
	}
}

func (s status) read() (n int64) {
	for _, t := range s.Tables {
		n += t.Read
	}
	return n
}

func (s status) estimate() (n int64) {
	for _, t := range s.Tables {
		n += t.Estimate
	}
	return n
}

func (s status) allLive() bool {
	live := 0
	for _, t := range s.Tables {
		if t.State == "live" {
			live++
		}
	}
	return live == len(tables)
}

// awaitTimeout bounds every wait: a demo that hangs is a failed one.
const awaitTimeout = 90 * time.Second

// await asks the service until the condition holds.
func (s *service) await(ctx context.Context, what string, ok func(status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	var last status
	for {
		st, err := s.status(ctx)
		if err == nil {
			last = st
			for _, t := range st.Tables {
				if t.Paused != nil {
					return fmt.Errorf("%s is paused: %s", t.Table, t.Paused.Msg)
				}
			}
			if ok(st) {
				return nil
			}
		}
		select {
		case <-s.done:
			return s.ended()
		case <-ctx.Done():
			// The stacks of all goroutines go to the log: a service that hangs should say where.
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			<-s.done
			return fmt.Errorf("waited in vain until %s: %w; last status: %+v", what, ctx.Err(), last)
		case <-tick.C:
		}
	}
}

func (s *service) status(ctx context.Context) (status, error) {
	var st status
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/status", nil)
	if err != nil {
		return st, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return st, errors.New(resp.Status)
	}
	return st, json.NewDecoder(resp.Body).Decode(&st)
}
