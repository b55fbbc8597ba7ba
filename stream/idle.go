package stream

import (
	"context"
	"time"

	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// idle is a generation without a table that could go on: it records the tables' state and waits for a request.
func (g *generation) idle(ctx, outer context.Context, m *commitDriver) error {
	if len(g.tables) > 0 {
		if _, _, err := m.decide(ctx, checkpoint.Decision{Tables: g.entries()}, g.answers(nil)); err != nil {
			return err
		}
		for _, t := range g.statuses() {
			g.o.Observer.table(t)
		}
	}
	ticker := time.NewTicker(g.o.lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-outer.Done():
			return errEnded
		case why := <-g.o.Again:
			return againError{why}
		case v := <-g.events:
			switch v := v.(type) {
			case looked:
				m.look.under = false
			case []checkpoint.Request:
				if err := g.takeRequests(v, nil); err != nil {
					return err
				}
			}
		case <-ticker.C:
			if t, ok := g.wantsReload(time.Now()); ok {
				return againError{"the table " + t.String() + " is to be loaded anew"}
			}
			m.lookAround(ctx)
		}
	}
}
