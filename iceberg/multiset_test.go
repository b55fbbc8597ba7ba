package iceberg

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// rowsSchema has no key, and a column that is not compared.
func rowsSchema() *cdc.Schema {
	return &cdc.Schema{Table: modelTable, Version: 1, Columns: []cdc.Column{
		{Name: "a", Type: cdc.Type{Kind: cdc.KindInt32}, Nullable: true},
		{Name: "s", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true},
		{Name: "f", Type: cdc.Type{Kind: cdc.KindFloat64}},
		{Name: "_cdc_pos", Type: cdc.Type{Kind: cdc.KindString}, Meta: true},
	}}
}

// anyRow is one of few rows, so that many are equal.
func anyRow(r *rand.Rand) testRow {
	return testRow{[]any{nil, int32(0), int32(1)}[r.IntN(3)], []any{nil, "", "0"}[r.IntN(3)], []any{0.0, math.Copysign(0, -1)}[r.IntN(2)], fmt.Sprint(r.Uint64())}
}

func compared(rows []testRow) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = showRow(r[:len(r)-1])
	}
	sort.Strings(out)
	return out
}

// TestMultisetModel runs random inserts and deletes of rows that are often equal, with or without a load that shows one moment, over
// random buffers, slots and barriers, and reads the files back with another library.
func TestMultisetModel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		slots := rapid.IntRange(1, 3).Draw(rt, "slots")
		bufferRows := rapid.SampledFrom([]int{1, 3, 10, 100, 100000}).Draw(rt, "buffer")
		loading := rapid.Bool().Draw(rt, "load")
		schema := rowsSchema()
		pool := cdc.NewBatchPool(schema)
		tab := newTestTable(t)
		tab.dir = tempDir(t)
		start := cdc.TableStart{Table: modelTable, Schema: schema}
		if !loading {
			start.Load.Phase = cdc.LoadDone
		}
		s := newTestShards(t, slots, []cdc.TableStart{start}, map[cdc.TableID]*testTable{modelTable: tab}, func(o *shardOptions) { o.bufferRows = bufferRows })
		defer s.close()
		check := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		var rows, load []testRow // of the source; still to be loaded
		if loading {
			for range r.IntN(100) {
				rows = append(rows, anyRow(r))
			}
			load = slices.Clone(rows)
			r.Shuffle(len(load), func(i, j int) { load[i], load[j] = load[j], load[i] })
		}
		events := 0
		log := func(n int) {
			b := pool.Get()
			for range n {
				if i := r.IntN(2*len(rows) + 1); i < len(rows) {
					gone := slices.Clone(rows[i])
					gone[3] = "of the delete"
					appendRow(b, cdc.OpDelete, gone)
					rows = slices.Delete(rows, i, i+1)
				} else if len(rows) < 300 {
					row := anyRow(r)
					rows = append(rows, row)
					appendRow(b, cdc.OpInsert, row)
				}
			}
			events += b.N
			check(s.write(keyedBatch(t, b)))
		}
		chunk := func(n int) {
			b := pool.Get()
			b.Chunk = &cdc.ChunkRef{}
			for _, row := range load[:n] {
				appendRow(b, cdc.OpRead, row)
			}
			load = load[n:]
			check(s.write(keyedBatch(t, b)))
		}
		for range rapid.IntRange(5, 60).Draw(rt, "steps") {
			switch n := r.IntN(10); {
			case n < 5:
				log(1 + r.IntN(30))
			case n < 8 && len(load) > 0:
				chunk(1 + r.IntN(min(len(load), 40)))
			default:
				check(s.barrier(true))
			}
		}
		for len(load) > 0 {
			chunk(min(len(load), 7))
		}
		for _, w := range s.writers {
			w.Live(modelTable)
		}
		log(1 + r.IntN(30))
		check(s.barrier(true))
		c := s.counts[modelTable]
		if c.Divergent != 0 {
			rt.Fatalf("%d alarms", c.Divergent)
		}
		if c.Events != int64(events) {
			rt.Fatalf("%d events counted as %+v", events, c)
		}
		live, err := s.live(modelTable, schema)
		check(err)
		if d := cmp.Diff(compared(rows), compared(live)); d != "" {
			rt.Fatalf("table differs from its source (-source +table):\n%s", d)
		}
		total := int64(0)
		for i := range s.states {
			total += s.states[i].Table(modelTable, false).Len()
		}
		if total != int64(len(rows)) {
			rt.Fatalf("the state has %d rows of %d", total, len(rows))
		}
	})
}

// TestMultisetDivergence: a row that is deleted and not there is an alarm, in the order of the events; what comes later is right.
func TestMultisetDivergence(t *testing.T) {
	const i, d = cdc.OpInsert, cdc.OpDelete
	for _, c := range []struct {
		ops       []cdc.Op
		rows      int
		divergent int64
	}{
		{[]cdc.Op{i, d, i, i}, 2, 0}, {[]cdc.Op{d}, 0, 1}, {[]cdc.Op{d, i}, 1, 1}, {[]cdc.Op{d, d, i, d, i, i}, 2, 2}, {[]cdc.Op{i, d, d, i}, 1, 1}, {[]cdc.Op{i, i, d, d, d}, 0, 1},
	} {
		for _, bufferRows := range []int{1, 2, 100} {
			for _, loading := range []bool{false, true} {
				schema := rowsSchema()
				start := cdc.TableStart{Table: modelTable, Schema: schema, Load: cdc.LoadState{Phase: cdc.LoadDone}}
				if loading {
					start.Load = cdc.LoadState{}
				}
				s := newTestShards(t, 1, []cdc.TableStart{start}, map[cdc.TableID]*testTable{modelTable: newTestTable(t)}, func(o *shardOptions) { o.bufferRows = bufferRows })
				for _, op := range c.ops {
					b := cdc.NewBatchPool(schema).Get()
					appendRow(b, op, testRow{int32(1), nil, 0.5, ""})
					if err := s.write(keyedBatch(t, b)); err != nil {
						t.Fatal(err)
					}
				}
				wantRows, wantDivergent := c.rows, c.divergent
				if loading { // what is deleted may come with the load: only the balance counts, when that is done
					s.writers[0].Live(modelTable)
					n := 0
					for _, op := range c.ops {
						n += map[cdc.Op]int{i: 1, d: -1}[op]
					}
					wantRows, wantDivergent = max(n, 0), int64(max(-n, 0))
				}
				if err := s.barrier(true); err != nil {
					t.Fatal(err)
				}
				rows, err := s.live(modelTable, schema)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.counts[modelTable].Divergent; len(rows) != wantRows || got != wantDivergent {
					t.Errorf("%v, buffer of %d, loading %t: %d rows and %d alarms, want %d and %d", c.ops, bufferRows, loading, len(rows), got, wantRows, wantDivergent)
				}
				s.close()
			}
		}
	}
}

// TestMultisetUpdate: an update of a row without a key is no event of such a table.
func TestMultisetUpdate(t *testing.T) {
	schema := rowsSchema()
	s := newTestShards(t, 1, []cdc.TableStart{{Table: modelTable, Schema: schema}}, map[cdc.TableID]*testTable{modelTable: newTestTable(t)}, nil)
	defer s.close()
	b := cdc.NewBatchPool(schema).Get()
	appendRow(b, cdc.OpUpdate, testRow{int32(1), nil, 0.5, ""})
	err := s.write(keyedBatch(t, b))
	if err == nil {
		_, err = s.writers[0].Prepare(context.Background(), 1)
	}
	if cdc.AsError(err) == nil || cdc.AsError(err).Code != cdc.CodeInternal {
		t.Fatalf("got %v", err)
	}
}

// TestApplyRows brings a state forward by what was added and what went, with equal rows, and compares it with the set of their locations.
func TestApplyRows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		st, err := state.Open(state.Options{Dir: tempDir(t), Groups: cdc.GroupRange{To: 1, Of: 1}})
		if err != nil {
			rt.Fatal(err)
		}
		defer st.Close() //nolint:errcheck // a test's directory
		tab := st.Table(modelTable, false)
		key := func(n int) cdc.Key { return cdc.Key{Hi: uint64(n/2+1) << 60, Lo: uint64(n%2) << 40} }
		live := map[state.Loc]int{} // where a row is, and which
		next := uint32(0)
		for range 4 {
			var add, gone []located
			for l, n := range maps.Clone(live) {
				if r.IntN(3) == 0 {
					gone = append(gone, located{key(n), l})
					delete(live, l)
				}
			}
			for range r.IntN(40) {
				n, l := r.IntN(6), state.MakeLoc(1, next)
				next++
				live[l] = n
				add = append(add, located{key(n), l})
				if r.IntN(4) == 0 { // the state may be ahead, and have it already
					if !applyRows(tab, nil, add[len(add)-1:], func(state.Loc) bool { return false }) {
						rt.Fatal("refused")
					}
				}
			}
			if !applyRows(tab, gone, add, func(state.Loc) bool { return false }) {
				rt.Fatal("refused")
			}
			if tab.Len() != int64(len(live)) {
				rt.Fatalf("%d rows in the state, %d are live", tab.Len(), len(live))
			}
			got := map[state.Loc]int{}
			for n := range 6 {
				for _, l := range rowsOf(tab, key(n)) {
					got[l] = n
				}
			}
			if !maps.Equal(got, live) {
				rt.Fatalf("the state has %v, live are %v", got, live)
			}
		}
	})
}
