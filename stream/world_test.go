package stream

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tableA = cdc.TableID{Database: "d", Name: "a"}
	tableB = cdc.TableID{Database: "d", Name: "b"}
	tableC = cdc.TableID{Database: "d", Name: "c"}

	errFault      = cdc.NewCode("TEST_FAULT", cdc.Retryable, "test", "test")
	codeKilled    = cdc.NewCode("TEST_KILLED", cdc.Fatal, "test", "test")
	codeUnwritten = cdc.NewCode("TEST_UNWRITABLE", cdc.TablePaused, "test", "test")
)

func fault(what string) error { return cdc.Errorf(errFault, cdc.TableID{}, "injected: %s", what) }

// world is everything that outlives a process: the database, the catalog and the record store.
type world struct {
	t      *testing.T
	db     *fakeDB
	cat    *fakeCatalog
	objs   objstore.Store
	groups []cdc.GroupRange
	trace  *tracer // if not nil

	mu     sync.Mutex // guards rng and keys
	rng    *rand.Rand
	tables []cdc.TableID
	keys   map[cdc.TableID]map[int64]bool
	procs  []*proc
}

func newWorld(t *testing.T, slots int, tables ...cdc.TableID) *world {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	objs, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: newFakeDB(tables...), objs: objs, groups: cdc.SplitGroups(cdc.Groups, slots), rng: rand.New(rand.NewPCG(seed, 1)),
		tables: tables, keys: map[cdc.TableID]map[int64]bool{}}
	for _, id := range tables {
		w.keys[id] = map[int64]bool{}
	}
	w.cat = newFakeCatalog(w.db)
	t.Cleanup(w.end)
	return w
}

// end stops what still runs, and says whether anything was wrong.
func (w *world) end() {
	for _, p := range w.procs {
		p.kill()
		if n := p.sink.diverg.Load(); n > 0 && len(w.db.silent) == 0 {
			w.t.Errorf("%d divergent events", n)
		}
	}
	w.cat.mu.Lock()
	defer w.cat.mu.Unlock()
	for i, v := range w.cat.violations {
		if i < 5 {
			w.t.Error(v)
		}
	}
}

func (w *world) roll(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

// tx commits a random transaction on some tables (all if none is named).
func (w *world) tx(tables ...cdc.TableID) {
	if len(tables) == 0 {
		tables = w.tables
	}
	var cs []change
	for range 1 + w.roll(4) {
		id := tables[w.roll(len(tables))]
		k, v := int64(w.roll(200)), int64(w.roll(1<<30))
		switch {
		case !w.keys[id][k]:
			cs = append(cs, change{table: id, op: cdc.OpInsert, key: k, val: v})
			w.keys[id][k] = true
		case w.roll(3) == 0:
			cs = append(cs, change{table: id, op: cdc.OpDelete, key: k})
			delete(w.keys[id], k)
		default:
			cs = append(cs, change{table: id, op: cdc.OpUpdate, key: k, val: v})
		}
	}
	w.db.exec(cs...)
}

// ddl commits a change of definition, after rows in the same transaction if it is one that cannot be followed.
func (w *world) ddl(id cdc.TableID, d ddl) {
	var cs []change
	if d == ddlBreak {
		cs = append(cs, change{table: id, op: cdc.OpInsert, key: 1000, val: 1})
	}
	w.db.exec(append(cs, change{table: id, ddl: d})...)
	if d == ddlSilent {
		for k := range w.keys[id] {
			if k%5 == 0 {
				delete(w.keys[id], k)
			}
		}
	} else if d != ddlAlter { // no row is left
		w.keys[id] = map[int64]bool{}
	}
}

func (w *world) txs(n int) *world {
	for range n {
		w.tx()
	}
	return w
}

// proc is one process of the pipeline.
type proc struct {
	w    *world
	src  *fakeSource
	sink *fakeSink
	objs *objtest.Faulty
	o    Options

	dead   atomic.Bool
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done

	mu          sync.Mutex // guards all below
	hook        func(string) error
	generations int
	restarts    []error
	states      map[cdc.TableID]TableStatus
	checkpoints int
}

// start runs the pipeline in a new process. hook decides about the process's calls; nil lets all succeed.
func (w *world) start(hook func(string) error, mods ...func(*Options)) *proc {
	p := &proc{w: w, hook: hook, done: make(chan struct{}), states: map[cdc.TableID]TableStatus{}}
	p.src = newFakeSource(w.db, p.at)
	p.sink = &fakeSink{cat: w.cat, groups: w.groups, fault: p.at}
	objs := w.objs
	if w.trace != nil {
		objs = &tracedStore{w.objs, w.trace, p}
	}
	p.objs = objtest.NewFaulty(objs, func(_ context.Context, c objtest.Call) objtest.Fault {
		name := fmt.Sprintf("store %s %s", c.Op, c.Key)
		if p.at(name) != nil {
			if c.Op == objstore.OpPutIfAbsent {
				return objtest.Fault{Refuse: objtest.Unknown(c.Op, c.Key)}
			}
			return objtest.Fault{Refuse: &objstore.Error{Op: c.Op, Location: c.Key, Kind: objstore.ErrUnavailable}}
		}
		if p.at("lose "+name) != nil {
			return objtest.Fault{Lose: objtest.Unknown(c.Op, c.Key)}
		}
		return objtest.Fault{}
	})
	p.o = Options{Source: p.src, Sink: p.sink, Store: checkpoint.NewStore(p.objs, "p"), Groups: w.groups, Interval: 5 * time.Millisecond,
		QueueBytes: 200, Readers: 3, Logger: testLogger(w.t), lookEvery: 10 * time.Millisecond, Observer: &Observer{
			Generation: func(cdc.Generation, []cdc.TableStart) { p.lock(func() { p.generations++ }) },
			Restart:    func(err error, _ time.Duration) { p.lock(func() { p.restarts = append(p.restarts, err) }) },
			Table:      func(t TableStatus) { p.lock(func() { p.states[t.Table] = t }) },
			Checkpoint: func(CheckpointStats) { p.lock(func() { p.checkpoints++ }) },
		}}
	for _, m := range mods {
		m(&p.o)
	}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		p.err = Run(ctx, p.o)
	}()
	w.procs = append(w.procs, p)
	return p
}

func (p *proc) lock(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// at is asked before, and with some after, every call to the outside.
func (p *proc) at(what string) error {
	if p.dead.Load() {
		return cdc.Errorf(codeKilled, cdc.TableID{}, "%s", what)
	}
	p.mu.Lock()
	hook := p.hook
	p.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(what)
}

func (p *proc) setHook(h func(string) error) { p.lock(func() { p.hook = h }) }

// kill ends the process: no call of it has an effect any more.
func (p *proc) kill() {
	p.dead.Store(true)
	p.cancel()
	<-p.done
}

func (p *proc) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the process the way a signal does.
func (p *proc) stop() {
	p.cancel()
	<-p.done
	if p.err != nil {
		p.w.t.Errorf("stop: %v", p.err)
	}
}

func (p *proc) state(t cdc.TableID) TableStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.states[t]
}

// await waits until cond holds, while the process runs.
func (p *proc) await(what string, cond func() bool) {
	p.w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		select {
		case <-p.done:
			p.w.t.Fatalf("Run ended while waiting for %s: %v", what, p.err)
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.w.t.Fatalf("waited 30 s for %s; %d generations, %d restarts, the last ones %v, states %+v", what, p.generations, len(p.restarts), p.restarts[max(0, len(p.restarts)-3):], p.states)
		}
	}
}

// awaitEqual waits until the tables (all if none is named) are loaded and equal.
func (p *proc) awaitEqual(tables ...cdc.TableID) {
	p.w.t.Helper()
	p.await("equality", func() bool { return p.w.equal(tables...) })
}

func (w *world) equal(tables ...cdc.TableID) bool {
	if len(tables) == 0 {
		tables = w.tables
	}
	w.cat.mu.Lock() // before the database's
	defer w.cat.mu.Unlock()
	w.db.mu.Lock()
	defer w.db.mu.Unlock()
	w.db.show(len(w.db.log))
	for _, id := range tables {
		t := w.cat.tables[id]
		if t == nil || t.marker == nil || t.marker.Load.Phase != cdc.LoadDone || !maps.Equal(t.rows, w.db.tables[id].rows) {
			return false
		}
	}
	return true
}

func (w *world) store() *checkpoint.Store { return checkpoint.NewStore(w.objs, "p") }

func (w *world) reload(t cdc.TableID) { w.t.Helper(); w.ask(checkpoint.Reload, t) }

func (w *world) ask(v checkpoint.Verb, t cdc.TableID) {
	w.t.Helper()
	if err := w.store().Ask(w.t.Context(), v, t); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) requests() int {
	r, err := w.store().Requests(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(r)
}

func testLogger(t *testing.T) *slog.Logger {
	if os.Getenv("CDC2LAKE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}
