package cdc

import (
	"sync"
	"sync/atomic"
)

type refCount = atomic.Int32

// BatchPool recycles the batches of one schema version. Get and Release may be called from different goroutines. How many batches are in
// flight is bounded by those who hold them, in bytes; here all of them are kept, and those that nobody has asked for in two cycles of the
// collector are given up: a bound on their number would throw away, under load, exactly the buffers that have grown to their size.
type BatchPool struct {
	schema *Schema
	free   sync.Pool
	rows   atomic.Int32 // that the last batch had, or has room for: what the next one grows to
}

// NewBatchPool returns a pool of batches for the schema.
func NewBatchPool(s *Schema) *BatchPool { return &BatchPool{schema: s} }

// Schema returns the schema of the pool's batches.
func (p *BatchPool) Schema() *Schema { return p.schema }

// Get returns an empty batch with one reference.
func (p *BatchPool) Get() *Batch {
	b, _ := p.free.Get().(*Batch)
	if b == nil {
		b = &Batch{Schema: p.schema, pool: p, Cols: make([]Vec, len(p.schema.Columns))}
		for i, c := range p.schema.Columns {
			b.Cols[i].Layout = c.Type.Layout()
			if b.Cols[i].Layout == LayoutBytes {
				b.Cols[i].Off = make([]int32, 1)
			}
			if c.Nullable {
				b.Cols[i].Valid = []byte{}
			}
		}
	}
	b.refs.Store(1)
	return b
}

// Retain adds n references: one batch goes to several shards, each with its own selection of rows.
func (b *Batch) Retain(n int) { b.refs.Add(int32(n)) }

// Release gives one reference back; with the last one the batch is emptied and used again.
func (b *Batch) Release() {
	switch n := b.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("cdc: batch released too often")
	}
	if b.pool == nil {
		return
	}
	b.pool.rows.Store(int32(b.N))
	b.reset()
	b.pool.free.Put(b)
}
