package mysql

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// config is that of the replicating user for all tables of a database.
func config(s *testenv.MySQLServer, db string) Config {
	return Config{Address: s.Addr(), User: testenv.CDCUser, Password: testenv.CDCPassword, Include: []string{db + ".*"},
		Heartbeat: 200 * time.Millisecond, Load: LoadConfig{ChunkRows: 300}, Logger: testLogger, KeySeed: 7}
}

func newSource(t testing.TB, cfg Config) *Source {
	t.Helper()
	src, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

// pipeline is a running Follow into a sink.
type pipeline struct {
	t      testing.TB
	src    *Source
	sink   *mapSink
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error
	once   sync.Once
}

var errStopped = errors.New("stopped by the test")

// startAll discovers the tables and follows them; load says that they are loaded as well.
func startAll(t testing.TB, src *Source, load bool) (*pipeline, []cdc.Discovered) {
	t.Helper()
	ds, err := src.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sink := newSink(t, src)
	var starts []cdc.Start
	for _, d := range ds {
		if d.Err != nil {
			t.Fatalf("%s: %v", d.Table, d.Err)
		}
		sink.add(d.Schema, load)
		starts = append(starts, cdc.Start{Schema: d.Schema, Position: d.Position})
	}
	return follow(t, src, sink, starts), ds
}

func follow(t testing.TB, src *Source, sink *mapSink, starts []cdc.Start) *pipeline {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &pipeline{t: t, src: src, sink: sink, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = src.Follow(ctx, starts, sink)
		sink.mu.Lock()
		defer sink.mu.Unlock()
		sink.wake()
	}()
	t.Cleanup(func() { p.stop() })
	return p
}

// stop ends Follow, which must not have failed before.
func (p *pipeline) stop() {
	p.t.Helper()
	p.once.Do(func() {
		p.cancel(errStopped)
		<-p.done
		if !errors.Is(p.err, errStopped) && !errors.Is(p.err, context.Canceled) {
			p.t.Errorf("Follow: %v", p.err)
		}
	})
}

// fails waits for Follow to fail and returns why.
func (p *pipeline) fails(ctx context.Context) error {
	p.t.Helper()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.t.Fatal("Follow did not fail")
	}
	p.once.Do(func() {})
	return p.err
}

// barriers asks for checkpoints at random moments until ctx ends.
func (p *pipeline) barriers(ctx context.Context, rng *rand.Rand, most time.Duration) {
	for k := uint64(1); ; k++ {
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(most)) + 1)):
		case <-ctx.Done():
			return
		case <-p.done:
			return
		}
		select {
		case p.sink.due <- k:
		case <-ctx.Done():
			return
		case <-p.done:
			return
		}
	}
}

// load reads all chunks of a table by parallel readers and waits until the table is consistent.
func (p *pipeline) load(ctx context.Context, id cdc.TableID, readers int) error {
	p.sink.mu.Lock()
	schema := p.sink.tables[id].schema
	p.sink.mu.Unlock()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for after, last := cdc.Bound(""), false; !last; {
		var c cdc.Chunk
		var err error
		if c, last, err = p.src.Next(ctx, schema, after); err != nil {
			_ = g.Wait()
			return err
		}
		after = c.To
		g.Go(func() error { return p.readChunk(gctx, id, c) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	end, err := p.src.End(ctx)
	if err != nil {
		return err
	}
	p.sink.awaitPosition(ctx, end)
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	p.sink.tables[id].loading = false
	return nil
}

// readChunk reads a chunk until its definition and the stream's are the same.
func (p *pipeline) readChunk(ctx context.Context, id cdc.TableID, c cdc.Chunk) error {
	for {
		p.sink.mu.Lock()
		schema, changed := p.sink.tables[id].schema, p.sink.changed
		p.sink.mu.Unlock()
		stale := false
		err := p.src.Read(ctx, schema, c, func(b *cdc.Batch) error {
			defer b.Release()
			p.sink.mu.Lock()
			defer p.sink.mu.Unlock()
			stale = stale || b.Schema.Version != p.sink.tables[id].schema.Version
			return p.sink.apply(b)
		})
		if ce := cdc.AsError(err); ce != nil && ce.Code == codeChunk {
			select {
			case <-changed: // the stream brings the change of definition
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err != nil || !stale {
			return err
		}
	}
}

// catchUp waits until everything that MySQL has committed is delivered.
func (p *pipeline) catchUp(ctx context.Context) {
	p.t.Helper()
	end, err := p.src.CurrentPosition(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	for k := uint64(1 << 40); ; k++ {
		p.sink.mu.Lock()
		n := p.sink.barriers
		p.sink.mu.Unlock()
		select {
		case p.sink.due <- k:
		case <-p.done:
			p.t.Fatalf("Follow ended: %v", p.err)
		case <-ctx.Done():
			p.t.Fatal(context.Cause(ctx))
		}
		p.sink.await(ctx, "a barrier", func() bool { return p.sink.barriers > n || p.ended() })
		p.sink.mu.Lock()
		at := p.sink.at.Position
		p.sink.mu.Unlock()
		if c, err := p.src.Compare(at, end); err != nil {
			p.t.Fatal(err)
		} else if c >= 0 {
			return
		}
		select { // the next barrier shall not take the processor from the server
		case <-time.After(2 * time.Millisecond):
		case <-p.done:
		}
	}
}

func (p *pipeline) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func timeout(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, errors.New("the test's time is up"))
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noLeaks checks, after all clean-ups registered later, that no goroutine is left.
func noLeaks(t testing.TB) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

// testLogger shows the source's log with CDC2LAKE_TEST_LOG=1.
var testLogger = func() *slog.Logger {
	if os.Getenv("CDC2LAKE_TEST_LOG") != "" {
		return slog.Default()
	}
	return slog.New(slog.DiscardHandler)
}()
