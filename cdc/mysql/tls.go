package mysql

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TLSConfig says how connections are protected.
type TLSConfig struct {
	// Mode is disabled, require (encrypt, trust anybody), verify-ca, or verify-full (also the name). Empty: verify-full,
	// but disabled for Unix sockets and loopback addresses.
	Mode string
	// CA, Cert and Key are PEM files; without CA the system's roots count. Cert and Key identify the client.
	CA, Cert, Key string
	// ServerName is the name to verify; the address's host by default.
	ServerName string
}

// tlsConfig returns the configuration for an address, nil for none.
func (c TLSConfig) tlsConfig(addr string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	mode := c.Mode
	if mode == "" {
		mode = "verify-full"
		ip := net.ParseIP(host)
		if (isSocket(addr) || host == "localhost" || ip != nil && ip.IsLoopback()) && c.CA == "" && c.ServerName == "" {
			mode = "disabled"
		}
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if t.ServerName == "" {
		t.ServerName = host
	}
	switch mode {
	case "disabled":
		return nil, nil
	case "require":
		t.InsecureSkipVerify = true
	case "verify-ca", "verify-full":
	default:
		return nil, configError("tls.mode %q: expected disabled, require, verify-ca or verify-full", mode)
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, cdc.Errorf(codeTLS, cdc.TableID{}, "tls.ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, cdc.Errorf(codeTLS, cdc.TableID{}, "tls.ca: %s holds no certificate", c.CA)
		}
	}
	if c.Cert != "" || c.Key != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, cdc.Errorf(codeTLS, cdc.TableID{}, "tls.cert, tls.key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if mode == "verify-ca" {
		t.InsecureSkipVerify = true // the chain is verified below, the name is not
		roots := t.RootCAs
		t.VerifyConnection = func(s tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(o)
			return err
		}
	}
	return t, nil
}

func isSocket(addr string) bool { return strings.Contains(addr, "/") }

// bufferedConn gives TLS large reads from the socket: it asks for a record header and a record at a time.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (b *bufferedConn) Read(p []byte) (int, error) { return b.r.Read(p) }
