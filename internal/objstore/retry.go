package objstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

const (
	backoffBase      = 50 * time.Millisecond
	backoffThrottled = 400 * time.Millisecond
	backoffMax       = 8 * time.Second
	// maxConflicts bounds the repetitions of a conditional write that the server refused
	// because another was under way (409): each means that somebody else was served.
	maxConflicts = 8
)

// backoff is the pause after the n-th failed attempt (from 1): exponential, with the upper
// half of it random, so that shards which failed together do not come back together.
func backoff(n int, throttled bool, random func() float64) time.Duration {
	d := backoffBase
	if throttled {
		d = backoffThrottled
	}
	for i := 1; i < n && d < backoffMax; i++ {
		d *= 2
	}
	d = min(d, backoffMax)
	return d/2 + time.Duration(random()*float64(d/2))
}

// request is one operation on a location.
type request struct {
	op       Op
	location string
	// conditional operations are not repeated once the server may have executed them.
	conditional bool
	// call sends the request once, reads the answer to its end, and returns the bytes of
	// content moved. It can be called several times, one after the other.
	call func(ctx context.Context) (int64, error)
}

// do sends a request until it succeeds, fails for good, or the time is over.
func (c *s3Core) do(ctx context.Context, r request) error {
	begin := time.Now()
	conflicts := 0
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return &Error{Op: r.op, Location: r.location, Err: err, Attempts: attempt - 1}
		}
		start := time.Now()
		n, sent, err := send(ctx, r.call)
		var v verdict
		if err != nil {
			v = c.classify(ctx, r, err, sent)
			v.err.Attempts = attempt
			c.observe(r.op, start, attempt, 0, ClassOf(v.err))
		} else {
			c.observe(r.op, start, attempt, n, ClassOK)
			return nil
		}
		if v.conflict {
			conflicts++
		}
		if !v.retry || conflicts > maxConflicts {
			return v.err
		}
		pause := max(backoff(attempt, v.err.throttled, rand.Float64), v.after)
		if time.Since(begin)+pause > c.cfg.RetryFor {
			return v.err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return v.err // says more than that the deadline was exceeded
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			v.err.Err = errors.Join(ctx.Err(), v.err.Err)
			return v.err
		}
	}
}

// send calls once, and tells whether the server can have seen anything of the request: from
// the moment that a connection was handed to it.
func send(ctx context.Context, call func(context.Context) (int64, error)) (n int64, sent bool, err error) {
	var got atomic.Bool // set from the transport's goroutine
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	n, err = call(ctx)
	return n, got.Load(), err
}
