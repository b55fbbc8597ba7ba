package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func runVectorsV2(ctx context.Context, l *lab) (*result, error) { return l.vectors(ctx, 2) }
func runVectorsV3(ctx context.Context, l *lab) (*result, error) { return l.vectors(ctx, 3) }

// vectors measures what deletes cost that hit many data files at every checkpoint.
func (l *lab) vectors(ctx context.Context, version int) (*result, error) {
	const files, slots, rate = 500, 2, 10_000
	r := newResult(fmt.Sprintf("vectors-v%d", version))
	table := fmt.Sprintf("vectors_v%d", version)
	batch := max(200, l.count(5_000_000)/(files/slots)) // rows of a checkpoint, which writes a file for each slot
	rows := int64(0)
	length := max(20*time.Second, time.Duration(float64(time.Minute)*l.scale))
	o := pipelineOptions{name: r.name, include: table, interval: "1s", iceberg: fmt.Sprintf(", format_version: %d", version),
		more: fmt.Sprintf("runtime: {parallelism: %d}", slots)}
	p, err := l.loadedPipeline(ctx, o, table, tenColumns)
	if err != nil {
		return nil, err
	}
	if err := p.configure("100ms"); err != nil {
		return nil, err
	}
	if err := p.start(""); err != nil {
		return nil, err
	}
	l.say("%s: making %d data files of %d rows", r.name, files, batch/slots)
	for {
		m, err := scrape(ctx, p.url)
		if err != nil {
			return nil, err
		}
		if m.sum("cdc2lake_data_files_total") >= files {
			break
		}
		first := rows
		if err := (fill{table: table, rows: batch, chunk: batch, quiet: true, row: func(b []byte, i int64) []byte { return appendTen(b, first+i, 0) }}).run(ctx, l); err != nil {
			return nil, err
		}
		rows += batch
		if err := p.awaitEnd(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.stop(); err != nil {
		return nil, err
	}
	if err := p.configure(o.interval); err != nil {
		return nil, err
	}
	if err := p.start(r.name); err != nil {
		return nil, err
	}
	if err := p.awaitEnd(ctx); err != nil {
		return nil, err
	}
	deletes := watchDeletes(p.objects())
	defer deletes.close()
	w := &writers{table: table, rows: rows / 4 * 4, rate: rate, perTxn: 50, length: length}
	l.say("%s: %d random updates a second for %s", r.name, rate, length)
	from, to, err := p.measure(ctx, r, func() error {
		if err := w.run(ctx, l); err != nil {
			return err
		}
		return p.awaitEnd(ctx)
	})
	if err != nil {
		return nil, err
	}
	count, bytes := deletes.close()
	if err := p.stop(); err != nil {
		return nil, err
	}
	r.changes = w.changes.Load()
	n := float64(r.changes)
	r.fresh = quantile(0.99, from.m, to.m, "cdc2lake_freshness_seconds", `transaction="oldest"`)
	commits := to.m.sum("cdc2lake_table_commits_total") - from.m.sum("cdc2lake_table_commits_total")
	r.add("checkpoints", commits)
	r.add("delete_files", float64(count))
	r.add("delete_bytes_per_change", float64(bytes)/n)
	r.add("requests_per_change", (to.m.sum("cdc2lake_store_requests_total")-from.m.sum("cdc2lake_store_requests_total"))/n)
	r.add("puts_per_checkpoint", r.puts/commits)
	return r, l.check(ctx, p, r, table)
}

// deletesWatch adds up the delete files that appear in a warehouse. They are looked for every half a second, much more often than
// snapshots expire.
type deletesWatch struct {
	dir  string
	stop chan struct{}
	wg   sync.WaitGroup
	once sync.Once

	old  map[string]bool
	seen map[string]int64
}

func watchDeletes(dir string) *deletesWatch {
	w := &deletesWatch{dir: dir, stop: make(chan struct{}), seen: map[string]int64{}}
	w.look()
	w.old = map[string]bool{}
	for path := range w.seen {
		w.old[path] = true
	}
	clear(w.seen)
	w.wg.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				w.look()
				return
			case <-tick.C:
				w.look()
			}
		}
	})
	return w
}

func (w *deletesWatch) look() {
	_ = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || w.old[path] || !strings.HasPrefix(d.Name(), "deletes_") {
			return nil //nolint:nilerr // files come and go meanwhile
		}
		if _, ok := w.seen[path]; !ok {
			if info, err := d.Info(); err == nil {
				w.seen[path] = info.Size()
			}
		}
		return nil
	})
}

// close returns the number of delete files and their bytes.
func (w *deletesWatch) close() (files int, bytes int64) {
	w.once.Do(func() { close(w.stop); w.wg.Wait() })
	for _, n := range w.seen {
		bytes += n
	}
	return len(w.seen), bytes
}
