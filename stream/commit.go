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

// commitDriver decides and commits one checkpoint after the other, beside the coordinator's loop.
type commitDriver struct {
	g          *generation
	spawn      func(func() error)
	post       func(any)
	lastRecord time.Time
	lastPos    cdc.Position
	lastPrune  time.Time
	cleaned    bool
	look       look
	answered   []checkpoint.Request // are to be removed
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
	answers := g.answers(parts)
	// What the history did not take is offered to it again.
	late := len(g.unkept) > 0 && time.Since(m.lastRecord) >= idleRecord
	if len(parts) == 0 && !paused && len(answers) == 0 && len(p.log.history) == 0 && !late && (!moved || !stopping && time.Since(m.lastRecord) < idleRecord) {
		m.post2(committed{k: p.k, stats: stats, tables: g.statuses()})
		return nil
	}
	m.lastRecord, m.lastPos = time.Now(), p.log.at.Position
	d := checkpoint.Decision{Tables: maps.Clone(g.entries()), Parts: parts, Positions: []cdc.Position{p.log.at.Position}, Acks: acksOf(g.chain, p),
		Statements: append(slices.Clone(g.unkept), p.log.history...)}
	tables := g.statuses() // now: the next checkpoint's build changes them
	m.spawn(func() error {
		t0 := time.Now()
		v := committed{k: p.k, stats: stats, tables: tables}
		v.stats.ID, v.stats.Done, v.err = m.decide(ctx, d, answers)
		v.stats.Commit = v.stats.Done.Sub(t0)
		v.stats.Total = v.stats.Done.Sub(p.triggered)
		m.post(v)
		return nil
	})
	return nil
}

// post2 posts from the coordinator's own goroutine, which must not wait for itself.
func (m *commitDriver) post2(v any) { m.spawn(func() error { m.post(v); return nil }) }

// decide writes the record and commits its parts (steps 8 and 9). It returns when that was done: what follows may take longer.
func (m *commitDriver) decide(ctx context.Context, d checkpoint.Decision, answers []checkpoint.Request) (cdc.CheckpointID, time.Time, error) {
	g := m.g
	meter := g.o.Observer.meter("committer", -1)
	meter.Enter(cdc.Busy)
	defer meter.Enter(cdc.Idle)
	rec, err := g.chain.Decide(ctx, d)
	if err != nil {
		return cdc.CheckpointID{}, time.Time{}, fmt.Errorf("decide: %w", err)
	}
	if len(d.Parts) > 0 {
		outcomes, err := g.o.Sink.Commit(ctx, g.chain.Generation(), rec.ID(), d.Parts)
		if err != nil {
			return cdc.CheckpointID{}, time.Time{}, fmt.Errorf("commit checkpoint %d: %w", rec.N, err)
		}
		for t := range d.Parts {
			if outcomes[t] == cdc.Void {
				return cdc.CheckpointID{}, time.Time{}, &cdc.Error{Code: CodeMoved, Table: t, Msg: fmt.Sprintf("its part of checkpoint %d is void", rec.N)}
			}
		}
	}
	done := time.Now()
	g.unkept = d.Statements
	g.keepHistory(ctx)
	// What follows is housekeeping: it is tried again with the next checkpoint.
	m.answered = append(m.answered, answers...)
	if err := m.removeAnswered(ctx); err != nil {
		if err := m.tolerate("removing answered requests", err); err != nil {
			return cdc.CheckpointID{}, time.Time{}, err
		}
	}
	if time.Since(m.lastPrune) > pruneEvery {
		m.lastPrune = time.Now()
		if err := m.prune(ctx); err != nil {
			if err := m.tolerate("deleting old records", err); err != nil {
				return cdc.CheckpointID{}, time.Time{}, err
			}
		}
	}
	return rec.ID(), done, nil
}

// tolerate logs an error that another attempt may mend; others are returned.
func (m *commitDriver) tolerate(doing string, err error) error {
	if cdc.ClassOf(err) != cdc.Retryable {
		return fmt.Errorf("%s: %w", doing, err)
	}
	m.g.o.Logger.Warn(doing+" failed; it is tried again", "err", err)
	return nil
}

// removeAnswered removes the requests that have been answered.
func (m *commitDriver) removeAnswered(ctx context.Context) error {
	for len(m.answered) > 0 {
		if err := m.g.o.Store.Answered(ctx, m.answered[0]); err != nil {
			return err
		}
		m.answered = m.answered[1:]
	}
	return nil
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
