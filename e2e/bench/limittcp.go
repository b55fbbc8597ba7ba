package main

import (
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// limitTCP sends bytes from one thread to another over loopback, 256 KiB a call, and tells what each of the two pays. On loopback the
// sender pays for most of the way.
func limitTCP() (limit, error) {
	const total = 2 << 30
	least := [2]float64{}
	for range 3 {
		used, err := transfer(total)
		if err != nil {
			return limit{}, err
		}
		for i, s := range used {
			if least[i] == 0 || s < least[i] {
				least[i] = s
			}
		}
	}
	return limit{"tcp", []extra{{"receive_gb_per_cpu_s", total / least[0] / 1e9}, {"send_gb_per_cpu_s", total / least[1] / 1e9}}}, nil
}

// transfer returns the CPU seconds of the receiver and of the sender.
func transfer(total int) (used [2]float64, err error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return used, err
	}
	defer listen.Close()
	var g errgroup.Group
	var in net.Conn
	g.Go(func() (err error) { in, err = listen.Accept(); return err })
	out, err := net.Dial("tcp", listen.Addr().String())
	if err != nil {
		return used, err
	}
	defer out.Close()
	if err := g.Wait(); err != nil {
		return used, err
	}
	defer in.Close()
	for i, step := range []struct {
		conn net.Conn
		call func(int, []byte) (int, error)
	}{{in, syscall.Read}, {out, syscall.Write}} {
		// Calls that block stay on their thread, whose CPU is theirs alone.
		file, err := step.conn.(*net.TCPConn).File()
		if err != nil {
			return used, err
		}
		defer file.Close()
		g.Go(func() error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			b := make([]byte, 256<<10)
			fd := int(file.Fd())
			if err := syscall.SetNonblock(fd, false); err != nil {
				return os.NewSyscallError("fcntl", err)
			}
			begin := threadSeconds()
			for left := total; left > 0; {
				n, err := step.call(fd, b[:min(left, len(b))])
				if errors.Is(err, syscall.EINTR) {
					continue
				}
				if err != nil || n == 0 {
					return errors.Join(errors.New("the transfer broke off"), err)
				}
				left -= n
			}
			used[i] = threadSeconds() - begin
			return nil
		})
	}
	return used, g.Wait()
}
