package stream

import (
	"context"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// History keeps the statements that were acted on.
type History interface {
	// SchemaID is the number that a definition of the table has, or will have with the table's next part; ok is false if it is not known.
	SchemaID(t cdc.TableID, s *cdc.Schema) (id int, ok bool)
	// Keep adds statements. Those that it has already, by table, position and ordinal, are left out.
	Keep(ctx context.Context, gen cdc.Generation, statements []cdc.Statement) error
}

// keepPatience bounds how long the history is waited for: nothing but the history depends on it.
const keepPatience = 30 * time.Second

// resolve completes what the log input has noted, for the record that decides it. The tables' parts are not made yet.
func (g *generation) resolve(p *logBarrier, id cdc.CheckpointID) {
	out := p.history[:0]
	for _, s := range p.history {
		t := g.byID[s.Table]
		code, drops := "", false // of the pause with which the table gets no part
		if r := p.paused[s.Table]; r != nil {
			code, drops = r.Code.Name, true
		} else if t != nil && t.paused() {
			code, drops = t.entry.Paused.Code, true
		}
		switch {
		case code == CodeByUser.Name || code == CodeNoResume.Name:
			continue // it comes again with a resume, and a reload takes it in
		case drops && s.Action != cdc.ActionPaused && s.Action != cdc.ActionJoined:
			s.Action, s.To = cdc.ActionNone, nil
		case s.Action == cdc.ActionPaused && (g.o.Reload == nil || g.o.Reload(s.Table)):
			switch mendOf(s.Code) {
			case cdc.MendReload:
				s.Action = cdc.ActionReload
			case cdc.MendReplace:
				s.Action = cdc.ActionReplace
			}
		}
		s.Epoch, s.Checkpoint, s.Sequence = id.Epoch, id.K, len(out)
		if g.o.History != nil {
			s.Before, s.After = g.schemaID(s.Table, s.From), g.schemaID(s.Table, s.To)
		}
		out = append(out, s)
	}
	p.history = out
}

func (g *generation) schemaID(t cdc.TableID, s *cdc.Schema) *int {
	if s == nil {
		return nil
	}
	if id, ok := g.o.History.SchemaID(t, s); ok {
		return &id
	}
	return nil
}

// keepHistory hands over what the history does not have. If it does not take it the records keep it, so that replication goes on: it
// is offered again with a later checkpoint, and after a restart.
func (g *generation) keepHistory(ctx context.Context) {
	if len(g.unkept) == 0 {
		return
	}
	if g.o.History != nil {
		wait, cancel := context.WithTimeout(ctx, keepPatience)
		defer cancel()
		if err := g.o.History.Keep(wait, g.chain.Generation(), g.unkept); err != nil {
			if ctx.Err() == nil {
				remedy := ""
				if e := cdc.AsError(err); e != nil {
					remedy = e.Remedy()
				}
				g.o.Logger.Error("the history of statements cannot be written; it is tried again", "statements", len(g.unkept), "err", err, "remedy", remedy)
			}
			return
		}
	}
	g.unkept = nil
}
