package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// result is what a comparison found.
type result struct {
	rows, differences int
}

// compare reads every table from MySQL and from Iceberg, and compares them row by row. Both sides are turned into text by
// code that shares nothing with cdc2lake: MySQL's own CAST, and a printer of Arrow values in lake.go.
func (d *demo) compare(ctx context.Context) (result, error) {
	var res result
	lake, err := openLake(d.service.catalogFile(), d.s3)
	if err != nil {
		return res, err
	}
	defer lake.close()
	for _, t := range tables {
		want, err := d.mysqlRows(ctx, t)
		if err != nil {
			return res, fmt.Errorf("read %s from MySQL: %w", t.name, err)
		}
		got, info, err := lake.rows(ctx, t)
		if err != nil {
			return res, fmt.Errorf("read %s from Iceberg: %w", t.name, err)
		}
		diffs := differences(want, got)
		res.rows += len(want)
		res.differences += len(diffs)
		d.say("%-12s %7d rows in MySQL, %7d in Iceberg (%s): %d differences", t.name, len(want), got.n, info, len(diffs))
		for _, s := range diffs[:min(10, len(diffs))] {
			d.say("    %s", s)
		}
	}
	return res, nil
}

// separator of the columns of a row as text; no value of the shop holds it.
const separator = "\x1f"

const null = "\x00NULL"

// mysqlRows returns the rows of a table by key.
func (d *demo) mysqlRows(ctx context.Context, t table) (map[string]string, error) {
	conn, err := d.mysql.Connect(ctx, shop)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for _, s := range []string{"SET time_zone = '+00:00'", "SET NAMES utf8mb4"} {
		if _, err := conn.Execute(s); err != nil {
			return nil, err
		}
	}
	var exprs []string
	for _, c := range t.columns {
		e := c.expr
		if e == "" {
			e = "CAST(" + c.name + " AS CHAR)"
		}
		exprs = append(exprs, e)
	}
	rows := map[string]string{}
	var res mysql.Result
	err = conn.ExecuteSelectStreaming("SELECT "+strings.Join(exprs, ", ")+" FROM "+t.name, &res, func(row []mysql.FieldValue) error {
		text := make([]string, len(row))
		for i := range row {
			if text[i] = null; row[i].Type != mysql.FieldValueTypeNull {
				text[i] = string(row[i].AsString())
			}
		}
		rows[strings.Join(text[:t.key], separator)] = strings.Join(text, separator)
		return nil
	}, nil)
	return rows, err
}

// lakeRows are the rows of an Iceberg table by key; n counts all, so that a key that is there twice shows.
type lakeRows struct {
	byKey map[string]string
	twice []string
	n     int
}

func differences(want map[string]string, got lakeRows) []string {
	var out []string
	show := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, separator, " | "), null, "NULL")
	}
	for _, k := range got.twice {
		out = append(out, "twice in Iceberg: "+show(k))
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		switch have, ok := got.byKey[k]; {
		case !ok:
			out = append(out, "missing in Iceberg: "+show(want[k]))
		case have != want[k]:
			out = append(out, "MySQL: "+show(want[k])+"; Iceberg: "+show(have))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got.byKey)) {
		if _, ok := want[k]; !ok {
			out = append(out, "only in Iceberg: "+show(got.byKey[k]))
		}
	}
	return out
}
