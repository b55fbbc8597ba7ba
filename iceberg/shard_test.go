package iceberg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// A small table: id, v.
func smallSchema(id cdc.TableID, version int) *cdc.Schema {
	return &cdc.Schema{Table: id, Version: version, Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1}, {Name: "v", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true}}}
}

type smallRow struct {
	op cdc.Op
	id int64
	v  string
}

func smallBatch(t testing.TB, s *cdc.Schema, rows ...smallRow) *cdc.Batch {
	b := cdc.NewBatchPool(s).Get()
	for _, r := range rows {
		appendRow(b, r.op, testRow{r.id, r.v})
	}
	return keyedBatch(t, b)
}

// smallLive returns the rows of a table as "id=v", sorted.
func (s *testShards) smallLive(id cdc.TableID) string {
	s.t.Helper()
	rows, err := s.live(id, smallSchema(id, 1))
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%v=%v", r[0], r[1]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (s *testShards) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

var (
	tabA = cdc.TableID{Database: "d", Name: "a"}
	tabB = cdc.TableID{Database: "d", Name: "b"}
)

func smallShards(t testing.TB, phase cdc.LoadPhase, change func(*shardOptions)) *testShards {
	var starts []cdc.TableStart
	tables := map[cdc.TableID]*testTable{}
	for _, id := range []cdc.TableID{tabA, tabB} {
		starts = append(starts, cdc.TableStart{Table: id, Schema: smallSchema(id, 1), Load: cdc.LoadState{Phase: phase}})
		tables[id] = newTestTable(t)
	}
	return newTestShards(t, 1, starts, tables, change)
}

const (
	ins = cdc.OpInsert
	upd = cdc.OpUpdate
	del = cdc.OpDelete
)

// TestAlarm counts divergence on live tables only, within a buffer and against the state.
func TestAlarm(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []smallRow // an earlier checkpoint
		rows   []smallRow
		want   int64
		live   string
	}{
		{"clean", []smallRow{{ins, 1, "a"}}, []smallRow{{upd, 1, "b"}, {ins, 2, "c"}, {del, 1, ""}, {ins, 1, "d"}}, 0, "1=d 2=c"},
		{"insert of a known key", []smallRow{{ins, 1, "a"}}, []smallRow{{ins, 1, "b"}}, 1, "1=b"},
		{"update of an unknown key", nil, []smallRow{{upd, 1, "b"}}, 1, "1=b"},
		{"delete of an unknown key", nil, []smallRow{{del, 1, ""}}, 1, ""},
		{"insert twice in a buffer", nil, []smallRow{{ins, 1, "a"}, {ins, 1, "b"}}, 1, "1=b"},
		{"update after a delete in a buffer", []smallRow{{ins, 1, "a"}}, []smallRow{{del, 1, ""}, {upd, 1, "b"}}, 1, "1=b"},
		{"deleted twice in a buffer", []smallRow{{ins, 1, "a"}}, []smallRow{{del, 1, ""}, {del, 1, ""}}, 1, ""},
		{"born and gone in a buffer", nil, []smallRow{{ins, 1, "a"}, {del, 1, ""}}, 0, ""},
	} {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/live=%t", c.name, live), func(t *testing.T) {
				phase := cdc.LoadDone
				if !live {
					phase = cdc.LoadReading
				}
				s := smallShards(t, phase, nil)
				defer s.close()
				if c.before != nil {
					s.must(s.write(smallBatch(t, smallSchema(tabA, 1), c.before...)))
					s.must(s.barrier(true))
				}
				s.must(s.write(smallBatch(t, smallSchema(tabA, 1), c.rows...)))
				s.must(s.barrier(true))
				want := c.want
				if !live {
					want = 0
				}
				if got := s.counts[tabA].Divergent; got != want {
					t.Errorf("%d alarms, want %d", got, want)
				}
				if got := s.smallLive(tabA); got != c.live {
					t.Errorf("table holds %q, want %q", got, c.live)
				}
				if s.counts[tabA].Rows != int64(len(strings.Fields(c.live)))+s.deletedRows(tabA) {
					t.Errorf("counts %+v", s.counts[tabA])
				}
			})
		}
	}
}

func (s *testShards) deletedRows(id cdc.TableID) (n int64) {
	for _, bm := range s.deleted[id] {
		n += int64(bm.GetCardinality())
	}
	return n
}

// TestNothingWritten: rows that come and go within a buffer make a committable, since the table has advanced, but no file.
func TestNothingWritten(t *testing.T) {
	s := smallShards(t, cdc.LoadDone, nil)
	defer s.close()
	s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, 1, "a"}, smallRow{del, 1, ""})))
	p, err := s.writers[0].Prepare(context.Background(), 1)
	s.must(err)
	cs, err := p.Wait(context.Background())
	s.must(err)
	if len(cs) != 1 || cs[0].Table != tabA || cs[0].Counts.Events != 2 || cs[0].Counts.Files != 0 {
		t.Fatalf("%+v", cs)
	}
	d, err := decodeDelta(cs[0].Payload, s.tables[tabA].spec_, s.tables[tabA].last.schema)
	s.must(err)
	if len(d.files) != 0 || len(d.deleted) != 0 {
		t.Fatalf("%+v", d)
	}
}

// TestPause: what the checkpoint holds of the table is gone, in the files, in the committables and in the state; a checkpoint that
// was prepared before is whole, and the other table goes on.
func TestPause(t *testing.T) {
	for i, buffer := range []int{1, 1000, 1} {
		s := smallShards(t, cdc.LoadDone, func(o *shardOptions) { o.bufferRows, o.noWhole = buffer, i == 0 })
		w := s.writers[0]
		ctx := context.Background()
		s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, 1, "a"}, smallRow{ins, 2, "b"})))
		s.must(s.barrier(false))
		s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{upd, 1, "x"}, smallRow{del, 2, ""}, smallRow{ins, 3, "c"})))
		s.must(s.write(smallBatch(t, smallSchema(tabB, 1), smallRow{ins, 1, "b"})))
		w.Pause(tabA)
		w.Pause(tabA)
		s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, 4, "d"})))
		s.must(w.Schema(ctx, cdc.SchemaChange{Schema: smallSchema(tabA, 2)}))
		w.Live(tabA)
		s.must(s.barrier(false))
		s.must(s.write(smallBatch(t, smallSchema(tabB, 1), smallRow{upd, 1, "c"})))
		s.must(s.barrier(false))
		for k := range s.k {
			s.must(w.Complete(ctx, k+1))
		}
		if got := s.smallLive(tabA); got != "1=a 2=b" {
			t.Errorf("paused table holds %q", got)
		}
		if got := s.smallLive(tabB); got != "1=c" {
			t.Errorf("other table holds %q", got)
		}
		if n := w.tables[tabA].keys.Len(); n != 2 {
			t.Errorf("state of the paused table has %d keys", n)
		}
		s.close()
		files, err := filepath.Glob(filepath.Join(s.tables[tabA].dir, "*"))
		s.must(err)
		if len(files) != 1 {
			t.Errorf("files %v: those of the paused checkpoint should be gone", files)
		}
	}
}

// TestSchemaOrder: rows under another definition than the writer's are a broken order, never skipped.
func TestSchemaOrder(t *testing.T) {
	s := smallShards(t, cdc.LoadDone, nil)
	defer s.close()
	err := s.write(smallBatch(t, smallSchema(tabA, 2), smallRow{ins, 1, "a"}))
	if e := cdc.AsError(err); e == nil || e.Code != cdc.CodeInternal {
		t.Fatalf("rows of a coming definition: %v", err)
	}
	s.must(s.writers[0].Schema(context.Background(), cdc.SchemaChange{Schema: smallSchema(tabA, 2)}))
	if err := s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, 1, "a"})); err == nil {
		t.Fatal("rows of a former definition were taken")
	}
	changed := smallSchema(tabA, 3)
	changed.Columns[0].Type = cdc.Type{Kind: cdc.KindString}
	err = s.writers[0].Schema(context.Background(), cdc.SchemaChange{Schema: changed, DDL: "ALTER"})
	if e := cdc.AsError(err); e == nil || e.Code != codeKeyChanged {
		t.Fatalf("another key: %v", err)
	}
	if err := s.write(smallBatch(t, smallSchema(cdc.TableID{Database: "d", Name: "zzz"}, 1), smallRow{ins, 1, "a"})); err == nil {
		t.Fatal("rows of an unknown table were taken")
	}
}

// flaky fails the n-th call of the store, counted from 1 over create, write and close.
type flaky struct {
	calls, fail int
	block       chan struct{} // Close waits for it, if not nil
}

var errFlaky = errors.New("the store is down")

type flakyWriter struct {
	discardWriter
	f *flaky
}

func (f *flaky) call() error {
	if f.calls++; f.calls == f.fail {
		return errFlaky
	}
	return nil
}

func (f *flaky) create(context.Context, string) (objstore.Writer, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return &flakyWriter{f: f}, nil
}

func (w *flakyWriter) Write(p []byte) (int, error) {
	if err := w.f.call(); err != nil {
		return 0, err
	}
	return w.discardWriter.Write(p)
}

func (w *flakyWriter) Close() error {
	if w.f.block != nil {
		<-w.f.block
	}
	return w.f.call()
}

// TestStoreFailures fails every call of the store in turn: the checkpoint must fail, with that error, and nothing may hang or leak.
func TestStoreFailures(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	testStoreFailures(t, 5, true)
	testStoreFailures(t, 3, false)
}

func testStoreFailures(t *testing.T, least int, noWhole bool) {
	for n := 1; ; n++ {
		f := &flaky{fail: n}
		s := smallShards(t, cdc.LoadDone, func(o *shardOptions) { o.create, o.bufferRows, o.noWhole = f.create, 1, noWhole })
		err := func() error {
			for i := range 3 {
				if err := s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, int64(i), "a"})); err != nil {
					return err
				}
			}
			p, err := s.writers[0].Prepare(context.Background(), 1)
			if err != nil {
				return err
			}
			_, err = p.Wait(context.Background())
			return err
		}()
		s.close()
		if f.calls < n {
			if f.calls < least {
				t.Fatalf("only %d calls", f.calls)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, errFlaky) {
			t.Fatalf("call %d failed, the checkpoint ended with %v", n, err)
		}
		if !strings.Contains(err.Error(), "data file file:///") {
			t.Fatalf("%v does not say which file", err)
		}
	}
}

// TestWriteWhileUploading: rows of the next checkpoint are taken while the uploads of the last are under way, and Wait can be given up.
func TestWriteWhileUploading(t *testing.T) {
	f := &flaky{block: make(chan struct{})}
	s := smallShards(t, cdc.LoadDone, func(o *shardOptions) { o.create = f.create })
	s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, 1, "a"})))
	p, err := s.writers[0].Prepare(context.Background(), 1)
	s.must(err)
	s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{upd, 1, "b"}, smallRow{ins, 2, "c"})))
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(f.block)
	cs, err := p.Wait(context.Background())
	s.must(err)
	if len(cs) != 1 || cs[0].Counts.Rows != 1 {
		t.Fatalf("%+v", cs)
	}
	p, err = s.writers[0].Prepare(context.Background(), 2)
	s.must(err)
	cs, err = p.Wait(context.Background())
	s.must(err)
	if len(cs) != 1 || cs[0].Counts.Rows != 2 {
		t.Fatalf("%+v", cs)
	}
	s.close()
}

// TestClose drops what was not prepared.
func TestClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := smallShards(t, cdc.LoadDone, func(o *shardOptions) { o.bufferRows, o.noWhole = 1, true })
	for i := range 10 {
		s.must(s.write(smallBatch(t, smallSchema(tabA, 1), smallRow{ins, int64(i), "a"})))
	}
	s.close()
	s.must(s.writers[0].Close())
	left, err := os.ReadDir(s.tables[tabA].dir)
	s.must(err)
	for _, e := range left {
		if !e.IsDir() {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// TestBatchesComeBack: every batch is given back exactly once.
func TestBatchesComeBack(t *testing.T) {
	s := smallShards(t, cdc.LoadDone, nil)
	pool := cdc.NewBatchPool(smallSchema(tabA, 1))
	seen := map[*cdc.Batch]bool{}
	for i := range 100 {
		b := pool.Get()
		seen[b] = true
		appendRow(b, ins, testRow{int64(i), "x"})
		s.must(s.write(keyedBatch(t, b)))
		if i%10 == 9 {
			s.must(s.barrier(true))
		}
	}
	s.close()
	if len(seen) > 12 {
		t.Errorf("%d batches were made for 100 uses", len(seen))
	}
}

// TestNoAllocationPerRow: in the steady state a batch of 16,384 rows costs a few dozen allocations, encoding included.
func TestNoAllocationPerRow(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	start := cdc.TableStart{Table: benchTable, Schema: benchSchema()}
	s := newTestShards(t, 1, []cdc.TableStart{start}, map[cdc.TableID]*testTable{benchTable: newTestTable(t)}, func(o *shardOptions) {
		o.create = func(context.Context, string) (objstore.Writer, error) { return &discardWriter{}, nil }
	})
	defer s.close()
	g := &benchGen{r: rand.New(rand.NewPCG(1, 1))}
	pool := cdc.NewBatchPool(benchSchema())
	h := cdc.NewKeyHasher(benchSchema(), 1)
	var bs []*cdc.Batch
	for range 8 {
		b := g.batch(pool, ins, cdc.MaxBatchRows, 0)
		b.Retain(1000)
		h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
		bs = append(bs, b)
	}
	run := func() {
		for _, b := range bs {
			s.must(s.writers[0].Write(context.Background(), b, nil))
			for i := range b.N {
				b.Ops[i] = upd
			}
		}
	}
	for range 4 {
		run()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := testing.AllocsPerRun(4, run)
	runtime.ReadMemStats(&after)
	if n > 8*200 {
		t.Errorf("%.0f allocations for 8 batches", n)
	}
	t.Logf("%.0f allocations, %d bytes a row", n, (after.TotalAlloc-before.TotalAlloc)/(5*8*cdc.MaxBatchRows))
}
