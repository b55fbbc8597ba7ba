package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// plan finds the chunk after the frontier.
func (l *loads) plan(ctx context.Context, id cdc.TableID) error {
	l.mu.Lock()
	after := l.tables[id].state.Frontier
	l.mu.Unlock()
	schema := l.log.schema(id)
	c, last, err := l.loader.Next(ctx, schema, after)
	failed := err != nil
	if failed {
		if err = l.failed(ctx, id, schema, err); err != nil {
			return fmt.Errorf("plan the load of %s: %w", id, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	t.planning = false
	l.signal()
	if failed {
		return nil
	}
	l.faults = 0
	t.changed = true
	t.state.Frontier = c.To
	t.state.Planned = last
	t.state.Open = append(t.state.Open, c)
	t.waiting = append(t.waiting, c)
	return nil
}

// errSchemaMoved makes a chunk start over under the definition that the stream has reached meanwhile.
var errSchemaMoved = errors.New("the definition changed while the chunk was read")

// errDropped ends the reading of a chunk whose rows nobody wants any more.
var errDropped = errors.New("the table is loaded no further")

// failed decides about an error of the loader: nil means that the job is to be done again, after the wait that is in here. A
// load that cannot go on holds nothing else back: the log and the other loads need no new generation for it.
func (l *loads) failed(ctx context.Context, id cdc.TableID, schema *cdc.Schema, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	dropped := l.tables[id].dropped
	l.faults++
	wait := min(loadRetry<<min(l.faults-1, 10), maxLoadRetry)
	l.mu.Unlock()
	switch {
	case dropped, errors.Is(err, errSchemaMoved), l.log.schema(id) != schema:
		return nil
	case cdc.ClassOf(err) != cdc.Retryable, cdc.AsError(err) != nil && cdc.AsError(err).Code == cdc.CodeLoadBroken:
		return err
	}
	// A definition that changed in the source and not yet in the stream looks like this, too: the stream has to get there.
	l.logger.Warn("the initial load is interrupted", "table", id, "again_in", wait, "err", err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	loadRetry    = 50 * time.Millisecond
	maxLoadRetry = 15 * time.Second
)

// read reads one chunk and hands its rows on.
func (l *loads) read(ctx context.Context, id cdc.TableID, c cdc.Chunk, meter *cdc.Meter) error {
	schema := l.log.schema(id)
	started := time.Now()
	var rows int64
	err := l.loader.Read(ctx, schema, c, func(b *cdc.Batch) error {
		if l.log.schema(id) != schema {
			b.Release()
			return errSchemaMoved
		}
		rows += int64(b.N)
		meter.Enter(cdc.Blocked) // others' sending and full queues are all that takes long in there
		defer meter.Enter(cdc.Busy)
		return l.send(ctx, id, c, b)
	})
	failed := err != nil
	if failed {
		if err = l.failed(ctx, id, schema, err); err != nil {
			return fmt.Errorf("load %s: %w", id, err)
		}
	}
	l.mu.Lock()
	t := l.tables[id]
	a := t.reading[c]
	delete(t.reading, c)
	done := t.state.Rows
	if failed = failed || a.stale; failed {
		t.waiting = append(t.waiting, c)
	} else {
		t.state.Open = slices.DeleteFunc(t.state.Open, func(o cdc.Chunk) bool { return o == c })
		t.state.Rows += rows
		t.changed = true
		done = t.state.Rows
		l.faults = 0
	}
	l.signal()
	l.mu.Unlock()
	if !failed {
		l.obs.chunk(id, rows, done, time.Since(started))
	}
	return nil
}

// end notes where the log stands after the last chunk.
func (l *loads) end(ctx context.Context, id cdc.TableID) error {
	l.mu.Lock()
	returned := l.tables[id].returned
	l.mu.Unlock()
	end, err := l.loader.End(ctx)
	failed := err != nil
	if failed {
		if err = l.failed(ctx, id, l.log.schema(id), err); err != nil {
			return fmt.Errorf("end the load of %s: %w", id, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tables[id]
	t.ending = false
	l.signal()
	if failed || t.returned != returned {
		return nil // a chunk came back meanwhile
	}
	l.faults = 0
	t.state.Phase, t.state.End, t.state.Frontier, t.changed = cdc.LoadCatchingUp, end, "", true
	return nil
}
