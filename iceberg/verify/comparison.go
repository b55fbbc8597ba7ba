package verify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/iceberg"
)

// comparison is the comparison of one table.
type comparison struct {
	o      Options
	id     cdc.TableID
	schema *cdc.Schema
	enc    *encoder
	res    *Result
}

func (c *comparison) run(ctx context.Context) (err error) {
	st, err := c.state(ctx)
	if err != nil {
		return err
	}
	dir, remove, err := c.workDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(err)) }()
	keys, more, err := c.compareAll(ctx, dir, st.Rows)
	if err != nil {
		return err
	}
	return c.settle(ctx, keys, more)
}

// settle is pass 2: it looks at keys that differ again until all are decided. more says that there are others.
func (c *comparison) settle(ctx context.Context, keys []string, more bool) error {
	if c.res.More = more; more && c.o.GiveUp {
		c.res.Undecided++
		return nil
	}
	d := newDecider(keys)
	d.confirmations = c.o.Confirmations
	for round := 0; round < c.o.Rounds && d.open() > 0; round++ {
		c.o.Progress(Progress{c.id, "again", int64(d.open())})
		if round > 0 {
			if err := pause(ctx, c.o.Poll); err != nil {
				return err
			}
		}
		covered, err := c.lookAgain(ctx, d)
		if err != nil {
			return err
		}
		if !covered {
			// Nobody moves the table on: more rounds would see the same.
			c.res.Ahead = d.open() > 0
			break
		}
	}
	c.res.Different, c.res.Undecided, c.res.Changing = int64(len(d.different)), int64(d.open()), int64(d.changing)
	for _, k := range slices.Sorted(maps.Keys(d.different)) {
		if d.different[k].source.rows > 0 {
			c.res.Present = append(c.res.Present, []byte(k))
		} else {
			c.res.Gone = append(c.res.Gone, []byte(k))
		}
	}
	if more {
		// The keys beyond the limit were not looked at again. If all within it have come right, the rest is most likely late too,
		// but that is not known.
		c.res.Undecided++
	}
	return c.show(ctx, d)
}

// state reads how far the table has come, and refuses one that cannot be compared.
func (c *comparison) state(ctx context.Context) (State, error) {
	st, err := c.o.State(ctx, c.id)
	switch {
	case err != nil:
		return st, err
	case st.Paused != nil:
		return st, notSame(c.id, "the table is paused: "+st.Paused.Msg)
	case !st.Loaded:
		return st, notSame(c.id, "its initial load is not complete")
	}
	return st, nil
}

// compareAll is pass 1. more says that there are more differing keys than are returned.
func (c *comparison) compareAll(ctx context.Context, dir string, estimate int64) (keys []string, more bool, err error) {
	src, at, err := c.resume(dir, estimate)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	var n atomic.Int64
	n.Store(src.rows)
	same := c.enc.identity()
	// Range by range, so that the source need not keep old versions of rows for as long as the whole takes. A row is seen as of the reading
	// of its range; what changes from then on is looked at again.
	saved := time.Now()
	for !at.Last && err == nil {
		var r cdc.Chunk
		if r, at.Last, err = c.o.Source.Next(ctx, c.schema, at.After); err != nil {
			break
		}
		err = c.o.Source.ReadRange(ctx, c.schema, r, func(b *cdc.Batch) error {
			defer b.Release()
			c.o.Progress(Progress{c.id, "source", n.Add(int64(b.N))})
			return c.spill(src, b.Cols, same, b.N)
		})
		if at.After = r.To; err == nil && c.o.Keep != "" && (at.Last || time.Since(saved) > c.o.saveEvery) {
			saved = time.Now()
			err = at.save(dir, src)
		}
	}
	if err = errors.Join(err, src.flush()); err != nil {
		return nil, false, err
	}
	c.res.Rows = src.rows
	// Most rows that changed while they were read have come when Iceberg is read. That saves work and decides nothing.
	st, _, err := c.await(ctx)
	if err != nil {
		return nil, false, err
	}
	dst, err := newBuckets(dir, "iceberg", len(src.files))
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, dst.close()) }()
	n.Store(0)
	err = c.scan(ctx, st, func(r *iceberg.Rows, m []int) error {
		c.o.Progress(Progress{c.id, "iceberg", n.Add(int64(r.N))})
		return c.spill(dst, r.Cols, m, r.N)
	})
	if err = errors.Join(err, dst.flush()); err != nil {
		return nil, false, err
	}
	for i := range src.files {
		a, err := src.read(i)
		if err != nil {
			return nil, false, err
		}
		b, err := dst.read(i)
		if err != nil {
			return nil, false, err
		}
		differing(a, b, func(key []byte) bool {
			if more = len(keys) == c.o.MaxKeys; more {
				return false
			}
			keys = append(keys, string(key))
			return true
		})
	}
	return keys, more, nil
}

// buffers are recycled between batches.
type buffers struct {
	keys   []byte
	ends   []int
	list   [][]byte
	row    []byte
	hashes []hash
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// spill writes all rows of some columns to buckets.
func (c *comparison) spill(to *buckets, cols []cdc.Vec, m []int, n int) error {
	b := pool.Get().(*buffers)
	defer pool.Put(b)
	b.keys, b.ends, b.list, b.hashes = b.keys[:0], b.ends[:0], b.list[:0], b.hashes[:0]
	for r := range n {
		b.keys = c.enc.key(b.keys, cols, m, r)
		b.ends = append(b.ends, len(b.keys))
		b.row = c.enc.row(b.row[:0], cols, m, r)
		b.hashes = append(b.hashes, xxh3.Hash128(b.row))
	}
	start := 0
	for _, end := range b.ends {
		b.list = append(b.list, b.keys[start:end])
		start = end
	}
	return to.add(b.list, b.hashes)
}

// scan reads the Iceberg table; m maps the encoder's columns to the rows'. f is called from several goroutines.
func (c *comparison) scan(ctx context.Context, st State, f func(r *iceberg.Rows, m []int) error) error {
	if st.Snapshot == nil {
		return nil
	}
	var mu sync.Mutex // guards mappings
	mappings := map[*cdc.Schema][]int{}
	return c.o.Target.Scan(ctx, c.id, st.Snapshot, func(r *iceberg.Rows) error {
		mu.Lock()
		m, ok := mappings[r.Schema]
		var err error
		if !ok {
			if m, err = c.enc.mapping(r.Schema); err == nil {
				mappings[r.Schema] = m
			}
		}
		mu.Unlock()
		if err != nil {
			return err
		}
		return f(r, m)
	})
}

// await waits until the table covers what the source has now. It returns false if the table stands still before that.
func (c *comparison) await(ctx context.Context) (State, bool, error) {
	written, err := c.o.Source.End(ctx)
	if err != nil {
		return State{}, false, err
	}
	published, err := c.o.Source.CurrentPosition(ctx)
	if err != nil {
		return State{}, false, err
	}
	c.o.Progress(Progress{c.id, "wait", 0})
	tick := time.NewTicker(c.o.Poll)
	defer tick.Stop()
	last, moved := cdc.Position(""), time.Now()
	for {
		st, err := c.state(ctx)
		if err != nil {
			return st, false, err
		}
		ok, err := c.covers(st.Position, written, published)
		if err != nil || ok {
			return st, ok, err
		}
		if st.Position != last {
			last, moved = st.Position, time.Now()
		}
		if time.Since(moved) > c.o.Patience {
			return st, false, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return st, false, context.Cause(ctx)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// covers says whether a position has passed the log's end. The end as written can lie behind the last transaction (a new log file,
// a heartbeat); then the end as published tells, where there are GTIDs. That one can miss a transaction that was visible a moment
// before it was published, which is one more reason to look at a difference
// more than once.
func (c *comparison) covers(p, written, published cdc.Position) (bool, error) {
	n, err := c.o.Source.Compare(p, written)
	if err == nil && n >= 0 {
		return true, nil
	}
	m, perr := c.o.Source.Compare(p, published)
	if perr == nil {
		return m >= 0, nil
	}
	return false, err
}

// look is what one look at a key saw on one side: the zero value is no row.
type look struct {
	rows int
	hash hash
	text string
}

func (l look) same(o look) bool { return l.rows == o.rows && l.hash == o.hash }

// add takes another row of the same key in. Their order does not matter.
func (l look) add(h hash, text string) look {
	l.rows++
	l.hash.Lo += h.Lo
	l.hash.Hi += h.Hi
	if l.text != "" && text != "" {
		l.text += "; and once more: "
	}
	l.text += text
	return l
}

// readKeys reads the open keys from the source.
func (c *comparison) readKeys(ctx context.Context, keys map[string]bool, text bool) (map[string]look, error) {
	out := map[string]look{}
	same := c.enc.identity()
	if c.schema.Keyless() { // nothing finds single rows
		return out, c.o.Source.ReadRange(ctx, c.schema, cdc.Chunk{}, func(got *cdc.Batch) error {
			defer got.Release()
			c.collect(out, keys, got.Cols, same, got.N, text)
			return nil
		})
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(keys)), cdc.MaxBatchRows) {
		b, err := c.enc.keyBatch(part)
		if err != nil {
			return nil, err
		}
		rows := make([]int32, len(part))
		for i := range rows {
			rows[i] = int32(i)
		}
		err = c.o.Source.ReadKeys(ctx, c.schema, b, rows, func(got *cdc.Batch) error {
			defer got.Release()
			c.collect(out, keys, got.Cols, same, got.N, text)
			return nil
		})
		b.Release()
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scanKeys reads the open keys from Iceberg.
func (c *comparison) scanKeys(ctx context.Context, st State, keys map[string]bool, text bool) (map[string]look, error) {
	var mu sync.Mutex // guards out
	out := map[string]look{}
	err := c.scan(ctx, st, func(r *iceberg.Rows, m []int) error {
		mu.Lock()
		defer mu.Unlock()
		c.collect(out, keys, r.Cols, m, r.N, text)
		return nil
	})
	return out, err
}

func (c *comparison) collect(out map[string]look, keys map[string]bool, cols []cdc.Vec, m []int, n int, text bool) {
	var key, row []byte
	for r := range n {
		key = c.enc.key(key[:0], cols, m, r)
		if !keys[string(key)] {
			continue
		}
		row = c.enc.row(row[:0], cols, m, r)
		s := ""
		if text && !(c.schema.Keyless() && out[string(key)].rows > 0) { // once is enough of equal rows
			s = c.enc.text(cols, m, r)
		}
		out[string(key)] = out[string(key)].add(xxh3.Hash128(row), s)
	}
}

// lookAgain is a round of pass 2. It returns false if the Iceberg table does not cover what was read from the source.
func (c *comparison) lookAgain(ctx context.Context, d *decider) (bool, error) {
	text := d.open() <= maxTexts
	before, err := c.readKeys(ctx, d.keys, text)
	if err != nil {
		return false, err
	}
	st, covered, err := c.await(ctx)
	if err != nil {
		return false, err
	}
	now, err := c.scanKeys(ctx, st, d.keys, text)
	if err != nil {
		return false, err
	}
	after, err := c.readKeys(ctx, d.keys, text)
	if err != nil {
		return false, err
	}
	d.decide(before, now, after, covered)
	return covered, nil
}
