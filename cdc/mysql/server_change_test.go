package mysql

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// fixedSession asks in a session that does not inherit what the server's defaults are.
type fixedSession struct{ *testenv.MySQLServer }

func (s fixedSession) Query(ctx context.Context, sql string) ([][]string, error) {
	conn, err := s.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Execute("SET SESSION time_zone = '+00:00', sql_mode = '', sql_select_limit = 18446744073709551615, NAMES utf8mb4"); err != nil {
		return nil, err
	}
	result, err := conn.Execute(sql)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	rows := make([][]string, result.RowNumber())
	for i := range rows {
		for j := range result.ColumnNumber() {
			v, err := result.GetString(i, j)
			if err != nil {
				return nil, err
			}
			if null, _ := result.IsNull(i, j); null {
				v = "NULL"
			}
			rows[i] = append(rows[i], strings.Clone(v))
		}
	}
	return rows, nil
}

// TestServerChanges: rows and definitions are understood whatever the server's defaults become, while it is followed, and between two runs;
// loads read the same under all of them.
func TestServerChanges(t *testing.T) {
	noLeaks(t)
	s := server(t, nil)
	ctx := timeout(t, 4*time.Minute)
	p, id := fresh(t, s, "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, ts TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP(3), dt DATETIME(2) DEFAULT CURRENT_TIMESTAMP(2), c CHAR(10), v VARCHAR(60)) CHARACTER SET utf8mb4")
	steps := [][]string{
		{"SET GLOBAL time_zone = '+05:30'"},
		{"SET GLOBAL time_zone = '-11:00'"},
		{"SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,TIME_TRUNCATE_FRACTIONAL,PIPES_AS_CONCAT,REAL_AS_FLOAT,NO_ZERO_DATE'"},
		{"SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES,IGNORE_SPACE,HIGH_NOT_PRECEDENCE'", "SET GLOBAL character_set_server = latin1", "SET GLOBAL collation_server = latin1_german2_ci", "SET GLOBAL character_set_database = latin1",
			"SET GLOBAL collation_connection = utf8mb4_bin"},
		{"SET GLOBAL explicit_defaults_for_timestamp = OFF", "SET GLOBAL default_collation_for_utf8mb4 = utf8mb4_general_ci"},
		{"SET GLOBAL explicit_defaults_for_timestamp = ON", "SET GLOBAL binlog_checksum = NONE"},
		{"SET GLOBAL binlog_transaction_compression = ON", "SET GLOBAL binlog_row_metadata = MINIMAL"},
		{"SET GLOBAL binlog_checksum = CRC32", "SET GLOBAL binlog_rows_query_log_events = ON"},
		{"SET GLOBAL binlog_transaction_compression = OFF", "SET GLOBAL binlog_row_metadata = FULL", "SET GLOBAL sql_select_limit = 1", "SET GLOBAL transaction_isolation = 'READ-UNCOMMITTED'", "SET GLOBAL autocommit = OFF"},
		{"SET GLOBAL max_binlog_size = 4096", "SET GLOBAL binlog_row_image = FULL", "SET GLOBAL autocommit = ON"},
	}
	for i, step := range steps {
		must(t, s.Exec(ctx, step...))
		// Sessions inherit the defaults; the column's name and default have what quoting modes change.
		name := fmt.Sprintf("`n%d`", i)
		if i == 2 {
			name = `"n2"`
		}
		null := ""
		if i == 4 {
			null = "NULL" // otherwise NOT NULL, and its value in old rows is not in the log
		}
		write := []string{fmt.Sprintf(`INSERT INTO d.t (c, v) VALUES ('x%d ', 'a\b'), ('', 'é😀')`, i), "INSERT INTO d.t (ts, dt, c, v) VALUES ('2024-03-10 02:30:00.9999', '2024-03-10 02:30:00.999', 'y', 'Straße')",
			"UPDATE d.t SET v = CONCAT(v, c), ts = ts + INTERVAL 1 SECOND WHERE id % 3 = 0", "DELETE FROM d.t WHERE id % 7 = 3"}
		must(t, s.Exec(ctx, append(write, "COMMIT")...))
		must(t, s.Exec(ctx, append(append([]string{fmt.Sprintf(`ALTER TABLE d.t ADD COLUMN %s VARCHAR(20) DEFAULT 'p\tq', ADD COLUMN r%d REAL, ADD COLUMN s%d TIMESTAMP %s`, name, i, i, null)}, write...), "COMMIT")...))
		must(t, s.Exec(ctx, fmt.Sprintf("UPDATE d.t SET r%d = 1.25, s%d = NOW(), %s = 'ü' WHERE id %% 2 = 0", i, i, name), "COMMIT"))
		p.catchUp(ctx)
		p.sink.equal(fixedSession{s}, id)
		if i%2 == 1 {
			p.stop()
			must(t, s.Exec(ctx, "INSERT INTO d.t (v) VALUES ('between')", "COMMIT"))
			p = resume(t, p, newSource(t, config(s, "d")))
			p.catchUp(ctx)
			p.sink.equal(fixedSession{s}, id)
		}
	}
	p.stop()
	// A load under all of it, with a table that came under the last defaults.
	must(t, s.Exec(ctx, "CREATE TABLE d.n (id INT PRIMARY KEY, c CHAR(10), v VARCHAR(20), ts TIMESTAMP)", "INSERT INTO d.n VALUES (1, 'ä ', 'ß', '2024-10-27 02:30:00'), (2, '', '', NULL), (3, 'a', 'b', NOW())", "COMMIT"))
	q, ds := startAll(t, newSource(t, config(s, "d")), true)
	for _, d := range ds {
		must(t, q.load(ctx, d.Table, 2))
		q.catchUp(ctx)
		q.sink.equal(fixedSession{s}, d.Table)
	}
	q.stop()
}

// TestServerTurnsUnfit: what a server's new defaults log in a way that says too little pauses the tables concerned; a new run refuses
// the server at once, and goes on where it stood when it is corrected.
func TestServerTurnsUnfit(t *testing.T) {
	s := server(t, nil)
	ctx := timeout(t, 2*time.Minute)
	for _, c := range []struct{ name, set, back, table, run string }{
		{"image", "binlog_row_image = MINIMAL", "binlog_row_image = FULL", "ROW_IMAGE", "binlog_row_image = FULL"},
		{"format", "binlog_format = STATEMENT", "binlog_format = ROW", "MYSQL_STATEMENT_FORMAT", "binlog_format = ROW"},
		{"mixed", "binlog_format = MIXED", "binlog_format = ROW", "MYSQL_STATEMENT_FORMAT", "binlog_format = ROW"},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, s.Exec(ctx, "DROP DATABASE IF EXISTS d"))
			p, id := fresh(t, s, "CREATE TABLE d.t (id INT PRIMARY KEY, v INT, w INT)", "CREATE TABLE d.o (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1, 1, 1)")
			must(t, s.Exec(ctx, "INSERT INTO d.o VALUES (0)")) // to wait for: a connection before the change
			p.catchUp(ctx)
			must(t, s.Exec(ctx, "SET GLOBAL "+c.set))
			must(t, s.Exec(ctx, "UPDATE d.t SET v = 2 WHERE id = 1"))
			p.sink.await(ctx, "a pause", func() bool { return p.sink.tables[id].paused != nil || p.ended() })
			if p.ended() {
				t.Fatal(p.err)
			}
			if e := p.sink.tables[id].paused; e.Code.Name != c.table || e.Remedy() == "" {
				t.Fatal(e)
			}
			p.stop()
			q := resume(t, p, newSource(t, config(s, "d")))
			wantCode(t, q.fails(ctx), codePreflight, c.run)
			must(t, s.Exec(ctx, "SET GLOBAL "+c.back))
			must(t, s.Exec(ctx, "INSERT INTO d.o VALUES (1)"))
			q = resume(t, p, newSource(t, config(s, "d")))
			q.catchUp(ctx)
			q.sink.equal(s, cdc.TableID{Database: "d", Name: "o"})
			if e := q.sink.tables[id].paused; e == nil || e.Code.Name != c.table {
				t.Fatalf("after the restart: %v", e)
			}
			q.stop()
		})
	}
}

// TestRestored: a server whose data went back to a backup, files and all, is refused before it writes, and after it has written as much as it
// lost; and nothing of a file that it has lost is read.
func TestRestored(t *testing.T) {
	testenv.Slow(t)
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			s := server(t, vars)
			ctx := timeout(t, 2*time.Minute)
			p, _ := fresh(t, s)
			must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (1, 'kept')"))
			p.catchUp(ctx)
			data, backup := filepath.Join(s.Dir(), "data"), filepath.Join(t.TempDir(), "backup")
			p.stop()
			must(t, s.Shutdown(ctx))
			must(t, os.CopyFS(backup, os.DirFS(data)))
			must(t, s.Start(ctx))
			p = resume(t, p, p.src)
			for i := range 5 {
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'lost')", i+10)))
			}
			p.catchUp(ctx)
			p.stop()
			must(t, s.Shutdown(ctx))
			must(t, os.RemoveAll(data))
			must(t, os.CopyFS(data, os.DirFS(backup)))
			must(t, s.Start(ctx))
			q := resume(t, p, newSource(t, config(s, "d")))
			wantCode(t, q.fails(ctx), codeHistory, "to be loaded anew")
			for i := range 60 {
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'other')", i+10)))
			}
			q = resume(t, p, newSource(t, config(s, "d")))
			wantCode(t, q.fails(ctx), codeHistory, "to be loaded anew")
		})
	}
}

// TestLowerCaseNames: a server whose names are not case-sensitive logs them as each statement has them.
func TestLowerCaseNames(t *testing.T) {
	testenv.Slow(t)
	noLeaks(t)
	s := server(t, map[string]string{"lower_case_table_names": "1"})
	ctx := timeout(t, 2*time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE Shop", "CREATE TABLE Shop.Orders (Id INT PRIMARY KEY, V INT)", "CREATE TABLE shop.Other (id INT PRIMARY KEY)", "INSERT INTO SHOP.ORDERS VALUES (1, 1), (2, 2)"))
	src := newSource(t, config(s, "shop"))
	p, ds := startAll(t, src, true)
	p.sink.keep = true
	if len(ds) != 2 {
		t.Fatalf("%d tables were found: %+v", len(ds), ds)
	}
	for _, d := range ds {
		must(t, p.load(ctx, d.Table, 2))
	}
	id := ds[0].Table
	must(t, s.Exec(ctx, "ALTER TABLE SHOP.Orders ADD COLUMN W INT", "INSERT INTO Shop.oRDERS VALUES (3, 3, 3)", "USE SHOP", "ALTER TABLE ORDERS RENAME COLUMN v TO Amount", "UPDATE orders SET AMOUNT = 9, w = 1 WHERE ID = 1",
		"INSERT INTO OTHER VALUES (5)"))
	p.catchUp(ctx)
	for _, d := range ds {
		p.sink.equal(s, d.Table)
	}
	p.stop()
	p = resume(t, p, newSource(t, config(s, "shop")))
	must(t, s.Exec(ctx, "TRUNCATE TABLE Shop.ORDERS", "INSERT INTO shop.orders VALUES (7, 7, 7)", "DROP TABLE SHOP.OTHER"))
	p.sink.await(ctx, "the pause of the dropped table", func() bool {
		return p.sink.tables[cdc.TableID{Database: "shop", Name: "other"}].paused != nil || p.ended()
	})
	p.catchUp(ctx)
	p.sink.equal(s, id)
	p.stop()
}
