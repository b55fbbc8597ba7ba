package stream

import (
	"context"
	"fmt"
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
	// idleRecord is how often a position that moves without any part is recorded. Whoever waits until a quiet table covers the log,
	// as verify does, waits that long.
	idleRecord = 10 * time.Second
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
	o.Observer.meter("committer", -1).Enter(cdc.Idle)
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
			if !g.used() {
				return errEnded // there is nothing to commit, and the source may never be reached
			}
			ev.kind = evStop
			stopped = nil
			hardStop = time.After(o.StopTimeout)
		case <-hardStop:
			return fmt.Errorf("the last checkpoint was not complete after %s", o.StopTimeout)
		case <-ticker.C:
			ev = event{kind: evProgress, rows: g.log.rows.Swap(0), loaded: g.loads.rows.Swap(0), bytes: g.log.bytes.Swap(0) + g.loads.bytes.Swap(0)}
			if time.Since(lastQueues) > time.Second {
				lastQueues = time.Now()
				g.reportQueues()
			}
			if !c.stopping {
				m.lookAround(ctx)
			}
		case why := <-o.Again:
			if !c.stopping {
				return againError{why}
			}
			continue
		case v := <-g.events:
			switch v := v.(type) {
			case logBarrier:
				ev = event{kind: evBarrier, k: v.k}
				if p := flight[v.k]; p != nil {
					p.log = v
				}
			case loadBarrier:
				ev = event{kind: evBarrier, k: v.k}
				if p := flight[v.k]; p != nil {
					p.loads = v
				}
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
			case appeared:
				m.look.tables = time.Unix(0, 0) // look at the next occasion
				continue
			case looked:
				m.look.under = false
				continue
			case []checkpoint.Request:
				if err := g.takeRequests(v, g.log.pauseAt); err != nil && !c.stopping {
					return err
				}
				continue
			case []checkpoint.Repair:
				g.takeRepairs(v)
				continue
			case reconciled:
				if t := g.byID[v.table]; t.load.Phase == cdc.LoadReconciling {
					t.load.End = v.end
				}
				continue
			case committed:
				if v.err != nil {
					return v.err
				}
				delete(flight, v.k)
				g.completed = true
				for t := range v.stats.Counts {
					delete(g.begun, t)
				}
				for _, t := range v.tables {
					o.Observer.table(t)
				}
				o.Observer.checkpoint(v.stats)
				g.repairs.committed(v.k)
				g.reconciles.committed(v.tables)
				if t, ok := g.wantsReload(time.Now()); ok && !c.stopping {
					return againError{"the table " + t.String() + " is to be loaded anew"}
				}
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
					return internal("barrier %d was asked for while another one waits", a.k)
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
				return a.err
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

func (g *generation) reportQueues() {
	for slot := range g.o.Groups {
		for i, name := range [...]string{"log", "load"} {
			g.o.Observer.queue(name, slot, g.queues.Fill(i, slot), g.o.QueueBytes)
		}
	}
}
