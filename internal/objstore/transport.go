package objstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	// headerTimeout bounds the wait for an answer once the request is written. Completing a
	// large upload takes servers tens of seconds.
	headerTimeout = 90 * time.Second
	// stallTimeout bounds the time in which not a single byte moves either way. Bodies have no
	// time-out of their own: how long a part takes is the network's affair, but a peer that
	// vanished must not hold a checkpoint for the kernel's quarter of an hour.
	stallTimeout = 90 * time.Second
	// idleTimeout is shorter than what servers and load balancers grant (60 s and more), so
	// that it is rarely they who close a connection just as we send on it.
	idleTimeout = 50 * time.Second
)

// newTransport is the HTTP transport that all Stores of a client share.
func newTransport(cfg Config) (*http.Transport, error) {
	tlsCfg := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	caFile := cfg.CAFile
	if caFile == "" {
		caFile = os.Getenv("AWS_CA_BUNDLE")
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("CA file: %w: %w", ErrAccess, err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s: %w: no PEM certificate in it", caFile, ErrInvalid)
		}
		tlsCfg.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: conn, start: time.Now()}, nil
		},
		TLSClientConfig:       tlsCfg,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConns:          0,
		// As many idle as open: parts come in bursts, and new TLS connections cost more than
		// waiting ones.
		MaxIdleConnsPerHost: cfg.MaxConns,
		MaxConnsPerHost:     cfg.MaxConns,
		DisableCompression:  true, // the content of data files is compressed
		// HTTP/1.1 only: one connection a transfer is what S3 is built for, and HTTP/2 would
		// put all parts onto one.
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
		WriteBufferSize: 64 << 10,
		ReadBufferSize:  64 << 10,
	}, nil
}

// stallConn fails when nothing moves for stallTimeout. Any progress, in either direction,
// extends both deadlines: the transport is always reading, also while it uploads.
type stallConn struct {
	net.Conn
	start time.Time
	last  atomic.Int64 // of the last extension, ns since start
}

// extend moves the deadlines, at most once a second: setting a timer for every 64 KiB would
// be a visible cost.
func (c *stallConn) extend() {
	now := int64(time.Since(c.start))
	last := c.last.Load()
	if last != 0 && now-last < int64(time.Second) {
		return
	}
	if c.last.CompareAndSwap(last, now) {
		_ = c.Conn.SetDeadline(time.Now().Add(stallTimeout))
	}
}

func (c *stallConn) Read(p []byte) (int, error) {
	c.extend()
	return c.Conn.Read(p)
}

func (c *stallConn) Write(p []byte) (int, error) {
	c.extend()
	return c.Conn.Write(p)
}
