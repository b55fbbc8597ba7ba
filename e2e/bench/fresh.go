package main

import (
	"context"
	"time"
)

// runFresh measures how long a change is on its way under a steady load.
func runFresh(ctx context.Context, l *lab) (*result, error) {
	const table, rate = "fresh", 20_000
	r := newResult("fresh")
	rows := l.count(1_000_000) / 4 * 4
	length := max(20*time.Second, time.Duration(float64(5*time.Minute)*l.scale))
	if err := l.createTable(ctx, table, tenColumns); err != nil {
		return nil, err
	}
	if err := (fill{table: table, rows: rows, chunk: 20_000, unlogged: true, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }}).run(ctx, l); err != nil {
		return nil, err
	}
	p, err := l.newPipeline(pipelineOptions{name: "fresh", include: table, interval: "1s"})
	if err != nil {
		return nil, err
	}
	if err := p.load(ctx, 1); err != nil {
		return nil, err
	}
	if err := p.start(r.name); err != nil {
		return nil, err
	}
	if err := p.awaitEnd(ctx); err != nil {
		return nil, err
	}
	l.say("fresh: %d changes a second for %s", rate, length)
	w := &writers{table: table, rows: rows, rate: rate, perTxn: 20, inserts: 5, length: length}
	var parts [2]metrics // after the first fifth, and before the last
	var wrote time.Duration
	from, to, err := p.measure(ctx, r, func() error {
		for i, at := range []time.Duration{length / 5, length * 4 / 5} {
			timer := time.AfterFunc(at, func() { parts[i], _ = scrape(ctx, p.url) })
			defer timer.Stop()
		}
		begin := time.Now()
		if err := w.run(ctx, l); err != nil {
			return err
		}
		wrote = time.Since(begin)
		return p.awaitEnd(ctx)
	})
	if err != nil {
		return nil, err
	}
	if err := p.stop(); err != nil {
		return nil, err
	}
	const name, oldest = "cdc2lake_freshness_seconds", `transaction="oldest"`
	r.changes = w.changes.Load()
	r.fresh = quantile(0.99, from.m, to.m, name, oldest)
	r.add("freshness_p50_s", quantile(0.5, from.m, to.m, name, oldest))
	if parts[0] != nil && parts[1] != nil {
		r.add("first_fifth_p99_s", quantile(0.99, from.m, parts[0], name, oldest))
		r.add("last_fifth_p99_s", quantile(0.99, parts[1], to.m, name, oldest))
	}
	r.add("changes_per_s", float64(r.changes)/wrote.Seconds())
	r.add("cores", r.cpu/wrote.Seconds())
	if n := w.late.Load(); n > 0 {
		l.say("fresh: MySQL was too slow: %d transactions began more than a second late", n)
	}
	return r, l.check(ctx, p, r, table)
}
