package stream

import (
	"context"
	"fmt"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// pauseUnheld finds the tables that the log does not go back to any more, after it could not be followed, and has the next generation
// do without their place in it. The others go on.
func (g *generation) pauseUnheld(ctx context.Context, starts []cdc.TableStart) error {
	why := g.unheld
	if why == nil {
		return nil
	}
	gone := map[cdc.Position]*cdc.Error{}
	var first cdc.Position
	for _, s := range starts {
		if s.Paused != nil {
			continue
		}
		if _, asked := gone[s.Position]; asked {
			continue
		}
		err := g.o.Source.Holds(ctx, s.Position)
		if err != nil && cdc.ClassOf(err) != cdc.TablePaused {
			return fmt.Errorf("look for %s in the log: %w", s.Table, err)
		}
		gone[s.Position] = cdc.AsError(err)
		if first != "" {
			c, err := g.o.Source.Compare(s.Position, first)
			if err != nil {
				return err
			}
			if c >= 0 {
				continue
			}
		}
		first = s.Position
	}
	g.unheld = nil
	if gone[first] == nil {
		gone[first] = why // it is from there that the log was asked for
	}
	for _, s := range starts {
		if e := gone[s.Position]; e != nil && s.Paused == nil {
			e = &cdc.Error{Code: e.Code, Table: s.Table, Msg: e.Msg, Err: e.Err}
			g.pauses[s.Table] = e
			g.o.Logger.Error("table paused", "table", s.Table, "code", e.Code.Name, "err", e, "remedy", e.Remedy())
		}
	}
	return againError{why.Error()}
}
