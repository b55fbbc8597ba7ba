package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// writers change rows of a table with the ids 0…rows-1 at a steady pace.
type writers struct {
	table   string
	rows    int64
	rate    int64 // changes per second
	perTxn  int64
	inserts int // one transaction in so many inserts; 0: none
	length  time.Duration

	changes atomic.Int64
	late    atomic.Int64 // transactions that began more than a second after their time
}

// run returns after length, or with the first error.
func (w *writers) run(ctx context.Context, l *lab) error {
	const n = 4 // each has rows of its own: no deadlocks
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	every := time.Duration(n * w.perTxn * int64(time.Second) / w.rate)
	for i := range int64(n) {
		g.Go(func() error {
			conn, err := l.mysql.Connect(ctx, database)
			if err != nil {
				return err
			}
			defer conn.Close()
			r := rand.New(rand.NewPCG(uint64(i), 7))
			wait := time.NewTimer(0)
			defer wait.Stop()
			for k := int64(0); ; k++ {
				due := start.Add(time.Duration(k)*every + time.Duration(i)*every/n)
				if due.Sub(start) >= w.length {
					return nil
				}
				if late := time.Since(due); late > time.Second {
					w.late.Add(1)
				} else if late < 0 {
					wait.Reset(-late)
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-wait.C:
					}
				}
				res, err := conn.Execute(w.statement(r, i, n, k))
				if err != nil {
					return fmt.Errorf("write to %s: %w", w.table, err)
				}
				w.changes.Add(int64(res.AffectedRows))
				res.Close()
			}
		})
	}
	return g.Wait()
}

// statement changes perTxn rows of the writer's own.
func (w *writers) statement(r *rand.Rand, writer, n, k int64) string {
	ids := map[int64]bool{}
	for int64(len(ids)) < w.perTxn {
		ids[r.Int64N(w.rows/n)*n+writer] = true
	}
	var in strings.Builder
	for id := range ids {
		fmt.Fprintf(&in, ",%d", id)
	}
	list := in.String()[1:]
	if w.inserts > 0 && k%int64(w.inserts) == 0 {
		return fmt.Sprintf("INSERT INTO %[1]s SELECT id + %[2]d, qty, amount, name, city, note, created, updated, score, flag FROM %[1]s WHERE id IN (%[3]s)",
			w.table, w.rows*(k+1), list)
	}
	return fmt.Sprintf("UPDATE %s SET qty = qty + 1, amount = amount + 0.01, updated = updated + INTERVAL 1 MINUTE WHERE id IN (%s)", w.table, list)
}
