package mysql

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// xaWriter prepares XA transactions and ends them in any order. Each works on rows of its own, so that none waits for another's lock.
type xaWriter struct {
	t    *testing.T
	s    *testenv.MySQLServer
	rng  *rand.Rand
	open []int // slots that are prepared
	n    int
}

const xaSlots = 12

func (w *xaWriter) exec(q ...string) {
	w.t.Helper()
	must(w.t, w.s.Exec(context.Background(), q...))
}

func (w *xaWriter) isOpen(slot int) bool {
	for _, o := range w.open {
		if o == slot {
			return true
		}
	}
	return false
}

// change returns statements on the slot's rows.
func (w *xaWriter) change(slot int) (out []string) {
	for range 1 + w.rng.IntN(4) {
		w.n++
		id := slot + xaSlots*w.rng.IntN(30)
		table := []string{"t", "o", "other"}[w.rng.IntN(3)]
		switch w.rng.IntN(4) {
		case 0:
			out = append(out, fmt.Sprintf("DELETE FROM d.%s WHERE id = %d", table, id))
		case 1:
			out = append(out, fmt.Sprintf("UPDATE d.%s SET v = %d WHERE id = %d", table, w.n, id))
		default:
			out = append(out, fmt.Sprintf("REPLACE INTO d.%s VALUES (%d, %d)", table, id, w.n))
		}
	}
	if w.s.Flavor() == "mariadb" { // it does not get rid of a branch that changed nothing
		w.n++
		out = append(out, fmt.Sprintf("REPLACE INTO d.other VALUES (%d, %d)", slot+xaSlots*30, w.n))
	}
	return out
}

// step does one thing.
func (w *xaWriter) step() {
	w.t.Helper()
	slot := w.rng.IntN(xaSlots)
	x := fmt.Sprintf("'branch%d', 'q', %d", slot, slot)
	begin := []string{"XA START " + x}
	if w.s.Flavor() == "mysql" {
		begin = []string{fmt.Sprintf("SET SESSION binlog_transaction_compression = %d", w.rng.IntN(2)), "XA START " + x}
	}
	switch k := w.rng.IntN(10); {
	case len(w.open) > 0 && k < 4:
		i := w.rng.IntN(len(w.open))
		slot := w.open[i]
		w.open = append(w.open[:i], w.open[i+1:]...)
		end := []string{"XA COMMIT", "XA COMMIT", "XA ROLLBACK"}[w.rng.IntN(3)]
		q := fmt.Sprintf("%s 'branch%d', 'q', %d", end, slot, slot)
		err := w.s.Exec(context.Background(), q)
		for w.s.Flavor() == "mariadb" && serverError(err) == 1397 { // until it has noticed that the other session has ended
			err = w.s.Exec(context.Background(), q)
		}
		if serverError(err) != 1397 { // a branch that changed nothing does not survive the server
			must(w.t, err)
		}
	case w.isOpen(slot):
	case k < 8:
		w.exec(append(append(begin, w.change(slot)...), "XA END "+x, "XA PREPARE "+x)...)
		w.open = append(w.open, slot)
	case k == 8:
		w.exec(append(append(begin, w.change(slot)...), "XA END "+x, "XA COMMIT "+x+" ONE PHASE")...)
	default:
		w.exec(w.change(slot)...)
	}
	if w.rng.IntN(12) == 0 {
		w.exec("FLUSH BINARY LOGS")
	}
}

// TestXA: XA transactions of two phases, prepared before we start, while we do not run, and over restarts of ours and of the server;
// held in memory or read again. After each end the tables are MySQL's.
func TestXA(t *testing.T) {
	for name, vars := range map[string]map[string]string{"gtid": nil, "file": fileMode, "mariadb": {"log_bin_compress": "ON", "log_bin_compress_min_len": "10"}} {
		for _, memory := range []int{0, 100} {
			t.Run(fmt.Sprintf("%s %d", name, memory), func(t *testing.T) {
				if (memory == 0) == (vars == nil) {
					testenv.Slow(t)
				}
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				settings := map[string]string{"transaction_isolation": "READ-COMMITTED", "innodb_lock_wait_timeout": "5"} // no locks of gaps
				maps.Copy(settings, vars)
				start := server
				if name == "mariadb" {
					start = mariaDBServer
				}
				s := start(t, settings)
				ctx := timeout(t, 2*time.Minute)
				w := &xaWriter{t: t, s: s, rng: rand.New(rand.NewPCG(seed, 1))}
				w.exec("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.o (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.other (id INT PRIMARY KEY, v INT)")
				// Before the start: rows that no load can see, since the tables seem empty. With GTIDs there is a load as well; without them it would
				// wait for the branches.
				load := vars == nil
				if load {
					w.exec("INSERT INTO d.t VALUES (1, -1), (2, -2), (3, -3)")
				}
				for len(w.open) < 4 {
					x := fmt.Sprintf("'branch%d', 'q', %d", len(w.open), len(w.open))
					w.exec("XA START "+x, fmt.Sprintf("INSERT INTO d.t VALUES (%d, -9)", len(w.open)+7*xaSlots), fmt.Sprintf("UPDATE d.t SET v = 77 WHERE id = %d", len(w.open)), "XA END "+x, "XA PREPARE "+x)
					w.open = append(w.open, len(w.open))
					w.exec("FLUSH BINARY LOGS")
				}
				cfg := config(s, "d")
				cfg.Exclude, cfg.xaMemory = []string{"d.other"}, memory
				src := newSource(t, cfg)
				p, ds := startAll(t, src, load)
				p.sink.keep = true
				ids := []cdc.TableID{{Database: "d", Name: "t"}, {Database: "d", Name: "o"}}
				if load {
					for _, d := range ds {
						must(t, p.load(ctx, d.Table, 2))
					}
				}
				for i := range 110 {
					w.step()
					if i%7 == 0 {
						p.catchUp(ctx)
						for _, id := range ids {
							p.sink.equal(s, id)
						}
					}
					switch {
					case i%25 == 20:
						p.stop()
						for range w.rng.IntN(6) {
							w.step()
						}
						p = resume(t, p, src)
					case i == 60:
						must(t, s.Restart(ctx))
					case i%40 == 39:
						killDumps(ctx, t, s)
					}
				}
				for len(w.open) > 0 {
					w.step()
				}
				p.catchUp(ctx)
				for _, id := range ids {
					p.sink.equal(s, id)
				}
				p.stop()
			})
		}
	}
}

// TestXAPurged: what cannot be known any more stops the tables that it may concern: all of them, if it was prepared before the start.
func TestXAPurged(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("before the start %t", before), func(t *testing.T) {
			s := server(t, nil)
			ctx := timeout(t, time.Minute)
			must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.o (id INT PRIMARY KEY)"))
			prepare := func() {
				must(t, s.Exec(ctx, "XA START 'a'", "INSERT INTO d.t VALUES (1, 1)", "XA END 'a'", "XA PREPARE 'a'"))
			}
			if before {
				prepare()
			}
			cfg := config(s, "d")
			cfg.xaMemory = 1
			p, _ := startAll(t, newSource(t, cfg), false)
			if !before {
				prepare()
			}
			must(t, s.Exec(ctx, "FLUSH BINARY LOGS", "INSERT INTO d.o VALUES (2)"))
			p.catchUp(ctx)
			end, _, err := s.BinlogEnd(ctx)
			must(t, err)
			must(t, s.Exec(ctx, "PURGE BINARY LOGS TO '"+end.Name+"'", "INSERT INTO d.t VALUES (2, 2)", "XA COMMIT 'a'"))
			p.catchUp(ctx)
			id := cdc.TableID{Database: "d", Name: "t"}
			wantCode(t, p.sink.tables[id].paused, codeXA, "X'61',X'',1", "log")
			if id.Name = "o"; before {
				wantCode(t, p.sink.tables[id].paused, codeXA)
			} else {
				p.sink.equal(s, id)
			}
			p.stop()
		})
	}
}
