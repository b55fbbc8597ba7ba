package main

import "context"

// shared is the table of five million rows and the pipeline that has loaded it: load measures the load, others go on from there.
type shared struct {
	p      *pipeline
	rows   int64
	loaded *result
}

const sharedTable = "items"

// base returns the shared table, made and loaded at the first use. Its pipeline is stopped.
func (l *lab) base(ctx context.Context) (*shared, error) {
	if l.shared != nil {
		return l.shared, nil
	}
	s := &shared{rows: l.count(5_000_000), loaded: newResult("load")}
	if err := l.createTable(ctx, sharedTable, tenColumns); err != nil {
		return nil, err
	}
	err := fill{table: sharedTable, rows: s.rows, chunk: 20_000, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }, unlogged: true}.run(ctx, l)
	if err != nil {
		return nil, err
	}
	if s.p, err = l.newPipeline(pipelineOptions{name: "base", include: sharedTable}); err != nil {
		return nil, err
	}
	l.say("load: %d rows", s.rows)
	if err := s.p.start("load"); err != nil {
		return nil, err
	}
	s.loaded.changes = s.rows
	if _, _, err := s.p.measure(ctx, s.loaded, func() error { return s.p.awaitLive(ctx, 1) }); err != nil {
		return nil, err
	}
	if err := s.p.stop(); err != nil {
		return nil, err
	}
	if err := l.check(ctx, s.p, s.loaded, sharedTable); err != nil {
		return nil, err
	}
	l.shared = s
	return s, nil
}

func runLoad(ctx context.Context, l *lab) (*result, error) {
	s, err := l.base(ctx)
	if err != nil {
		return nil, err
	}
	return s.loaded, nil
}
