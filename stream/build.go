package stream

import (
	"fmt"
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// markAhead finds the tables whose position is beyond the earliest one: theirs must not be taken back to the stream's.
func (g *generation) markAhead() error {
	var first cdc.Position
	for _, t := range g.tables {
		if t.paused() {
			continue
		}
		if first == "" {
			first = t.entry.Position
			continue
		}
		c, err := g.o.Source.Compare(t.entry.Position, first)
		if err != nil {
			return err
		}
		if c < 0 {
			first = t.entry.Position
		}
	}
	for _, t := range g.tables {
		t.ahead = !t.paused() && t.entry.Position != first
	}
	return nil
}

// entries returns what a record says of all tables.
func (g *generation) entries() map[cdc.TableID]cdc.Entry {
	out := make(map[cdc.TableID]cdc.Entry, len(g.tables))
	for _, t := range g.tables {
		out[t.id] = t.entry
	}
	return out
}

// statuses returns what observers are told of all tables.
func (g *generation) statuses() []TableStatus {
	out := make([]TableStatus, len(g.tables))
	for i, t := range g.tables {
		out[i] = TableStatus{Table: t.id, State: stateOf(t.load.Phase, t.paused()), Position: t.entry.Position, Load: t.load, Paused: t.entry.Paused}
	}
	return out
}

func stateOf(phase cdc.LoadPhase, paused bool) string {
	switch {
	case paused:
		return "paused"
	case phase == cdc.LoadDone:
		return "live"
	case phase == cdc.LoadCatchingUp:
		return "catching-up"
	case phase == cdc.LoadReconciling:
		return "reconciling"
	}
	return "loading"
}

// build makes the parts of a prepared checkpoint and the tables' new entries. The checkpoint before is complete.
func (g *generation) build(p *pending) (map[cdc.TableID]cdc.Part, bool, error) {
	o := &g.o
	at := p.log.at
	now := time.Now()
	id := g.chain.Next()
	byTable := map[cdc.TableID][]cdc.Committable{}
	slices.SortFunc(p.acks, func(a, b ack) int { return a.slot - b.slot })
	for _, a := range p.acks {
		for _, c := range a.committables {
			byTable[c.Table] = append(byTable[c.Table], c)
		}
		for _, s := range a.stale {
			if l, ok := p.loads.states[s.table]; ok && !slices.Contains(l.Open, s.chunk) {
				l.Phase, l.End = cdc.LoadReading, ""
				l.Open = append(slices.Clone(l.Open), s.chunk)
				p.loads.states[s.table] = l
			} else if t := g.byID[s.table]; !ok && t != nil && !slices.Contains(t.load.Open, s.chunk) {
				l := t.load
				l.Phase, l.End = cdc.LoadReading, ""
				l.Open = append(slices.Clone(l.Open), s.chunk)
				p.loads.states[s.table] = l
			}
		}
	}
	g.resolve(&p.log, id)
	parts := map[cdc.TableID]cdc.Part{}
	paused := false
	for _, t := range g.tables {
		if reason := p.log.paused[t.id]; reason != nil && !t.paused() {
			t.entry.Paused = cdc.PauseOf(reason, now.UnixMicro())
			paused = true
		}
		if t.paused() {
			continue
		}
		position := at.Position
		if t.ahead {
			c, err := o.Source.Compare(at.Position, t.entry.Position)
			if err != nil {
				return nil, false, err
			}
			if c < 0 {
				position = t.entry.Position
			} else {
				t.ahead = false
			}
		}
		changed, drop := t.reload || p.log.emptied[t.id], false
		if s := p.log.schemas[t.id]; s != nil {
			t.schema, changed = s, true
		}
		if l, ok := p.loads.states[t.id]; ok {
			t.load, changed = l, true
		}
		if t.load.Phase == cdc.LoadCatchingUp || t.load.Phase == cdc.LoadReconciling && t.load.End != "" {
			c, err := o.Source.Compare(position, t.load.End)
			switch reconciling := t.load.Phase == cdc.LoadReconciling; {
			case err != nil && reconciling:
				o.Logger.Warn("the table is compared once more", "table", t.id, "err", err)
				t.load.End, changed = "", true
				g.reconciles.again(t.id)
			case err != nil:
				// A place in the log of one server says nothing about that of another, after a failover.
				o.Logger.Warn("the end of the load is looked for again", "table", t.id, "err", err)
				g.loads.endAgain(t.id)
				t.load.Phase, t.load.End, t.load.Planned = cdc.LoadReading, "", true
				changed = true
			case c >= 0:
				t.load = cdc.LoadState{Phase: cdc.LoadDone, Rows: t.load.Rows, Base: t.load.Base}
				changed, drop = true, t.load.Base != 0
				g.log.markLive(t.id)
				o.Logger.Info("table is live", "table", t.id, "rows_read", t.load.Rows)
			}
		}
		if !changed && len(byTable[t.id]) == 0 && (position == t.entry.Position || now.Sub(time.UnixMicro(t.entry.PartMicros)) < o.MarkerRefresh) {
			t.entry.Position = position
			continue
		}
		part, err := o.Sink.Part(cdc.PartInput{Table: t.id, Committables: byTable[t.id], Position: position, Label: at.Label,
			CommitMicros: at.CommitMicros, Load: t.load, Schema: t.schema, Replace: t.replace, Truncated: p.log.emptied[t.id], Drop: drop})
		if err != nil {
			return nil, false, fmt.Errorf("prepare the part of %s: %w", t.id, err)
		}
		parts[t.id] = part
		t.entry = cdc.Entry{ID: id, Position: position, PartMicros: now.UnixMicro()}
		t.reload, t.replace = false, false
	}
	return parts, paused, nil
}

func acksOf(c *checkpoint.Chain, p *pending) []checkpoint.Ack {
	out := make([]checkpoint.Ack, len(p.acks))
	for i, a := range p.acks {
		out[i] = checkpoint.Ack{Slot: a.slot, ID: fmt.Sprintf("%s-%d-%d", c.Nonce(), a.slot, p.k), Mark: a.mark}
		if p.k > 1 {
			out[i].Prev = fmt.Sprintf("%s-%d-%d", c.Nonce(), a.slot, p.k-1)
		}
	}
	return out
}
