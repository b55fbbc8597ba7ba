package stream

import (
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// tableRequests joins what the source has with what the records say.
func (g *generation) tableRequests(discovered []cdc.Discovered, entries map[cdc.TableID]cdc.Entry) []cdc.TableRequest {
	start := time.Now()
	now := start.UnixMicro()
	var out []cdc.TableRequest
	for i := range discovered {
		d := &discovered[i]
		req := cdc.TableRequest{Discovered: d}
		reload := d.Err == nil && g.asksReload(g.requests, d.Table)
		e, known := entries[d.Table]
		if known && e.ID.K == 0 && e.Paused != nil {
			known = false // it was refused before it ever had data: it joins as new once it can
		}
		code := ""
		if p := g.pauses[d.Table]; p != nil {
			code = p.Code.Name
		} else if e.Paused != nil {
			code = e.Paused.Code
		}
		how, begun := g.begun[d.Table]
		switch {
		case reload:
			if how == cdc.MendReconcile {
				how = cdc.MendReload // somebody wants all rows anew
			}
		case d.Err != nil:
		case known && begun:
			reload = true
		case g.reloadable(d.Table, code, start):
			g.reloading(d.Table, start)
			what := "the table is loaded anew"
			if mendOf(code) == cdc.MendReconcile && g.o.Comparer != nil {
				what = "the table goes on from here, and is compared with the source"
			}
			g.o.Logger.Warn(what, "table", d.Table, "because", code)
			if reload, how = known, mendOf(code); !known {
				delete(g.pauses, d.Table) // nothing of it was ever committed: it joins again
			}
		}
		if reload {
			delete(g.pauses, d.Table)
			g.begun[d.Table], req.Empty = how, how == cdc.MendReplace
			if how == cdc.MendReconcile && g.o.Comparer != nil {
				req.Reconcile = func(has *cdc.Schema) (*cdc.Schema, error) { return g.o.Source.Evolve(has, d.Schema) }
			}
		}
		switch {
		case known:
			switch p := g.pauses[d.Table]; {
			case reload:
				e.Paused = nil
			case p != nil: // newer than what the record says
				e.Paused = cdc.PauseOf(p, now)
			case d.Err != nil && (e.Paused == nil || mendOf(e.Paused.Code) != cdc.MendNone):
				e.Paused = cdc.PauseOf(d.Err, now)
			}
			req.Entry = &e
		case d.Err != nil || g.pauses[d.Table] != nil:
			continue // never replicated, and cannot be
		}
		req.Reload = reload
		out = append(out, req)
	}
	return out
}

// asksReload reports whether one of the requests is to load the table anew, and was not tried in vain.
func (g *generation) asksReload(reqs []checkpoint.Request, t cdc.TableID) bool {
	return slices.ContainsFunc(reqs, func(r checkpoint.Request) bool { return r.Table == t && r.Verb == checkpoint.Reload && !g.tried[r.Key] })
}

// requestsOf returns the requests that concern a table.
func (g *generation) requestsOf(t cdc.TableID) []checkpoint.Request {
	var out []checkpoint.Request
	for _, r := range g.requests {
		if r.Table == t {
			out = append(out, r)
		}
	}
	return out
}

// adopt makes the coordinator's view of the tables.
func (g *generation) adopt(discovered []cdc.Discovered, entries map[cdc.TableID]cdc.Entry, reqs []cdc.TableRequest, starts []cdc.TableStart) {
	reloaded := map[cdc.TableID]bool{}
	for _, r := range reqs {
		reloaded[r.Discovered.Table] = r.Reload
	}
	g.byID = map[cdc.TableID]*table{}
	now := time.Now().UnixMicro()
	for _, s := range starts {
		t := &table{id: s.Table, schema: s.Schema, entry: s.Entry, load: s.Load, reload: s.Reload, replace: s.Replace}
		t.entry.Position, t.entry.Paused = s.Position, s.Paused
		if s.Paused != nil && reloaded[s.Table] {
			delete(g.begun, s.Table)
			if a := g.reloads[s.Table]; a != nil {
				a.failed = true
			}
		}
		g.byID[s.Table] = t
		g.tables = append(g.tables, t)
	}
	for _, d := range discovered { // refused by name: shown, and nothing else
		err := d.Err
		if t := g.byID[d.Table]; t != nil && d.Err != nil {
			t.absent = true
		}
		if p := g.pauses[d.Table]; err == nil {
			err = p
		}
		if g.byID[d.Table] != nil || err == nil {
			continue
		}
		t := &table{id: d.Table, entry: cdc.Entry{Paused: cdc.PauseOf(err, now)}, refused: d.Err != nil, absent: d.Err != nil}
		if old := entries[d.Table].Paused; old != nil && old.Code == t.entry.Paused.Code {
			t.entry.Paused.Since = old.Since
		}
		g.byID[d.Table] = t
		g.tables = append(g.tables, t)
		g.o.Logger.Error("table refused", "table", d.Table, "code", err.Code.Name, "err", err, "remedy", err.Remedy())
	}
	for id, e := range entries { // gone from the source: kept in the records, so that its return is noticed
		if g.byID[id] != nil || e.ID.K == 0 {
			continue
		}
		if e.Paused == nil || mendOf(e.Paused.Code) != cdc.MendNone && e.Paused.Code != CodeGone.Name {
			e.Paused = cdc.PauseOf(&cdc.Error{Code: CodeGone, Table: id, Msg: "the table is not in the source, or no longer selected"}, now)
			g.o.Logger.Error("table paused", "table", id, "code", CodeGone.Name, "remedy", CodeGone.Remedy)
		}
		t := &table{id: id, entry: e, absent: true}
		g.byID[id] = t
		g.tables = append(g.tables, t)
	}
	for _, t := range g.tables {
		t.requests = g.requestsOf(t.id)
	}
	slices.SortFunc(g.tables, func(a, b *table) int {
		if a.id.Less(b.id) {
			return -1
		}
		return 1
	})
}
