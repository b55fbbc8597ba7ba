package main

import (
	"context"
	"fmt"
	"strconv"
)

// keyKind is a kind of primary key.
type keyKind struct {
	name, ddl string
	append    func(b []byte, i int64) []byte
}

var (
	intKeys = keyKind{"int", "BIGINT NOT NULL PRIMARY KEY", func(b []byte, i int64) []byte { return strconv.AppendInt(b, i, 10) }}
	// As UUIDs whose first half is a time: MySQL wants keys in order to load them fast.
	stringKeys = keyKind{"string", "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY", func(b []byte, i int64) []byte {
		x := newRandom(i, 9).next()
		return fmt.Appendf(b, "%08x-%04x-7%03x-%04x-%012x", uint32(i>>4), uint16(i&15)<<12|uint16(x&0xfff), x>>12&0xfff, x>>24&0xffff, x>>16)
	}}
)

// narrow fills a table of keys and a number, and returns a pipeline that has loaded it and is stopped.
func (l *lab) narrow(ctx context.Context, k keyKind, o pipelineOptions, rows int64, r *result) (*pipeline, error) {
	if err := l.createTable(ctx, o.include, "(id "+k.ddl+", v INT NOT NULL)"); err != nil {
		return nil, err
	}
	if err := (fill{table: o.include, rows: rows, chunk: 200_000, unlogged: true, row: k.row(0)}).run(ctx, l); err != nil {
		return nil, err
	}
	p, err := l.newPipeline(o)
	if err != nil {
		return nil, err
	}
	l.say("%s: loading %d rows", r.name, rows)
	if err := p.start(r.name + "-load"); err != nil {
		return nil, err
	}
	if _, _, err := p.measure(ctx, r, func() error { return p.awaitLive(ctx, 1) }); err != nil {
		return nil, err
	}
	return p, p.stop()
}

func (k keyKind) row(version int64) func(b []byte, i int64) []byte {
	return func(b []byte, i int64) []byte {
		b = k.append(b, i)
		return append(strconv.AppendInt(append(b, '\t'), i%1000+version, 10), '\n')
	}
}

// update writes updates of rows in random order, from the first of the order on.
func (l *lab) updateNarrow(ctx context.Context, k keyKind, table string, rows, first, n int64) error {
	order, row := newPermutation(rows, 5), k.row(1)
	return fill{table: table, rows: n, chunk: batched, replace: true, row: func(b []byte, i int64) []byte {
		return row(b, order.at(first+i))
	}}.run(ctx, l)
}

func runIntKeys(ctx context.Context, l *lab) (*result, error)    { return l.keys(ctx, intKeys) }
func runStringKeys(ctx context.Context, l *lab) (*result, error) { return l.keys(ctx, stringKeys) }

// keys measures the memory that many keys take: while they are loaded, and while they are updated.
func (l *lab) keys(ctx context.Context, k keyKind) (*result, error) {
	r, load := newResult("keys-"+k.name), newResult("keys-"+k.name)
	table := "keys_" + k.name
	rows := l.count(20_000_000)
	r.changes = l.count(2_000_000)
	p, err := l.narrow(ctx, k, pipelineOptions{name: r.name, include: table}, rows, load)
	if err != nil {
		return nil, err
	}
	if err := l.updateNarrow(ctx, k, table, rows, 0, r.changes); err != nil {
		return nil, err
	}
	if _, _, err := p.replay(ctx, r); err != nil {
		return nil, err
	}
	updateRSS, updateAnon := r.rss, r.anon
	r.rss, r.anon = max(r.rss, load.rss), max(r.anon, load.anon)
	r.add("keys", float64(rows))
	r.add("load_rows_per_cpu_s", float64(rows)/load.cpu)
	r.add("load_rss_mib", load.rss/(1<<20))
	r.add("load_rss_anon_mib", load.anon/(1<<20))
	r.add("update_rss_mib", updateRSS/(1<<20))
	r.add("update_rss_anon_mib", updateAnon/(1<<20))
	if err := l.check(ctx, p, r, table); err != nil {
		return nil, err
	}
	return r, l.mysql.Exec(ctx, "DROP TABLE "+database+"."+table)
}
