package mysql

import (
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// position returns the last boundary.
func (f *follower) position() position {
	p := position{Server: f.server, File: f.at.file, Pos: f.at.pos, LastMicros: f.last.micros}
	if f.gtids != nil {
		p.GTIDMode, p.GTIDs = true, f.gtids.text()
		if f.last.known {
			p.LastGTID = f.last.id.String()
			if f.last.before.server != 0 {
				p.LastBefore = f.last.before.String()
			}
		}
		_, p.MariaDB = f.gtids.set.(domainSet)
	} else if f.last.file == f.at.file {
		p.LastStart = f.last.start
	}
	return p
}

func (f *follower) label() string { return f.position().label() }

func (f *follower) boundary() cdc.Boundary {
	p := f.position()
	return cdc.Boundary{Position: p.encode(), CommitMicros: f.commit, Seq: f.seq, Label: p.label()}
}

// barrierIfDue hands on everything and ends the checkpoint, if one is due and this is a boundary. While the last
// transaction has not been verified nothing new may be committed.
func (f *follower) barrierIfDue() error {
	if f.due == 0 || f.txn.open || f.verify && f.fresh {
		return nil
	}
	if err := f.dec.Flush(); err != nil {
		return err
	}
	k := f.due
	f.due = 0
	return downstream(f.out.Barrier(f.ctx, k, f.boundary()))
}

// pollDue looks for a wanted barrier without waiting.
func (f *follower) pollDue() error {
	select {
	case k := <-f.out.Due():
		f.due = k
	default:
	}
	if f.due != 0 {
		return f.barrierIfDue()
	}
	return nil
}

// progress reports the boundary; the contract wants everything before it to be handed on.
func (f *follower) progress() error {
	if f.txn.open || f.verify {
		return nil
	}
	if err := f.dec.Flush(); err != nil {
		return err
	}
	f.publish()
	f.out.Progress(f.boundary())
	return nil
}

// publish tells chunk readers how far the log has been handed on.
func (f *follower) publish() {
	d := f.s.delivered
	if f.gtids != nil {
		f.gtids.flush()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq, d.partial = f.seq, gtid{}
	if f.txn.open {
		d.partial = f.txn.id
	}
}

// Batch hands a batch of the decoder on (binlog.Handler).
func (f *follower) Batch(b *cdc.Batch) error {
	f.seq++
	b.Seq = f.seq
	f.publish() // before the batch is visible to anybody who might wait for what it holds
	// Nearly all of the time in the emitter, if it is long, is spent waiting for room in the queues.
	f.obs.Meter.Enter(cdc.Blocked)
	err := f.out.Batch(f.ctx, b)
	f.obs.Meter.Enter(cdc.Busy)
	return downstream(err)
}

// downstreamError marks an error of the emitter: reconnecting does not help.
type downstreamError struct{ error }

func (d *downstreamError) Unwrap() error { return d.error }

func downstream(err error) error {
	if err == nil {
		return nil
	}
	return &downstreamError{err}
}

func (b *backoff) next() time.Duration {
	b.d = min(max(2*b.d, 100*time.Millisecond), 15*time.Second)
	return b.d
}
