package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// takeRequests looks at what is asked for now. It runs in the coordinator's goroutine, which knows the tables. A pause begins with the
// next barrier, and the others notice nothing of it; whatever else is new ends the generation, since only a start can go back in the log.
func (g *generation) takeRequests(reqs []checkpoint.Request, pauseAt func(cdc.TableID, *cdc.Error)) error {
	for _, r := range reqs {
		t := g.byID[r.Table]
		if t == nil || slices.ContainsFunc(g.requests, func(o checkpoint.Request) bool { return o.Key == r.Key }) {
			continue
		}
		if r.Verb != checkpoint.Pause {
			return againError{fmt.Sprintf("%s of %s requested", r.Verb, r.Table)}
		}
		// Before its first part there is nothing that it could go on from: the request waits.
		if t.refused || t.entry.ID.K == 0 || t.reload {
			continue
		}
		g.requests = append(g.requests, r)
		t.requests = append(t.requests, r)
		if !t.paused() && pauseAt != nil {
			pauseAt(t.id, byUser(t.id))
		}
	}
	return nil
}

func byUser(t cdc.TableID) *cdc.Error {
	return &cdc.Error{Code: CodeByUser, Table: t, Msg: "asked for with cdc2lake pause"}
}

// applyPauses carries pauses and resumes that were asked for over to the entries, in their order. A table whose place in the log is gone
// stays where it is, and says so: it must not take the others along.
func (g *generation) applyPauses(ctx context.Context, entries map[cdc.TableID]cdc.Entry) error {
	g.moot = map[string]bool{}
	later := func(i int) bool {
		return slices.ContainsFunc(g.requests[i+1:], func(r checkpoint.Request) bool {
			return r.Table == g.requests[i].Table && r.Verb != checkpoint.Pause
		})
	}
	loads := func(i int) bool {
		_, begun := g.begun[g.requests[i].Table]
		return begun || g.asksReload(g.requests[:i], g.requests[i].Table)
	}
	var taken []checkpoint.Request
	for i, r := range g.requests {
		e, known := entries[r.Table]
		known = known && e.ID.K != 0
		switch {
		case r.Verb == checkpoint.Pause && later(i):
			g.moot[r.Key] = true
		case r.Verb == checkpoint.Pause && (!known || loads(i)):
			continue // until there is something that it could go on from; see takeRequests
		case r.Verb == checkpoint.Pause && e.Paused == nil:
			e.Paused = cdc.PauseOf(byUser(r.Table), time.Now().UnixMicro())
			entries[r.Table] = e
		case r.Verb == checkpoint.Resume && known && e.Paused != nil && (e.Paused.Code == CodeByUser.Name || e.Paused.Code == CodeNoResume.Name):
			err := g.o.Source.Holds(ctx, e.Position)
			switch {
			case err == nil:
				e.Paused = nil
			case cdc.ClassOf(err) == cdc.TablePaused:
				e.Paused = cdc.PauseOf(cdc.Errorf(cdc.AsError(err).Code, r.Table, "%w", err), time.Now().UnixMicro())
			case cdc.ClassOf(err) == cdc.Fatal:
				e.Paused = cdc.PauseOf(cdc.Errorf(CodeNoResume, r.Table, "%w", err), time.Now().UnixMicro())
			default:
				return fmt.Errorf("resume %s: %w", r.Table, err)
			}
			entries[r.Table] = e
		}
		taken = append(taken, r)
	}
	g.requests = taken
	return nil
}

// answers returns the requests that a record with these parts and the present entries answers: a reload whose first part it has, or
// whose table stands still for a reason that it names; a pause that it names; and a resume, whatever came of it.
func (g *generation) answers(parts map[cdc.TableID]cdc.Part) []checkpoint.Request {
	var out []checkpoint.Request
	for _, t := range g.tables {
		_, part := parts[t.id]
		t.requests = slices.DeleteFunc(t.requests, func(r checkpoint.Request) bool {
			ok := t.paused() || r.Verb == checkpoint.Reload && part || r.Verb == checkpoint.Resume || g.moot[r.Key]
			if ok {
				out = append(out, r)
			}
			return ok
		})
	}
	return out
}
