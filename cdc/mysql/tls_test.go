package mysql

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// serverCA is the authority that the server made for itself when its data folder was initialised.
func serverCA(t *testing.T, s *testenv.MySQLServer) string {
	t.Helper()
	rows, err := s.Query(t.Context(), "SELECT CONCAT(@@datadir, @@ssl_ca)")
	must(t, err)
	if _, err := os.Stat(rows[0][0]); err != nil {
		t.Skip("the server has no certificates of its own: ", err)
	}
	return rows[0][0]
}

// otherCA is an authority that signed nothing.
func otherCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return file
}

// TestTLS: what each mode accepts and refuses, and whether the session is encrypted.
func TestTLS(t *testing.T) {
	db := testenv.NeedMySQL(t)
	ca, other := serverCA(t, db.MySQLServer), otherCA(t)
	ctx := timeout(t, time.Minute)
	_, port, _ := strings.Cut(db.Addr(), ":")
	for _, c := range []struct {
		name      string
		tls       TLSConfig
		encrypted bool
		code      *cdc.Code // of the refusal
	}{
		{"off", TLSConfig{Mode: "disabled"}, false, nil},
		{"loopback", TLSConfig{}, false, nil},
		{"require", TLSConfig{Mode: "require"}, true, nil},
		{"ca", TLSConfig{Mode: "verify-ca", CA: ca}, true, nil},
		{"wrong ca", TLSConfig{Mode: "verify-ca", CA: other}, false, codeTLS},
		{"system's authorities", TLSConfig{Mode: "verify-ca"}, false, codeTLS},
		// The server's own certificate names no host.
		{"full", TLSConfig{Mode: "verify-full", CA: ca}, false, codeTLS},
		{"a ca alone means full", TLSConfig{CA: ca}, false, codeTLS},
		{"no such ca", TLSConfig{Mode: "verify-ca", CA: "/nowhere.pem"}, false, codeTLS},
		{"no certificate", TLSConfig{Mode: "verify-ca", CA: "/proc/self/comm"}, false, codeTLS},
		{"client certificate", TLSConfig{Mode: "verify-ca", CA: ca, Cert: filepath.Join(filepath.Dir(ca), "client-cert.pem"), Key: filepath.Join(filepath.Dir(ca), "client-key.pem")}, true, nil},
		{"half of a client certificate", TLSConfig{Mode: "verify-ca", CA: ca, Cert: ca}, false, codeTLS},
		{"unknown mode", TLSConfig{Mode: "maybe"}, false, codeConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(db.MySQLServer, db.Name)
			cfg.Address, cfg.TLS = "127.0.0.1:"+port, c.tls
			cn, err := cfg.connect(ctx, cfg.Address)
			if c.code != nil {
				wantCode(t, err, c.code)
				return
			}
			must(t, err)
			defer cn.close()
			row, err := cn.queryRow("SELECT VARIABLE_VALUE FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Ssl_cipher'")
			must(t, err)
			if (row[0] != "") != c.encrypted {
				t.Fatalf("cipher %q", row[0])
			}
		})
	}
}

// TestTLSFollow: the log and chunks over TLS; barriers are not held up by a silent connection, and a killed one is replaced.
func TestTLSFollow(t *testing.T) {
	db := testenv.NeedMySQL(t)
	noLeaks(t)
	ca := serverCA(t, db.MySQLServer)
	ctx := timeout(t, time.Minute)
	db.Exec("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200))", "SET SESSION cte_max_recursion_depth = 100000",
		"INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, REPEAT('x', 150) FROM n")
	cfg := config(db.MySQLServer, db.Name)
	cfg.TLS = TLSConfig{Mode: "verify-ca", CA: ca}
	cfg.Heartbeat = time.Hour // nothing but the log and what is wanted wakes the follower
	src := newSource(t, cfg)
	p, ds := startAll(t, src, true)
	must(t, p.load(ctx, ds[0].Table, 3))
	for i := range 30 {
		if i%3 == 0 {
			db.Exec(fmt.Sprintf("UPDATE t SET v = 'w%d' WHERE id %% 7 = %d", i, i%7))
		}
		start := time.Now()
		p.catchUp(ctx)
		if d := time.Since(start); d > 5*time.Second {
			t.Fatalf("a barrier took %s", d)
		}
	}
	p.sink.equal(db.MySQLServer, ds[0].Table)
	if killDumps(ctx, t, db.MySQLServer) == 0 {
		t.Fatal("no connection to kill")
	}
	db.Exec("DELETE FROM t WHERE id % 3 = 0")
	p.catchUp(ctx)
	p.sink.equal(db.MySQLServer, ds[0].Table)
	p.stop()
	_ = src.Close()
}
