package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// S3Options configure an S3 endpoint.
type S3Options struct {
	Dir    string // keep the data here, and leave it there; a temporary folder where empty
	Port   int    // a free one where 0
	Bucket string // made at the start; "test" where empty
}

// S3Server is a running S3 endpoint with path-style addresses and conditional writes.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:PORT
	Region    string
	AccessKey string
	SecretKey string
	Bucket    string

	options S3Options
	dir     string
	temp    *tempDir
	proc    *process

	mu      sync.Mutex // one command at a time: guards the two pipes
	stdin   io.WriteCloser
	answers *bufio.Reader
}

// S3 builds the server where that was not done before, and starts one.
func S3(ctx context.Context, o S3Options) (*S3Server, error) {
	if o.Bucket == "" {
		o.Bucket = "test"
	}
	s := &S3Server{Region: "us-east-1", AccessKey: "test", SecretKey: "testtest", Bucket: o.Bucket, options: o}
	var err error
	if s.dir, s.temp, err = folder(o.Dir, "s3"); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Start starts the server again after Kill, at the same address and with the same data.
func (s *S3Server) Start(ctx context.Context) error {
	if s.proc != nil && !s.proc.ended() {
		return errors.New("s3: it runs already")
	}
	program, err := script(ctx, nil, "s3server.sh", "path")
	if err != nil {
		return fmt.Errorf("s3: %w: %w", ErrUnavailable, err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", s.options.Port)
	if s.Endpoint != "" {
		addr = strings.TrimPrefix(s.Endpoint, "http://")
	}
	for attempt := 1; ; attempt++ {
		err = s.launch(ctx, program, addr)
		// A free port may have been taken by another process before the server could.
		if err == nil || attempt == 5 || !strings.HasSuffix(addr, ":0") {
			return err
		}
	}
}

func (s *S3Server) launch(ctx context.Context, program, addr string) error {
	log, err := os.Create(s.LogFile())
	if err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(program, "-addr", addr, "-dir", s.dir, "-access", s.AccessKey, "-secret", s.SecretKey,
		"-region", s.Region, "-bucket", s.Bucket)
	cmd.Stderr = log
	// Pipes of our own: those of exec.Cmd are closed by Wait, which runs from the start.
	inR, inW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	defer inR.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, inW.Close())
	}
	defer outW.Close()
	cmd.Stdin, cmd.Stdout = inR, outW
	proc, err := startProcess(cmd, syscall.SIGKILL)
	if err != nil {
		return errors.Join(fmt.Errorf("s3: %w", err), inW.Close(), outR.Close())
	}
	outW.Close()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc, s.stdin, s.answers = proc, inW, bufio.NewReader(outR)
	stop := context.AfterFunc(ctx, proc.kill)
	defer stop()
	for {
		line, err := s.answers.ReadString('\n')
		if err != nil {
			proc.kill()
			return fmt.Errorf("s3: the server ended while starting: %w; the end of its log:\n%s", err, logTail(s.LogFile()))
		}
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready "); ok {
			s.Endpoint = url
			return nil
		}
	}
}

// NewBucket makes a bucket.
func (s *S3Server) NewBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.stdin, "bucket", name); err != nil {
		return fmt.Errorf("s3: make bucket %s: %w", name, err)
	}
	line, err := s.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("s3: make bucket %s: %w", name, err)
	}
	if answer := strings.TrimSpace(line); answer != "ok "+name {
		return fmt.Errorf("s3: %s", answer)
	}
	return nil
}

func (s *S3Server) Dir() string     { return s.dir }
func (s *S3Server) LogFile() string { return filepath.Join(s.dir, "s3server.log") }

// Pause stops the server's process (SIGSTOP): connections stay open and nothing answers, from the moment it returns.
func (s *S3Server) Pause() error { return s.proc.pause() }

// Resume lets a paused server go on.
func (s *S3Server) Resume() error { return s.proc.signal(syscall.SIGCONT) }

// Kill ends the server at once and keeps its data. Start brings it back.
func (s *S3Server) Kill() {
	if s.proc == nil {
		return
	}
	s.proc.kill()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stdin.Close()
}

// Stop ends the server and removes its temporary folder. It may be called twice.
func (s *S3Server) Stop() error {
	s.Kill()
	if s.temp == nil {
		return nil
	}
	temp := s.temp
	s.temp = nil
	return temp.remove()
}
