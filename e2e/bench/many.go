package main

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// runMany replays changes of 500 tables, of which few are busy.
func runMany(ctx context.Context, l *lab) (*result, error) {
	const tables, perTxn = 500, 50
	r := newResult("many")
	r.changes = l.count(1_000_000)
	stmts := []string{"USE " + database}
	names := make([]string, tables)
	for i := range names {
		names[i] = fmt.Sprintf("many_%03d", i)
		stmts = append(stmts, "CREATE TABLE "+names[i]+" "+tenColumns)
	}
	l.say("creating %d tables", tables)
	if err := l.mysql.Exec(ctx, stmts...); err != nil {
		return nil, err
	}
	p, err := l.newPipeline(pipelineOptions{name: "many", include: "many_*"})
	if err != nil {
		return nil, err
	}
	if err := p.load(ctx, tables); err != nil {
		return nil, err
	}
	// Of ten changes seven are new rows, three updates.
	rnd := rand.New(rand.NewPCG(2, 2))
	zipf := rand.NewZipf(rnd, 1.1, 1, tables-1)
	table := make([]int, (r.changes+perTxn-1)/perTxn)
	for i := range table {
		table[i] = int(zipf.Uint64())
	}
	var rows [tables]int64
	err = fill{table: "many_*", rows: r.changes, chunk: perTxn, replace: true, into: func(c int64) string { return names[table[c]] },
		row: func(b []byte, i int64) []byte {
			n := &rows[table[i/perTxn]]
			id := *n
			if id > 0 && rnd.IntN(10) < 3 {
				id = rnd.Int64N(id)
			} else {
				*n++
			}
			return appendTen(b, id, uint64(i))
		}}.run(ctx, l)
	if err != nil {
		return nil, err
	}
	from, to, err := p.replay(ctx, r)
	if err != nil {
		return nil, err
	}
	// What a start costs with so many tables, without anything to replay: it is part of the figures above.
	idle := newResult("many-start")
	if _, _, err := p.replay(ctx, idle); err != nil {
		return nil, err
	}
	r.add("start_cpu_s", idle.cpu)
	r.add("table_commits", to.m.sum("cdc2lake_table_commits_total")-from.m.sum("cdc2lake_table_commits_total"))
	return r, l.check(ctx, p, r, names...)
}
