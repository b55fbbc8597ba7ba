package testenv

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child in a process group of its own that the system kills when this process ends.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended and was waited for
}

// startProcess starts cmd; the system sends it the signal last when this process ends.
func startProcess(cmd *exec.Cmd, last syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	tie(cmd.SysProcAttr, last)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// run starts and waits on one locked thread: Linux sends the parent-death signal when the starting thread ends, and
// the Go scheduler ends threads at will.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	_ = p.cmd.Wait() // a server that we end by a signal always reports an error
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal reaches the whole group. Not after the end was seen: the number may then name someone else.
func (p *process) signal(s syscall.Signal) error {
	if p.ended() {
		return fmt.Errorf("%s has ended", p.cmd.Path)
	}
	return syscall.Kill(-p.pid(), s)
}

// pause returns when the child has stopped.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return awaitStop(p.pid())
}

// kill ends the group at once and waits until it is gone. SIGKILL also ends a stopped process.
func (p *process) kill() {
	if !p.ended() {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	<-p.done
}
