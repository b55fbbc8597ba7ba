package mysql

import (
	"context"
	"time"
)

// gather lets small pieces become larger ones. Servers send the log an event at a time; where the reader is faster, each of
// them would cost a system call and a wake-up of the decoder, more than decoding it. A piece that comes after a silence
// is handed on at once, and the next one at most gatherFor later.
type gather struct {
	ctx  context.Context
	last time.Time
	t    *time.Timer
}

const (
	gatherFor  = 500 * time.Microsecond
	gatherSize = blockBytes / 8 // what comes in such pieces flows well, and a socket's buffer holds more
)

// wait is called after a piece of n bytes, before the next one is read.
func (g *gather) wait(n int) {
	if n >= gatherSize {
		return
	}
	now := time.Now()
	if now.Sub(g.last) < 2*gatherFor {
		if g.t == nil {
			g.t = time.NewTimer(gatherFor)
		} else {
			g.t.Reset(gatherFor)
		}
		select {
		case <-g.t.C:
		case <-g.ctx.Done():
		}
		now = time.Now()
	}
	g.last = now
}
