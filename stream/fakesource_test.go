package stream

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// fakeSource is one process's view of a fakeDB. It keeps the contracts of cdc.Source and cdc.Loader to the letter.
type fakeSource struct {
	purged atomic.Int64 // the log before is gone
	db     *fakeDB
	fault  func(string) error
	// compare, if set, decides before Compare does.
	compare func(a, b cdc.Position) error

	mu        sync.Mutex
	ready     chan struct{}       // closed while a Follow runs
	from      map[cdc.TableID]int // its starts
	delivered int                 // transactions that it has handed on, or is about to
	seq       uint64
}

func newFakeSource(db *fakeDB, fault func(string) error) *fakeSource {
	return &fakeSource{db: db, fault: fault, ready: make(chan struct{})}
}

var (
	codeFakePurged = cdc.NewCode("TEST_PURGED", cdc.Fatal, "test", "test")
	codeFakeBroken = cdc.NewCode("TEST_BROKEN", cdc.TablePaused, "test", "test")
	codeFakeSilent = cdc.NewCode("TEST_SILENT", cdc.TablePaused, "test", "test").Mended(cdc.MendReload)
	codeFakeChunk  = cdc.NewCode("TEST_CHUNK", cdc.Retryable, "test", "test")
)

func (s *fakeSource) Discover(context.Context) ([]cdc.Discovered, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	var out []cdc.Discovered
	for _, t := range sortedTables(s.db.tables) {
		out = append(out, cdc.Discovered{Table: t, Schema: fakeSchema(t, s.db.tables[t].def), Position: fakePos(len(s.db.log))})
	}
	return out, s.fault("discover")
}

func (s *fakeSource) Compare(a, b cdc.Position) (int, error) {
	if s.compare != nil {
		if err := s.compare(a, b); err != nil {
			return 0, err
		}
	}
	return posOf(a) - posOf(b), nil
}
func (s *fakeSource) Loader() cdc.Loader { return (*fakeLoader)(s) }
func (s *fakeSource) Close() error       { return nil }

// fakeFollow is one run of Follow.
type fakeFollow struct {
	s     *fakeSource
	out   cdc.LogEmitter
	at    int
	from  map[cdc.TableID]int
	defs  map[cdc.TableID]int
	pools map[cdc.TableID]*cdc.BatchPool
	open  map[cdc.TableID]*cdc.Batch
}

func (s *fakeSource) Holds(_ context.Context, p cdc.Position) error {
	if err := s.fault("holds"); err != nil {
		return err
	}
	if posOf(p) < int(s.purged.Load()) {
		return cdc.Errorf(codeFakePurged, cdc.TableID{}, "purged")
	}
	return nil
}

func (s *fakeSource) Evolve(_, now *cdc.Schema) (*cdc.Schema, error) { return now, nil }

func (s *fakeSource) Follow(ctx context.Context, starts []cdc.Start, out cdc.LogEmitter) error {
	f := &fakeFollow{s: s, out: out, at: 1 << 60, from: map[cdc.TableID]int{}, defs: map[cdc.TableID]int{}, pools: map[cdc.TableID]*cdc.BatchPool{}, open: map[cdc.TableID]*cdc.Batch{}}
	for _, st := range starts {
		t := st.Schema.Table
		f.from[t], f.defs[t], f.pools[t] = posOf(st.Position), st.Schema.Version, cdc.NewBatchPool(st.Schema)
		f.at = min(f.at, f.from[t])
	}
	s.mu.Lock()
	s.delivered, s.seq, s.from = f.at, 0, maps.Clone(f.from)
	close(s.ready)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.ready = make(chan struct{})
		s.mu.Unlock()
	}()
	if err := s.fault("connect"); err != nil {
		return err
	}
	for {
		s.db.mu.Lock()
		moved := s.db.moved
		var tx []change
		if f.at < len(s.db.log) {
			tx = s.db.log[f.at]
		}
		s.db.mu.Unlock()
		var k uint64
		if tx != nil {
			if err := f.transaction(ctx, tx); err != nil {
				return err
			}
			select {
			case k = <-out.Due():
			default:
			}
		} else {
			if err := f.flush(ctx); err != nil {
				return err
			}
			select {
			case k = <-out.Due():
			case <-moved:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if k == 0 {
			continue
		}
		if err := s.fault("barrier"); err != nil {
			return err
		}
		if err := f.flush(ctx); err != nil {
			return err
		}
		if err := out.Barrier(ctx, k, cdc.Boundary{Position: fakePos(f.at), CommitMicros: time.Now().UnixMicro(), Label: fmt.Sprint(f.at)}); err != nil {
			return err
		}
	}
}

func (f *fakeFollow) deliver(at int) {
	f.s.mu.Lock()
	f.s.delivered = at
	f.s.mu.Unlock()
}

func (f *fakeFollow) transaction(ctx context.Context, tx []change) error {
	if err := f.s.fault("log"); err != nil {
		return err
	}
	f.deliver(f.at + 1) // before anything of it can be seen
	for _, c := range tx {
		if from, ok := f.from[c.table]; !ok || f.at < from || c.silent {
			continue
		}
		switch c.ddl {
		case 0:
			b := f.open[c.table]
			if b == nil {
				b = f.pools[c.table].Get()
				f.open[c.table] = b
			}
			appendRow(b, c)
		case ddlAlter:
			if err := f.flush(ctx); err != nil {
				return err
			}
			f.defs[c.table]++
			sc := fakeSchema(c.table, f.defs[c.table])
			f.pools[c.table] = cdc.NewBatchPool(sc)
			if err := f.out.Schema(ctx, cdc.SchemaChange{Schema: sc, DDL: "alter"}); err != nil {
				return err
			}
		case ddlTruncate:
			if err := f.flush(ctx); err != nil {
				return err
			}
			if err := f.out.Truncate(ctx, c.table); err != nil {
				return err
			}
		default:
			if rand.IntN(2) == 0 { // half of the transaction was handed on already
				if err := f.flush(ctx); err != nil {
					return err
				}
			}
			delete(f.from, c.table)
			delete(f.open, c.table)
			code := codeFakeBroken
			if c.ddl == ddlSilent {
				code = codeFakeSilent
			}
			if err := f.out.Pause(ctx, c.table, cdc.Errorf(code, c.table, "cannot be followed")); err != nil {
				return err
			}
		}
	}
	f.at++
	if rand.IntN(3) == 0 {
		return f.flush(ctx)
	}
	return nil
}

func (f *fakeFollow) flush(ctx context.Context) error {
	for _, t := range sortedTables(f.open) {
		f.s.mu.Lock()
		f.s.seq++
		f.open[t].Seq = f.s.seq
		f.s.mu.Unlock()
		if err := f.out.Batch(ctx, f.open[t]); err != nil {
			return err
		}
		delete(f.open, t)
	}
	return nil
}

func appendRow(b *cdc.Batch, c change) {
	if b.N == b.Cap() {
		b.Grow()
	}
	i := b.N
	b.Ops[i], b.Cols[0].I64[i], b.Cols[1].I64[i] = c.op, c.key, c.val
	b.KeyHi[i] = cdc.Mix64(uint64(c.key))
	b.N++
}

type fakeLoader fakeSource

func bounds(c cdc.Chunk) (lo, hi int64) {
	lo, hi = -1<<62, 1<<62
	if c.From != "" {
		lo, _ = strconv.ParseInt(string(c.From), 10, 64)
	}
	if c.To != "" {
		hi, _ = strconv.ParseInt(string(c.To), 10, 64)
	}
	return lo, hi
}

func (l *fakeLoader) Next(_ context.Context, sc *cdc.Schema, after cdc.Bound) (cdc.Chunk, bool, error) {
	if err := l.fault("next"); err != nil {
		return cdc.Chunk{}, false, err
	}
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	t := l.db.seen[sc.Table]
	if t == nil {
		return cdc.Chunk{}, false, cdc.Errorf(codeFakeBroken, sc.Table, "does not exist")
	}
	lo, _ := bounds(cdc.Chunk{From: after})
	var keys []int64
	for k := range t.rows {
		if k > lo {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if len(keys) <= 7 {
		return cdc.Chunk{From: after}, true, nil
	}
	return cdc.Chunk{From: after, To: cdc.Bound(strconv.FormatInt(keys[6], 10))}, false, nil
}

func (l *fakeLoader) Read(ctx context.Context, sc *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	if err := l.fault("read"); err != nil {
		return err
	}
	lo, hi := bounds(c)
	l.mu.Lock()
	ready := l.ready
	l.mu.Unlock()
	select {
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	start, delivered := l.seq, max(l.delivered, l.from[sc.Table]) // the log brings nothing from before the table's start
	l.mu.Unlock()
	l.db.mu.Lock()
	l.db.show(delivered) // rule 1
	t := l.db.seen[sc.Table]
	var out []change
	var err error
	switch {
	case t == nil:
		err = cdc.Errorf(codeFakeBroken, sc.Table, "does not exist")
	case t.def != sc.Version:
		err = cdc.Errorf(codeFakeChunk, sc.Table, "definition %d is not %d", t.def, sc.Version)
	default:
		for k, v := range t.rows {
			if k > lo && k <= hi {
				out = append(out, change{table: sc.Table, op: cdc.OpRead, key: k, val: v})
			}
		}
	}
	l.db.show(len(l.db.log) - rand.IntN(12))
	l.db.mu.Unlock()
	if err != nil {
		return err
	}
	pool := cdc.NewBatchPool(sc)
	for len(out) > 0 {
		if rand.IntN(3) == 0 {
			time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond) // the rows travel while the log goes on
		}
		b := pool.Get()
		b.Chunk = &cdc.ChunkRef{StartSeq: start}
		for range min(3, len(out)) {
			appendRow(b, out[0])
			out = out[1:]
		}
		if err := emit(b); err != nil {
			return err
		}
	}
	if rand.IntN(3) == 0 {
		time.Sleep(time.Duration(rand.IntN(12000)) * time.Microsecond) // a rate limit, say
	}
	return l.fault("read's end")
}

func (l *fakeLoader) Keys(sc *cdc.Schema, keys [][]byte) (*cdc.Batch, error) {
	h := cdc.NewKeyHasher(sc, 0)
	return cdc.KeyBatch(sc, keys, h)
}

func (l *fakeLoader) ReadRows(ctx context.Context, sc *cdc.Schema, keys *cdc.Batch, rows []int32, emit func(*cdc.Batch) error) error {
	want := map[int64]bool{}
	for _, i := range rows {
		want[keys.Cols[0].I64[i]] = true
	}
	return l.Read(ctx, sc, cdc.Chunk{}, func(b *cdc.Batch) error {
		wanted := rand.IntN(4) == 0 // or a few that nobody asked for
		for i := range b.N {
			wanted = wanted || want[b.Cols[0].I64[i]]
		}
		if !wanted {
			b.Release()
			return nil
		}
		b.Chunk = nil
		return emit(b)
	})
}

func (l *fakeLoader) End(context.Context) (cdc.Position, error) {
	if err := l.fault("end"); err != nil {
		return "", err
	}
	return fakePos(l.db.end()), nil
}
