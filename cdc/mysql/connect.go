package mysql

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/cdc"
)

const connectTimeout = 10 * time.Second

// conn is a connection with the session set up. go-mysql authenticates and runs small statements; streams (the log,
// chunks) are read by our own packet reader from the same socket. Between statements both have empty buffers.
type conn struct {
	*client.Conn
	packets *packetReader
	dialect *dialect
	uuid    string // the server's
	stop    func() bool
}

// connect opens a connection to addr and sets the session up. It fails with a classified error. ctx bounds the whole life of
// the connection: when it ends, the socket is closed, and whatever is being read fails.
func (c *Config) connect(ctx context.Context, addr string) (*conn, error) {
	tc, err := c.TLS.tlsConfig(addr)
	if err != nil {
		return nil, err
	}
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	network := "tcp"
	if isSocket(addr) {
		network = "unix"
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
	var raw net.Conn
	stop := func() bool { return true }
	gc, err := client.ConnectWithDialer(ctx, network, addr, c.User, password, "",
		func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			raw = nc
			// go-mysql's handshake knows no context: the deadline bounds it, and cancelling closes the socket.
			_ = nc.SetDeadline(time.Now().Add(connectTimeout))
			stop = context.AfterFunc(ctx, func() { _ = nc.Close() })
			if tc != nil {
				return &bufferedConn{nc, bufio.NewReaderSize(nc, blockBytes)}, nil
			}
			return nc, nil
		},
		func(gc *client.Conn) error {
			if tc != nil {
				gc.SetTLSConfig(tc)
			}
			return gc.SetCharset("utf8mb4")
		})
	if err != nil {
		stop()
		if raw != nil {
			_ = raw.Close()
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, classifyConnect(err, addr)
	}
	_ = raw.SetDeadline(time.Time{})
	cn := &conn{Conn: gc, packets: newPacketReader(gc.Conn.Conn), stop: stop}
	if err := cn.setUp(); err != nil {
		cn.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return cn, nil
}

func (cn *conn) setUp() error {
	var err error
	if cn.dialect, err = dialectOf(cn.GetServerVersion()); err != nil {
		return err
	}
	for _, q := range cn.dialect.session {
		if _, err := cn.exec(q); err != nil {
			return err
		}
	}
	row, err := cn.queryRow(cn.dialect.serverUUID)
	if err != nil {
		return err
	}
	cn.uuid = strings.ToLower(row[0])
	if cn.dialect.mariadb {
		cn.uuid = row[0] // base64
	}
	return nil
}

// close ends the connection without ceremony; the server notices.
func (cn *conn) close() {
	cn.stop()
	_ = cn.Conn.Close()
}

// socket is the connection below go-mysql: TLS if there is any.
func (cn *conn) socket() net.Conn { return cn.Conn.Conn.Conn }

// exec runs a small statement.
func (cn *conn) exec(q string, args ...any) (*gomysql.Result, error) {
	r, err := cn.Execute(q, args...)
	if err != nil {
		return nil, classify(err, q)
	}
	return r, nil
}

// query runs a small statement and returns its rows as text, NULL as "".
func (cn *conn) query(q string, args ...any) ([][]string, error) {
	r, err := cn.exec(q, args...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Resultset == nil {
		return nil, nil
	}
	out := make([][]string, r.RowNumber())
	for i := range out {
		out[i] = make([]string, r.ColumnNumber())
		for j := range out[i] {
			if out[i][j], err = r.GetString(i, j); err != nil {
				return nil, protocolError("%s: %v", q, err)
			}
			out[i][j] = strings.Clone(out[i][j])
		}
	}
	return out, nil
}

// queryRow is query for exactly one row.
func (cn *conn) queryRow(q string, args ...any) ([]string, error) {
	rows, err := cn.query(q, args...)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, protocolError("%s: %d rows", q, len(rows))
	}
	return rows[0], nil
}

// classifyConnect tells a wrong configuration from a server that is away.
func classifyConnect(err error, addr string) error {
	var (
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		cert    x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
	)
	if errors.As(err, &host) || errors.As(err, &unknown) || errors.As(err, &cert) || errors.As(err, &verify) ||
		strings.Contains(err.Error(), "does not support TLS") || strings.Contains(err.Error(), "not support TLS") {
		return cdc.Errorf(codeTLS, cdc.TableID{}, "connect to %s: %w", addr, err)
	}
	return classify(err, "connect to "+addr)
}

// backoff waits between attempts: 0.1 s doubling to 15 s. It returns the context's error if that ends first.
type backoff struct{ d time.Duration }

func (b *backoff) wait(ctx context.Context) error {
	b.d = min(max(2*b.d, 100*time.Millisecond), 15*time.Second)
	t := time.NewTimer(b.d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
