package main

import (
	"context"
	"fmt"
	"time"
)

// lineKind is what lies between cdc2lake and the S3 server.
type lineKind struct {
	suffix  string // of the names of results
	latency time.Duration
	rate    int64 // bytes a second of a connection; 0: not limited
}

// lineKinds: with nothing between, shards scale as far as there are cores. Behind a latency they show whether they wait. Behind a slow line
// the four parts that a shard has in flight bound what it writes, so that even on two cores more shards get more done.
var lineKinds = []lineKind{
	{},
	{suffix: "-latency", latency: 100 * time.Millisecond},
	{suffix: "-line", latency: 100 * time.Millisecond, rate: 2 << 20},
}

// shardMemory has room for four parts in flight of each of eight shards, and for the changes of the only checkpoint; the default for twelve parts
// and 2.6 M changes.
const (
	shardMemory  = "4GiB"
	shardChanges = 10_000_000
)

// runShards replays one backlog with 1, 2, 4 and 8 shards, each with a pipeline of its own.
func runShards(ctx context.Context, l *lab) (*result, error) {
	const table = "shards"
	if err := l.createTable(ctx, table, tenColumns); err != nil {
		return nil, err
	}
	rows := min(max(l.count(1_000_000)/10_000, 1)*10_000, shardChanges/2) // whole transactions
	changes := 2 * rows
	type run struct {
		kind   lineKind
		shards int
		p      *pipeline
	}
	var runs []run
	for _, k := range lineKinds {
		endpoint := ""
		if k.latency > 0 {
			s, err := newSlowLine(l.s3.Endpoint, k.latency, k.rate)
			if err != nil {
				return nil, err
			}
			l.ends = append(l.ends, s.close)
			endpoint = s.endpoint()
		}
		for _, n := range []int{1, 2, 4, 8} {
			// The only checkpoint begins with the last change: nothing waits for an interval.
			p, err := l.newPipeline(pipelineOptions{name: fmt.Sprintf("shards-%d%s", n, k.suffix), include: table, endpoint: endpoint, interval: "1h",
				limits: fmt.Sprintf(", max_rows: %d, max_bytes: 1000GiB", changes), more: fmt.Sprintf("runtime: {parallelism: %d, memory: %s}", n, shardMemory)})
			if err != nil {
				return nil, err
			}
			p.poll = 50 * time.Millisecond
			if err := p.load(ctx, 1); err != nil {
				return nil, err
			}
			runs = append(runs, run{k, n, p})
		}
	}
	row := func(b []byte, i int64) []byte { return appendTen(b, i, 0) }
	if err := (fill{table: table, rows: rows, chunk: 10_000, row: row}).run(ctx, l); err != nil {
		return nil, err
	}
	order := newPermutation(rows, 11)
	row = func(b []byte, i int64) []byte { return appendTen(b, order.at(i), updateVersion) }
	if err := (fill{table: table, rows: rows, chunk: batched, replace: true, row: row}).run(ctx, l); err != nil {
		return nil, err
	}
	floor, one := newResult("").floor, 0.0
	for _, x := range runs {
		r := newResult(x.p.o.name)
		r.changes, r.floor = changes, floor
		l.say("%s: replaying %d changes", r.name, changes)
		if err := x.p.start(r.name); err != nil {
			return nil, err
		}
		if err := x.p.awaitBegin(ctx); err != nil {
			return nil, err
		}
		if _, _, err := x.p.measure(ctx, r, func() error { return x.p.awaitEnd(ctx) }); err != nil {
			return nil, err
		}
		if err := x.p.stop(); err != nil {
			return nil, err
		}
		if x.shards == 1 {
			one = r.wall
		}
		r.add("shards", float64(x.shards))
		r.add("changes_per_s", float64(changes)/r.wall)
		r.add("cores", r.cpu/r.wall)
		r.add("speedup", one/r.wall)
		if x.kind.latency > 0 {
			r.add("latency_ms", float64(x.kind.latency.Milliseconds()))
		}
		if x.kind.rate > 0 {
			r.add("connection_mib_per_s", float64(x.kind.rate)/(1<<20))
		}
		if err := l.check(ctx, x.p, r, table); err != nil {
			return nil, err
		}
		floor = r.floor
		if err := l.report(ctx, r); err != nil {
			return nil, err
		}
	}
	return nil, l.mysql.Exec(ctx, "DROP TABLE "+database+"."+table)
}
