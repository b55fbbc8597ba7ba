package main

import (
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// limitTCP sends bytes from one thread to another over loopback, 256 KiB a call, and tells what each of the two pays; on loopback the sender
// pays for most of the way. Then it sends as much as a small request and waits for an answer, again and again.
func limitTCP() (limit, error) {
	const total, trips = 2 << 30, 10_000
	var least [3]float64
	for range 3 {
		bytes, err := transfer(total)
		if err != nil {
			return limit{}, err
		}
		waits, err := roundTrips(trips)
		if err != nil {
			return limit{}, err
		}
		for i, s := range []float64{bytes[0], bytes[1], waits} {
			if least[i] == 0 || s < least[i] {
				least[i] = s
			}
		}
	}
	return limit{"tcp", []extra{{"receive_gb_per_cpu_s", total / least[0] / 1e9}, {"send_gb_per_cpu_s", total / least[1] / 1e9},
		{"round_trip_cpu_us", least[2] / trips * 1e6}}}, nil
}

// transfer returns the CPU seconds of the receiver and of the sender.
func transfer(total int) (used [2]float64, err error) {
	side := func(i int, call func(int, []byte) (int, error)) func(int) error {
		return func(fd int) error {
			begin := threadSeconds()
			err := whole(call, fd, total, make([]byte, 256<<10))
			used[i] = threadSeconds() - begin
			return err
		}
	}
	return used, overLoopback(side(0, syscall.Read), side(1, syscall.Write))
}

// roundTrips returns the CPU seconds of the side that asks.
func roundTrips(n int) (used float64, err error) {
	const request, answer = 1500, 300
	b, c := make([]byte, request), make([]byte, request)
	err = overLoopback(func(fd int) error {
		for range n {
			if err := errors.Join(whole(syscall.Read, fd, request, b), whole(syscall.Write, fd, answer, b)); err != nil {
				return err
			}
		}
		return nil
	}, func(fd int) error {
		begin := threadSeconds()
		for range n {
			if err := errors.Join(whole(syscall.Write, fd, request, c), whole(syscall.Read, fd, answer, c)); err != nil {
				return err
			}
		}
		used = threadSeconds() - begin
		return nil
	})
	return used, err
}

// whole reads or writes so many bytes.
func whole(call func(int, []byte) (int, error), fd, total int, b []byte) error {
	for left := total; left > 0; {
		n, err := call(fd, b[:min(left, len(b))])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return errors.Join(errors.New("the transfer broke off"), err)
		}
		left -= n
	}
	return nil
}

// overLoopback runs the two sides of a connection, each in a thread of its own: its calls block there, and the thread's CPU is theirs alone.
func overLoopback(sides ...func(fd int) error) error {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listen.Close()
	var conns [2]net.Conn
	var connect errgroup.Group
	connect.Go(func() (err error) { conns[0], err = listen.Accept(); return err })
	if conns[1], err = net.Dial("tcp", listen.Addr().String()); err != nil {
		_ = listen.Close() // ends the wait for it
	}
	err = errors.Join(err, connect.Wait())
	for _, c := range conns {
		if c != nil {
			defer c.Close()
		}
	}
	if err != nil {
		return err
	}
	var both errgroup.Group
	for i, side := range sides {
		file, err := conns[i].(*net.TCPConn).File()
		if err != nil {
			return err
		}
		defer file.Close()
		both.Go(func() error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			fd := int(file.Fd())
			if err := syscall.SetNonblock(fd, false); err != nil {
				return os.NewSyscallError("fcntl", err)
			}
			err := side(fd)
			if err != nil {
				_ = syscall.Shutdown(fd, syscall.SHUT_RDWR) // the other side must not wait
			}
			return err
		})
	}
	return both.Wait()
}
