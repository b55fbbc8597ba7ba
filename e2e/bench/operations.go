package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

func runOperationsFew(ctx context.Context, l *lab) (*result, error) {
	return l.operations(ctx, "operations-few", 2)
}

func runOperationsMany(ctx context.Context, l *lab) (*result, error) {
	return l.operations(ctx, "operations-many", 500)
}

// operations measures for how long a busy table gets no commit while another one is paused, resumed, loaded anew or joins: beyond the
// interval of checkpoints, which is a second.
func (l *lab) operations(ctx context.Context, name string, tables int) (*result, error) {
	r := newResult(name)
	prefix := fmt.Sprintf("op%d_", tables)
	const rows = 2000
	first := prefix + "000"
	if err := l.createTable(ctx, first, tenColumns); err != nil {
		return nil, err
	}
	if err := (fill{table: first, rows: rows, chunk: rows, unlogged: true, row: func(b []byte, i int64) []byte { return appendTen(b, i, 0) }}).run(ctx, l); err != nil {
		return nil, err
	}
	stmts := []string{"USE " + database}
	for i := 1; i < tables; i++ {
		t := fmt.Sprintf("%s%03d", prefix, i)
		stmts = append(stmts, "CREATE TABLE "+t+" "+tenColumns, "INSERT INTO "+t+" SELECT * FROM "+first)
	}
	l.say("creating %d tables", tables)
	if err := l.mysql.Exec(ctx, stmts...); err != nil {
		return nil, err
	}
	p, err := l.newPipeline(pipelineOptions{name: name, include: prefix + "*", interval: "1s"})
	if err != nil {
		return nil, err
	}
	if err := p.load(ctx, tables); err != nil {
		return nil, err
	}
	if err := p.start(name); err != nil {
		return nil, err
	}
	if err := p.awaitEnd(ctx); err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(ctx)
	var writing sync.WaitGroup
	defer func() { stop(); writing.Wait() }()
	w := &writers{table: first, rows: rows, rate: 1000, perTxn: 5, length: time.Hour}
	writing.Go(func() { _ = w.run(work, l) }) // it is cut off at the end
	other := fmt.Sprintf("%s.%s%03d", database, prefix, 1)
	for _, op := range []struct {
		key string
		do  func() error
	}{
		{"nothing", func() error { return sleep(ctx, 3*time.Second) }},
		{"pause", func() error { return p.ask(ctx, "pause", other) }},
		{"resume", func() error { return p.ask(ctx, "resume", other) }},
		{"reload", func() error { return p.ask(ctx, "reload", other) }},
		{"add", func() error {
			t := database + "." + prefix + "new"
			if err := l.mysql.Exec(ctx, "CREATE TABLE "+t+" "+tenColumns, "INSERT INTO "+t+" SELECT * FROM "+other); err != nil {
				return err
			}
			return p.await(ctx, "the table has joined", func(s status) bool { return s.live() == tables+1 })
		}},
	} {
		gap, err := p.longestGap(ctx, op.do)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.key, err)
		}
		r.add(op.key+"_gap_s", gap.Seconds())
	}
	stop()
	writing.Wait()
	r.changes = w.changes.Load()
	if err := p.awaitEnd(ctx); err != nil {
		return nil, err
	}
	return r, p.stop()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (p *pipeline) ask(ctx context.Context, verb, table string) error {
	if out, err := p.command(ctx, verb, table); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// longestGap returns the longest time between two checkpoints while f runs, and shortly before and after, beyond the interval.
func (p *pipeline) longestGap(ctx context.Context, f func() error) (time.Duration, error) {
	watch, stop := context.WithCancel(ctx)
	var longest time.Duration
	var watching sync.WaitGroup
	watching.Go(func() {
		var last time.Time
		for sleep(watch, 50*time.Millisecond) == nil {
			at, err := p.committed(watch)
			if err != nil || at.Equal(last) {
				continue
			}
			if !last.IsZero() {
				longest = max(longest, at.Sub(last))
			}
			last = at
		}
	})
	err := sleep(ctx, 3*time.Second)
	if err == nil {
		err = f()
	}
	if err == nil {
		err = sleep(ctx, 4*time.Second)
	}
	stop()
	watching.Wait()
	return max(0, longest-time.Second), err
}

// committed is when the last checkpoint was complete.
func (p *pipeline) committed(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/status", nil)
	if err != nil {
		return time.Time{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	var st struct{ Committed time.Time }
	err = json.NewDecoder(resp.Body).Decode(&st)
	return st.Committed, err
}
