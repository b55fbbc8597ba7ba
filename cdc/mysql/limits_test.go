package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestServerIDCollision: an id that another replica has registered is refused, and tried again until it is free.
func TestServerIDCollision(t *testing.T) {
	db := testenv.NeedMySQL(t)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	db.Exec("CREATE TABLE t (id INT PRIMARY KEY)")
	cfg := config(db.MySQLServer, db.Name)
	cfg.ServerID = 4711
	logged := captureLog(&cfg)
	src := newSource(t, cfg)
	ds, err := src.Discover(ctx)
	must(t, err)
	other, err := cfg.connect(ctx, cfg.Address)
	must(t, err)
	// Another program, of another UUID, takes the id.
	_, err = other.exec(fmt.Sprintf("SET @replica_uuid = '%s', @slave_uuid = '%[1]s'", uuid.NewString()))
	must(t, err)
	must(t, src.register(other))
	cn, err := cfg.connect(ctx, cfg.Address)
	must(t, err)
	wantCode(t, src.checkServerID(cn), codeServerID, "4711")
	cn.close()
	if cdc.ClassOf(&cdc.Error{Code: codeServerID}) != cdc.Retryable {
		t.Fatal("a dead replica's id becomes free again: it must be tried again")
	}
	p := follow(t, src, newSinkOf(t, src, ds), []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}})
	awaitLog(ctx, t, logged, "server id 4711 is used")
	other.close()
	db.Exec("INSERT INTO t VALUES (1)")
	p.catchUp(ctx)
	p.sink.equal(db.MySQLServer, ds[0].Table)
	// The same id of our own program takes its dead predecessor's place.
	q := follow(t, newSource(t, cfg), newSinkOf(t, src, ds), []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}})
	p.cancel(errStopped)
	<-p.done
	p.once.Do(func() {})
	q.catchUp(ctx)
	q.sink.equal(db.MySQLServer, ds[0].Table)
	q.stop()
	_ = src.Close()
	_ = q.src.Close()
}

func newSinkOf(t testing.TB, src *Source, ds []cdc.Discovered) *mapSink {
	s := newSink(t, src)
	for _, d := range ds {
		s.add(d.Schema, false)
	}
	return s
}

// TestRateCap: rows of all readers together are spread over time; a limit that is waited for ends with the context.
func TestRateCap(t *testing.T) {
	db := testenv.NeedMySQL(t)
	noLeaks(t)
	ctx := timeout(t, time.Minute)
	db.Exec("CREATE TABLE t (id INT PRIMARY KEY)", "SET SESSION cte_max_recursion_depth = 100000",
		"INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n")
	cfg := config(db.MySQLServer, db.Name)
	cfg.Load.RowsPerSecond, cfg.Load.ChunkRows = 2000, 100
	src := newSource(t, cfg)
	p, ds := startAll(t, src, true)
	start := time.Now()
	must(t, p.load(ctx, ds[0].Table, 4))
	if d := time.Since(start); d < 490*time.Millisecond || d > 20*time.Second {
		t.Fatalf("1000 rows at 2000 a second took %s", d)
	}
	p.catchUp(ctx)
	p.sink.equal(db.MySQLServer, ds[0].Table)
	p.stop()
	src.rate.perSecond = 1
	short, cancel := context.WithCancel(ctx)
	err := src.ReadRange(short, ds[0].Schema, cdc.Chunk{}, func(b *cdc.Batch) error { b.Release(); cancel(); return nil })
	if err == nil || short.Err() == nil {
		t.Fatalf("a wait of 1000 s ended with %v", err)
	}
	_ = src.Close()
}

// TestVisibilityWithoutGTIDs: a chunk waits until nobody holds changes of the table that may be in the log already.
func TestVisibilityWithoutGTIDs(t *testing.T) {
	noLeaks(t)
	s := server(t, fileMode)
	ctx := timeout(t, time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)"))
	cfg := config(s, "d")
	cfg.Load.WaitTimeout = 200 * time.Millisecond
	src := newSource(t, cfg)
	p, ds := startAll(t, src, true)
	p.catchUp(ctx)
	writer, err := s.Connect(ctx, "d")
	must(t, err)
	defer writer.Close()
	for _, q := range []string{"BEGIN", "INSERT INTO t VALUES (2)"} {
		_, err := writer.Execute(q)
		must(t, err)
	}
	err = src.Read(ctx, ds[0].Schema, cdc.Chunk{}, func(*cdc.Batch) error { t.Error("read beside an open transaction"); return nil })
	wantCode(t, err, codeWait, "d.t", "200ms")
	src.cfg.Load.WaitTimeout = 30 * time.Second
	read := make(chan error, 1)
	go func() { read <- p.readChunk(ctx, ds[0].Table, cdc.Chunk{}) }()
	// The reader stands in line behind the writer.
	for {
		rows, err := s.Query(ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'LOCK TABLES%'")
		must(t, err)
		if rows[0][0] == "1" {
			break
		}
	}
	_, err = writer.Execute("COMMIT")
	must(t, err)
	must(t, <-read)
	p.catchUp(ctx)
	p.sink.equal(s, ds[0].Table)
	p.stop()
	_ = src.Close()
}

// awaitLog waits for a line of the log.
func awaitLog(ctx context.Context, t testing.TB, logged func() string, text string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(logged(), text) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the log does not say %q: %s", text, logged())
		}
	}
}
