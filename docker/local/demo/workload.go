package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// workload changes the shop from several connections at once.
type workload struct {
	changes atomic.Int64 // rows changed by committed transactions
	failed  chan struct{}
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	once    sync.Once
	err     error // of the first writer that failed; read after wg
}

// writer makes one transaction; the number is unique among all of them.
type writer func(r *rand.Rand, n int64) []string

// writers run beside each other, each on its own part of the keys or in conflict with the others, as it comes.
var writers = []writer{
	func(r *rand.Rand, n int64) []string { // an order comes in
		id := 1_000_000 + n
		return []string{
			fmt.Sprintf("INSERT INTO orders VALUES (%d, %d, 'new', %d.25, 'from the demo – ☂', NOW(6))", id, 1+r.IntN(customers), n%5000),
			fmt.Sprintf("INSERT INTO order_items VALUES (%d, 1, 'SKU-%06d', %d, 9.99), (%d, 2, 'SKU-%06d', 1, 19.50)", id, 1+r.IntN(products), 1+r.IntN(5), id, 1+r.IntN(products)),
			fmt.Sprintf("UPDATE customers SET balance = balance - %d.25, updated = NOW(6) WHERE id = %d", n%50, 1+r.IntN(customers)),
		}
	},
	func(r *rand.Rand, n int64) []string { // orders move on; stock changes; some customers become silver
		return []string{
			fmt.Sprintf("UPDATE orders SET status = ELT(1 + %d, 'paid', 'shipped', 'returned'), note = IF(%d = 0, NULL, note) WHERE id BETWEEN %d AND %d",
				r.IntN(3), r.IntN(4), 1+r.IntN(orders), 1+r.IntN(orders)%40),
			fmt.Sprintf("UPDATE orders SET total = total + 1, note = 'checked %d' WHERE id = %d", n, 1+r.IntN(orders)),
			fmt.Sprintf("UPDATE products SET stock = stock + %d, price = price * 1.01 WHERE sku = 'SKU-%06d'", 1+r.IntN(9), 1+r.IntN(products)),
			fmt.Sprintf("UPDATE customers SET tier = 'silver', email = NULL, updated = NOW(6) WHERE id BETWEEN %d AND %[1]d + 5", 1+r.IntN(customers)),
		}
	},
	func(r *rand.Rand, n int64) []string { // orders are cancelled
		id := 1 + r.IntN(orders)
		return []string{
			fmt.Sprintf("DELETE FROM order_items WHERE order_id = %d", id),
			fmt.Sprintf("DELETE FROM orders WHERE id = %d", id),
		}
	},
	func(r *rand.Rand, n int64) []string { // keys change: of an integer, a string, and one half of a composite key
		return []string{
			fmt.Sprintf("UPDATE customers SET id = %d WHERE id = %d", 5_000_000+n, 1+r.IntN(customers)),
			fmt.Sprintf("UPDATE products SET sku = CONCAT(LEFT(sku, 10), '-%d') WHERE sku LIKE 'SKU-%06d%%'", n, 1+r.IntN(products)),
			fmt.Sprintf("UPDATE order_items SET line = line + 100, quantity = quantity + 1 WHERE order_id = %d AND line < 100", 1+r.IntN(orders)),
			// Deleted and inserted again under the same key, in one transaction.
			fmt.Sprintf("DELETE FROM order_items WHERE order_id = %d AND line = 3", 1+n%orders),
			fmt.Sprintf("INSERT INTO order_items VALUES (%d, 3, 'SKU-000001', 1, 1.00) ON DUPLICATE KEY UPDATE quantity = 7", 1+n%orders),
		}
	},
}

// pace is the time between transactions of one writer: some 1,000 changes a second in all, so that the demo shows a busy
// shop and not the speed of the machine.
const pace = 8 * time.Millisecond

func startWriters(ctx context.Context, db *testenv.MySQLServer) *workload {
	w := &workload{failed: make(chan struct{})}
	ctx, w.cancel = context.WithCancel(ctx)
	var failed sync.Once
	for i, write := range writers {
		w.wg.Go(func() {
			if err := w.write(ctx, db, i, write); err != nil && ctx.Err() == nil {
				failed.Do(func() { w.err = fmt.Errorf("writer %d: %w", i, err); close(w.failed) })
			}
		})
	}
	return w
}

// stop waits for the writers and returns the error of the first that failed.
func (w *workload) stop() error {
	w.once.Do(func() { w.cancel(); w.wg.Wait() })
	return w.err
}

// write runs transactions until ctx ends; one that was begun is finished.
func (w *workload) write(ctx context.Context, db *testenv.MySQLServer, seed int, next writer) error {
	conn, err := db.Connect(context.WithoutCancel(ctx), shop)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := int64(0); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		rows, err := transaction(conn, next(r, n*int64(len(writers))+int64(seed)))
		switch {
		case isDeadlock(err): // two writers met: MySQL has rolled one of them back
		case err != nil:
			return err
		default:
			w.changes.Add(rows)
		}
	}
}

func transaction(conn *client.Conn, statements []string) (rows int64, err error) {
	if err := conn.Begin(); err != nil {
		return 0, err
	}
	for _, s := range statements {
		res, err := conn.Execute(s)
		if err != nil {
			return 0, errors.Join(fmt.Errorf("%s: %w", s, err), conn.Rollback())
		}
		rows += int64(res.AffectedRows)
		res.Close()
	}
	return rows, conn.Commit()
}

// isDeadlock reports errors after which MySQL asks for the transaction to be tried again: 1213 and 1205.
func isDeadlock(err error) bool {
	var e *mysql.MyError
	return errors.As(err, &e) && (e.Code == mysql.ER_LOCK_DEADLOCK || e.Code == mysql.ER_LOCK_WAIT_TIMEOUT)
}
