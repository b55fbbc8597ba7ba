package mysql

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// countSink takes batches and forgets them.
type countSink struct {
	due  chan uint64
	rows atomic.Int64
	peak atomic.Uint64
	want int64
	done chan struct{}
}

func newCount(want int64) *countSink {
	return &countSink{due: make(chan uint64), want: want, done: make(chan struct{})}
}

func (c *countSink) Due() <-chan uint64 { return c.due }
func (c *countSink) Batch(_ context.Context, b *cdc.Batch) error {
	n := c.rows.Add(int64(b.N))
	if n%(1<<18) < int64(b.N) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.peak.Store(max(c.peak.Load(), m.HeapAlloc))
	}
	if n >= c.want && n-int64(b.N) < c.want {
		close(c.done)
	}
	b.Release()
	return nil
}
func (c *countSink) Schema(context.Context, cdc.SchemaChange) error { return nil }
func (*countSink) Truncate(context.Context, cdc.TableID) error      { return nil }

func (*countSink) Appeared(cdc.TableID) {}

// Statement implements cdc.LogEmitter.
func (*countSink) Statement(*cdc.Statement) {}

func (c *countSink) Pause(_ context.Context, _ cdc.TableID, e *cdc.Error) error { return e }
func (c *countSink) Barrier(context.Context, uint64, cdc.Boundary) error        { return nil }
func (c *countSink) Progress(cdc.Boundary)                                      {}

// TestMillionRows: a transaction of a million rows passes in bounded memory.
func TestMillionRows(t *testing.T) {
	testenv.Slow(t)
	noLeaks(t)
	s := server(t, nil)
	ctx := timeout(t, 2*time.Minute)
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(200))"))
	src := newSource(t, config(s, "d"))
	ds, err := src.Discover(ctx)
	must(t, err)
	const rows = 1000000
	sink := newCount(rows)
	fctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- src.Follow(fctx, []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}}, sink)
	}()
	must(t, s.Exec(ctx, "SET SESSION cte_max_recursion_depth = 2000000",
		fmt.Sprintf("INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, REPEAT('x', 100) FROM n", rows)))
	select {
	case <-sink.done:
	case err := <-ended:
		t.Fatal(err)
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
	cancel()
	<-ended
	if mb := sink.peak.Load() >> 20; mb == 0 || mb > 100 {
		t.Fatalf("heap of %d MiB", mb)
	}
	t.Logf("heap at most %d MiB", sink.peak.Load()>>20)
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkReceive reads a log that was written before from a live server: ten columns of about 200 bytes a row, as in
// DESIGN 2. bulk: transactions of thousands of rows; small: of one row. BENCH_ROWS changes the number of rows. What it takes
// to connect and to get to the first batch is not counted.
func BenchmarkReceive(b *testing.B) {
	rows := int64(200000)
	if n, err := strconv.ParseInt(os.Getenv("BENCH_ROWS"), 10, 64); err == nil {
		rows = n
	}
	const (
		table = `CREATE TABLE d.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT, m DECIMAL(12,2), s VARCHAR(30), u VARCHAR(30),
			t TEXT, d DATETIME(6), ts TIMESTAMP NULL, f DOUBLE, y TINYINT)`
		row = "SELECT NULL, i, i / 100, 'some string', CONCAT('other ', i), REPEAT('t', 80), '2024-01-02 03:04:05.123456', '2024-01-02 03:04:05', i / 3, i % 100"
	)
	for name, fill := range map[string][]string{
		"bulk": {fmt.Sprintf("CREATE PROCEDURE d.fill() BEGIN DECLARE x INT DEFAULT 0; WHILE x < %d DO"+
			" INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) %s FROM n; SET x = x + 20000; END WHILE; END", rows, row)},
		"small": {fmt.Sprintf("CREATE PROCEDURE d.fill() BEGIN DECLARE i INT DEFAULT 0; WHILE i < %d DO INSERT INTO d.t %s; SET i = i + 1; END WHILE; END", rows, row)},
	} {
		b.Run(name, func(b *testing.B) {
			s := server(b, map[string]string{"innodb_flush_log_at_trx_commit": "0"})
			ctx := context.Background()
			must(b, s.Exec(ctx, "CREATE DATABASE d", table, "SET SESSION cte_max_recursion_depth = 1000000", fill[0]))
			src := newSource(b, config(s, "d"))
			ds, err := src.Discover(ctx)
			must(b, err)
			must(b, s.Exec(ctx, "SET SESSION cte_max_recursion_depth = 1000000", "CALL d.fill()"))
			count, err := s.Query(ctx, "SELECT COUNT(*) FROM d.t")
			must(b, err)
			n, err := strconv.ParseInt(count[0][0], 10, 64)
			must(b, err)
			b.ReportAllocs()
			b.ResetTimer()
			var spent time.Duration
			var counted int64
			for range b.N {
				sink := &benchSink{countSink: newCount(n)}
				sink.due = make(chan uint64, 1)
				fctx, cancel := context.WithCancel(ctx)
				ended := make(chan error, 1)
				go func() {
					ended <- src.Follow(fctx, []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}}, sink)
				}()
				select {
				case <-sink.done:
				case err := <-ended:
					b.Fatal(err)
				}
				spent += cpu() - sink.start
				counted += n - sink.first
				cancel()
				<-ended
			}
			b.ReportMetric(float64(counted)/spent.Seconds()/1e6, "Mrows/cpu-s")
		})
	}
}

// benchSink notes the CPU time at the first batch, and wants a barrier where only less than a batch is left.
type benchSink struct {
	*countSink
	start time.Duration
	first int64
}

func (s *benchSink) Batch(ctx context.Context, b *cdc.Batch) error {
	if s.first == 0 {
		s.start, s.first = cpu(), int64(b.N)
	}
	err := s.countSink.Batch(ctx, b)
	if s.want-s.rows.Load() < cdc.MaxBatchRows {
		s.ask()
	}
	return err
}

func (s *benchSink) Barrier(context.Context, uint64, cdc.Boundary) error {
	s.ask()
	return nil
}

// ask wants a barrier soon, unless all rows are there.
func (s *benchSink) ask() {
	if s.rows.Load() < s.want {
		time.AfterFunc(10*time.Millisecond, func() {
			select {
			case s.due <- 1:
			default:
			}
		})
	}
}
