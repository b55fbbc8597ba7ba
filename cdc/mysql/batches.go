package mysql

import (
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// batchPools keeps a pool of batches for the newest definition of each table.
type batchPools struct {
	mu    sync.Mutex // guards pools
	pools map[cdc.TableID]*cdc.BatchPool
}

func (b *batchPools) of(s *cdc.Schema) *cdc.BatchPool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pools[s.Table]
	if p == nil || p.Schema() != s {
		p = cdc.NewBatchPool(s)
		b.pools[s.Table] = p
	}
	return p
}
