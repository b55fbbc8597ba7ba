package iceberg

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// countingStore counts what a commit reads and writes.
type countingStore struct {
	Resolver
	mu                   sync.Mutex // guards the counts
	reads, writes, bytes int64
}

func (c *countingStore) count(what *int64, n int64) {
	c.mu.Lock()
	*what += n
	c.mu.Unlock()
}

func (c *countingStore) Resolve(ctx context.Context, loc string) (objstore.Store, string, error) {
	s, key, err := c.Resolver.Resolve(ctx, loc)
	return &countedStore{s, c}, key, err
}

type countedStore struct {
	objstore.Store
	c *countingStore
}

func (s *countedStore) Get(ctx context.Context, key string) ([]byte, objstore.Info, error) {
	s.c.count(&s.c.reads, 1)
	return s.Store.Get(ctx, key)
}

func (s *countedStore) Open(ctx context.Context, key string) (objstore.File, error) {
	s.c.count(&s.c.reads, 1)
	return s.Store.Open(ctx, key)
}

func (s *countedStore) OpenSized(ctx context.Context, key string, size int64) (objstore.File, error) {
	s.c.count(&s.c.reads, 1)
	return s.Store.OpenSized(ctx, key, size)
}

func (s *countedStore) Put(ctx context.Context, key string, b []byte) error {
	s.c.count(&s.c.writes, 1)
	s.c.count(&s.c.bytes, int64(len(b)))
	return s.Store.Put(ctx, key, b)
}

// commitLoad makes parts as a shard would prepare them, without writing data files: 1,000 changes a commit, each a new row and a
// deleted one, the deleted ones in ten data files.
type commitLoad struct {
	p     *pipe
	tab   *sinkTable
	files []loadFile
	pick  func(n int) []int // which data files lose rows
	rnd   *rand.Rand
	store *countingStore
}

type loadFile struct {
	num  uint32
	uri  string
	dead *roaring.Bitmap
	rows uint32
}

const loadRows = 1000

// The first ten files are large, so that there are rows to delete in them for a thousand commits.
const largeRows = 200_000

func newCommitLoad(t testing.TB, format int, partition []string, pick func(n int) []int) *commitLoad {
	st := &countingStore{}
	p := newPipe(t, func(o *Options) {
		o.Tables = func(cdc.TableID) TableOptions { return TableOptions{FormatVersion: format, Partition: partition} }
		st.Resolver = o.Store
		o.Store = st
		o.Slots = 1
	})
	p.start()
	tab, err := p.sink.table(p.id)
	if err != nil {
		t.Fatal(err)
	}
	return &commitLoad{p: p, tab: tab, pick: pick, rnd: rand.New(rand.NewPCG(1, 2)), store: st}
}

// commit makes one commit, and returns its CPU time, allocations, storage calls and bytes written.
func (l *commitLoad) commit(t testing.TB) (c commitCost) {
	target, err := l.tab.target(l.p.pool.Schema())
	if err != nil {
		t.Fatal(err)
	}
	num, uri, err := l.tab.newFile(0, "")
	if err != nil {
		t.Fatal(err)
	}
	var values map[int]any
	for _, f := range target.spec.Fields() { // a bucket
		values = map[int]any{f.FieldID: int32(len(l.files) % 16)}
	}
	rows := int64(loadRows)
	if len(l.files) < 10 {
		rows = largeRows
	}
	b, err := iceberggo.NewDataFileBuilder(target.spec, iceberggo.EntryContentData, uri, iceberggo.ParquetFile, values, nil, nil, rows, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	// Statistics of ten columns, as a table has them.
	sizes, counts, lower := map[int]int64{}, map[int]int64{}, map[int][]byte{}
	for i := 1; i <= 10; i++ {
		sizes[i], counts[i], lower[i] = int64(l.rnd.IntN(1e6)), loadRows, binary.LittleEndian.AppendUint64(nil, l.rnd.Uint64())
	}
	b.ColumnSizes(sizes).ValueCounts(counts).NullValueCounts(counts).LowerBoundValues(lower).UpperBoundValues(lower)
	d := &delta{files: []dataFile{{num, b.Build()}}, deleted: map[uint32]*roaring.Bitmap{}}
	if len(l.files) > 0 {
		for _, i := range l.pick(len(l.files)) {
			f := &l.files[i]
			bm := roaring.New()
			for range 100 {
				if pos := l.rnd.Uint32N(f.rows); f.dead.CheckedAdd(pos) {
					bm.Add(pos)
				}
			}
			if !bm.IsEmpty() {
				d.deleted[f.num] = bm
			}
		}
	}
	l.files = append(l.files, loadFile{num, uri, roaring.New(), uint32(rows)})
	enc, err := encodeDelta(d, specsOf(l.tab.version.meta), target.schema, target.formatVersion)
	if err != nil {
		t.Fatal(err)
	}
	l.p.k++
	part, err := l.p.sink.Part(cdc.PartInput{Table: l.p.id, Schema: l.p.pool.Schema(), Position: "1",
		Committables: []cdc.Committable{{Table: l.p.id, Payload: append(binary.AppendUvarint(nil, l.p.k), enc...)}}})
	if err != nil {
		t.Fatal(err)
	}
	l.p.number++
	r := record{id: cdc.CheckpointID{K: l.p.number, Nonce: "n"}, parts: map[cdc.TableID]cdc.Part{l.p.id: part}}
	var m0, m1 runtime.MemStats
	w0, r0, b0 := l.store.writes, l.store.reads, l.store.bytes
	runtime.ReadMemStats(&m0)
	t0 := cpuTime()
	if o, err := l.p.tryCommit(r); err != nil || o != cdc.Committed {
		t.Fatal(o, err)
	}
	c.cpu = cpuTime() - t0
	runtime.ReadMemStats(&m1)
	c.allocs, c.allocated = int64(m1.Mallocs-m0.Mallocs), int64(m1.TotalAlloc-m0.TotalAlloc)
	c.writes, c.reads, c.bytes = l.store.writes-w0, l.store.reads-r0, l.store.bytes-b0
	return c
}

type commitCost struct {
	cpu                                     time.Duration
	allocs, allocated, writes, reads, bytes int64
}

func (c *commitCost) add(o commitCost) {
	c.cpu += o.cpu
	c.allocs += o.allocs
	c.allocated += o.allocated
	c.writes += o.writes
	c.reads += o.reads
	c.bytes += o.bytes
}

func (c commitCost) over(n int64) string {
	return fmt.Sprintf("%6.2f ms CPU, %6d allocations, %5d KiB, %4.1f writes, %4.1f reads, %4d KiB written",
		float64(c.cpu.Microseconds())/1000/float64(n), c.allocs/n, c.allocated/n>>10, float64(c.writes)/float64(n), float64(c.reads)/float64(n), c.bytes/n>>10)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// picks are the ways in which old rows lie in at most ten data files.
var picks = map[string]func(n int) []int{
	"oldest": func(n int) []int { return seq(0, min(n, 10)) },
	"newest": func(n int) []int { return seq(max(0, n-10), n) },
	"random": func(n int) []int {
		rnd := rand.New(rand.NewPCG(uint64(n), 3))
		if n <= 10 {
			return seq(0, n)
		}
		return rnd.Perm(n)[:10]
	},
}

func seq(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// costWindow is the number of commits over which a cost is averaged: manifests are merged every few commits, so that it is in all.
const costWindow = 32

// maxCommitRatio: what the 1,000th commit may cost of the 10th.
const maxCommitRatio = 1.5

// costs are what commits cost around the 10th, 100th, 500th and 1,000th. CPU is the process's, which others on the machine disturb by
// up to a factor of two: of the first point and the last, windows are measured in turns, and the least of each counts.
func costs(t testing.TB, load func() *commitLoad, points []int) []commitCost {
	out := make([]commitCost, len(points))
	window := func(l *commitLoad, least *commitCost) {
		var c commitCost
		for range costWindow {
			c.add(l.commit(t))
		}
		if least.cpu == 0 || c.cpu < least.cpu {
			*least = c
		}
	}
	upTo := func(l *commitLoad, n int) *commitLoad {
		for len(l.files) < n-1 {
			l.commit(t)
		}
		return l
	}
	l := load()
	last := len(points) - 1
	for i := 1; i < last; i++ {
		window(upTo(l, points[i]), &out[i])
	}
	upTo(l, points[last])
	for range 8 {
		window(upTo(load(), points[0]), &out[0])
		window(l, &out[last])
	}
	// On a busy machine all windows of one kind may have been disturbed. More of them only bring both closer to the truth.
	for i := 0; i < 24 && float64(out[last].cpu) > maxCommitRatio*float64(out[0].cpu); i++ {
		window(upTo(load(), points[0]), &out[0])
		window(l, &out[last])
	}
	return out
}

// TestCommitCostIsFlat: the 1,000th commit costs at most 1.5 times the 10th, in CPU, allocations and storage calls.
func TestCommitCostIsFlat(t *testing.T) {
	testenv.Slow(t)
	for _, format := range []int{2, 3} {
		for _, name := range slices.Sorted(maps.Keys(picks)) {
			t.Run(fmt.Sprintf("v%d/%s", format, name), func(t *testing.T) {
				points := []int{10, 100, 500, 1000}
				cs := costs(t, func() *commitLoad { return newCommitLoad(t, format, nil, picks[name]) }, points)
				for i, c := range cs {
					t.Logf("%5d: %s", points[i], c.over(costWindow))
				}
				early, late := cs[0], cs[len(cs)-1]
				for what, r := range map[string][2]int64{"CPU": {int64(early.cpu), int64(late.cpu)}, "allocations": {early.allocs, late.allocs},
					"storage calls": {early.reads + early.writes, late.reads + late.writes}} {
					if ratio := float64(r[1]) / float64(r[0]); ratio > maxCommitRatio {
						t.Errorf("%s: the 1,000th commit costs %.2f times the 10th", what, ratio)
					}
				}
			})
		}
	}
}

// BenchmarkCommit reports the milliseconds of CPU that a commit costs around the 10th, 100th, 500th and 1,000th.
func BenchmarkCommit(b *testing.B) {
	for _, format := range []int{2, 3} {
		for _, name := range slices.Sorted(maps.Keys(picks)) {
			b.Run(fmt.Sprintf("v%d/%s", format, name), func(b *testing.B) {
				for range b.N {
					points := []int{10, 100, 500, 1000}
					for i, c := range costs(b, func() *commitLoad { return newCommitLoad(b, format, nil, picks[name]) }, points) {
						b.ReportMetric(float64(c.cpu.Microseconds())/1000/costWindow, fmt.Sprintf("ms/commit-%d", points[i]))
					}
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// TestCommitCostOfPartitions shows what commits cost to a table of 16 partitions, and that it does not grow with their number.
func TestCommitCostOfPartitions(t *testing.T) {
	testenv.Slow(t)
	for _, format := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", format), func(t *testing.T) {
			points := []int{10, 100, 500, 1000}
			cs := costs(t, func() *commitLoad { return newCommitLoad(t, format, []string{"bucket(16, id)"}, picks["random"]) }, points)
			for i, c := range cs {
				t.Logf("%5d: %s", points[i], c.over(costWindow))
			}
			if ratio := float64(cs[3].cpu) / float64(cs[0].cpu); ratio > maxCommitRatio {
				t.Errorf("CPU: the 1,000th commit costs %.2f times the 10th", ratio)
			}
		})
	}
}
