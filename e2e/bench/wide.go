package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	wideColumns = 200
	wideTouched = wideColumns / 5
	widePasses  = 2
)

// wideKind is a kind of column: its definition, and the expression that an update sets it to.
type wideKind struct {
	ddl, set string
	value    func(b []byte, r *random) []byte
}

var wideKinds = []wideKind{
	{"INT NOT NULL", "%[1]s + 1", func(b []byte, r *random) []byte { return strconv.AppendUint(b, r.below(1_000_000), 10) }},
	{"VARCHAR(40) NOT NULL", "CONCAT(LEFT(%[1]s, 20), '%[2]d')", func(b []byte, r *random) []byte {
		return strconv.AppendUint(append(append(b, words[r.next()>>58]...), ' '), r.next(), 36)
	}},
	{"DECIMAL(12,2)", "%[1]s + 0.01", func(b []byte, r *random) []byte {
		return append(strconv.AppendUint(b, r.below(1_000_000), 10), ".25"...)
	}},
	{"BIGINT NOT NULL", "%[1]s + 1", func(b []byte, r *random) []byte { return strconv.AppendUint(b, r.next()>>20, 10) }},
	{"DATETIME(6) NOT NULL", "%[1]s + INTERVAL 1 SECOND", func(b []byte, r *random) []byte {
		return epoch.Add(time.Duration(r.below(1e16))).AppendFormat(b, "2006-01-02 15:04:05.000000")
	}},
	{"TINYINT NOT NULL", "1 - %[1]s", func(b []byte, r *random) []byte { return strconv.AppendUint(b, r.below(2), 10) }},
	{"DOUBLE NOT NULL", "%[1]s + 1", func(b []byte, r *random) []byte {
		return strconv.AppendFloat(b, float64(r.below(1e9))/1024, 'g', -1, 64)
	}},
	{"VARCHAR(20)", "'%[2]d'", func(b []byte, r *random) []byte {
		if r.below(4) == 0 {
			return append(b, null...)
		}
		return append(b, words[r.below(16)]...)
	}},
}

// runWide replays updates of rows with many columns, of which a fifth changes.
func runWide(ctx context.Context, l *lab) (*result, error) {
	const table = "wide"
	r := newResult("wide")
	rows := l.count(100_000)
	r.changes = widePasses * rows
	ddl, set := "(id BIGINT NOT NULL PRIMARY KEY", ""
	for i := range wideColumns - 1 {
		k, name := wideKinds[i%len(wideKinds)], fmt.Sprintf("c%d", i)
		ddl += ",\n" + name + " " + k.ddl
		if i < wideTouched {
			set += ", " + name + " = " + strings.ReplaceAll(fmt.Sprintf(k.set+"%.0[2]d", name, 0), "'0'", "'{pass}'")
		}
	}
	if err := l.createTable(ctx, table, ddl+")"); err != nil {
		return nil, err
	}
	err := fill{table: table, rows: rows, chunk: 2000, unlogged: true, row: func(b []byte, i int64) []byte {
		rnd := newRandom(i, 0)
		b = strconv.AppendInt(b, i, 10)
		for c := range wideColumns - 1 {
			b = wideKinds[c%len(wideKinds)].value(append(b, '\t'), rnd)
		}
		return append(b, '\n')
	}}.run(ctx, l)
	if err != nil {
		return nil, err
	}
	p, err := l.newPipeline(pipelineOptions{name: "wide", include: table})
	if err != nil {
		return nil, err
	}
	if err := p.load(ctx, 1); err != nil {
		return nil, err
	}
	l.say("updating %d rows of %s", r.changes, table)
	const step = 200
	ranges := (rows + step - 1) / step
	for pass := range widePasses {
		order := newPermutation(ranges, uint64(pass))
		var stmts []string
		for i := range ranges {
			from := order.at(i) * step
			stmts = append(stmts, fmt.Sprintf("UPDATE %s.%s SET %s WHERE id BETWEEN %d AND %d", database, table,
				strings.ReplaceAll(set[2:], "{pass}", strconv.Itoa(pass+1)), from, from+step-1))
		}
		if err := l.mysql.Exec(ctx, stmts...); err != nil {
			return nil, err
		}
	}
	if _, _, err := p.replay(ctx, r); err != nil {
		return nil, err
	}
	return r, l.check(ctx, p, r, table)
}
