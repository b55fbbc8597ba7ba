package main

import (
	"context"
	"math"
)

// runIgnore replays a log full of tables that are not selected.
func runIgnore(ctx context.Context, l *lab) (*result, error) {
	const table, noise = "chosen", "noise"
	r := newResult("ignore")
	r.changes = l.count(5_000_000)
	p, err := l.loadedPipeline(ctx, pipelineOptions{name: "ignore", include: table}, table, tenColumns)
	if err != nil {
		return nil, err
	}
	if err := l.createTable(ctx, noise, tenColumns); err != nil {
		return nil, err
	}
	if err := (fill{table: noise, rows: r.changes, chunk: 10_000, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }}).run(ctx, l); err != nil {
		return nil, err
	}
	// One row at the end, so that there is a commit to wait for.
	if err := (fill{table: table, rows: 1, chunk: 1, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }}).run(ctx, l); err != nil {
		return nil, err
	}
	from, to, err := p.replay(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := l.check(ctx, p, r, table); err != nil {
		return nil, err
	}
	// There is nothing to encode; one row says nothing of the encoder.
	r.floor, r.extra = math.NaN(), nil
	bytes := to.m.sum("cdc2lake_source_bytes_total") - from.m.sum("cdc2lake_source_bytes_total")
	r.add("log_mb", bytes/1e6)
	r.add("log_mb_per_cpu_s", bytes/1e6/r.cpu)
	return r, l.mysql.Exec(ctx, "DROP TABLE "+database+"."+noise)
}
