package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// fill writes rows to a table by LOAD DATA, the fastest way into MySQL. In its log they are rows events as those of any statement.
type fill struct {
	table    string
	rows     int64
	chunk    int64                          // rows of a transaction
	row      func(b []byte, i int64) []byte // appends row i
	into     func(chunk int64) string       // the table of a chunk; nil: table
	unlogged bool                           // leave no trace in the log
	quiet    bool                           // say nothing
	replace  bool                           // rows with a known key become updates, in the order of i
}

// run fills the table.
func (f fill) run(ctx context.Context, l *lab) error {
	if !f.quiet {
		l.say("writing %d rows to %s", f.rows, f.table)
	}
	workers := 2
	if f.replace {
		workers = 1 // two would deadlock in MySQL
	}
	type file struct {
		path, table string
	}
	files := make(chan file, 4)
	all, ctx := errgroup.WithContext(ctx)
	var makers errgroup.Group
	chunks := (f.rows + f.chunk - 1) / f.chunk
	dir, err := os.MkdirTemp(l.dir, "fill-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var next atomic.Int64
	// One of each keeps the order.
	for range workers {
		makers.Go(func() error {
			var b []byte
			for {
				c := next.Add(1) - 1
				if c >= chunks {
					return nil
				}
				b = b[:0]
				for i := c * f.chunk; i < min(f.rows, (c+1)*f.chunk); i++ {
					b = f.row(b, i)
				}
				x := file{filepath.Join(dir, fmt.Sprintf("%d.tsv", c)), f.table}
				if f.into != nil {
					x.table = f.into(c)
				}
				if err := os.WriteFile(x.path, b, 0o644); err != nil {
					return err
				}
				select {
				case files <- x:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	}
	all.Go(func() error {
		defer close(files)
		return makers.Wait()
	})
	for range workers {
		all.Go(func() error {
			conn, err := l.mysql.Connect(ctx, database)
			if err != nil {
				return err
			}
			defer conn.Close()
			if f.unlogged {
				if _, err := conn.Execute("SET sql_log_bin = 0"); err != nil {
					return err
				}
			}
			mode := ""
			if f.replace {
				mode = "REPLACE"
			}
			for x := range files {
				if _, err := conn.Execute(fmt.Sprintf("LOAD DATA INFILE '%s' %s INTO TABLE %s CHARACTER SET utf8mb4", x.path, mode, x.table)); err != nil {
					return fmt.Errorf("fill %s: %w", x.table, err)
				}
				if err := os.Remove(x.path); err != nil {
					return err
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// createTable makes a table of the benchmark.
func (l *lab) createTable(ctx context.Context, name, definition string) error {
	return l.mysql.Exec(ctx, "CREATE TABLE "+database+"."+name+" "+definition)
}
