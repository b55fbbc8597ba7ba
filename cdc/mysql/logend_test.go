package mysql

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestObserved: what a log reader tells of itself, and of the distance to the end of the server's log, through idleness, new
// rows, new log files and a lost connection.
func TestObserved(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := server(t, vars)
			ctx := timeout(t, 2*time.Minute)
			must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v LONGBLOB)"))
			var bytes atomic.Int64
			links := make(chan bool, 64)
			cfg := config(s, "d")
			cfg.Observer = Observer{
				Connected:    func() { links <- true },
				Disconnected: func(error) { links <- false },
				Received:     func(n int) { bytes.Add(int64(n)) },
				Meter:        new(cdc.Meter),
			}
			linked := func(want bool) {
				t.Helper()
				select {
				case got := <-links:
					if got != want {
						t.Fatalf("connected: %t, want %t", got, want)
					}
				case <-ctx.Done():
					t.Fatalf("connected is not told to be %t", want)
				}
			}
			src := newSource(t, cfg)
			p, _ := startAll(t, src, false)
			linked(true)

			ends := make(chan *LogEnd)
			var at atomic.Pointer[cdc.Position]
			place := func() cdc.Position {
				p.sink.mu.Lock()
				defer p.sink.mu.Unlock()
				return p.sink.at.Position
			}
			p.catchUp(ctx)
			set := func(c cdc.Position) { at.Store(&c) }
			set(place())
			watch, stop := context.WithCancel(ctx)
			var wg sync.WaitGroup
			wg.Go(func() {
				src.WatchEnd(watch, 20*time.Millisecond, func() cdc.Position { return *at.Load() }, func(e *LogEnd, err error) {
					if err != nil {
						t.Errorf("watch: %v", err)
						return
					}
					select {
					case ends <- e:
					case <-watch.Done():
					}
				})
			})
			defer wg.Wait()
			defer stop()
			// ask returns an answer to a question that was asked after the call.
			ask := func() *LogEnd {
				t.Helper()
				for now := time.Now(); ; {
					select {
					case e := <-ends:
						if e.Asked.After(now) {
							return e
						}
					case <-ctx.Done():
						t.Fatal("no answer")
					}
				}
			}
			caughtUp := func() {
				t.Helper()
				for {
					e, c := ask(), place()
					covers, err := e.Covers(c)
					must(t, err)
					if !covers {
						t.Fatalf("%s does not cover %+v", c, e.end)
					}
					// With GTIDs the place in the files may be learned from the next heartbeat only.
					if e.Beyond(c) == 0 {
						return
					}
				}
			}
			caughtUp()

			before := place()
			set(before)
			for i := range 10 {
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('x', 100000))", i)))
				if i == 3 || i == 7 {
					must(t, s.Exec(ctx, "FLUSH BINARY LOGS"))
				}
			}
			p.catchUp(ctx)
			e := ask()
			if covers, err := e.Covers(before); covers || err != nil {
				t.Errorf("a position before ten rows covers the end (%v)", err)
			}
			if n := e.Beyond(before); n < 1_000_000 || n > 1_050_000 {
				t.Errorf("%d bytes of log follow, expected a million and headers", n)
			}
			set(place())
			caughtUp()
			if n := bytes.Load(); n < 1_000_000 || n > 1_100_000 {
				t.Errorf("%d bytes received, expected a million and headers", n)
			}

			killDumps(ctx, t, s)
			linked(false)
			linked(true)
			// The log reader stands still while the server goes on.
			p.sink.mu.Lock()
			stood := p.sink.at.Position
			must(t, s.Exec(ctx, "INSERT INTO d.t VALUES (100, 'y')"))
			e = ask()
			if covers, err := e.Covers(stood); covers || err != nil {
				t.Errorf("a transaction that nobody read is covered (%v)", err)
			}
			p.sink.mu.Unlock()
			p.stop()
			linked(false)
			if busy, idle, _ := cfg.Observer.Meter.Read(); busy <= 0 || idle <= busy {
				t.Errorf("the log reader was busy for %s and idle for %s; it mostly had nothing to do", busy, idle)
			}
		})
	}
}

func TestBeyond(t *testing.T) {
	e := &LogEnd{end: position{Server: "u", File: "b.000012", Pos: 500}, sizes: []logSize{{"b.000009", 9000}, {"b.000010", 1000}, {"b.000011", 2000}, {"b.000012", 400}}}
	for want, p := range map[int64]position{
		200 + 2000 + 500: {Server: "u", File: "b.000010", Pos: 800},
		500:              {Server: "u", File: "b.000011", Pos: 2000},
		100:              {Server: "u", File: "b.000012", Pos: 400},
		0:                {Server: "u", File: "b.000013", Pos: 4},
	} {
		if got := e.Beyond(p.encode()); got != want {
			t.Errorf("%s:%d: %d bytes, want %d", p.File, p.Pos, got, want)
		}
	}
	for _, p := range []position{{Server: "v", File: "b.000012", Pos: 4}, {Server: "u", File: "b.000001", Pos: 4}, {Server: "u", File: "c.000012", Pos: 4}, {Server: "u", GTIDMode: true}} {
		if got := e.Beyond(p.encode()); got != -1 {
			t.Errorf("%+v: %d bytes, and nobody can tell", p, got)
		}
	}
}
