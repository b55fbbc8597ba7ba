package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// The fakes below are a source and a sink in memory that keep the contracts of cdc.Source and Sink to the letter, with the
// nastiness of the real ones: the log is delivered before or after rows are visible, calls fail before or after they took
// effect, and a sink's commit is decided by the marker in its table.

type change struct {
	table cdc.TableID
	op    cdc.Op
	key   int64
	val   int64
}

type fakeSource struct {
	mu      sync.Mutex
	log     [][]change // transaction i is position i+1
	rows    map[cdc.TableID]map[int64]int64
	visible int // transactions that SELECTs see; rows are as of here
	schemas map[cdc.TableID]*cdc.Schema
	moved   chan struct{}

	delivered int // by the running Follow
	seq       uint64
	fault     func(string) error
}

func newFakeSource(tables ...cdc.TableID) *fakeSource {
	s := &fakeSource{rows: map[cdc.TableID]map[int64]int64{}, schemas: map[cdc.TableID]*cdc.Schema{}, moved: make(chan struct{}), fault: func(string) error { return nil }}
	for _, t := range tables {
		s.rows[t] = map[int64]int64{}
		s.schemas[t] = &cdc.Schema{Table: t, Version: 1, Key: []int{0}, Columns: []cdc.Column{
			{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1}, {Name: "v", Type: cdc.Type{Kind: cdc.KindInt64}}}}
	}
	return s
}

// exec commits a transaction.
func (s *fakeSource) exec(tx ...change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, tx)
	s.show()
	close(s.moved)
	s.moved = make(chan struct{})
}

// show makes some of the committed transactions visible: now and then one reaches the log first.
func (s *fakeSource) show() {
	for lag := rand.IntN(12); s.visible < len(s.log)-lag; {
		s.showOne()
	}
}

func (s *fakeSource) showOne() {
	for _, c := range s.log[s.visible] {
		if c.op == cdc.OpDelete {
			delete(s.rows[c.table], c.key)
		} else {
			s.rows[c.table][c.key] = c.val
		}
	}
	s.visible++
}

func (s *fakeSource) Discover(context.Context) ([]cdc.Discovered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []cdc.Discovered
	for t, sc := range s.schemas {
		out = append(out, cdc.Discovered{Table: t, Schema: sc, Position: fakePos(len(s.log))})
	}
	slices.SortFunc(out, func(a, b cdc.Discovered) int {
		if a.Table.Less(b.Table) {
			return -1
		}
		return 1
	})
	return out, s.fault("discover")
}

func fakePos(n int) cdc.Position { return cdc.Position(strconv.Itoa(n)) }

func posOf(p cdc.Position) int {
	n, err := strconv.Atoi(string(p))
	if err != nil {
		panic(err)
	}
	return n
}

func (s *fakeSource) Compare(a, b cdc.Position) (int, error) { return posOf(a) - posOf(b), nil }
func (s *fakeSource) Loader() cdc.Loader                     { return (*fakeLoader)(s) }
func (s *fakeSource) Close() error                           { return nil }

func (s *fakeSource) Follow(ctx context.Context, starts []cdc.Start, out cdc.LogEmitter) error {
	at := 1 << 60
	pools := map[cdc.TableID]*cdc.BatchPool{}
	from := map[cdc.TableID]int{}
	for _, st := range starts {
		at = min(at, posOf(st.Position))
		pools[st.Schema.Table] = cdc.NewBatchPool(st.Schema)
		from[st.Schema.Table] = posOf(st.Position)
	}
	s.mu.Lock()
	s.delivered = at
	s.mu.Unlock()
	open := map[cdc.TableID]*cdc.Batch{}
	flush := func() error {
		for _, t := range sortedTables(open) {
			s.mu.Lock()
			s.seq++
			open[t].Seq = s.seq
			s.mu.Unlock()
			if err := out.Batch(ctx, open[t]); err != nil {
				return err
			}
			delete(open, t)
		}
		return nil
	}
	for {
		s.mu.Lock()
		moved := s.moved
		var tx []change
		if at < len(s.log) {
			tx = s.log[at]
		}
		s.mu.Unlock()
		if tx != nil {
			if err := s.fault("log"); err != nil {
				return err
			}
			for _, c := range tx {
				if at < from[c.table] {
					continue
				}
				b := open[c.table]
				if b == nil {
					b = pools[c.table].Get()
					open[c.table] = b
				}
				appendRow(b, c)
			}
			at++
			if rand.IntN(3) == 0 {
				if err := flush(); err != nil {
					return err
				}
			}
			// Delivered means: handed on, or about to be before anything else happens.
			s.mu.Lock()
			s.delivered = at
			s.mu.Unlock()
		}
		var k uint64
		if tx != nil {
			select {
			case k = <-out.Due():
			default:
			}
		} else {
			if err := flush(); err != nil {
				return err
			}
			select {
			case k = <-out.Due():
			case <-moved:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if k != 0 {
			if err := flush(); err != nil {
				return err
			}
			if err := out.Barrier(ctx, k, cdc.Boundary{Position: fakePos(at), CommitMicros: time.Now().UnixMicro(), Label: fmt.Sprint(at)}); err != nil {
				return err
			}
		}
	}
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

func sortedTables[V any](m map[cdc.TableID]V) []cdc.TableID {
	var out []cdc.TableID
	for t := range m {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b cdc.TableID) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	return out
}

type fakeLoader fakeSource

func (l *fakeLoader) Next(_ context.Context, sc *cdc.Schema, after cdc.Bound) (cdc.Chunk, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lo := int64(-1 << 62)
	if after != "" {
		lo, _ = strconv.ParseInt(string(after), 10, 64)
	}
	var keys []int64
	for k := range l.rows[sc.Table] {
		if k > lo {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if len(keys) <= 7 {
		return cdc.Chunk{From: after}, true, l.fault("next")
	}
	return cdc.Chunk{From: after, To: cdc.Bound(strconv.FormatInt(keys[6], 10))}, false, l.fault("next")
}

func (l *fakeLoader) Read(ctx context.Context, sc *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	lo, hi := int64(-1<<62), int64(1<<62)
	if c.From != "" {
		lo, _ = strconv.ParseInt(string(c.From), 10, 64)
	}
	if c.To != "" {
		hi, _ = strconv.ParseInt(string(c.To), 10, 64)
	}
	l.mu.Lock()
	for l.visible < l.delivered { // rule 1
		(*fakeSource)(l).showOne()
	}
	start := l.seq
	var out []change
	for k, v := range l.rows[sc.Table] {
		if k > lo && k <= hi {
			out = append(out, change{sc.Table, cdc.OpRead, k, v})
		}
	}
	(*fakeSource)(l).show()
	l.mu.Unlock()
	if rand.IntN(2) == 0 {
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond) // the rows travel while the log goes on
	}
	pool := cdc.NewBatchPool(sc)
	for len(out) > 0 {
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
	return l.fault("read")
}

func (l *fakeLoader) End(context.Context) (cdc.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fakePos(len(l.log)), l.fault("end")
}

// fakeSink keeps tables as maps. Everything that a crash would lose (shards' states) is rebuilt by CatchUp.
type fakeSink struct {
	mu     sync.Mutex
	tables map[cdc.TableID]*fakeTable
	groups []cdc.GroupRange
	fault  func(string) error
	starts []cdc.TableStart
	diverg int64
}

type fakeTable struct {
	rows     map[int64]int64
	marker   cdc.Marker // of the newest commit
	property cdc.Marker
	version  int // counts commits of anybody
	expected int // the parent of the next part
}

type fakePart struct {
	Parent  int
	Set     map[int64]int64
	Del     map[int64]bool
	Load    cdc.LoadState
	Pos     cdc.Position
	Replace bool
}

func newFakeSink(groups []cdc.GroupRange) *fakeSink {
	return &fakeSink{tables: map[cdc.TableID]*fakeTable{}, groups: groups, fault: func(string) error { return nil }}
}

func (s *fakeSink) Markers(_ context.Context, ids []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[cdc.TableID]cdc.TableMarkers{}
	for _, id := range ids {
		if t := s.tables[id]; t != nil {
			m, p := t.marker, t.property
			out[id] = cdc.TableMarkers{Property: &p, Ancestry: &m}
		}
	}
	return out, s.fault("markers")
}

func (s *fakeSink) Part(in cdc.PartInput) (cdc.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := fakePart{Parent: s.tables[in.Table].expected, Set: map[int64]int64{}, Del: map[int64]bool{}, Load: in.Load, Pos: in.Position, Replace: in.Replace}
	out := cdc.Part{Position: in.Position}
	for _, c := range in.Committables {
		var d fakeDelta
		if err := json.Unmarshal(c.Payload, &d); err != nil {
			return out, err
		}
		for k, v := range d.Set {
			p.Set[k] = v
		}
		for k := range d.Del {
			p.Del[k] = true
		}
		out.Counts.Add(c.Counts)
	}
	var err error
	out.Payload, err = json.Marshal(p)
	return out, err
}

func (s *fakeSink) Commit(_ context.Context, gen cdc.Generation, id cdc.CheckpointID, parts map[cdc.TableID]cdc.Part) (map[cdc.TableID]cdc.Outcome, error) {
	out := map[cdc.TableID]cdc.Outcome{}
	for _, tid := range sortedTables(parts) {
		if err := s.fault("commit before " + tid.Name); err != nil {
			return out, err
		}
		var p fakePart
		if err := json.Unmarshal(parts[tid].Payload, &p); err != nil {
			return out, err
		}
		s.mu.Lock()
		t := s.tables[tid]
		switch {
		case gen.Less(t.property.Gen()):
			s.mu.Unlock()
			return out, &cdc.Error{Code: codeFakeFenced, Table: tid}
		case t.marker.ID == id:
			out[tid] = cdc.Committed
			t.expected = t.version
		case t.version == p.Parent:
			if p.Replace {
				t.rows = map[int64]int64{}
			}
			for k := range p.Del {
				if _, ok := t.rows[k]; !ok {
					panic("a key that is not there was deleted")
				}
				delete(t.rows, k)
			}
			for k, v := range p.Set {
				if _, ok := t.rows[k]; ok {
					panic(fmt.Sprintf("%s: row %d is there twice", tid, k))
				}
				t.rows[k] = v
			}
			t.version++
			t.expected = t.version
			t.marker = cdc.Marker{ID: id, Generation: gen.Number, Position: p.Pos, Load: p.Load}
			t.property = t.marker
			out[tid] = cdc.Committed
		default:
			out[tid] = cdc.Void
		}
		s.mu.Unlock()
		if err := s.fault("commit after " + tid.Name); err != nil {
			return out, err
		}
	}
	return out, nil
}

var codeFakeFenced = cdc.NewCode("TEST_FENCED", cdc.Fenced, "test", "test")

func (s *fakeSink) CatchUp(_ context.Context, _ cdc.Generation, reqs []cdc.TableRequest) ([]cdc.TableStart, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts = nil
	for _, r := range reqs {
		d := r.Discovered
		t := s.tables[d.Table]
		if t == nil {
			t = &fakeTable{rows: map[int64]int64{}, marker: cdc.Marker{Position: d.Position}}
			t.property = t.marker
			s.tables[d.Table] = t
		}
		st := cdc.TableStart{Table: d.Table, Schema: d.Schema, Position: t.marker.Position, Load: t.marker.Load, Entry: cdc.Entry{ID: t.marker.ID}}
		if e := r.Entry; e != nil {
			st.Paused = e.Paused
			st.Entry.PartMicros = e.PartMicros
			if e.Paused == nil && e.ID == t.marker.ID {
				st.Position = e.Position
			}
		}
		if r.Reload {
			st.Reload, st.Position, st.Load = true, d.Position, cdc.LoadState{}
		}
		t.expected = t.version
		s.starts = append(s.starts, st)
	}
	return s.starts, s.fault("catchup")
}

func (s *fakeSink) Moved(context.Context) ([]cdc.TableID, error)            { return nil, nil }
func (s *fakeSink) Clean(context.Context, cdc.Generation, []cdc.Part) error { return nil }

func (s *fakeSink) Shard(slot int) (ShardWriter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &fakeShard{sink: s, state: map[cdc.TableID]map[int64]bool{}, open: map[cdc.TableID]*fakeDelta{}, deletes: map[cdc.TableID]map[int64]uint64{}, live: map[cdc.TableID]bool{}, paused: map[cdc.TableID]bool{}}
	for _, st := range s.starts {
		m := map[int64]bool{}
		if !st.Reload {
			for k := range s.tables[st.Table].rows {
				if s.groups[slot].Contains(cdc.Mix64(uint64(k))) {
					m[k] = true
				}
			}
		}
		w.state[st.Table] = m
		w.deletes[st.Table] = map[int64]uint64{}
	}
	return w, nil
}

type fakeDelta struct {
	Set  map[int64]int64
	Del  map[int64]bool // keys that were in the table before this checkpoint
	base map[int64]bool
	n    cdc.Counts
}

type fakeShard struct {
	sink    *fakeSink
	state   map[cdc.TableID]map[int64]bool
	open    map[cdc.TableID]*fakeDelta
	deletes map[cdc.TableID]map[int64]uint64
	live    map[cdc.TableID]bool
	paused  map[cdc.TableID]bool
}

func (w *fakeShard) Write(_ context.Context, b *cdc.Batch, rows []int32) error {
	defer b.Release()
	t := b.Schema.Table
	if w.paused[t] {
		return nil
	}
	d := w.open[t]
	if d == nil {
		d = &fakeDelta{Set: map[int64]int64{}, Del: map[int64]bool{}, base: map[int64]bool{}}
		w.open[t] = d
	}
	one := func(i int) {
		k, v := b.Cols[0].I64[i], b.Cols[1].I64[i]
		known := w.state[t][k]
		drop := func() {
			if _, ok := d.Set[k]; ok {
				delete(d.Set, k)
			} else {
				d.Del[k] = true
			}
		}
		switch b.Ops[i] {
		case cdc.OpRead:
			if _, deleted := w.deletes[t][k]; known || deleted {
				d.n.Skipped++
				return
			}
			d.n.Reads++
			d.Set[k] = v
			w.state[t][k] = true
		case cdc.OpDelete:
			d.n.Events++
			if !w.live[t] {
				w.deletes[t][k] = b.Seq
			}
			if !known {
				if w.live[t] {
					d.n.Divergent++
				}
				return
			}
			drop()
			delete(w.state[t], k)
		default:
			d.n.Events++
			if w.live[t] && known != (b.Ops[i] == cdc.OpUpdate) {
				d.n.Divergent++
			}
			if known {
				drop()
			}
			d.Set[k] = v
			w.state[t][k] = true
		}
	}
	if b.Chunk != nil {
		for k, seq := range w.deletes[t] {
			if seq < b.Chunk.OldestSeq {
				delete(w.deletes[t], k)
			}
		}
	}
	if rows == nil {
		for i := range b.N {
			one(i)
		}
	}
	for _, i := range rows {
		one(int(i))
	}
	return w.sink.fault("write")
}

func (w *fakeShard) Schema(context.Context, cdc.SchemaChange) error { return nil }
func (w *fakeShard) Live(t cdc.TableID)                             { w.live[t], w.deletes[t] = true, map[int64]uint64{} }
func (w *fakeShard) Pause(t cdc.TableID)                            { w.paused[t] = true; delete(w.open, t) }
func (w *fakeShard) Complete(context.Context, uint64) error         { return nil }
func (w *fakeShard) Close() error                                   { return nil }

func (w *fakeShard) Prepare(context.Context, uint64) (Prepared, error) {
	p := fakePrepared{sink: w.sink}
	for t, d := range w.open {
		b, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		p.out = append(p.out, cdc.Committable{Table: t, Payload: b, Counts: d.n})
		w.sink.mu.Lock()
		w.sink.diverg += d.n.Divergent
		w.sink.mu.Unlock()
	}
	clear(w.open)
	return p, w.sink.fault("prepare")
}

type fakePrepared struct {
	sink *fakeSink
	out  []cdc.Committable
}

func (p fakePrepared) Wait(ctx context.Context) ([]cdc.Committable, error) {
	if rand.IntN(2) == 0 {
		select {
		case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return p.out, p.sink.fault("wait")
}

var errFault = errors.New("injected fault")
