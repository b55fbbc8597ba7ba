package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Run runs a pipeline until ctx ends, or until an error that no restart can mend (classes Fatal and Fenced). When ctx ends
// it takes one last checkpoint, for at most StopTimeout, and returns nil. Any other error ends the generation only: after a
// growing delay the next one goes on from the last complete checkpoint.
func Run(ctx context.Context, o Options) error {
	o.setDefaults()
	r := &runner{o: o, pauses: map[cdc.TableID]*cdc.Error{}, tried: map[string]bool{}, reloads: map[cdc.TableID]*autoReload{}, begun: map[cdc.TableID]cdc.Mend{}}
	delay := minDelay
	for {
		g := &generation{runner: r}
		err := g.run(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				o.Logger.Warn("stopped before the last checkpoint was complete; the next start goes on from the one before", "err", err)
			}
			return nil
		}
		e := cdc.AsError(err)
		switch {
		case err == nil, errors.Is(err, errAgain):
			delay = minDelay
			o.Logger.Info("starting a new generation", "reason", err)
			continue
		case e != nil && e.Code.Class == cdc.TablePaused && e.Table != (cdc.TableID{}) && r.pauses[e.Table] == nil:
			// The next generation goes on without the table, whatever was asked for so far.
			r.pauses[e.Table] = e
			delete(r.begun, e.Table)
			for _, q := range g.requestsOf(e.Table) {
				r.tried[q.Key] = true
			}
			o.Logger.Error("table paused", "table", e.Table, "code", e.Code.Name, "err", e, "remedy", e.Remedy())
			o.Observer.restart(err, 0)
			continue
		case e != nil && e.Table == (cdc.TableID{}) && e.Code.Mend != cdc.MendNone:
			r.unheld = e // some tables' place in the log is gone: the next generation finds out whose
			continue
		case cdc.ClassOf(err) == cdc.Fatal || cdc.ClassOf(err) == cdc.Fenced || e != nil && e.Code.Class == cdc.TablePaused && e.Table == (cdc.TableID{}):
			return err
		}
		if g.completed {
			delay = minDelay
		}
		// Jitter, so that two supervised processes do not fence each other in step for ever.
		d := delay + rand.N(delay/2)
		code := ""
		if e != nil {
			code = e.Code.Name
		}
		o.Logger.Warn("restarting from the last checkpoint", "code", code, "err", err, "in", d.Round(time.Millisecond))
		o.Observer.restart(err, d)
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return nil
		}
		delay = min(2*delay, maxDelay)
	}
}

const (
	minDelay = 500 * time.Millisecond
	maxDelay = 30 * time.Second
)

// runner is what outlives a generation.
type runner struct {
	o Options
	// pauses are tables that a generation found it could not go on with, until a record says so.
	pauses map[cdc.TableID]*cdc.Error
	// tried are the keys of requests that ended in such a pause.
	tried map[string]bool
	// reloads are those that the pipeline began by itself.
	reloads map[cdc.TableID]*autoReload
	// begun are those of which no part is committed yet: a generation that ends before has them begin again. The value is
	// how.
	begun map[cdc.TableID]cdc.Mend
	// unheld: the source could not follow the log from where some table stands.
	unheld *cdc.Error
	// unkept are decided statements that the history may not have yet; the newest record has them too.
	unkept []cdc.Statement
}

// errAgain ends a generation because the next one has something new to do at its start.
var errAgain = errors.New("new generation wanted")

type againError struct{ why string }

func (e againError) Error() string        { return e.why }
func (e againError) Is(target error) bool { return target == errAgain }
