package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testenv.Wrap(m)) }

var modelSchema = &cdc.Schema{Table: cdc.TableID{Database: "shop", Name: "t"}, Version: 1, Key: []int{0}, Columns: []cdc.Column{
	{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1},
	{Name: "v", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true},
	{Name: "_cdc_op", Type: cdc.Type{Kind: cdc.KindString}, Meta: true},
}}

// world is a source and its Iceberg table in memory. Positions are indexes into history: the source is at its end.
type world struct {
	history []map[int64]string
	applied int // what Iceberg has
	dead    bool
	wrong   map[int64][]string // keys that Iceberg has wrong, with the values of their rows there
	change  func(map[int64]string)
	loaded  bool
	paused  *cdc.Pause
}

func newWorld(rows map[int64]string) *world {
	return &world{history: []map[int64]string{rows}, wrong: map[int64][]string{}, change: func(map[int64]string) {}, loaded: true}
}

// step lets time pass: the source changes.
func (w *world) step() {
	next := maps.Clone(w.history[len(w.history)-1])
	w.change(next)
	w.history = append(w.history, next)
}

func batch(rows map[int64]string, only func(int64) bool, meta string) *cdc.Batch {
	b := cdc.NewBatchPool(modelSchema).Get()
	for id, v := range rows {
		if !only(id) {
			continue
		}
		if b.N == b.Cap() {
			b.Grow()
		}
		put(b, id, v, meta)
	}
	return b
}

func put(b *cdc.Batch, id int64, v, meta string) {
	if b.N == b.Cap() {
		b.Grow()
	}
	r := b.N
	b.N++
	b.Cols[0].I64[r] = id
	if v != "NULL" {
		b.Cols[1].SetValid(r)
		b.Cols[1].Data = append(b.Cols[1].Data, v...)
	} else {
		b.Cols[1].Nulls++
	}
	b.Cols[1].Off[r+1] = int32(len(b.Cols[1].Data))
	b.Cols[2].Data = append(b.Cols[2].Data, meta...)
	b.Cols[2].Off[r+1] = int32(len(b.Cols[2].Data))
}

// Next cuts the keys in three; a row may change between the reading of two ranges.
func (w *world) Next(_ context.Context, _ *cdc.Schema, after cdc.Bound) (cdc.Chunk, bool, error) {
	w.step()
	switch after {
	case "":
		return cdc.Chunk{To: "5"}, false, nil
	case "5":
		return cdc.Chunk{From: after, To: "11"}, false, nil
	}
	return cdc.Chunk{From: after}, true, nil
}

func (w *world) ReadRange(_ context.Context, _ *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	bound := func(b cdc.Bound, edge int64) int64 {
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return n
		}
		return edge
	}
	from, to := bound(c.From, math.MinInt64), bound(c.To, math.MaxInt64)
	now := w.history[len(w.history)-1]
	w.step()
	return emit(batch(now, func(id int64) bool { return id > from && id <= to }, "r"))
}

func (w *world) ReadKeys(_ context.Context, _ *cdc.Schema, keys *cdc.Batch, rows []int32, emit func(*cdc.Batch) error) error {
	now := w.history[len(w.history)-1]
	w.step()
	want := map[int64]bool{}
	for _, r := range rows {
		want[keys.Cols[0].I64[r]] = true
	}
	// One more than was asked for, as a collation might give.
	return emit(batch(now, func(id int64) bool { return want[id] || id == 1 }, "r"))
}

func position(n int) cdc.Position { return cdc.Position(strconv.Itoa(n)) }

func (w *world) End(context.Context) (cdc.Position, error)                 { return position(len(w.history) - 1), nil }
func (w *world) CurrentPosition(ctx context.Context) (cdc.Position, error) { return w.End(ctx) }

func (w *world) Compare(a, b cdc.Position) (int, error) {
	x, err := strconv.Atoi(string(a))
	y, err2 := strconv.Atoi(string(b))
	return x - y, errors.Join(err, err2)
}

func (w *world) state(context.Context, cdc.TableID) (State, error) {
	if !w.dead {
		w.applied += (len(w.history) - w.applied) / 2 // lags, and never quite gets there while the source goes on
		w.step()
	}
	n := int64(w.applied)
	return State{Snapshot: &n, Position: position(w.applied), Loaded: w.loaded, Paused: w.paused, Rows: 100}, nil
}

func (w *world) Scan(_ context.Context, _ cdc.TableID, snapshot *int64, f func(*iceberg.Rows) error) error {
	rows := w.history[*snapshot]
	b := batch(rows, func(id int64) bool { _, wrong := w.wrong[id]; return !wrong }, "c")
	defer b.Release()
	for id, vs := range w.wrong {
		for _, v := range vs {
			put(b, id, v, "c")
		}
	}
	return f(&iceberg.Rows{Schema: modelSchema, Cols: b.Cols, N: b.N})
}

func (w *world) options(t interface{ Fatal(...any) }, dir string) Options {
	return Options{Source: w, Target: w, State: w.state, Dir: dir, Poll: time.Microsecond, Patience: 5 * time.Millisecond, MaxShown: 1000}
}

// Whatever changes meanwhile, and however Iceberg lags: rows that are wrong and at rest are all found, and no other row is ever said to be.
func TestFindsExactlyWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		start := map[int64]string{}
		for _, id := range rapid.SliceOfDistinct(rapid.Int64Range(0, 60), rapid.ID).Draw(rt, "rows") {
			start[id] = rapid.SampledFrom([]string{"NULL", "", "x"}).Draw(rt, "value")
		}
		w := newWorld(start)
		busy := rapid.SliceOfDistinct(rapid.Int64Range(0, 60), rapid.ID).Draw(rt, "busy")
		writes := 0
		w.change = func(rows map[int64]string) { // every value is written once only, every busy row often
			for i, id := range busy {
				if writes++; (writes+i)%4 == 0 {
					delete(rows, id)
				} else if writes%3 != 0 {
					rows[id] = fmt.Sprint("w", writes)
				}
			}
		}
		quiet := map[string]bool{}
		for _, id := range rapid.SliceOfNDistinct(rapid.Int64Range(0, 70), 0, 5, rapid.ID).Draw(rt, "wrong") {
			_, there := start[id]
			vs := rapid.SampledFrom([][]string{{"wrong"}, {}, {"wrong", "wrong"}, {"x", "x"}}).Draw(rt, "in Iceberg")
			if len(vs) == 0 && !there {
				continue // missing on both sides
			}
			w.wrong[id] = vs
			quiet[fmt.Sprint("id=", id)] = true
		}
		for _, id := range busy {
			delete(quiet, fmt.Sprint("id=", id))
		}
		res, err := Table(context.Background(), w.options(rt, dir), modelSchema)
		if err != nil {
			rt.Fatal(err)
		}
		got := map[string]bool{}
		for _, d := range res.Differences {
			got[d.Key] = true
			id, err := strconv.ParseInt(strings.TrimPrefix(d.Key, "id="), 10, 64)
			if err != nil {
				rt.Fatal(err)
			}
			if _, ok := w.wrong[id]; !ok {
				rt.Fatalf("%+v is said to differ, and does not", d)
			}
			if d.Source == d.Iceberg {
				rt.Fatalf("%+v: the same on both sides", d)
			}
		}
		for k := range quiet {
			if !got[k] {
				rt.Fatalf("%s is wrong and was not found: %+v", k, res)
			}
		}
		if res.Different != int64(len(got)) {
			rt.Fatalf("%d differences counted, %d shown", res.Different, len(got))
		}
	})
}

func TestServiceDoesNotRun(t *testing.T) {
	w := newWorld(map[int64]string{1: "a", 2: "b", 3: "c"})
	w.dead = true
	w.change = func(rows map[int64]string) { rows[2] = "new"; rows[4] = "d" }
	w.wrong[3] = []string{"wrong"}
	w.step()
	res, err := Table(context.Background(), w.options(t, t.TempDir()), modelSchema)
	if err != nil {
		t.Fatal(err)
	}
	// 2 and 4 are only late. 3 is wrong, but nobody can say so without knowing what is still to come.
	if !res.Ahead || res.Different != 0 || res.Undecided != 3 || res.Equal() {
		t.Errorf("got %+v", res)
	}
	w = newWorld(map[int64]string{1: "a"})
	w.dead = true
	if res, err = Table(context.Background(), w.options(t, t.TempDir()), modelSchema); err != nil || !res.Equal() {
		t.Errorf("nothing differs: %+v, %v", res, err)
	}
}

func TestNotComparable(t *testing.T) {
	for name, spoil := range map[string]func(w *world, s *cdc.Schema){
		"loading": func(w *world, _ *cdc.Schema) { w.loaded = false },
		"paused":  func(w *world, _ *cdc.Schema) { w.paused = &cdc.Pause{Msg: "why"} },
		"new column": func(_ *world, s *cdc.Schema) {
			s.Columns = append(s.Columns[:2:2], cdc.Column{Name: "n", Type: cdc.Type{Kind: cdc.KindInt32}})
		},
		"other type":  func(_ *world, s *cdc.Schema) { s.Columns[1].Type.Kind = cdc.KindBinary },
		"lost column": func(_ *world, s *cdc.Schema) { s.Columns = s.Columns[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[int64]string{1: "a"})
			s := *modelSchema
			s.Columns = append([]cdc.Column(nil), s.Columns...)
			spoil(w, &s)
			_, err := Table(context.Background(), w.options(t, t.TempDir()), &s)
			if e := cdc.AsError(err); e == nil || e.Code != CodeNotComparable {
				t.Errorf("got %v, want %s", err, CodeNotComparable.Name)
			}
		})
	}
}

// A limit on keys is never taken for equality.
func TestTooManyKeys(t *testing.T) {
	w := newWorld(map[int64]string{})
	for id := range int64(20) {
		w.wrong[id] = []string{"extra"}
	}
	o := w.options(t, t.TempDir())
	o.MaxKeys = 7
	res, err := Table(context.Background(), o, modelSchema)
	if err != nil || res.Different != 7 || res.Undecided == 0 {
		t.Errorf("%+v, %v; want 7 differences and some undecided", res, err)
	}
}
