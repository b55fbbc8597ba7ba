package main

import (
	"cmp"
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

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// pipelineOptions are what differs from a configuration of defaults.
type pipelineOptions struct {
	name     string
	include  string // of tables, within the database
	interval string // of checkpoints; empty: the default
	iceberg  string // more keys of that section, ", key: value"
	more     string // more sections
	limits   string // more keys of checkpoints, ", key: value"
	endpoint string // of S3; empty: the server itself
}

// pipeline is a cdc2lake of its own, with catalog, state and warehouse; its process runs between start and stop.
type pipeline struct {
	l   *lab
	o   pipelineOptions
	dir string
	// around is put before the command line, for limits.
	around []string
	poll   time.Duration // between questions for the status; 0: 200 ms

	url  string
	from int64 // where the log of the running process begins
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // of Wait; read after done
	mem  *sampler
}

func (l *lab) newPipeline(o pipelineOptions) (*pipeline, error) {
	p := &pipeline{l: l, o: o, dir: filepath.Join(l.dir, "pipeline-"+o.name)}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	l.ends = append(l.ends, func() error { p.kill(); return nil })
	return p, p.configure(cmp.Or(o.interval, "10s"))
}

// configure writes the configuration, with a time between checkpoints.
func (p *pipeline) configure(interval string) error {
	l, o := p.l, p.o
	text := fmt.Sprintf(`version: 1
pipeline: %s
mysql: {host: %q, port: %d, user: %s, password: %s}
tables: {include: ["%s.%s"]}
iceberg: {warehouse: "%s", catalog: {type: sqlite, uri: %q}%s}
s3: {endpoint: "%s", region: %s, access_key: %s, secret_key: %s}
checkpoints: {interval: %s%s}
state: {dir: %q}
http: {listen: "127.0.0.1:0"}
%s
`, o.name, l.mysql.Host(), l.mysql.Port(), testenv.CDCUser, testenv.CDCPassword, database, o.include, p.warehouse(), p.catalogFile(), o.iceberg,
		cmp.Or(o.endpoint, l.s3.Endpoint), l.s3.Region, l.s3.AccessKey, l.s3.SecretKey, interval, o.limits, p.stateDir(), o.more)
	return os.WriteFile(p.configFile(), []byte(text), 0o600)
}

func (p *pipeline) configFile() string  { return filepath.Join(p.dir, "pipeline.yaml") }
func (p *pipeline) catalogFile() string { return filepath.Join(p.dir, "catalog.db") }
func (p *pipeline) stateDir() string    { return filepath.Join(p.dir, "state") }
func (p *pipeline) logFile() string     { return filepath.Join(p.dir, "cdc2lake.log") }
func (p *pipeline) warehouse() string   { return "s3://" + p.l.s3.Bucket + "/" + p.o.name }

// objects is where the S3 server keeps the warehouse.
func (p *pipeline) objects() string {
	return filepath.Join(p.l.s3.Dir(), "data", p.l.s3.Bucket, p.o.name)
}

// command runs another command of cdc2lake.
func (p *pipeline) command(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, p.l.binary, append(args, "--config", p.configFile())...).CombinedOutput()
	return string(out), err
}

// start runs cdc2lake. profile names the CPU profile that is written when it ends; empty: none.
func (p *pipeline) start(profile string) error {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	args := append(append([]string{}, p.around...), p.l.binary, "run", "--config", p.configFile())
	if profile != "" && p.l.profile != "" {
		args = append(args, "--cpuprofile", filepath.Join(p.l.profile, profile+".pprof"))
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = childAttr()
	done, started := make(chan struct{}), make(chan error)
	p.done = done
	go func() {
		// On Linux the child ends with the thread that has started it, so that thread is kept until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.mem, p.from = newSampler(p.cmd.Process.Pid), begin
	// The port is free choice of the service; its log tells.
	p.url = ""
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.url == "" {
		select {
		case <-done:
			return p.ended()
		case <-tick.C:
		}
		p.url = strings.TrimSuffix(p.logged(begin, "metrics="), "/metrics")
	}
	return nil
}

// logged returns the word after a text in the log from an offset on.
func (p *pipeline) logged(from int64, text string) string {
	b, err := os.ReadFile(p.logFile())
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

var errEnded = errors.New("it should run")

// ended is the error of a process that has ended by itself.
func (p *pipeline) ended() error {
	b, _ := os.ReadFile(p.logFile())
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return fmt.Errorf("cdc2lake (%s) has ended (%w); the end of its log:\n%s", p.o.name, errors.Join(p.err, errEnded), strings.Join(lines[max(0, len(lines)-30):], "\n"))
}

func (p *pipeline) running() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process at once.
func (p *pipeline) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if p.mem != nil {
		p.mem.close()
		p.mem = nil
	}
}

// stop ends the process as an operator would.
func (p *pipeline) stop() error {
	if !p.running() {
		return p.ended()
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.done
	p.kill()
	if p.err != nil {
		return p.ended()
	}
	return nil
}

// status is the part of /status that is looked at.
type status struct {
	Position  string
	LastError string `json:"last_error"`
	Restarts  int
	Tables    []struct {
		Table, State string
		Paused       *struct{ Code, Msg string }
		Counts       struct {
			Events    int64
			Divergent int64
		} `json:"since_start"`
	}
}

func (s status) live() int {
	n := 0
	for _, t := range s.Tables {
		if t.State == "live" {
			n++
		}
	}
	return n
}

func (p *pipeline) status(ctx context.Context) (status, error) {
	var st status
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/status", nil)
	if err != nil {
		return st, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return st, errors.New("status: " + resp.Status)
	}
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// await asks until the condition holds. A paused table, a restart and a divergence are failures: nothing in a benchmark explains them.
func (p *pipeline) await(ctx context.Context, what string, ok func(status) bool) error {
	tick := time.NewTicker(cmp.Or(p.poll, 500*time.Millisecond))
	defer tick.Stop()
	said := time.Now()
	for {
		st, err := p.status(ctx)
		if err == nil {
			for _, t := range st.Tables {
				if t.Paused != nil {
					return fmt.Errorf("%s is paused: %s", t.Table, t.Paused.Msg)
				}
				if t.Counts.Divergent > 0 {
					return fmt.Errorf("%s: %d changes contradict the table", t.Table, t.Counts.Divergent)
				}
			}
			if st.Restarts > 0 {
				return fmt.Errorf("cdc2lake has restarted: %s", st.LastError)
			}
			if ok(st) {
				return nil
			}
		}
		if time.Since(said) > 30*time.Second {
			said = time.Now()
			p.l.say("%s: waiting until %s", p.o.name, what)
		}
		select {
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// awaitLive waits until so many tables are loaded.
func (p *pipeline) awaitLive(ctx context.Context, tables int) error {
	return p.await(ctx, "the tables are loaded", func(s status) bool { return s.live() == tables })
}

// awaitBegin waits until the start is over and changes are received: with latency it takes seconds.
func (p *pipeline) awaitBegin(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.logged(p.from, `msg="generation begins" `) == "" {
		select {
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// awaitEnd waits until the tables hold all that MySQL has committed by now.
func (p *pipeline) awaitEnd(ctx context.Context) error {
	end, err := p.l.logEnd(ctx)
	if err != nil {
		return err
	}
	return p.await(ctx, "the tables have caught up", func(s status) bool {
		have, err := mysql.ParseMysqlGTIDSet(s.Position)
		return err == nil && have.Contain(end)
	})
}
