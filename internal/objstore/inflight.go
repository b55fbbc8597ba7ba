package objstore

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// inflight bounds the bytes of all parts being sent. Only those: a part in flight always
// ends, by success or failure, whatever its writer does. A limit that held the parts still
// being filled as well would stop a shard for good that fills many files in turn.
type inflight struct {
	sem   *semaphore.Weighted
	limit int64
}

func newInflight(limit int64) *inflight {
	return &inflight{sem: semaphore.NewWeighted(limit), limit: limit}
}

// acquire waits for n bytes; a part above the whole limit goes alone.
func (i *inflight) acquire(ctx context.Context, n int64) (release func(), err error) {
	n = min(n, i.limit)
	if err := i.sem.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { i.sem.Release(n) }, nil
}
