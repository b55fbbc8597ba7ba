package main

import (
	"context"
	"time"
)

// mark is what a process had used at a moment.
type mark struct {
	usage
	m  metrics
	at time.Time
}

// begin and finish take their marks such that the scrape itself stays outside of the measured CPU.
func (p *pipeline) begin(ctx context.Context) (mark, error) {
	m, err := scrape(ctx, p.url)
	if err != nil {
		return mark{}, err
	}
	u, err := usageOf(p.cmd.Process.Pid)
	return mark{u, m, time.Now()}, err
}

func (p *pipeline) finish(ctx context.Context) (mark, error) {
	at := time.Now()
	u, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return mark{}, err
	}
	m, err := scrape(ctx, p.url)
	return mark{u, m, at}, err
}

// measure runs f while the process runs, and fills in what the process used for it.
func (p *pipeline) measure(ctx context.Context, r *result, f func() error) (from, to mark, err error) {
	if from, err = p.begin(ctx); err != nil {
		return
	}
	p.mem.reset()
	if err = f(); err != nil {
		return
	}
	if to, err = p.finish(ctx); err != nil {
		return
	}
	rss, anon := p.mem.peaks()
	u := to.usage.minus(from.usage)
	r.cpu, r.system, r.faults = u.cpu, u.system, u.faults
	r.allocs = to.m.sum("go_memstats_mallocs_total") - from.m.sum("go_memstats_mallocs_total")
	r.puts = to.m.puts() - from.m.puts()
	r.rss, r.anon = float64(rss), float64(anon)
	r.wall = to.at.Sub(from.at).Seconds()
	r.busy, r.machine = p.mem.work()
	return
}

// replay starts a stopped pipeline and measures it until it has caught up with MySQL.
func (p *pipeline) replay(ctx context.Context, r *result) (from, to mark, err error) {
	if err = p.start(r.name); err != nil {
		return
	}
	if from, to, err = p.measure(ctx, r, func() error { return p.awaitEnd(ctx) }); err != nil {
		return
	}
	return from, to, p.stop()
}
