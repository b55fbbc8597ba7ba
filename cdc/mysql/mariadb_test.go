package mysql

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func mariaDBServer(t testing.TB, vars map[string]string) *testenv.MySQLServer {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	s, err := testenv.MariaDB(context.Background(), testenv.MySQLOptions{Vars: vars})
	must(t, err)
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

// TestMariaDBTypes: MariaDB's own types, from the initial load and from the log, compressed or not, whatever the row metadata.
func TestMariaDBTypes(t *testing.T) {
	db := testenv.NeedMariaDB(t)
	noLeaks(t)
	ctx := timeout(t, 2*time.Minute)
	create := "(id INT PRIMARY KEY, y YEAR, u TINYINT UNSIGNED, s VARCHAR(2000) COMPRESSED, b TEXT COMPRESSED, bb BLOB COMPRESSED, l LONGTEXT CHARACTER SET latin1 COMPRESSED, uu UUID," +
		" i4 INET4, i6 INET6, v INT AS (id + 1) VIRTUAL, st INT AS (id + 2) STORED, inv INT INVISIBLE DEFAULT 5, j JSON, e ENUM('a','ö','€'), u2 BIGINT UNSIGNED," +
		" dt DATETIME(6), d DECIMAL(65,30), bi BIT(5), vc VARBINARY(2000) COMPRESSED, c CHAR(5) COLLATE utf8mb4_nopad_bin, k VARCHAR(20) COLLATE utf8mb4_uca1400_ai_ci)"
	columns := "(id, y, u, s, b, bb, l, uu, i4, i6, j, e, u2, dt, d, bi, vc, c, k)"
	rows := []string{
		"(1, 2024, 200, REPEAT('abc', 30), REPEAT('äbc€', 300), 'x', REPEAT('ä', 1000), '123e4567-e89b-12d3-a456-426614174000', '1.2.3.4', '2001:db8::ff00:42:8329'," +
			" '{\"b\": 1.50,  \"a\": [null]}', 'ö', 18446744073709551615, '2024-01-02 03:04:05.678901', 0.000000000000000000000000000001, 3, REPEAT('z', 1999), 'é', 'Straße')",
		"(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
		"(3, 0, 0, '', '', '', '', '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', '{}', '€', 0, '1000-01-01 00:00:00', -1.5, 31, '', '', '')",
		"(4, 1901, 255, REPEAT('x', 2000), RPAD('', 60000, 'lorem ipsum '), RPAD('', 65000, X'000102'), 'kurz', '01890a5d-ac96-774b-bcce-b302099a8057', '255.255.255.255', '::1', '[1, 2]', 'a', 1," +
			" '9999-12-31 23:59:59.999999', 99999999999999999999999999999999999.9, 0, X'00', 'x ', 'x ')",
		"(5, 2155, 1, CONCAT('a', REPEAT(' ', 1000)), ' ', X'0000', '', 'ffffffff-ffff-ffff-ffff-ffffffffff00', '10.0.0.0', '::ffff:192.168.0.1', '\"x\"', 'a', 1, NULL, 0, 0, X'00', '', '')",
		"(6, 2155, 1, CONCAT('a', REPEAT(' ', 1000)), ' ', X'0000', '', 'f0000000-0000-0000-0000-000000000000', '10.0.0.0', '1::', '\"x\"', 'a', 1, NULL, 0, 0, X'00', '', '')",
	}
	defer db.Exec("SET GLOBAL binlog_row_metadata = FULL")
	for _, metadata := range []string{"FULL", "MINIMAL", "NO_LOG"} {
		db.Exec("SET GLOBAL binlog_row_metadata = "+metadata, "CREATE OR REPLACE TABLE t "+create, "INSERT INTO t "+columns+" VALUES "+rows[0])
		src := newSource(t, config(db.MySQLServer, db.Name))
		p, _ := startAll(t, src, true)
		id := cdc.TableID{Database: db.Name, Name: "t"}
		must(t, p.load(ctx, id, 1))
		p.catchUp(ctx)
		p.sink.equal(db.MySQLServer, id)
		for i, r := range rows[1:] {
			db.Exec([]string{"SET SESSION column_compression_zlib_wrap = ON", "SET SESSION column_compression_zlib_wrap = OFF"}[i%2], "SET SESSION column_compression_zlib_level = 9",
				"INSERT INTO t "+columns+" VALUES "+r)
		}
		db.Exec("UPDATE t SET s = CONCAT(s, 'y'), v = DEFAULT WHERE id = 1", "UPDATE t SET id = 100 WHERE id = 3", "DELETE FROM t WHERE id = 2")
		p.catchUp(ctx)
		p.sink.equal(db.MySQLServer, id)
		p.stop()
		_ = src.Close()
		again := newSource(t, config(db.MySQLServer, db.Name))
		q, _ := startAll(t, again, true)
		must(t, q.load(ctx, id, 1))
		q.sink.equal(db.MySQLServer, id)
		q.stop()
		_ = again.Close()
	}
}

// TestMariaDBLoadBesideLog is TestLoadBesideLog with MariaDB, its log as it comes, and compressed, encrypted or poor in metadata.
func TestMariaDBLoadBesideLog(t *testing.T) {
	for _, c := range []struct {
		name string
		vars map[string]string
	}{
		{"plain", nil},
		{"compressed", map[string]string{"log_bin_compress": "ON", "log_bin_compress_min_len": "10", "binlog_row_metadata": "NO_LOG", "binlog_checksum": "NONE", "gtid_strict_mode": "OFF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "plain" {
				testenv.Slow(t)
			}
			noLeaks(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			loadBesideLog(t, mariaDBServer(t, c.vars), seed)
		})
	}
}

// TestMariaDBDomains: transactions of several domains, some of which stand far back in the log.
func TestMariaDBDomains(t *testing.T) {
	s := mariaDBServer(t, nil)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	id := cdc.TableID{Database: "d", Name: "t"}
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "SET SESSION gtid_domain_id = 7", "INSERT INTO d.t VALUES (1, 1)",
		"SET SESSION gtid_domain_id = 8", "INSERT INTO d.t VALUES (2, 2)", "SET SESSION gtid_domain_id = 0", "INSERT INTO d.t VALUES (3, 3)", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (4, 4)"))
	src := newSource(t, config(s, "d"))
	p, _ := startAll(t, src, true)
	p.sink.keep = true
	must(t, p.load(ctx, id, 1))
	must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (5, 5)", "SET SESSION gtid_domain_id = 9", "INSERT INTO d.t VALUES (6, 6)"))
	p.catchUp(ctx)
	p.sink.equal(s, id)
	for i, q := range []string{"SET SESSION gtid_domain_id = 7", "DO 1", "FLUSH BINARY LOGS", "SET SESSION gtid_domain_id = 10"} {
		p.stop()
		p = resume(t, p, src)
		must(t, s.Exec(ctx, q, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 1)", 10+i), "UPDATE d.t SET v = v + 1"))
		p.catchUp(ctx)
		p.sink.equal(s, id)
	}
	p.stop()
	_ = src.Close()
}

// TestMariaDBFailover: the log goes on at a replica; not at one that lags, nor at one whose history is another one.
func TestMariaDBFailover(t *testing.T) {
	replica := map[string]string{"log_slave_updates": "ON"}
	a, b := mariaDBServer(t, replica), mariaDBServer(t, replica)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	id := cdc.TableID{Database: "d", Name: "t"}
	must(t, b.Exec(ctx, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %d, MASTER_USER = '%s', MASTER_PASSWORD = '%s', MASTER_USE_GTID = slave_pos", a.Host(), a.Port(), testenv.CDCUser,
		testenv.CDCPassword), "START SLAVE"))
	reached := func() {
		t.Helper()
		_, at, err := a.BinlogEnd(ctx)
		must(t, err)
		if rows, err := b.Query(ctx, "SELECT MASTER_GTID_WAIT('"+at+"', 30)"); err != nil || rows[0][0] != "0" {
			t.Fatalf("the replica did not follow: %v %v", rows, err)
		}
	}
	must(t, a.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(200))", "INSERT INTO d.t VALUES (1, 'a')"))
	reached()

	cfg := config(a, "d")
	cfg.Load.Replica = b.Addr() // where MASTER_GTID_WAIT works
	src := newSource(t, cfg)
	p, ds := startAll(t, src, true)
	p.sink.keep = true
	must(t, b.Exec(ctx, "STOP SLAVE SQL_THREAD"))
	must(t, a.Exec(ctx, "INSERT INTO d.t VALUES (2, 'b')"))
	p.catchUp(ctx)
	src.cfg.Load.WaitTimeout = 500 * time.Millisecond
	err := src.Read(ctx, ds[0].Schema, cdc.Chunk{}, func(*cdc.Batch) error { t.Error("old rows were read"); return nil })
	wantCode(t, err, codeWait, b.Addr())
	p.stop()
	lagging := resume(t, p, newSource(t, config(b, "d")))
	wantCode(t, lagging.fails(ctx), codeHistory, "does not have")
	must(t, b.Exec(ctx, "START SLAVE SQL_THREAD"))
	reached()
	p = resume(t, p, src)
	src.cfg.Load.WaitTimeout = 30 * time.Second
	must(t, p.load(ctx, id, 2))
	must(t, a.Exec(ctx, "UPDATE d.t SET v = 'x'", "INSERT INTO d.t VALUES (3, 'c')"))
	p.catchUp(ctx)
	p.stop()
	_ = src.Close()

	reached()
	must(t, b.Exec(ctx, "STOP SLAVE", "INSERT INTO d.t VALUES (5, 'on b')", "DELETE FROM d.t WHERE id = 1"))
	q := resume(t, p, newSource(t, config(b, "d")))
	q.catchUp(ctx)
	q.sink.equal(b, id)
	q.stop()
	// a lacks what b has, and goes on with the same numbers.
	must(t, a.Exec(ctx, "INSERT INTO d.t VALUES (6, 'on a')", "INSERT INTO d.t VALUES (7, 'on a')", "INSERT INTO d.t VALUES (8, 'on a')"))
	back := resume(t, q, newSource(t, config(a, "d")))
	wantCode(t, back.fails(ctx), codeHistory, "does not have")
	// b has purged all that the tables hold, its last transaction too: nothing is missing.
	must(t, b.Exec(ctx, "FLUSH BINARY LOGS"))
	purge(ctx, t, b)
	must(t, b.Exec(ctx, "INSERT INTO d.t VALUES (9, 'after')"))
	last := resume(t, q, newSource(t, config(b, "d")))
	last.catchUp(ctx)
	last.sink.equal(b, id)
	last.stop()
	// It has purged more.
	must(t, b.Exec(ctx, "INSERT INTO d.t VALUES (10, 'gone')", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (11, 'there')"))
	purge(ctx, t, b)
	gone := resume(t, last, newSource(t, config(b, "d")))
	wantCode(t, gone.fails(ctx), codePurged)
}

// purge removes all but the last file of the log. MariaDB keeps what it thinks that a connection reads, and says nothing.
func purge(ctx context.Context, t *testing.T, s *testenv.MySQLServer) {
	t.Helper()
	end, _, err := s.BinlogEnd(ctx)
	must(t, err)
	for {
		killDumps(ctx, t, s)
		must(t, s.Exec(ctx, "PURGE BINARY LOGS TO '"+end.Name+"'"))
		rows, err := s.Query(ctx, "SHOW BINARY LOGS")
		must(t, err)
		if rows[0][0] == end.Name {
			return
		}
	}
}

// TestMariaDBRestored: a server that was restored, and wrote other transactions under the same numbers.
func TestMariaDBRestored(t *testing.T) {
	s := mariaDBServer(t, nil)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)"))
	p, _ := startAll(t, newSource(t, config(s, "d")), false)
	p.sink.keep = true
	must(t, s.Exec(ctx, "SET SESSION timestamp = 1700000000", "INSERT INTO d.t VALUES (1)"))
	p.catchUp(ctx)
	p.stop()
	must(t, s.Exec(ctx, "RESET MASTER"))
	before := resume(t, p, newSource(t, config(s, "d")))
	wantCode(t, before.fails(ctx), codeHistory, "does not have")
	must(t, s.Exec(ctx, "CREATE DATABASE x", "CREATE TABLE x.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (2)", "INSERT INTO d.t VALUES (3)"))
	after := resume(t, p, newSource(t, config(s, "d")))
	wantCode(t, after.fails(ctx), codeHistory, "another one")
	// Numbers that go back in the log itself.
	must(t, s.Exec(ctx, "RESET MASTER", "SET GLOBAL gtid_strict_mode = OFF", "SET SESSION gtid_seq_no = 100", "INSERT INTO d.t VALUES (4)"))
	q, _ := startAll(t, newSource(t, config(s, "d")), false)
	must(t, s.Exec(ctx, "SET SESSION server_id = 77, gtid_seq_no = 50", "INSERT INTO d.t VALUES (5)"))
	wantCode(t, q.fails(ctx), codeHistory, "gtid_strict_mode")
}

// TestMariaDBEncryptedLog: the server decrypts its log for those who ask for it, compressed or not, over a restart.
func TestMariaDBEncryptedLog(t *testing.T) {
	testenv.Slow(t)
	s := mariaDBServer(t, nil)
	ctx := timeout(t, time.Minute)
	id := cdc.TableID{Database: "d", Name: "t"}
	plugins, err := s.Query(ctx, "SELECT @@plugin_dir")
	must(t, err)
	if _, err := os.Stat(filepath.Join(plugins[0][0], "file_key_management.so")); err != nil {
		t.Skip("the server has no plugin for keys: ", err)
	}
	keys := filepath.Join(s.Dir(), "keys")
	must(t, os.WriteFile(keys, []byte("1;770A8A65DA156D24EE2A093277530142\n"), 0o600))
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(1000))", "INSERT INTO d.t VALUES (1, 'before the log is encrypted')"))
	src := newSource(t, config(s, "d"))
	src.cfg.xaMemory = 1 // XA rows are read again
	p, _ := startAll(t, src, true)
	p.sink.keep = true
	p.catchUp(ctx)
	p.stop()
	must(t, s.RestartWith(ctx, map[string]string{"plugin_load_add": "file_key_management", "file_key_management_filename": keys, "encrypt_binlog": "ON"}))
	p = resume(t, p, src)
	must(t, p.load(ctx, id, 1))
	for i := range 4 {
		must(t, s.Exec(ctx, []string{"SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress = OFF"}[i%2]))
		must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('in the clear', 50))", 10*i+2), "UPDATE d.t SET v = CONCAT('x', v)", "XA START 'x'",
			fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'a'), (%d, 'b')", 10*i+3, 10*i+4), "XA END 'x'", "XA PREPARE 'x'"))
		switch i {
		case 1:
			must(t, s.Exec(ctx, "FLUSH BINARY LOGS"))
		case 2:
			must(t, s.Restart(ctx))
		}
		must(t, s.Exec(ctx, "XA COMMIT 'x'"))
		p.catchUp(ctx)
		p.sink.equal(s, id)
	}
	p.stop()
	_ = src.Close()
	end, _, err := s.BinlogEnd(ctx)
	must(t, err)
	b, err := os.ReadFile(filepath.Join(s.Dir(), "data", end.Name))
	must(t, err)
	if bytes.Contains(b, []byte("INSERT")) || bytes.Contains(b, []byte("in the clear")) {
		t.Fatal("the log is not encrypted")
	}
}

// TestMariaDBServerIDCollision: MariaDB knows no UUIDs of replicas, and gives the log to the one that came last. Both get everything, and
// say what is wrong.
func TestMariaDBServerIDCollision(t *testing.T) {
	s := mariaDBServer(t, nil)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	id := cdc.TableID{Database: "d", Name: "t"}
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)"))
	cfg := config(s, "d")
	cfg.ServerID = 4711
	first := newSource(t, cfg)
	p, _ := startAll(t, first, true)
	must(t, p.load(ctx, id, 1))
	logged := captureLog(&cfg)
	second := newSource(t, cfg)
	q, _ := startAll(t, second, true)
	must(t, q.load(ctx, id, 1))
	must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (2)"))
	awaitLog(ctx, t, logged, "MYSQL_SERVER_ID")
	p.stop()
	must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (3)"))
	q.catchUp(ctx)
	q.sink.equal(s, id)
	q.stop()
	_, _ = first.Close(), second.Close()
}
