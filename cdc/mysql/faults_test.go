package mysql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// killDumps ends the server's connections that send the log, and waits until they are gone.
func killDumps(ctx context.Context, t testing.TB, s *testenv.MySQLServer) int {
	t.Helper()
	const dumps = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'"
	rows, err := s.Query(ctx, dumps)
	must(t, err)
	for _, r := range rows {
		_ = s.Exec(ctx, "KILL "+r[0])
	}
	for _, r := range rows {
		for {
			left, err := s.Query(ctx, dumps+" AND ID = "+r[0])
			must(t, err)
			if len(left) == 0 {
				break
			}
		}
	}
	return len(rows)
}

// fresh is a server with a table d.t of some rows, that is followed from then on.
func fresh(t testing.TB, s *testenv.MySQLServer, ddl ...string) (*pipeline, cdc.TableID) {
	t.Helper()
	ctx := timeout(t, 2*time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d"))
	if len(ddl) == 0 {
		ddl = []string{"CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(200))"}
	}
	must(t, s.Exec(ctx, ddl...))
	p, _ := startAll(t, newSource(t, config(s, "d")), false)
	p.sink.keep = true
	return p, cdc.TableID{Database: "d", Name: "t"}
}

// resume starts again from the last checkpoint of an ended pipeline.
func resume(t testing.TB, p *pipeline, src *Source) *pipeline {
	t.Helper()
	sink := newSink(t, src)
	sink.keep = true
	c := p.sink.checkpoints[len(p.sink.checkpoints)-1]
	var starts []cdc.Start
	for id, mt := range c.tables {
		sink.tables[id] = mt.clone()
		starts = append(starts, cdc.Start{Schema: mt.schema, Position: c.at.Position})
	}
	sink.checkpoints = append(sink.checkpoints, c)
	return follow(t, src, sink, starts)
}

// TestConnectionKilled ends the log's connection between transactions, again and again, and restarts the server: Follow goes
// on by itself.
func TestConnectionKilled(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := server(t, vars)
			ctx := timeout(t, 2*time.Minute)
			p, id := fresh(t, s)
			for i := range 4 {
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'a')", i), fmt.Sprintf("UPDATE d.t SET v = 'b%d'", i)))
				p.catchUp(ctx)
				if n := killDumps(ctx, t, s); n == 0 {
					t.Fatal("no connection to kill")
				}
				switch i {
				case 1:
					must(t, s.Exec(ctx, "FLUSH BINARY LOGS"))
				case 2:
					must(t, s.Restart(ctx))
				}
			}
			must(t, s.Exec(ctx, "DELETE FROM d.t WHERE id < 3"))
			p.catchUp(ctx)
			p.sink.equal(s, id)
			p.stop()
		})
	}
}

// TestConnectionKilledInTransaction: what was handed on cannot be taken back, so Follow fails; the restart from the last
// checkpoint repeats the transaction.
func TestConnectionKilledInTransaction(t *testing.T) {
	noLeaks(t)
	s := server(t, nil)
	ctx := timeout(t, 2*time.Minute)
	p, id := fresh(t, s)
	must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (-1, 'before')"))
	p.catchUp(ctx)
	killed := false
	p.sink.mu.Lock()
	p.sink.onBatch = func(b *cdc.Batch) {
		if b.N > 1000 && !killed {
			killed = true
			killDumps(ctx, t, s)
		}
	}
	p.sink.mu.Unlock()
	must(t, s.Exec(ctx, "SET SESSION cte_max_recursion_depth = 1000000",
		"INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT i, REPEAT('x', 180) FROM n"))
	err := p.fails(ctx)
	if e := cdc.AsError(err); e == nil || e.Code != codeLostMidway {
		t.Fatalf("Follow failed with %v", err)
	}
	q := resume(t, p, p.src)
	q.catchUp(ctx)
	q.sink.equal(s, id)
	q.stop()
}

// TestKilledUnderLoad kills connections at any moment under writers, and restarts where Follow says that it must be.
func TestKilledUnderLoad(t *testing.T) {
	noLeaks(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := server(t, map[string]string{"binlog_transaction_compression": "ON"})
	ctx := timeout(t, 2*time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d"))
	ids := createShapes(t, func(q ...string) { t.Helper(); must(t, s.Exec(ctx, q...)) }, "d")
	src := newSource(t, config(s, "d"))
	p, _ := startAll(t, src, false)
	p.sink.keep = true
	p.catchUp(ctx)
	wrote := make(chan struct{}, 2)
	for i := range uint64(2) {
		go func() {
			defer func() { wrote <- struct{}{} }()
			writeRandomly(ctx, t, s, "d", rand.New(rand.NewPCG(seed, i)), 200)
		}()
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	restarts, running := 0, 2
	for running > 0 {
		select {
		case <-wrote:
			running--
		case p.sink.due <- uint64(rng.Uint32()):
		case <-p.done:
			if e := cdc.AsError(p.err); e == nil || e.Code != codeLostMidway {
				t.Fatal(p.err)
			}
			p.once.Do(func() {})
			p = resume(t, p, src)
			restarts++
		case <-time.After(time.Duration(rng.IntN(20)) * time.Millisecond):
			killDumps(ctx, t, s)
		}
	}
	for p.ended() {
		p.once.Do(func() {})
		p = resume(t, p, src)
	}
	p.catchUp(ctx)
	for _, id := range ids {
		p.sink.equal(s, id)
	}
	t.Logf("%d restarts", restarts)
	p.stop()
}

func wantCode(t *testing.T, err error, code *cdc.Code, parts ...string) {
	t.Helper()
	e := cdc.AsError(err)
	if e == nil || e.Code != code {
		t.Fatalf("got %v, want code %s", err, code.Name)
	}
	for _, p := range parts {
		if !strings.Contains(e.Error()+" "+e.Remedy(), p) {
			t.Fatalf("%q (%s) does not mention %q", e, e.Remedy(), p)
		}
	}
}

// TestPurged: the log is gone from where the table stands.
func TestPurged(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			s := server(t, vars)
			ctx := timeout(t, time.Minute)
			p, _ := fresh(t, s)
			p.catchUp(ctx)
			p.stop()
			must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (1, 'lost')", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (2, 'kept')"))
			end, _, err := s.BinlogEnd(ctx)
			must(t, err)
			must(t, s.Exec(ctx, "PURGE BINARY LOGS TO '"+end.Name+"'"))
			q := resume(t, p, p.src)
			wantCode(t, q.fails(ctx), codePurged)
		})
	}
}

// TestOtherHistory: a server that lost transactions and wrote others under the same numbers is refused, also when the
// sets look alike.
func TestOtherHistory(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			s := server(t, vars)
			ctx := timeout(t, time.Minute)
			p, _ := fresh(t, s)
			must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (1, 'a')"))
			p.catchUp(ctx)
			p.stop()
			// The same statements after a reset get the same GTIDs and the same offsets, at other times.
			must(t, s.Exec(ctx, "RESET BINARY LOGS AND GTIDS"))
			must(t, s.Exec(ctx, "DROP DATABASE d"))
			q := resume(t, p, p.src)
			wantCode(t, q.fails(ctx), codeHistory)
			must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(200))"))
			for i := range 60 {
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'another')", i)))
			}
			q = resume(t, p, newSource(t, config(s, "d")))
			wantCode(t, q.fails(ctx), codeHistory)
		})
	}
}

// TestOtherHistoryOfOne: each table's position must be in the server's history, not only the earliest one.
func TestOtherHistoryOfOne(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			s := server(t, vars)
			ctx := timeout(t, time.Minute)
			p, id := fresh(t, s)
			must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (1, 'a')", "INSERT INTO d.t VALUES (2, 'lost')"))
			p.catchUp(ctx)
			p.stop()
			c := p.sink.checkpoints[len(p.sink.checkpoints)-1]
			must(t, s.Exec(ctx, "RESET BINARY LOGS AND GTIDS"))
			must(t, s.Exec(ctx, "CREATE TABLE d.o (id INT PRIMARY KEY)"))
			src := newSource(t, config(s, "d"))
			ds, err := src.Discover(ctx)
			must(t, err)
			var starts []cdc.Start // o from here, t from what the server has lost
			for _, d := range ds {
				if d.Table != id {
					starts = append(starts, cdc.Start{Schema: d.Schema, Position: d.Position})
				}
			}
			starts = append(starts, cdc.Start{Schema: c.tables[id].schema, Position: c.at.Position})
			before := follow(t, src, newSinkOf(t, src, ds), starts)
			wantCode(t, before.fails(ctx), codeHistory, "d.t")
			for i := range 60 { // the same numbers and places again
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'another')", i+10)))
			}
			src = newSource(t, config(s, "d"))
			after := follow(t, src, newSinkOf(t, src, ds), starts)
			wantCode(t, after.fails(ctx), codeHistory, "d.t")
		})
	}
}

func TestPasswordAndGrants(t *testing.T) {
	s := server(t, nil)
	ctx := timeout(t, time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "CREATE USER poor@'%' IDENTIFIED BY 'x'", "GRANT SELECT ON d.* TO poor@'%'"))
	file := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(file, []byte("wrong\n"), 0o600))
	cfg := config(s, "d")
	cfg.Password, cfg.PasswordFile = "", file
	src := newSource(t, cfg)
	_, err := src.Discover(ctx)
	wantCode(t, err, codeAccess)
	if strings.Contains(err.Error(), "wrong") {
		t.Fatalf("the error shows the password: %v", err)
	}
	must(t, os.WriteFile(file, []byte(testenv.CDCPassword+"\n"), 0o600)) // read again on each connect
	ds, err := src.Discover(ctx)
	if err != nil || len(ds) != 1 {
		t.Fatal(ds, err)
	}
	findings, err := src.Check(ctx)
	must(t, err)
	for _, f := range findings {
		if !f.OK && f.Fatal {
			t.Errorf("%+v", f)
		}
	}
	cfg = config(s, "d")
	cfg.User, cfg.Password = "poor", "x"
	poor := newSource(t, cfg)
	findings, err = poor.Check(ctx)
	must(t, err)
	found := false
	for _, f := range findings {
		if f.Code == "MYSQL_GRANTS" {
			found = !f.OK && strings.Contains(f.Fix, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'poor'@'%'")
		}
	}
	if !found {
		t.Fatalf("%+v", findings)
	}
	p := follow(t, poor, newSink(t, poor), []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}})
	wantCode(t, p.fails(ctx), codeAccess, "REPLICATION SLAVE")
}

// TestServerSettings: what the server is set to is refused at the start, with the statement that corrects it.
func TestServerSettings(t *testing.T) {
	s := server(t, map[string]string{"binlog_row_image": "MINIMAL", "binlog_format": "MIXED"})
	ctx := timeout(t, time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "CREATE TABLE d.f (x CHAR(9) CHARACTER SET sjis PRIMARY KEY)"))
	src := newSource(t, config(s, "d"))
	findings, err := src.Check(ctx)
	must(t, err)
	bad := map[string]string{}
	for _, f := range findings {
		if !f.OK {
			bad[f.Code] = f.Message + " / " + f.Fix
		}
	}
	for code, part := range map[string]string{"MYSQL_ROW_IMAGE": "binlog_row_image = FULL", "MYSQL_BINLOG_FORMAT": "binlog_format = ROW", "UNSUPPORTED_TYPE": "d.f"} {
		if !strings.Contains(bad[code], part) {
			t.Errorf("%s: %q does not mention %q", code, bad[code], part)
		}
	}
	_, err = src.Discover(ctx)
	wantCode(t, err, codePreflight, "binlog_format")
}

// TestPauses: what one session does to one table stops that table, and no other.
func TestPauses(t *testing.T) {
	for _, c := range []struct {
		name string
		sql  []string
		code string
	}{
		{"row image", []string{"SET SESSION binlog_row_image = MINIMAL", "UPDATE d.t SET v = 'x' WHERE id = 1"}, "ROW_IMAGE"},
		{"statement", []string{"SET SESSION binlog_format = STATEMENT", "UPDATE d.t SET v = 'x' WHERE id = 1"}, "MYSQL_STATEMENT_FORMAT"},
		{"modify", []string{"ALTER TABLE d.t MODIFY v VARBINARY(20)"}, "MYSQL_DDL"},
		{"rename", []string{"RENAME TABLE d.t TO d.t2"}, "MYSQL_DDL"},
		{"swap", []string{"CREATE TABLE d.n LIKE d.t", "RENAME TABLE d.t TO d.old, d.n TO d.t"}, "MYSQL_TABLE_SWAPPED"},
		{"drop", []string{"DROP TABLE d.t"}, "MYSQL_TABLE_REPLACED"},
		{"drop key", []string{"ALTER TABLE d.t DROP PRIMARY KEY"}, "MYSQL_DDL"},
		{"expression default", []string{"ALTER TABLE d.t ADD COLUMN u DATETIME DEFAULT CURRENT_TIMESTAMP"}, "MYSQL_DDL"},
		{"generated", []string{"ALTER TABLE d.t ADD COLUMN g INT AS (id + 1)"}, "MYSQL_DDL"},

		{"multi-table", []string{"SET SESSION binlog_row_image = MINIMAL", "UPDATE d.t, d.o SET d.t.v = 'x', d.o.id = 7 WHERE d.t.id = 1 AND d.o.id = 1",
			"SET SESSION binlog_row_image = FULL", "DELETE FROM d.o WHERE id = 7", "INSERT INTO d.o VALUES (7)"}, "ROW_IMAGE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testenv.NeedMySQL(t)
			ctx := timeout(t, time.Minute)
			in := func(q string) string { return strings.ReplaceAll(q, "d.", s.Name+".") }
			exec := func(qs ...string) {
				t.Helper()
				for i := range qs {
					qs[i] = in(qs[i])
				}
				must(t, s.MySQLServer.Exec(ctx, qs...))
			}
			exec("CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20), j JSON)", "CREATE TABLE d.o (id INT PRIMARY KEY)", "CREATE TABLE d.m (id INT PRIMARY KEY) ENGINE=MyISAM",
				"INSERT INTO d.t VALUES (1, 'a', '{\"a\": 1, \"b\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}')", "INSERT INTO d.o VALUES (1)")
			src := newSource(t, config(s.MySQLServer, s.Name))
			p, ds := startAll(t, src, true)
			id := cdc.TableID{Database: s.Name, Name: "t"}
			for _, d := range ds {
				must(t, p.load(ctx, d.Table, 1))
			}
			exec(c.sql...)
			exec("INSERT INTO d.o VALUES (2)")
			p.sink.await(ctx, "a pause", func() bool { return p.sink.tables[id].paused != nil || p.ended() })
			if p.ended() {
				t.Fatal(p.err)
			}
			if e := p.sink.tables[id].paused; e.Code.Name != c.code {
				t.Fatalf("%v, want %s", e, c.code)
			}
			t.Log(p.sink.tables[id].paused)
			p.catchUp(ctx)
			other := cdc.TableID{Database: s.Name, Name: "o"}
			if pe := p.sink.tables[other].paused; pe != nil && c.name != "multi-table" {
				t.Fatal(pe)
			} else if pe == nil {
				p.sink.equal(s.MySQLServer, other)
			}
			p.stop()
		})
	}
}

// TestExpiring: a position that the log is about to leave is told from one that is current, quiet, or gone.
func TestExpiring(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			s := server(t, vars)
			ctx := timeout(t, time.Minute)
			p, _ := fresh(t, s)
			p.catchUp(ctx)
			p.stop()
			src := p.src
			expiring := func(at cdc.Position) string {
				t.Helper()
				why, err := src.Expiring(ctx, []cdc.Position{at})
				must(t, err)
				return why[at]
			}
			is := func(got, want string) {
				t.Helper()
				if (want == "") != (got == "") || !strings.Contains(got, want) {
					t.Fatalf("%q, want %q", got, want)
				}
			}
			old, err := src.CurrentPosition(ctx)
			must(t, err)
			aged, err := decodePosition(old) // the same, if the server had been left alone since
			must(t, err)
			aged.LastMicros = time.Now().Add(-20 * time.Hour).UnixMicro()
			must(t, s.Exec(ctx, "SET GLOBAL binlog_expire_logs_seconds = 86400"))
			is(expiring(aged.encode()), "") // nothing follows it
			must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (1, 'needed')"))
			is(expiring(old), "")
			must(t, s.Exec(ctx, "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (2, 'newer')"))
			is(expiring(old), "")
			aged.File = "binlog.000001"
			if status, _, err := s.BinlogEnd(ctx); err == nil {
				aged.File = status.Name[:len(status.Name)-1] + "1"
			}
			is(expiring(aged.encode()), "after 24h0m0s")
			must(t, s.Exec(ctx, "SET GLOBAL binlog_expire_logs_seconds = 0"))
			is(expiring(aged.encode()), "")
			// Files before this one were purged, and it is the oldest.
			now, err := src.CurrentPosition(ctx)
			must(t, err)
			at, err := decodePosition(now)
			must(t, err)
			file, _, err := s.BinlogEnd(ctx)
			must(t, err)
			at.File = file.Name
			must(t, s.Exec(ctx, "PURGE BINARY LOGS TO '"+file.Name+"'", "INSERT INTO d.t VALUES (3, 'newer')", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (4, 'newer')"))
			is(expiring(at.encode()), "the oldest file")
			is(expiring(old), "MYSQL_PURGED")
		})
	}
}
