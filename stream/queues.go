package stream

import (
	"context"
	"sync"
)

// Queues is the Exchange of one process: a bounded queue per input and slot, in memory. The bound is in bytes, so that
// wide rows and narrow ones press back alike. Envelopes without rows (barriers) always fit: if a barrier could wait for
// room, an input could wait for a slot that waits for this very barrier.
type Queues struct {
	bound  int64 // bytes per queue
	inputs int
	slots  []slotQueues
}

type slotQueues struct {
	mu     sync.Mutex // guards queues
	queues []queue
	// arrived is signalled when an envelope was appended, room when bytes were taken. One token is enough: whoever takes
	// it looks at everything.
	arrived chan struct{}
	room    []chan struct{}
}

type queue struct {
	items []Envelope
	head  int
	bytes int64
	sent  uint64 // sequence of the last envelope
}

// NewQueues returns queues of at most bound bytes each.
func NewQueues(inputs, slots int, bound int64) *Queues {
	q := &Queues{bound: bound, inputs: inputs, slots: make([]slotQueues, slots)}
	for i := range q.slots {
		s := &q.slots[i]
		s.queues = make([]queue, inputs)
		s.arrived = make(chan struct{}, 1)
		s.room = make([]chan struct{}, inputs)
		for j := range s.room {
			s.room[j] = make(chan struct{}, 1)
		}
	}
	return q
}

// Send implements Exchange. One goroutine at a time may send on an input.
func (q *Queues) Send(ctx context.Context, slot int, e Envelope) error {
	s := &q.slots[slot]
	n := int64(e.Bytes())
	for {
		s.mu.Lock()
		u := &s.queues[e.Input]
		// A single envelope larger than the bound passes when the queue is empty: a row of 1 GiB has to get through.
		if n == 0 || u.bytes == 0 || u.bytes+n <= q.bound {
			u.sent++
			e.Sequence = u.sent
			u.items = append(u.items, e)
			u.bytes += n
			s.mu.Unlock()
			select {
			case s.arrived <- struct{}{}:
			default:
			}
			return nil
		}
		s.mu.Unlock()
		select {
		case <-s.room[e.Input]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Receive implements Exchange. One goroutine at a time may receive for a slot. What carries no rows goes first, since it
// costs nothing and others wait for it (a new definition, before the chunks that were read under it; a barrier); then
// the fuller queue: a load must not starve behind the log, nor the log behind a load.
func (q *Queues) Receive(ctx context.Context, slot int, hold uint64) (Envelope, error) {
	s := &q.slots[slot]
	for {
		s.mu.Lock()
		best := -1
		for i := range s.queues {
			u := &s.queues[i]
			if hold>>uint(i)&1 == 1 || u.head == len(u.items) {
				continue
			}
			if u.items[u.head].Batch == nil {
				best = i
				break
			}
			if best < 0 || u.bytes > s.queues[best].bytes {
				best = i
			}
		}
		if best >= 0 {
			u := &s.queues[best]
			e := u.items[u.head]
			u.items[u.head] = Envelope{}
			u.head++
			switch {
			case u.head == len(u.items):
				u.items, u.head = u.items[:0], 0
			case u.head >= 256 && 2*u.head >= len(u.items):
				n := copy(u.items, u.items[u.head:])
				clear(u.items[n:])
				u.items, u.head = u.items[:n], 0
			}
			u.bytes -= int64(e.Bytes())
			s.mu.Unlock()
			select {
			case s.room[best] <- struct{}{}:
			default:
			}
			return e, nil
		}
		s.mu.Unlock()
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return Envelope{}, context.Cause(ctx)
		}
	}
}

// Fill returns the bytes that wait in the queue of an input and slot.
func (q *Queues) Fill(input, slot int) int64 {
	s := &q.slots[slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[input].bytes
}

var _ Exchange = (*Queues)(nil)
