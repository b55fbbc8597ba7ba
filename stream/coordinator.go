package stream

import (
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// coordinator decides when checkpoints begin, when they are prepared, and which one is committed next. It is a pure state
// machine: events go in with their time, actions come out. Checkpoints complete in order; at most maxInflight are under
// way, so that checkpoint k+1 is written while k is committed, and never more than that.
type coordinator struct {
	slots    int
	inputs   int
	interval time.Duration
	timeout  time.Duration
	maxRows  int64
	maxBytes int64

	next        uint64 // number of the next barrier
	lastTrigger time.Time
	rows, bytes int64 // since the last trigger
	inflight    []*inflightCheckpoint
	stopping    bool
	final       uint64 // the checkpoint after which to stop, once triggered
	ended       bool
}

// maxInflight is two: one being committed, one being written. A third would only lengthen the replay after a failure.
const maxInflight = 2

type inflightCheckpoint struct {
	k          uint64
	progressed time.Time // when something last happened to it
	inputs     int       // inputs whose barrier was injected
	acks       int       // slots that have prepared
	acked      []bool
	committing bool
}

type eventKind uint8

const (
	evTick      eventKind = iota // time passes
	evProgress                   // rows and bytes were handed on since the last event of this kind
	evBarrier                    // an input has injected barrier k
	evAck                        // a slot has prepared checkpoint k
	evCommitted                  // checkpoint k is committed
	evStop                       // finish: one more checkpoint, then end
)

type event struct {
	kind         eventKind
	now          time.Time
	k            uint64
	slot         int
	rows, loaded int64 // of the log; of loads
	bytes        int64 // of both
}

type actionKind uint8

const (
	actTrigger  actionKind = iota // ask all inputs for barrier k
	actCommit                     // decide and commit checkpoint k
	actComplete                   // checkpoint k is complete: tell the slots
	actEnd                        // all is done after a stop
	actFail                       // a checkpoint is stuck, or something happened that cannot be
)

func (a actionKind) String() string {
	return [...]string{"trigger", "commit", "complete", "end", "fail"}[a]
}

type action struct {
	kind actionKind
	k    uint64
	err  error
}

func newCoordinator(slots, inputs int, interval, timeout time.Duration, maxRows, maxBytes int64, now time.Time) *coordinator {
	return &coordinator{slots: slots, inputs: inputs, interval: interval, timeout: timeout, maxRows: maxRows, maxBytes: maxBytes,
		next: 1, lastTrigger: now}
}

// step takes one event and returns what has to be done, in order.
func (c *coordinator) step(e event) []action {
	if c.ended {
		return nil
	}
	var out []action
	switch e.kind {
	case evTick:
	case evProgress:
		c.rows += e.rows + e.loaded
		c.bytes += e.bytes
		// A transaction may take longer than the timeout to come through, and its end is where the barrier goes.
		if e.rows > 0 && len(c.inflight) > 0 && !c.inflight[0].committing {
			c.inflight[0].progressed = e.now
		}
	case evStop:
		c.stopping = true
	case evBarrier:
		cp := c.find(e.k)
		if cp == nil || cp.inputs == c.inputs {
			return c.fail(internal("barrier %d was injected, which nobody waits for", e.k))
		}
		cp.inputs++
		cp.progressed = e.now
	case evAck:
		cp := c.find(e.k)
		if cp == nil || cp.acked[e.slot] {
			return c.fail(internal("slot %d acknowledged checkpoint %d, which does not wait for it", e.slot, e.k))
		}
		cp.acked[e.slot] = true
		cp.acks++
		cp.progressed = e.now
	case evCommitted:
		if len(c.inflight) == 0 || c.inflight[0].k != e.k || !c.inflight[0].committing {
			return c.fail(internal("checkpoint %d was committed out of order", e.k))
		}
		c.inflight = c.inflight[1:]
		out = append(out, action{kind: actComplete, k: e.k})
		if c.final == e.k {
			c.ended = true
			return append(out, action{kind: actEnd, k: e.k})
		}
	}
	out = append(out, c.advance(e.now)...)
	return out
}

// advance does what time and state allow: commit the oldest prepared checkpoint, trigger the next one, give up on a slow one.
func (c *coordinator) advance(now time.Time) []action {
	var out []action
	if len(c.inflight) > 0 {
		cp := c.inflight[0]
		if !cp.committing && cp.inputs == c.inputs && cp.acks == c.slots {
			cp.committing = true
			cp.progressed = now
			out = append(out, action{kind: actCommit, k: cp.k})
		}
		if c.timeout > 0 && now.Sub(cp.progressed) >= c.timeout {
			return append(out, c.fail(cdc.Errorf(CodeCheckpointTimeout, cdc.TableID{}, "checkpoint %d stands still since %s (%d of %d inputs, %d of %d slots, committing: %t)",
				cp.k, now.Sub(cp.progressed).Round(time.Millisecond), cp.inputs, c.inputs, cp.acks, c.slots, cp.committing))...)
		}
	}
	if c.due(now) {
		cp := &inflightCheckpoint{k: c.next, progressed: now, acked: make([]bool, c.slots)}
		c.inflight = append(c.inflight, cp)
		c.next++
		c.lastTrigger = now
		c.rows, c.bytes = 0, 0
		if c.stopping {
			c.final = cp.k
		}
		out = append(out, action{kind: actTrigger, k: cp.k})
	}
	return out
}

// due says whether a checkpoint is to be triggered. One that is still being aligned or prepared holds the next one back:
// two barriers in one queue would gain nothing.
func (c *coordinator) due(now time.Time) bool {
	if c.final != 0 || len(c.inflight) >= maxInflight {
		return false
	}
	if n := len(c.inflight); n > 0 && (c.inflight[n-1].inputs < c.inputs || c.inflight[n-1].acks < c.slots) {
		return false
	}
	return c.stopping || now.Sub(c.lastTrigger) >= c.interval ||
		c.maxRows > 0 && c.rows >= c.maxRows || c.maxBytes > 0 && c.bytes >= c.maxBytes
}

func (c *coordinator) find(k uint64) *inflightCheckpoint {
	for _, cp := range c.inflight {
		if cp.k == k {
			return cp
		}
	}
	return nil
}

func internal(format string, args ...any) error {
	return cdc.Errorf(cdc.CodeInternal, cdc.TableID{}, format, args...)
}

func (c *coordinator) fail(err error) []action {
	c.ended = true
	return []action{{kind: actFail, err: err}}
}
