package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// lineKind is what lies between cdc2lake and the S3 server, and what is replayed.
type lineKind struct {
	name    string
	latency time.Duration
	rate    int64 // bytes a second of a connection; 0: not limited
	large   bool  // rows of 4 KB instead of tenColumns
}

// runShards replays with nothing between: shards scale as far as there are cores.
func runShards(ctx context.Context, l *lab) (*result, error) {
	return nil, l.shards(ctx, lineKind{name: "cores"})
}

// runShardsLatency shows whether shards wait.
func runShardsLatency(ctx context.Context, l *lab) (*result, error) {
	return nil, l.shards(ctx, lineKind{name: "latency", latency: 100 * time.Millisecond})
}

// runShardsLine shows that they wait beside each other: the four parts that a file may have in flight bound what a shard writes, so that even
// on two cores more shards get more done. Large rows take little CPU for their bytes; of small ones a backlog that two cores could encode in a
// reasonable time would be on its way as a whole (32 MiB a shard), and the end of the last parts all that is measured.
func runShardsLine(ctx context.Context, l *lab) (*result, error) {
	return nil, l.shards(ctx, lineKind{name: "line", latency: 100 * time.Millisecond, rate: 4 << 20, large: true})
}

// largeColumns is a table of rows of 4 KB that hardly compress.
const largeColumns = "(id BIGINT NOT NULL PRIMARY KEY, body VARCHAR(4000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL)"

func appendLarge(b []byte, id int64) []byte {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"
	r := newRandom(int64(newRandom(id, 3).next()), 0) // or a row's numbers would be those of the row before, moved on by one
	b = append(strconv.AppendInt(b, id, 10), '\t')
	for range 400 {
		for x, i := r.next(), 0; i < 10; i++ {
			b = append(b, digits[x&63])
			x >>= 6
		}
	}
	return append(b, '\n')
}

// shardMemory has room for what each of eight shards may have in flight, and for the changes of the only checkpoint; the default for twelve
// parts of 8 MiB and 2.6 M changes.
const (
	shardMemory  = "4GiB"
	shardChanges = 10_000_000
)

// shards replays one backlog with 1, 2, 4 and 8 shards, each with a pipeline of its own.
func (l *lab) shards(ctx context.Context, k lineKind) error {
	table := "shards_" + k.name
	rows := min(max(l.count(1_000_000)/10_000, 1)*10_000, shardChanges/2) // whole transactions
	changes, columns := 2*rows, tenColumns
	inserts := fill{table: table, rows: rows, chunk: 10_000, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }}
	order := newPermutation(rows, 11)
	updates := fill{table: table, rows: rows, chunk: batched, replace: true, row: func(b []byte, i int64) []byte { return appendTen(b, order.at(i), updateVersion) }}
	if k.large {
		rows = max(rows/5_000, 1) * 1_000
		changes, columns = rows, largeColumns
		inserts, updates = fill{table: table, rows: rows, chunk: 1_000, row: appendLarge}, fill{}
	}
	if err := l.createTable(ctx, table, columns); err != nil {
		return err
	}
	endpoint := ""
	if k.latency > 0 {
		s, err := newSlowLine(l.s3.Endpoint, k.latency, k.rate)
		if err != nil {
			return err
		}
		l.ends = append(l.ends, s.close)
		endpoint = s.endpoint()
	}
	counts := []int{1, 2, 4, 8}
	pipelines := make([]*pipeline, len(counts))
	for i, n := range counts {
		// The only checkpoint begins with the last change: nothing waits for an interval.
		p, err := l.newPipeline(pipelineOptions{name: fmt.Sprintf("shards-%s-%d", k.name, n), include: table, endpoint: endpoint, interval: "1h",
			limits: fmt.Sprintf(", max_rows: %d, max_bytes: 1000GiB", changes), more: fmt.Sprintf("runtime: {parallelism: %d, memory: %s}", n, shardMemory)})
		if err != nil {
			return err
		}
		p.poll = 50 * time.Millisecond
		if err := p.load(ctx, 1); err != nil {
			return err
		}
		pipelines[i] = p
	}
	for _, f := range []fill{inserts, updates} {
		if f.rows == 0 {
			continue
		}
		if err := f.run(ctx, l); err != nil {
			return err
		}
	}
	var one *result
	for i, p := range pipelines {
		r := newResult(p.o.name)
		r.changes = changes
		if one == nil {
			one = r
		} else {
			r.floor = one.floor
		}
		l.say("%s: replaying %d changes", r.name, changes)
		if err := p.start(r.name); err != nil {
			return err
		}
		if err := p.awaitBegin(ctx); err != nil {
			return err
		}
		if _, _, err := p.measure(ctx, r, func() error { return p.awaitEnd(ctx) }); err != nil {
			return err
		}
		if err := p.stop(); err != nil {
			return err
		}
		r.add("shards", float64(counts[i]))
		r.add("changes_per_s", float64(changes)/r.wall)
		r.add("cores", r.cpu/r.wall)
		r.add("speedup", one.wall/r.wall)
		r.add("latency_ms", float64(k.latency.Milliseconds()))
		if k.rate > 0 {
			r.add("connection_kib_per_s", float64(k.rate)/(1<<10))
		}
		if err := l.check(ctx, p, r, table); err != nil {
			return err
		}
		if err := l.report(ctx, r); err != nil {
			return err
		}
	}
	return l.mysql.Exec(ctx, "DROP TABLE "+database+"."+table)
}
