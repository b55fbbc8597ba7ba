package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// scriptLoader lets a test decide when a chunk's rows and its end come.
type scriptLoader struct {
	mu      sync.Mutex // guards reading, twice
	reading int
	twice   bool
	reads   chan chan error // of every Read: answering ends it
	ends    chan chan cdc.Position
}

func (l *scriptLoader) Next(context.Context, *cdc.Schema, cdc.Bound) (cdc.Chunk, bool, error) {
	return cdc.Chunk{}, true, nil
}

func (l *scriptLoader) Read(ctx context.Context, _ *cdc.Schema, _ cdc.Chunk, _ func(*cdc.Batch) error) error {
	l.mu.Lock()
	l.reading++
	l.twice = l.twice || l.reading > 1
	l.mu.Unlock()
	defer func() { l.mu.Lock(); l.reading--; l.mu.Unlock() }()
	answer := make(chan error)
	select {
	case l.reads <- answer:
		select {
		case err := <-answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *scriptLoader) Keys(*cdc.Schema, [][]byte) (*cdc.Batch, error) { return nil, nil }

func (l *scriptLoader) ReadRows(context.Context, *cdc.Schema, *cdc.Batch, []int32, func(*cdc.Batch) error) error {
	return nil
}

func (l *scriptLoader) End(ctx context.Context) (cdc.Position, error) {
	answer := make(chan cdc.Position)
	select {
	case l.ends <- answer:
		select {
		case p := <-answer:
			return p, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// scriptedLoads runs the load of one table of one chunk.
func scriptedLoads(t *testing.T) (*loads, *scriptLoader) {
	src := &scriptLoader{reads: make(chan chan error), ends: make(chan chan cdc.Position)}
	start := cdc.TableStart{Table: tableA, Schema: fakeSchema(tableA, 1)}
	groups := cdc.SplitGroups(cdc.Groups, 1)
	pool := new(rowPool)
	q := NewQueues(numInputs, 1, 1000)
	log := newLogInput(newRouter(q, inputLog, 1, groups, pool), []cdc.TableStart{start}, func(any) {}, nil, &Observer{})
	l := newLoads(src, log, newRouter(q, inputLoad, 1, groups, pool), []cdc.TableStart{start}, 3, func(any) {}, &Observer{}, testLogger(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.run(ctx) }() //nolint:errcheck // ends with ctx
	t.Cleanup(func() { cancel(); <-done })
	return l, src
}

func (l *loads) stateOf(t cdc.TableID) cdc.LoadState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tables[t].state
}

// TestChunkRefusedWhileItIsRead: a slot refuses rows of a chunk that is still being read. The end of that attempt must not
// pass for that of the next one, nor may both run at once.
func TestChunkRefusedWhileItIsRead(t *testing.T) {
	l, src := scriptedLoads(t)
	first := <-src.reads
	l.again(tableA, cdc.Chunk{})
	select {
	case <-src.reads:
		t.Fatal("the chunk is read twice at the same time")
	case <-src.ends:
		t.Fatal("the load ends while a chunk is read")
	case <-time.After(50 * time.Millisecond):
	}
	first <- nil
	second := <-src.reads
	if s := l.stateOf(tableA); len(s.Open) != 1 {
		t.Fatalf("the chunk passes for read: %+v", s)
	}
	second <- nil
	(<-src.ends) <- "9"
	for l.stateOf(tableA).Phase != cdc.LoadCatchingUp {
		time.Sleep(time.Millisecond)
	}
	if src.twice {
		t.Error("two attempts at a time")
	}
}

// TestEndReadBeforeAChunkCameBack says nothing of the chunk's later attempt.
func TestEndReadBeforeAChunkCameBack(t *testing.T) {
	l, src := scriptedLoads(t)
	(<-src.reads) <- nil
	early := <-src.ends
	l.again(tableA, cdc.Chunk{})
	(<-src.reads) <- nil
	early <- "5"
	(<-src.ends) <- "9"
	for l.stateOf(tableA).Phase != cdc.LoadCatchingUp {
		time.Sleep(time.Millisecond)
	}
	if s := l.stateOf(tableA); s.End != "9" {
		t.Errorf("the load ends at %s", s.End)
	}
}

// TestLoaderFaultsEndNothing: the log goes on while a load cannot, and the load while it can.
func TestLoaderFaultsEndNothing(t *testing.T) {
	w := newWorld(t, 2, tableA)
	w.txs(60)
	var n atomic.Int64
	p := w.start(func(what string) error {
		switch what {
		case "next", "read", "read's end", "end":
			if w.roll(4) == 0 {
				n.Add(1)
				return fault(what)
			}
		}
		return nil
	})
	p.awaitEqual()
	if g, r := p.counts(); g != 1 || r != 0 || n.Load() == 0 {
		t.Errorf("%d generations, %d restarts, %d faults", g, r, n.Load())
	}
}

// TestDefinitionAheadOfTheStream: the source has altered the table, and the log comes to that only later.
func TestDefinitionAheadOfTheStream(t *testing.T) {
	w := newWorld(t, 2, tableA)
	w.txs(60)
	p := w.start(func(what string) error {
		if what == "read" {
			return fault(what)
		}
		return nil
	})
	p.await("a checkpoint", func() bool { return p.state(tableA).State == "loading" })
	p.kill()
	for range 3 { // the start is before all of them
		w.txs(5)
		w.ddl(tableA, ddlAlter)
	}
	w.db.mu.Lock()
	w.db.show(len(w.db.log))
	w.db.mu.Unlock()
	q := w.start(func(what string) error {
		if what == "log" {
			time.Sleep(2 * time.Millisecond)
		}
		return nil
	})
	q.awaitEqual()
	if g, r := q.counts(); g != 1 || r != 0 {
		t.Errorf("%d generations, %d restarts", g, r)
	}
}

// TestEndOnAnotherServer: after a failover the end of a load cannot be compared with the stream's position.
func TestEndOnAnotherServer(t *testing.T) {
	w := newWorld(t, 2, tableA)
	w.txs(20)
	p := w.start(nil)
	p.awaitEqual()
	p.stop()
	w.cat.mu.Lock()
	m := *w.cat.tables[tableA].marker
	m.Load = cdc.LoadState{Phase: cdc.LoadCatchingUp, End: "other"}
	w.cat.tables[tableA].marker = &m
	w.cat.mu.Unlock()
	p = w.start(nil, func(o *Options) {
		o.Source.(*fakeSource).compare = func(_, b cdc.Position) error {
			if b == "other" {
				return internal("other history")
			}
			return nil
		}
	})
	w.tx()
	p.awaitEqual()
}

// TestChunksOfOtherDefinitions: while a table is loaded its definition changes again and again, so that chunks come to
// slots that are at another one. Their rows are refused, and the chunks are read again.
func TestChunksOfOtherDefinitions(t *testing.T) {
	for range 3 {
		w := newWorld(t, 2, tableA, tableB)
		w.txs(400)
		hook := func(what string) error {
			if what == "write" || what == "schema" {
				time.Sleep(time.Duration(w.roll(1500)) * time.Microsecond)
			}
			return nil
		}
		p := w.start(hook, func(o *Options) { o.QueueBytes = 2000 })
		for i := range 120 {
			w.tx()
			if i%4 == 0 {
				w.ddl(w.tables[w.roll(2)], ddlAlter)
			}
			if i%25 == 24 {
				w.reload(tableA)
			}
			if i == 60 {
				p.kill()
				p = w.start(hook, func(o *Options) { o.QueueBytes = 2000 })
			}
			time.Sleep(time.Duration(w.roll(3000)) * time.Microsecond)
		}
		p.awaitEqual()
		if _, r := p.counts(); r != 0 {
			t.Errorf("%d restarts", r)
		}
	}
}
