package iceberg

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// swapGroup brings the swaps of tables that are committed at the same time into one transaction: a database of one writer takes them one
// after the other anyway, and the transaction, with its sync of the log, costs more than what is in it. Each swap has an outcome of its own.
type swapGroup struct {
	mu      sync.Mutex // guards all below
	busy    bool       // somebody leads
	waiting []*swapJob
}

// swapJob is one table's swap.
type swapJob struct {
	c    change
	next *metaVersion
	err  error
	turn chan bool // true: lead the next transaction; false: err is the outcome
}

// swap swaps one table, in a transaction that the first to come leads for those that come while it runs the one before.
func (g *swapGroup) swap(ctx context.Context, c *sqlCatalog, ch change, next *metaVersion) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &swapJob{c: ch, next: next, turn: make(chan bool, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, j)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	// Who waits for another's transaction waits to the end, which has a limit: to leave would make the outcome unknown.
	if !lead && !<-j.turn {
		return j.err
	}
	g.mu.Lock()
	jobs := g.waiting
	g.waiting = nil
	g.mu.Unlock()
	// It is others' too: that our caller has gone must not be their failure.
	tctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), swapTimeout)
	c.swapJobs(tctx, jobs)
	cancel()
	for _, o := range jobs {
		if o != j {
			o.turn <- false
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy = len(g.waiting) > 0; g.busy {
		g.waiting[0].turn <- true
	}
	return j.err
}

// swapJobs moves the pointers of several tables in one transaction, or where that fails in one each.
func (c *sqlCatalog) swapJobs(ctx context.Context, jobs []*swapJob) {
	slices.SortFunc(jobs, func(a, b *swapJob) int {
		return cmp.Compare(identString(a.c.base.ident), identString(b.c.base.ident))
	})
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		for _, j := range jobs {
			j.err = catalogError("begin: %w", err)
		}
		return
	}
	defer func() { _ = tx.Rollback() }()
	moved := false
	for _, j := range jobs {
		j.err = c.moveOne(ctx, tx, j.c, j.next)
		switch {
		case j.err == nil:
			moved = true
		case !errors.Is(j.err, errConflict):
			_ = tx.Rollback()
			if len(jobs) > 1 {
				for i := range jobs {
					c.swapJobs(ctx, jobs[i:i+1])
				}
			}
			return
		}
	}
	if !moved {
		return
	}
	if err := tx.Commit(); err != nil {
		for _, j := range jobs {
			if j.err == nil {
				j.err = fmt.Errorf("%w: commit: %w", errUnknown, err)
			}
		}
	}
}

// moveOne moves a table's pointer within a transaction.
func (c *sqlCatalog) moveOne(ctx context.Context, tx *sql.Tx, ch change, next *metaVersion) error {
	id := ch.base.ident
	res, err := tx.ExecContext(ctx, c.move, next.location, ch.base.location, c.name, namespaceKey(id), id[len(id)-1], ch.base.location)
	if err != nil {
		return catalogError("update %s: %w", identString(id), err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 1 {
		return catalogError("update %s: %d rows: %w", identString(id), n, err)
	} else if n == 0 {
		return fmt.Errorf("%w: %s is no longer at %s", errConflict, identString(id), ch.base.location)
	}
	return nil
}
