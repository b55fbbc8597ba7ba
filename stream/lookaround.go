package stream

import (
	"context"
	"fmt"
	"time"
)

// Every commit looks at its table's head anyway, so looking at the heads only finds what happened to quiet tables.
const (
	lookRequests = 3 * time.Second
	lookRecords  = 9 * time.Second
	lookHeads    = 30 * time.Second
	lookTables   = time.Minute
)

// look is when things were last looked for. It belongs to the coordinator's goroutine.
type look struct {
	under                            bool // one is under way
	requests, records, heads, tables time.Time
}

// looked ends a look around.
type looked struct{}

// lookAround looks for requests, for tables that somebody else has changed, and for tables that can join, and ends the
// generation if it finds any: the next one begins with what is new. What cannot be reached is looked at later.
func (m *commitDriver) lookAround(ctx context.Context) {
	now := time.Now()
	if m.look.under || now.Sub(m.look.requests) < m.g.o.lookEvery {
		return
	}
	m.look.under, m.look.requests = true, now
	steps := []func(context.Context) error{m.lookForRequests}
	due := func(last *time.Time, every time.Duration, f func(context.Context) error) {
		if last.IsZero() { // recovery has just looked
			*last = now
		} else if now.Sub(*last) >= every {
			*last = now
			steps = append(steps, f)
		}
	}
	due(&m.look.records, lookRecords/lookRequests*m.g.o.lookEvery, m.g.chain.Superseded)
	due(&m.look.heads, lookHeads/lookRequests*m.g.o.lookEvery, m.lookAtHeads)
	due(&m.look.tables, lookTables/lookRequests*m.g.o.lookEvery, m.lookForTables)
	m.spawn(func() error {
		defer m.post(looked{})
		for _, f := range steps {
			err := f(ctx)
			if _, again := err.(againError); again { //nolint:errorlint // it is ours, and never wrapped
				return err
			}
			if err != nil && ctx.Err() == nil {
				if err := m.tolerate("looking around", err); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (m *commitDriver) lookForRequests(ctx context.Context) error {
	g := m.g
	asked, repairs, err := g.o.Store.Asked(ctx)
	if err != nil {
		return err
	}
	if repairs {
		found, err := g.o.Store.Repairs(ctx, g.repairs.knows)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			m.post(found)
		}
	}
	if !asked {
		return nil
	}
	reqs, err := g.o.Store.Requests(ctx)
	if err != nil {
		return err
	}
	m.post(reqs)
	return nil
}

func (m *commitDriver) lookAtHeads(ctx context.Context) error {
	moved, err := m.g.o.Sink.Moved(ctx)
	if err != nil {
		return err
	}
	if len(moved) > 0 {
		return againError{fmt.Sprintf("changed by somebody else: %v", moved)}
	}
	return nil
}

// lookForTables finds tables that are new in the source, or that can be replicated now.
func (m *commitDriver) lookForTables(ctx context.Context) error {
	g := m.g
	found, err := g.o.Source.Discover(ctx)
	if err != nil {
		return err
	}
	for _, d := range found {
		if t := g.byID[d.Table]; d.Err == nil && g.pauses[d.Table] == nil && (t == nil || t.refused || t.absent) {
			return againError{"table " + d.Table.String() + " joins"}
		}
	}
	return nil
}
