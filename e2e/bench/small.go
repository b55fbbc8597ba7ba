package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// runSmall replays transactions that update one row each.
func runSmall(ctx context.Context, l *lab) (*result, error) {
	const writers = 2
	r := newResult("small")
	r.changes = l.count(1_000_000) / writers * writers
	return l.onBase(ctx, r, func(s *shared) error {
		l.say("updating %d rows of %s in as many transactions", r.changes, sharedTable)
		// A procedure spares the way between client and server. Each writer has rows of its own.
		err := l.mysql.Exec(ctx, "USE "+database, fmt.Sprintf(`CREATE PROCEDURE small(writer INT, n INT) BEGIN
			DECLARE i INT DEFAULT 0;
			DECLARE k BIGINT;
			WHILE i < n DO
				SET k = writer + %d * FLOOR(RAND() * %d);
				UPDATE %s SET qty = qty + 1, amount = amount + 0.01, updated = updated + INTERVAL 1 MINUTE WHERE id = k;
				SET i = i + 1;
			END WHILE;
		END`, writers, s.rows/writers, sharedTable))
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		for w := range writers {
			g.Go(func() error {
				return l.mysql.Exec(ctx, fmt.Sprintf("CALL %s.small(%d, %d)", database, w, r.changes/writers))
			})
		}
		return g.Wait()
	})
}
