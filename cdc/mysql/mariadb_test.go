package mysql

import (
	"context"
	"math/rand/v2"
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
