package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// replicaOf starts a server that replicates from another one, under a delay in seconds.
func replicaOf(t testing.TB, s *testenv.MySQLServer) *testenv.MySQLServer {
	t.Helper()
	r := server(t, nil)
	ctx := timeout(t, time.Minute)
	must(t, r.Exec(ctx, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', SOURCE_AUTO_POSITION = 1,"+
		" SOURCE_SSL = 1, SOURCE_HEARTBEAT_PERIOD = 1, SOURCE_CONNECT_RETRY = 1", s.Host(), s.Port(), testenv.CDCUser, testenv.CDCPassword), "START REPLICA"))
	reach(ctx, t, r, s)
	return r
}

// reach waits until a replica has all transactions of its source.
func reach(ctx context.Context, t testing.TB, r, s *testenv.MySQLServer) {
	t.Helper()
	rows, err := r.Query(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET('"+executed(ctx, t, s)+"', 30)")
	must(t, err)
	if rows[0][0] != "0" {
		status, _ := r.Query(ctx, "SHOW REPLICA STATUS")
		t.Fatalf("the replica did not follow: %q", status)
	}
}

func executed(ctx context.Context, t testing.TB, s *testenv.MySQLServer) string {
	t.Helper()
	rows, err := s.Query(ctx, "SELECT REPLACE(@@GLOBAL.gtid_executed, '\\n', '')")
	must(t, err)
	return rows[0][0]
}

// TestReplica: chunks are read from a replica that lags, and the log goes on there after a failover.
func TestReplica(t *testing.T) {
	noLeaks(t)
	a := server(t, nil)
	ctx := timeout(t, 2*time.Minute)
	must(t, a.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(200))"))
	b := replicaOf(t, a)
	id := cdc.TableID{Database: "d", Name: "t"}

	t.Run("lagging", func(t *testing.T) {
		cfg := config(a, "d")
		cfg.Load.Replica, cfg.Load.WaitTimeout = b.Addr(), 500*time.Millisecond
		src := newSource(t, cfg)
		p, ds := startAll(t, src, true)
		must(t, b.Exec(ctx, "STOP REPLICA SQL_THREAD"))
		must(t, a.Exec(ctx, "INSERT INTO d.t VALUES (1, 'a')", "UPDATE d.t SET v = 'new' WHERE id = 1"))
		p.catchUp(ctx)
		// What the log has delivered is not on the replica: a chunk must wait for it, and give up.
		err := src.Read(ctx, ds[0].Schema, cdc.Chunk{}, func(*cdc.Batch) error { t.Error("old rows were read"); return nil })
		wantCode(t, err, codeWait, "d.t", b.Addr(), "500ms")
		src.cfg.Load.WaitTimeout = 30 * time.Second
		read := make(chan error, 1)
		started := make(chan struct{})
		go func() {
			close(started)
			read <- p.readChunk(ctx, id, cdc.Chunk{})
		}()
		<-started
		must(t, b.Exec(ctx, "START REPLICA SQL_THREAD"))
		must(t, <-read)
		must(t, p.load(ctx, id, 2))
		p.catchUp(ctx)
		p.sink.equal(a, id)
		p.stop()
		_ = src.Close()
	})

	t.Run("failover", func(t *testing.T) {
		src := newSource(t, config(a, "d"))
		p, _ := startAll(t, src, true)
		p.sink.keep = true
		must(t, p.load(ctx, id, 2))
		must(t, a.Exec(ctx, "INSERT INTO d.t VALUES (2, 'b')", "SET GTID_NEXT = 'AUTOMATIC:shop'", "INSERT INTO d.t VALUES (3, 'tagged')", "UPDATE d.t SET v = 'x'"))
		p.catchUp(ctx)
		if at := string(p.sink.at.Position); !strings.Contains(at, ":shop:1-2") {
			t.Fatalf("no tagged GTID in %s", at)
		}
		p.stop()
		_ = src.Close()
		reach(ctx, t, b, a)
		must(t, a.Exec(ctx, "SET GTID_NEXT = 'AUTOMATIC:shop'", "INSERT INTO d.t VALUES (4, 'meanwhile')"))
		reach(ctx, t, b, a)
		must(t, b.Exec(ctx, "STOP REPLICA"))
		must(t, b.Exec(ctx, "INSERT INTO d.t VALUES (5, 'on b')", "DELETE FROM d.t WHERE id = 1"))
		q := resume(t, p, newSource(t, config(b, "d")))
		q.catchUp(ctx)
		q.sink.equal(b, id)
		q.stop()
		_ = q.src.Close()
		// a lacks what b has: to go back would leave the tables ahead of their server.
		back := resume(t, q, newSource(t, config(a, "d")))
		wantCode(t, back.fails(ctx), codeHistory, "does not have")
		_ = back.src.Close()
		// b has purged all that the tables hold, its last transaction too: nothing is missing, and it is said.
		must(t, b.Exec(ctx, "FLUSH BINARY LOGS"))
		end, _, err := b.BinlogEnd(ctx)
		must(t, err)
		must(t, b.Exec(ctx, "PURGE BINARY LOGS TO '"+end.Name+"'", "INSERT INTO d.t VALUES (6, 'after')"))
		cfg := config(b, "d")
		logged := captureLog(&cfg)
		last := resume(t, q, newSource(t, cfg))
		last.catchUp(ctx)
		last.sink.equal(b, id)
		last.stop()
		_ = last.src.Close()
		if !strings.Contains(logged(), "purged") {
			t.Errorf("nothing was logged about the purged transaction: %s", logged())
		}
	})
}
