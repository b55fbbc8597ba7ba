package stream

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// pending is what is known of a checkpoint that is under way.
type pending struct {
	k         uint64
	triggered time.Time
	prepared  time.Time
	log       logBarrier
	loads     loadBarrier
	acks      []ack
}

// pauseSeen says that the source follows a table no further.
type pauseSeen struct {
	table  cdc.TableID
	reason *cdc.Error
}

// committed says that a checkpoint is decided and committed, or that it was found to hold nothing.
type committed struct {
	k      uint64
	stats  CheckpointStats
	tables []TableStatus // as of the checkpoint
	err    error
}

const (
	tick = 20 * time.Millisecond
	// idleRecord is how often a position that moves without any part is recorded.
	idleRecord = 30 * time.Second
	// lookAround is how often requests are looked for, lookHeads how often the tables' heads are: every commit looks at
	// its table's head anyway, so this only finds what happened to quiet tables.
	lookAround = 3 * time.Second
	lookHeads  = 30 * time.Second
	// pruneEvery is how often old records are deleted.
	pruneEvery = 10 * time.Second
)

// coordinate drives the checkpoints: it feeds the state machine with events and carries out its actions.
func (g *generation) coordinate(ctx, outer context.Context, active bool, spawn func(func() error)) error {
	o := &g.o
	inputs := 2
	c := newCoordinator(len(o.Groups), inputs, o.Interval, o.Timeout, o.MaxRows, o.MaxBytes, time.Now())
	m := &commitDriver{g: g, spawn: spawn, post: func(v any) {
		select {
		case g.events <- v:
		case <-ctx.Done():
		}
	}}
	if !active {
		return g.idle(ctx, outer, m)
	}
	if err := g.markAhead(); err != nil {
		return err
	}
	flight := map[uint64]*pending{}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	stopped := outer.Done()
	var hardStop <-chan time.Time
	lastQueues := time.Now()
	for {
		var ev event
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-stopped:
			ev.kind = evStop
			stopped = nil
			hardStop = time.After(o.StopTimeout)
		case <-hardStop:
			return fmt.Errorf("the last checkpoint was not complete after %s", o.StopTimeout)
		case <-ticker.C:
			ev = event{kind: evProgress, rows: g.log.rows.Swap(0), bytes: g.log.bytes.Swap(0)}
			if time.Since(lastQueues) > time.Second {
				lastQueues = time.Now()
				g.reportQueues()
				m.lookAround(ctx)
			}
		case v := <-g.events:
			switch v := v.(type) {
			case logBarrier:
				flight[v.k].log = v
				ev = event{kind: evBarrier, k: v.k}
			case loadBarrier:
				flight[v.k].loads = v
				ev = event{kind: evBarrier, k: v.k}
			case ack:
				for _, s := range v.stale {
					g.loads.again(s.table, s.chunk)
				}
				flight[v.k].acks = append(flight[v.k].acks, v)
				flight[v.k].prepared = time.Now()
				ev = event{kind: evAck, k: v.k, slot: v.slot}
			case pauseSeen:
				g.loads.drop(v.table)
				o.Logger.Error("table paused", "table", v.table, "code", v.reason.Code.Name, "err", v.reason, "remedy", v.reason.Remedy())
				continue
			case looked:
				m.looking = false
				continue
			case committed:
				if v.err != nil {
					return v.err
				}
				delete(flight, v.k)
				g.completed = true
				for _, t := range v.tables {
					o.Observer.table(t)
				}
				o.Observer.checkpoint(v.stats)
				ev = event{kind: evCommitted, k: v.k}
			}
		}
		ev.now = time.Now()
		for _, a := range c.step(ev) {
			switch a.kind {
			case actTrigger:
				flight[a.k] = &pending{k: a.k, triggered: ev.now}
				select {
				case g.log.due <- a.k:
				default:
					return cdc.Errorf(cdc.CodeInternal, cdc.TableID{}, "barrier %d was asked for while another one waits", a.k)
				}
				spawn(func() error { return g.loads.barrier(ctx, a.k) })
			case actCommit:
				if err := m.commit(ctx, flight[a.k], c.stopping); err != nil {
					return err
				}
			case actComplete:
				if err := g.complete(ctx, a.k); err != nil {
					return err
				}
			case actEnd:
				return errEnded
			case actFail:
				return &cdc.Error{Code: CodeCheckpointTimeout, Err: a.err}
			}
		}
	}
}

// complete tells the slots that checkpoint k is complete.
func (g *generation) complete(ctx context.Context, k uint64) error {
	for slot := range g.o.Groups {
		if err := g.queues.Send(ctx, slot, Envelope{Generation: g.chain.Generation().Number, Input: inputControl, Kind: KindComplete, K: k}); err != nil {
			return err
		}
	}
	return nil
}

// idle is a generation without a table that could go on: it records the tables' state and waits for a request.
func (g *generation) idle(ctx, outer context.Context, m *commitDriver) error {
	if len(g.tables) > 0 {
		if _, err := g.chain.Decide(ctx, checkpoint.Decision{Tables: g.entries()}); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-outer.Done():
			return errEnded
		case v := <-g.events:
			if _, ok := v.(looked); ok {
				m.looking = false
			}
		case <-ticker.C:
			m.lookAround(ctx)
		}
	}
}

func (g *generation) reportQueues() {
	for slot := range g.o.Groups {
		for i, name := range [...]string{"log", "load"} {
			g.o.Observer.queue(name, slot, g.queues.Fill(i, slot), g.o.QueueBytes)
		}
	}
}

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
		changed := t.replace
		if s := p.log.schemas[t.id]; s != nil {
			t.schema, changed = s, true
		}
		if l, ok := p.loads.states[t.id]; ok {
			t.load, changed = l, true
		}
		if t.load.Phase == cdc.LoadCatchingUp {
			c, err := o.Source.Compare(position, t.load.End)
			if err != nil {
				return nil, false, err
			}
			if c >= 0 {
				t.load = cdc.LoadState{Phase: cdc.LoadDone, Rows: t.load.Rows}
				changed = true
				g.log.markLive(t.id)
				o.Logger.Info("table is live", "table", t.id, "rows_read", t.load.Rows)
			}
		}
		if !changed && len(byTable[t.id]) == 0 && (position == t.entry.Position || now.Sub(time.UnixMicro(t.entry.PartMicros)) < o.MarkerRefresh) {
			t.entry.Position = position
			continue
		}
		part, err := o.Sink.Part(cdc.PartInput{Table: t.id, Committables: byTable[t.id], Position: position, Label: at.Label,
			CommitMicros: at.CommitMicros, Load: t.load, Schema: t.schema, Replace: t.replace})
		if err != nil {
			return nil, false, fmt.Errorf("prepare the part of %s: %w", t.id, err)
		}
		parts[t.id] = part
		t.entry = cdc.Entry{ID: id, Position: position, PartMicros: now.UnixMicro()}
		t.replace = false
	}
	return parts, paused, nil
}

// commitDriver decides and commits one checkpoint after the other, beside the coordinator's loop.
type commitDriver struct {
	g          *generation
	spawn      func(func() error)
	post       func(any)
	lastRecord time.Time
	lastPos    cdc.Position
	lastPrune  time.Time
	lastLook   time.Time
	lastHeads  time.Time
	looking    bool
	cleaned    bool
}

// commit builds checkpoint p's record and has it decided and committed. Nothing is recorded if there is nothing to say.
func (m *commitDriver) commit(ctx context.Context, p *pending, stopping bool) error {
	g := m.g
	parts, paused, err := g.build(p)
	if err != nil {
		return err
	}
	stats := CheckpointStats{At: p.log.at, Parts: len(parts), Counts: map[cdc.TableID]cdc.Counts{}, Trigger: p.triggered, Prepared: p.prepared.Sub(p.triggered)}
	for t, part := range parts {
		stats.Counts[t] = part.Counts
	}
	moved := p.log.at.Position != m.lastPos
	if len(parts) == 0 && !paused && (!moved || !stopping && time.Since(m.lastRecord) < idleRecord) {
		m.post2(committed{k: p.k, stats: stats, tables: g.statuses()})
		return nil
	}
	m.lastRecord, m.lastPos = time.Now(), p.log.at.Position
	d := checkpoint.Decision{Tables: maps.Clone(g.entries()), Parts: parts, Positions: []cdc.Position{p.log.at.Position}, Acks: acksOf(g.chain, p)}
	tables := g.statuses() // now: the next checkpoint's build changes them
	m.spawn(func() error {
		t0 := time.Now()
		v := committed{k: p.k, stats: stats, tables: tables}
		v.stats.ID, v.err = m.decide(ctx, d)
		v.stats.Commit = time.Since(t0)
		v.stats.Total = time.Since(p.triggered)
		m.post(v)
		return nil
	})
	return nil
}

// post2 posts from the coordinator's own goroutine, which must not wait for itself.
func (m *commitDriver) post2(v any) { m.spawn(func() error { m.post(v); return nil }) }

// decide writes the record and commits its parts (steps 8 and 9).
func (m *commitDriver) decide(ctx context.Context, d checkpoint.Decision) (cdc.CheckpointID, error) {
	g := m.g
	rec, err := g.chain.Decide(ctx, d)
	if err != nil {
		return cdc.CheckpointID{}, fmt.Errorf("decide: %w", err)
	}
	if len(d.Parts) > 0 {
		outcomes, err := g.o.Sink.Commit(ctx, g.chain.Generation(), rec.ID(), d.Parts)
		if err != nil {
			return cdc.CheckpointID{}, fmt.Errorf("commit checkpoint %d: %w", rec.N, err)
		}
		for t := range d.Parts {
			if outcomes[t] == cdc.Void {
				return cdc.CheckpointID{}, &cdc.Error{Code: CodeMoved, Table: t, Msg: fmt.Sprintf("its part of checkpoint %d is void", rec.N)}
			}
		}
	}
	for _, t := range g.tables {
		if _, ok := d.Parts[t.id]; ok && t.reloaded != nil {
			if err := g.o.Store.ReloadDone(ctx, *t.reloaded); err != nil {
				return cdc.CheckpointID{}, err
			}
			t.reloaded = nil
		}
	}
	if time.Since(m.lastPrune) > pruneEvery {
		m.lastPrune = time.Now()
		if err := m.prune(ctx); err != nil {
			return cdc.CheckpointID{}, err
		}
	}
	return rec.ID(), nil
}

// prune deletes old records, and once per generation the files that older ones left behind (steps 6 and 10).
func (m *commitDriver) prune(ctx context.Context) error {
	g := m.g
	if !m.cleaned {
		m.cleaned = true
		records, err := g.o.Store.All(ctx) // records before tables
		if err != nil {
			return err
		}
		var named []cdc.Part
		for _, r := range records {
			for _, p := range r.Parts {
				named = append(named, p)
			}
		}
		if err := g.o.Sink.Clean(ctx, g.chain.Generation(), named); err != nil {
			g.o.Logger.Warn("cleaning up files of older generations", "err", err)
		}
	}
	return g.chain.Prune(ctx)
}

// lookAround looks for requests and for tables that somebody else has changed, and ends the generation if it finds any.
func (m *commitDriver) lookAround(ctx context.Context) {
	if m.looking || time.Since(m.lastLook) < lookAround {
		return
	}
	m.looking, m.lastLook = true, time.Now()
	heads := time.Since(m.lastHeads) > lookHeads
	if heads {
		m.lastHeads = time.Now()
	}
	g := m.g
	m.spawn(func() error {
		defer m.post(looked{})
		reqs, err := g.o.Store.Reloads(ctx)
		if err != nil {
			return err
		}
		for _, r := range reqs {
			if old := g.request(r.Table); old == nil || old.ETag != r.ETag {
				if g.byID[r.Table] != nil {
					return againError{"reload of " + r.Table.String() + " requested"}
				}
			}
		}
		if !heads {
			return nil
		}
		moved, err := g.o.Sink.Moved(ctx)
		if err != nil {
			return err
		}
		if len(moved) > 0 {
			return againError{fmt.Sprintf("changed by somebody else: %v", moved)}
		}
		return nil
	})
}

// looked ends a look around.
type looked struct{}

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
