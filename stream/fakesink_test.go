package stream

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// fakeSink is one process's view of a fakeCatalog, with the same steps as the Iceberg sink.
type fakeSink struct {
	cat    *fakeCatalog
	groups []cdc.GroupRange
	fault  func(string) error
	diverg atomic.Int64

	mu     sync.Mutex // guards all below
	gen    cdc.Generation
	starts []cdc.TableStart
	views  map[cdc.TableID]*fakeView
}

// fakeView is what a process knows of a table since it caught up.
type fakeView struct {
	parent int
	keys   []int64
	old    map[int64]bool // of them, those from before the load
	def    int
}

var (
	codeFakeFenced  = cdc.NewCode("TEST_FENCED", cdc.Fenced, "test", "test")
	codeFakeDropped = cdc.NewCode("TEST_DROPPED", cdc.TablePaused, "test", "test")
)

func (s *fakeSink) Markers(_ context.Context, ids []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error) {
	if err := s.fault("markers"); err != nil {
		return nil, err
	}
	s.cat.mu.Lock()
	defer s.cat.mu.Unlock()
	out := map[cdc.TableID]cdc.TableMarkers{}
	for _, id := range ids {
		if t := s.cat.tables[id]; t != nil {
			out[id] = cdc.TableMarkers{Property: t.marker, Ancestry: t.marker}
		}
	}
	return out, nil
}

func (s *fakeSink) Part(in cdc.PartInput) (cdc.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := fakePart{Parent: s.views[in.Table].parent, Def: in.Schema.Version, Set: map[int64]int64{}, Del: map[int64]bool{}, Load: in.Load, Pos: in.Position, Gen: s.gen, Replace: in.Replace || in.Truncated, Drop: in.Drop}
	out := cdc.Part{Position: in.Position}
	for _, c := range in.Committables {
		var d fakeDelta
		if err := json.Unmarshal(c.Payload, &d); err != nil {
			return out, err
		}
		maps.Copy(p.Set, d.Set)
		maps.Copy(p.Del, d.Del)
		p.Files = append(p.Files, d.File)
		out.Counts.Add(c.Counts)
	}
	var err error
	out.Payload, err = json.Marshal(p)
	return out, err
}

func (s *fakeSink) Commit(_ context.Context, gen cdc.Generation, id cdc.CheckpointID, parts map[cdc.TableID]cdc.Part) (map[cdc.TableID]cdc.Outcome, error) {
	s.cat.sawDecision(id)
	out := map[cdc.TableID]cdc.Outcome{}
	for _, tid := range sortedTables(parts) {
		if err := s.fault("commit before " + tid.Name); err != nil {
			return out, err
		}
		var p fakePart
		if err := json.Unmarshal(parts[tid].Payload, &p); err != nil {
			return out, err
		}
		for done := false; !done; {
			s.cat.mu.Lock()
			t := s.cat.tables[tid]
			snap, mine := t.snap, t.ancestry[id]
			newer := t.marker != nil && gen.Less(t.marker.Gen())
			s.cat.mu.Unlock()
			switch {
			case newer:
				return out, &cdc.Error{Code: codeFakeFenced, Table: tid}
			case mine != 0:
				out[tid], done = cdc.Committed, true
				s.settle(tid, mine)
			case snap == p.Parent:
				if err := s.fault("commit swap " + tid.Name); err != nil {
					return out, err
				}
				if now, ok := s.cat.swap(gen, tid, snap, id, &p); ok {
					out[tid], done = cdc.Committed, true
					s.settle(tid, now)
				}
			default:
				out[tid], done = cdc.Void, true
			}
		}
		if err := s.fault("commit after " + tid.Name); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (s *fakeSink) settle(t cdc.TableID, snap int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[t]; v != nil {
		v.parent = snap
	}
}

func (s *fakeSink) CatchUp(_ context.Context, gen cdc.Generation, reqs []cdc.TableRequest) ([]cdc.TableStart, error) {
	if err := s.fault("catch up"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cat.mu.Lock()
	defer s.cat.mu.Unlock()
	s.gen, s.starts, s.views = gen, nil, map[cdc.TableID]*fakeView{}
	for _, r := range reqs {
		st, err := s.bring(r)
		if err != nil {
			return nil, err
		}
		st.Entry.Paused, st.Entry.Position = st.Paused, st.Position
		s.starts = append(s.starts, st)
	}
	return slices.Clone(s.starts), s.fault("caught up")
}

// bring does with one table what the Iceberg sink's method of that name does. Both mutexes are held.
func (s *fakeSink) bring(r cdc.TableRequest) (cdc.TableStart, error) {
	d, e := r.Discovered, r.Entry
	st := cdc.TableStart{Table: d.Table, Schema: d.Schema, Position: d.Position}
	if e != nil {
		st.Entry = *e
	}
	t := s.cat.tables[d.Table]
	if t == nil {
		if e != nil && e.Paused != nil && !r.Reload {
			st.Paused, st.Position = e.Paused, e.Position
			return st, nil
		}
		if e != nil && e.ID.K != 0 && !r.Reload {
			st.Paused = cdc.PauseOf(cdc.Errorf(codeFakeDropped, d.Table, "dropped"), 0)
			return st, nil
		}
		t = &fakeTable{rows: map[int64]int64{}, def: d.Schema.Version, ancestry: map[cdc.CheckpointID]int{}}
		s.cat.tables[d.Table] = t
	}
	if m := t.marker; m != nil {
		if s.gen.Less(m.Gen()) {
			return st, &cdc.Error{Code: codeFakeFenced, Table: d.Table}
		}
		st.Schema, st.Position, st.Load, st.Entry.ID = fakeSchema(d.Table, t.def), m.Position, m.Load, m.ID
		if e != nil && e.Paused == nil && e.ID == m.ID {
			st.Position = e.Position
		}
	}
	switch {
	case r.Reload:
		st.Reload, st.Schema, st.Position, st.Load = true, d.Schema, d.Position, cdc.LoadState{}
		if t.marker == nil || rand.IntN(2) == 0 {
			st.Replace = true
		} else { // in place
			st.Load.Base = uint32(t.snap) + 1
		}
	case e != nil && e.Paused != nil:
		st.Paused = e.Paused
		return st, nil
	}
	v := &fakeView{parent: t.snap, def: st.Schema.Version}
	if !st.Replace {
		v.keys = slices.Collect(maps.Keys(t.rows))
		if st.Load.Phase != cdc.LoadDone {
			v.old = maps.Clone(t.old)
		}
		if st.Reload {
			v.old = map[int64]bool{}
			for k := range t.rows {
				v.old[k] = true
			}
		}
	}
	s.views[d.Table] = v
	return st, nil
}

func (s *fakeSink) Define(*cdc.Schema) error { return s.fault("define") }

func (s *fakeSink) Moved(context.Context) ([]cdc.TableID, error) {
	if err := s.fault("moved"); err != nil {
		return nil, err
	}
	return nil, nil
}

func (s *fakeSink) Clean(_ context.Context, gen cdc.Generation, named []cdc.Part) error {
	if err := s.fault("clean"); err != nil {
		return err
	}
	s.cat.clean(gen, named)
	return nil
}

func (s *fakeSink) Shard(slot int) (ShardWriter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &fakeShard{sink: s, gen: s.gen, tables: map[cdc.TableID]*fakeShardTable{}}
	for _, st := range s.starts {
		v := s.views[st.Table]
		if st.Paused != nil || v == nil {
			continue
		}
		t := &fakeShardTable{def: v.def, state: map[int64]bool{}, deletes: map[int64]uint64{}, old: map[int64]bool{}}
		for _, k := range v.keys {
			if s.groups[slot].Contains(cdc.Mix64(uint64(k))) {
				t.state[k] = true
				if v.old[k] {
					t.old[k] = true
				}
			}
		}
		w.tables[st.Table] = t
	}
	return w, nil
}
