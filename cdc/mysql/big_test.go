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
func (c *countSink) Schema(context.Context, cdc.SchemaChange) error             { return nil }
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
// DESIGN 2. bulk: transactions of 5,000 rows; small: of one row. BENCH_ROWS changes the number of rows.
func BenchmarkReceive(b *testing.B) {
	rows := int64(200000)
	if n, err := strconv.ParseInt(os.Getenv("BENCH_ROWS"), 10, 64); err == nil {
		rows = n
	}
	for _, c := range []struct {
		name string
		per  int64
	}{{"bulk", 5000}, {"small", 1}} {
		b.Run(c.name, func(b *testing.B) {
			s := server(b, nil)
			ctx := context.Background()
			must(b, s.Exec(ctx, "CREATE DATABASE d", `CREATE TABLE d.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT, m DECIMAL(12,2), s VARCHAR(30), u VARCHAR(30),
				t TEXT, d DATETIME(6), ts TIMESTAMP NULL, f DOUBLE, y TINYINT)`))
			src := newSource(b, config(s, "d"))
			ds, err := src.Discover(ctx)
			must(b, err)
			const row = "SELECT NULL, i, i / 100, 'some string', CONCAT('other ', i), REPEAT('t', 80), '2024-01-02 03:04:05.123456', '2024-01-02 03:04:05', i / 3, i % 100"
			n := rows
			if c.per == 1 {
				n = min(rows, 50000)
				must(b, s.Exec(ctx, "USE d", "SET GLOBAL innodb_flush_log_at_trx_commit = 0",
					fmt.Sprintf("CREATE PROCEDURE fill() BEGIN DECLARE i INT DEFAULT 0; WHILE i < %d DO INSERT INTO t %s; SET i = i + 1; END WHILE; END", n, row), "CALL fill()"))
			} else {
				for at := int64(0); at < n; at += c.per {
					must(b, s.Exec(ctx, "SET SESSION cte_max_recursion_depth = 1000000",
						fmt.Sprintf("INSERT INTO d.t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) %s FROM n", c.per, row)))
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			for range b.N {
				sink := newCount(n - n%c.per)
				fctx, cancel := context.WithCancel(ctx)
				ended := make(chan error, 1)
				go func() {
					ended <- src.Follow(fctx, []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}}, sink)
				}()
				go func() { // the last batch is not full: a barrier brings it
					tick := time.NewTicker(20 * time.Millisecond)
					defer tick.Stop()
					for k := uint64(1); ; k++ {
						select {
						case <-tick.C:
						case <-fctx.Done():
							return
						}
						select {
						case sink.due <- k:
						case <-fctx.Done():
							return
						}
					}
				}()
				select {
				case <-sink.done:
				case err := <-ended:
					b.Fatal(err)
				}
				cancel()
				<-ended
			}
			b.ReportMetric(float64(n)*float64(b.N)/(cpu()-before).Seconds()/1e6, "Mrows/cpu-s")
		})
	}
}
