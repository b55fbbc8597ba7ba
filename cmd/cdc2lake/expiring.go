package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// warnEvery is how often it is said of a table that its position in the log is about to be lost.
const warnEvery = time.Hour

// expiringEvery is how often the server is asked; less in tests.
var expiringEvery = time.Minute

// expirySource says which positions its log does not go back to, or soon will not; see mysql.Source.
type expirySource interface {
	Expiring(ctx context.Context, at []cdc.Position) (map[cdc.Position]string, error)
}

// watchExpiry looks every so often whether the source's log still goes back to where the tables are, until ctx ends.
func (o *observation) watchExpiry(ctx context.Context, src expirySource) {
	warned := map[cdc.TableID]time.Time{}
	t := time.NewTicker(expiringEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		tables := o.board.positions()
		wanted := map[cdc.Position]bool{}
		for _, p := range tables {
			wanted[p] = true
		}
		if len(wanted) == 0 {
			continue
		}
		why, err := src.Expiring(ctx, slices.Collect(maps.Keys(wanted)))
		if err != nil {
			o.log.Debug("cannot ask how far back the log of MySQL goes", "err", err)
			continue
		}
		n := 0
		for id, p := range tables {
			o.board.update(id, func(s *tableStatus) { s.Expiring = why[p] })
			if why[p] == "" {
				delete(warned, id)
				continue
			}
			if n++; time.Since(warned[id]) >= warnEvery {
				warned[id] = time.Now()
				o.log.Warn("the table's position in MySQL's log is about to be lost, or is lost", "table", id, "reason", why[p],
					"remedy", "if it is paused, let it go on (cdc2lake resume, or cdc2lake reload if that is too late); raise binlog_expire_logs_seconds")
			}
		}
		o.metrics.Expiring(n)
	}
}
