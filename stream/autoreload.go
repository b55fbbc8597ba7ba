package stream

import (
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// autoReload is what is remembered of the reloads of a table that the pipeline began by itself, because the table paused for a reason
// that a reload mends.
type autoReload struct {
	n    int // since the table was last left alone for a while
	last time.Time
	// failed: the table could not even begin to be loaded. Only a request tries again.
	failed bool
}

const (
	// firstReloads begin at once; later ones wait, each twice as long as the one before: a table that is changed all the time
	// in ways that need a reload would do nothing else, and each one is a new generation for all others.
	firstReloads   = 12
	minReloadDelay = 2 * time.Second
	maxReloadDelay = 10 * time.Minute
	forgetReloads  = time.Hour
)

// due reports whether another reload may begin.
func (a *autoReload) due(now time.Time) bool {
	if a == nil {
		return true
	}
	since := now.Sub(a.last)
	switch {
	case a.failed:
		return false
	case a.n < firstReloads || since > forgetReloads:
		return true
	}
	return since >= min(minReloadDelay<<min(a.n-firstReloads, 20), maxReloadDelay)
}

// reloadable reports whether a table that paused with the code is to be loaded anew now, without being asked.
func (r *runner) reloadable(t cdc.TableID, code string, now time.Time) bool {
	return mendOf(code) != cdc.MendNone && (r.o.Reload == nil || r.o.Reload(t)) && r.reloads[t].due(now)
}

func mendOf(code string) cdc.Mend {
	if c := cdc.LookupCode(code); c != nil {
		return c.Mend
	}
	return cdc.MendNone
}

// reloading takes note that a reload begins.
func (r *runner) reloading(t cdc.TableID, now time.Time) {
	a := r.reloads[t]
	if a == nil {
		a = new(autoReload)
		r.reloads[t] = a
	}
	if now.Sub(a.last) > forgetReloads {
		a.n = 0
	}
	a.n++
	a.last, a.failed = now, false
}

// wantsReload returns a paused table that the next generation would load anew.
func (g *generation) wantsReload(now time.Time) (cdc.TableID, bool) {
	for _, t := range g.tables {
		if p := t.entry.Paused; p != nil && !t.absent && g.reloadable(t.id, p.Code, now) {
			return t.id, true
		}
	}
	return cdc.TableID{}, false
}
