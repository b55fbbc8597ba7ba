package stream

import (
	"context"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// The inputs of every slot. Control carries no rows and takes no part in alignment.
const (
	inputLog = iota
	inputLoad
	inputControl
	numInputs

	dataInputs = 1<<inputLog | 1<<inputLoad
)

// shard is the goroutine around a slot's ShardWriter. It aligns barriers: an input whose barrier has come is held back
// until the other's has come too.
type shard struct {
	slot     int
	ex       Exchange
	w        ShardWriter
	obs      *Observer
	versions map[cdc.TableID]int // the definition that the log is at, here
	ack      func(ack)
	pool     *rowPool
	spawn    func(func() error) // runs a function in the generation's group

	stale []staleChunk
	mark  [numInputs]uint64
}

// staleChunk is a chunk with rows under a definition other than the stream's: it has to be read again.
type staleChunk struct {
	table cdc.TableID
	chunk cdc.Chunk
}

// ack says that a slot has prepared checkpoint k, with everything stored.
type ack struct {
	k            uint64
	slot         int
	committables []cdc.Committable
	stale        []staleChunk
	mark         []uint64
}

func (s *shard) run(ctx context.Context) error {
	defer s.w.Close() //nolint:errcheck // the error that ends the generation is already on its way; this only frees
	meter := s.obs.meter("shard", s.slot)
	defer meter.Stop()
	var hold uint64
	for {
		meter.Enter(cdc.Idle)
		e, err := s.ex.Receive(ctx, s.slot, hold)
		if err != nil {
			return err
		}
		meter.Enter(cdc.Busy)
		if e.Sequence != s.mark[e.Input]+1 {
			return cdc.Errorf(cdc.CodeInternal, cdc.TableID{}, "slot %d received envelope %d of input %d after %d", s.slot, e.Sequence, e.Input, s.mark[e.Input])
		}
		s.mark[e.Input] = e.Sequence
		switch e.Kind {
		case KindBatch:
			err = s.batch(ctx, &e)
		case KindSchema:
			s.versions[e.Schema.Schema.Table] = e.Schema.Schema.Version
			err = s.w.Schema(ctx, *e.Schema)
		case KindPause:
			s.w.Pause(e.Table)
		case KindTruncate:
			s.w.Truncate(e.Table)
		case KindLive:
			s.w.Live(e.Table)
		case KindComplete:
			err = s.w.Complete(ctx, e.K)
		case KindBarrier:
			hold |= 1 << e.Input
			if hold == dataInputs {
				hold = 0
				err = s.prepare(ctx, e.K)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (s *shard) batch(ctx context.Context, e *Envelope) error {
	defer s.pool.put(e.rows)
	if e.Input == inputLoad && e.Batch.Schema.Version != s.versions[e.Batch.Schema.Table] {
		s.stale = append(s.stale, staleChunk{e.Batch.Schema.Table, e.Chunk})
		e.Batch.Release()
		return nil
	}
	return s.w.Write(ctx, e.Batch, e.Rows)
}

// prepare seals checkpoint k here and reports it when its files are stored; the next checkpoint's rows are taken meanwhile.
func (s *shard) prepare(ctx context.Context, k uint64) error {
	p, err := s.w.Prepare(ctx, k)
	if err != nil {
		return err
	}
	a := ack{k: k, slot: s.slot, stale: s.stale, mark: append([]uint64(nil), s.mark[:]...)}
	s.stale = nil
	s.spawn(func() error {
		var err error
		if a.committables, err = p.Wait(ctx); err != nil {
			return err
		}
		s.ack(a)
		return nil
	})
	return nil
}
