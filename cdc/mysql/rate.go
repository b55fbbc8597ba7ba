package mysql

import (
	"context"
	"sync"
	"time"
)

// rateLimit spreads rows of all chunk readers over time. It allows no burst beyond what was just read.
type rateLimit struct {
	perSecond int // 0: no limit
	mu        sync.Mutex
	next      time.Time // guarded by mu: when the rows so far are paid for
}

func newRateLimit(perSecond int) *rateLimit { return &rateLimit{perSecond: perSecond} }

// wait pays for n rows that were read.
func (r *rateLimit) wait(ctx context.Context, n int) error {
	if r.perSecond == 0 {
		return nil
	}
	r.mu.Lock()
	now := time.Now()
	if r.next.Before(now) {
		r.next = now
	}
	r.next = r.next.Add(time.Duration(float64(n) / float64(r.perSecond) * float64(time.Second)))
	d := r.next.Sub(now)
	r.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
