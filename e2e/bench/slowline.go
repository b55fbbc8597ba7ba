package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// slowLine is a line to a server that is far away: what a client sends arrives later, and each connection takes so many bytes a second.
// Answers come at once, so that a request takes the latency once.
type slowLine struct {
	listen  net.Listener
	server  string // host:port
	latency time.Duration
	rate    int64 // bytes a second of a connection; 0: not limited
	wg      sync.WaitGroup

	mu     sync.Mutex // guards the rest
	open   map[net.Conn]struct{}
	closed bool
}

// newSlowLine listens for clients of the server at an http:// address.
func newSlowLine(server string, latency time.Duration, rate int64) (*slowLine, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &slowLine{listen: listen, server: strings.TrimPrefix(server, "http://"), latency: latency, rate: rate, open: map[net.Conn]struct{}{}}
	s.wg.Go(func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	return s, nil
}

func (s *slowLine) endpoint() string { return "http://" + s.listen.Addr().String() }

// close cuts all connections.
func (s *slowLine) close() error {
	err := s.listen.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// keep remembers a connection for close, until the function is called; false if the line is closed.
func (s *slowLine) keep(c net.Conn) (forget func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	}, !s.closed
}

func (s *slowLine) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", s.server)
	if err != nil {
		return
	}
	defer server.Close()
	for _, c := range []net.Conn{client, server} {
		forget, ok := s.keep(c)
		defer forget()
		if !ok {
			return
		}
	}
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() {
		_ = s.carry(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(client, server)
	_ = client.Close() // ends the other way too
}

// lateBytes arrive at a time.
type lateBytes struct {
	b  []byte
	at time.Time
}

// onTheWay bounds the pieces of a connection that are on their way, of 64 KiB each: more than a part of an upload.
const onTheWay = 256

// carry copies until one side ends.
func (s *slowLine) carry(to, from net.Conn) error {
	way := make(chan lateBytes, onTheWay)
	broken := make(chan struct{})
	var g sync.WaitGroup
	defer g.Wait()
	defer close(way)
	g.Go(func() {
		defer close(broken)
		for x := range way {
			time.Sleep(time.Until(x.at))
			if _, err := to.Write(x.b); err != nil {
				return
			}
		}
	})
	sent := time.Now() // when the line has taken what was read
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		if now := time.Now(); sent.Before(now) {
			sent = now
		}
		if s.rate > 0 {
			sent = sent.Add(time.Duration(int64(n) * int64(time.Second) / s.rate))
		}
		if n > 0 {
			select {
			case way <- lateBytes{b[:n], sent.Add(s.latency)}:
			case <-broken:
				return errors.New("the other side has ended")
			}
		}
		if err != nil {
			return err
		}
		time.Sleep(time.Until(sent))
	}
}
