package stream

import (
	"context"
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// router sends an input's envelopes to the slots that own their keys. It is used by one goroutine at a time.
type router struct {
	ex     Exchange
	input  int
	gen    uint64
	slots  int
	slotOf []uint8 // slot of each key group
	sel    []*[]int32
	pool   *rowPool
}

// rowPool recycles the selections of rows of one generation: a router fills them, a shard gives them back.
type rowPool struct{ p sync.Pool }

func (p *rowPool) get(n int) *[]int32 {
	if s, ok := p.p.Get().(*[]int32); ok && cap(*s) >= n {
		*s = (*s)[:0]
		return s
	}
	s := make([]int32, 0, n)
	return &s
}

func (p *rowPool) put(s *[]int32) {
	if s != nil {
		p.p.Put(s)
	}
}

func newRouter(ex Exchange, input int, gen uint64, groups []cdc.GroupRange, pool *rowPool) *router {
	r := &router{ex: ex, input: input, gen: gen, slots: len(groups), sel: make([]*[]int32, len(groups)), pool: pool}
	r.slotOf = make([]uint8, groups[0].Of)
	for s, g := range groups {
		for i := g.From; i < g.To; i++ {
			r.slotOf[i] = uint8(s)
		}
	}
	return r
}

// batch sends each slot the rows whose keys it owns; the batch itself is shared. It takes over the caller's reference.
func (r *router) batch(ctx context.Context, b *cdc.Batch, c cdc.Chunk) error {
	if r.slots == 1 {
		return r.ex.Send(ctx, 0, Envelope{Generation: r.gen, Input: r.input, Kind: KindBatch, Batch: b, Chunk: c})
	}
	for i := range r.sel {
		r.sel[i] = r.pool.get(b.N) // any slot may own all rows
	}
	n := len(r.slotOf)
	for i, hi := range b.KeyHi[:b.N] {
		s := r.slotOf[cdc.Group(hi, n)]
		*r.sel[s] = append(*r.sel[s], int32(i))
	}
	return r.selected(ctx, b, c)
}

// some sends each slot those of the chosen rows whose keys it owns, as batch does.
func (r *router) some(ctx context.Context, b *cdc.Batch, rows []int32) error {
	for i := range r.sel {
		r.sel[i] = r.pool.get(len(rows))
	}
	for _, i := range rows {
		s := r.slotOf[cdc.Group(b.KeyHi[i], len(r.slotOf))]
		*r.sel[s] = append(*r.sel[s], i)
	}
	return r.selected(ctx, b, cdc.Chunk{})
}

// selected sends the rows in sel.
func (r *router) selected(ctx context.Context, b *cdc.Batch, c cdc.Chunk) error {
	to := 0
	for _, rows := range r.sel {
		if len(*rows) > 0 {
			to++
		}
	}
	if to == 0 {
		b.Release()
		return nil
	}
	b.Retain(to - 1)
	for s, rows := range r.sel {
		if len(*rows) == 0 {
			r.pool.put(rows)
			continue
		}
		e := Envelope{Generation: r.gen, Input: r.input, Kind: KindBatch, Batch: b, Chunk: c}
		if len(*rows) < b.N {
			e.Rows, e.rows = *rows, rows
		} else {
			r.pool.put(rows)
		}
		if err := r.ex.Send(ctx, s, e); err != nil {
			return err // the generation ends; what is not released goes to the collector
		}
	}
	return nil
}

// all sends an envelope without rows to every slot. It never waits (see Queues).
func (r *router) all(ctx context.Context, e Envelope) error {
	e.Generation, e.Input = r.gen, r.input
	for s := range r.slots {
		if err := r.ex.Send(ctx, s, e); err != nil {
			return err
		}
	}
	return nil
}
