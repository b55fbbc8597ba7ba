package main

import (
	"cmp"
	"context"
)

// runInsert replays bulk inserts into a table that was empty.
func runInsert(ctx context.Context, l *lab) (*result, error) {
	const table = "inserts"
	r := newResult("insert")
	r.changes = l.count(2_000_000)
	p, err := l.loadedPipeline(ctx, pipelineOptions{name: "insert", include: table}, table, tenColumns)
	if err != nil {
		return nil, err
	}
	if err := (fill{table: table, rows: r.changes, chunk: 10_000, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }}).run(ctx, l); err != nil {
		return nil, err
	}
	if _, _, err := p.replay(ctx, r); err != nil {
		return nil, err
	}
	return r, l.check(ctx, p, r, table)
}

// loadedPipeline makes an empty table and a stopped pipeline that has loaded it.
func (l *lab) loadedPipeline(ctx context.Context, o pipelineOptions, table, definition string) (*pipeline, error) {
	if err := l.createTable(ctx, table, definition); err != nil {
		return nil, err
	}
	p, err := l.newPipeline(o)
	if err != nil {
		return nil, err
	}
	return p, p.load(ctx, 1)
}

// load runs a new pipeline until its tables are loaded, without waiting long for its checkpoints: this part is not measured.
func (p *pipeline) load(ctx context.Context, tables int) error {
	if err := p.configure("500ms"); err != nil {
		return err
	}
	if err := p.start(""); err != nil {
		return err
	}
	if err := p.awaitLive(ctx, tables); err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	return p.configure(cmp.Or(p.o.interval, "10s"))
}
