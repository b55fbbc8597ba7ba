package cdc

import (
	"sync"
	"sync/atomic"
)

type refCount = atomic.Int32

// BatchPool recycles the batches of one schema version. Get and Release may be called from different goroutines.
type BatchPool struct {
	schema *Schema
	mu     sync.Mutex // guards free
	free   []*Batch
}

// maxPooled bounds the batches a pool keeps; more than this are in flight only in bursts, and go to the collector.
const maxPooled = 16

// NewBatchPool returns a pool of batches for the schema.
func NewBatchPool(s *Schema) *BatchPool { return &BatchPool{schema: s} }

// Schema returns the schema of the pool's batches.
func (p *BatchPool) Schema() *Schema { return p.schema }

// Get returns an empty batch with one reference.
func (p *BatchPool) Get() *Batch {
	p.mu.Lock()
	var b *Batch
	if n := len(p.free); n > 0 {
		b = p.free[n-1]
		p.free = p.free[:n-1]
	}
	p.mu.Unlock()
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
	b.reset()
	b.pool.mu.Lock()
	if len(b.pool.free) < maxPooled {
		b.pool.free = append(b.pool.free, b)
	}
	b.pool.mu.Unlock()
}
