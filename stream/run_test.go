package stream

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testLogger(t *testing.T) *slog.Logger {
	if os.Getenv("CDC2LAKE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func localStore(t *testing.T) objstore.Store {
	s, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEqualUnderFaults is the runtime's promise: whatever fails, in whatever order, the tables end equal to the source, no
// row is lost or doubled (the fake sink panics on a doubled one), and no divergence is seen after a load.
func TestEqualUnderFaults(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("round=%d/seed=%d", i, seed), func(t *testing.T) { equalUnderFaults(t, seed, 1+i%4, float64(i%3)*0.004) })
	}
}

func equalUnderFaults(t *testing.T, seed uint64, slots int, faultRate float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var rngMu sync.Mutex
	roll := func(n int) int { rngMu.Lock(); defer rngMu.Unlock(); return rng.IntN(n) }
	healed := false
	fault := func(what string) error {
		rngMu.Lock()
		defer rngMu.Unlock()
		if !healed && rng.Float64() < faultRate {
			return fmt.Errorf("%s: %w", what, errFault)
		}
		return nil
	}
	tables := []cdc.TableID{{Database: "d", Name: "a"}, {Database: "d", Name: "b"}, {Database: "d", Name: "c"}}
	src := newFakeSource(tables...)
	next := map[cdc.TableID]map[int64]bool{}
	for _, id := range tables {
		next[id] = map[int64]bool{}
	}
	tx := func() {
		var cs []change
		for range 1 + roll(4) {
			id := tables[roll(len(tables))]
			k, v := int64(roll(250)), int64(roll(1<<30))
			switch {
			case !next[id][k]:
				cs = append(cs, change{id, cdc.OpInsert, k, v})
				next[id][k] = true
			case roll(3) == 0:
				cs = append(cs, change{id, cdc.OpDelete, k, 0})
				delete(next[id], k)
			default:
				cs = append(cs, change{id, cdc.OpUpdate, k, v})
			}
		}
		src.exec(cs...)
	}
	for range 250 {
		tx()
	}
	groups := cdc.SplitGroups(cdc.Groups, slots)
	sink := newFakeSink(groups)
	objs := objtest.NewFaulty(localStore(t), func(_ context.Context, c objtest.Call) objtest.Fault {
		if c.Op == objstore.OpPutIfAbsent && fault("") != nil {
			if roll(2) == 0 {
				return objtest.Fault{Refuse: objtest.Unknown(c.Op, c.Key)}
			}
			return objtest.Fault{Lose: objtest.Unknown(c.Op, c.Key)}
		}
		return objtest.Fault{}
	})
	src.fault, sink.fault = fault, fault
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := func() chan error {
		done := make(chan error, 1)
		go func() {
			done <- Run(ctx, Options{Source: src, Sink: sink, Store: checkpoint.NewStore(objs, "p"), Groups: groups, Interval: 5 * time.Millisecond,
				QueueBytes: 200, Readers: 3, Logger: testLogger(t)})
		}()
		return done
	}
	done := start()
	for range 600 {
		tx()
		time.Sleep(time.Duration(roll(400)) * time.Microsecond)
	}
	rngMu.Lock()
	healed = true
	rngMu.Unlock()
	src.mu.Lock()
	for src.visible < len(src.log) {
		src.showOne()
	}
	end := len(src.log)
	src.mu.Unlock()
	deadline := time.Now().Add(60 * time.Second)
	for {
		caught := true
		sink.mu.Lock()
		for _, id := range tables {
			tb := sink.tables[id]
			caught = caught && tb != nil && tb.marker.Load.Phase == cdc.LoadDone
		}
		if caught {
			for _, id := range tables {
				caught = caught && maps.Equal(sink.tables[id].rows, src.rows[id])
			}
		}
		sink.mu.Unlock()
		if caught {
			break
		}
		select {
		case err := <-done:
			t.Fatalf("seed %d: Run ended: %v", seed, err)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			sink.mu.Lock()
			defer sink.mu.Unlock()
			for _, id := range tables {
				if tb := sink.tables[id]; tb != nil {
					t.Logf("%s: %d rows of %d, at %s of %d, load %+v", id, len(tb.rows), len(src.rows[id]), tb.marker.Position, end, tb.marker.Load)
				}
			}
			t.Fatalf("seed %d: not equal after 60 s", seed)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("seed %d: Run: %v", seed, err)
	}
	if sink.diverg > 0 {
		t.Errorf("seed %d: %d divergent events", seed, sink.diverg)
	}
	for _, id := range tables {
		if !maps.Equal(sink.tables[id].rows, src.rows[id]) {
			t.Errorf("seed %d: %s differs after the end", seed, id)
		}
	}
}
