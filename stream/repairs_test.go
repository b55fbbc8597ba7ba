package stream

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// silently changes a row without the log.
func (w *world) silently(id cdc.TableID, k int64) {
	c := change{table: id, op: cdc.OpUpdate, key: k, val: int64(w.roll(1 << 30)), silent: true}
	switch {
	case !w.keys[id][k]:
		c.op = cdc.OpInsert
		w.keys[id][k] = true
	case w.roll(2) == 0:
		c.op = cdc.OpDelete
		delete(w.keys[id], k)
	}
	w.db.exec(c)
}

// repair asks for a repair of keys.
func (w *world) repair(id cdc.TableID, keys ...int64) {
	w.t.Helper()
	r := checkpoint.Repair{Table: id, Columns: checkpoint.KeyColumns(fakeSchema(id, 1))}
	for _, k := range keys {
		b := binary.LittleEndian.AppendUint64(nil, uint64(k))
		if w.keys[id][k] {
			r.Rows = append(r.Rows, b)
		} else {
			r.Gone = append(r.Gone, b)
		}
	}
	if err := w.store().RequestRepair(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) repairs(id cdc.TableID) int {
	n, err := w.store().PendingRepairs(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestRepairsUnderFaults: rows are changed silently while others, and the same ones, are changed in the log, definitions change,
// processes die and calls fail. In every snapshot each row is the source's at its position, except that a silent change may be missing; once
// all of these have been asked for, none is.
func TestRepairsUnderFaults(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for i := range rounds {
		t.Run(fmt.Sprintf("round=%d", i), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1+i%3, tableA, tableB)
			rate := float64(i%3) * 0.002
			var healed atomic.Bool
			hook := func(what string) error {
				if what == "log" && w.roll(3) == 0 { // the log is read late
					time.Sleep(time.Duration(w.roll(1500)) * time.Microsecond)
				}
				if !healed.Load() && float64(w.roll(1e6))/1e6 < rate {
					return fault(what)
				}
				return nil
			}
			w.txs(250)
			p := w.start(nil)
			p.awaitEqual()
			p.setHook(hook)
			for i := range 500 {
				w.tx()
				time.Sleep(time.Duration(w.roll(400)) * time.Microsecond)
				id := w.tables[w.roll(2)]
				switch n := w.roll(60); {
				case n == 0:
					w.ddl(id, ddlAlter)
				case n == 1 && w.roll(2) == 0:
					w.ddl(id, ddlTruncate)
					for k := int64(0); k < 200; k += 2 {
						w.db.exec(change{table: id, op: cdc.OpInsert, key: k, val: k})
						w.keys[id][k] = true
					}
				case n < 8:
					k := int64(w.roll(200))
					if !w.db.silent[id][k] { // once, or the log alone is no excuse any more
						w.silently(id, k)
					}
					keys := []int64{k, k}
					for range 40 {
						keys = append(keys, int64(w.roll(200)))
					}
					w.repair(id, keys...)
				}
				if i%150 == 149 {
					p.kill()
					p = w.start(hook)
				}
			}
			healed.Store(true)
			p.await("answers", func() bool { return w.repairs(tableA)+w.repairs(tableB) == 0 })
			for id, m := range w.db.silent {
				var keys []int64
				for k := range m {
					keys = append(keys, k)
				}
				slices.Sort(keys)
				w.repair(id, keys...)
			}
			p.await("equality", func() bool { return w.repairs(tableA)+w.repairs(tableB) == 0 && w.equal() })
			p.stop()
		})
	}
}

// TestRepairOfWhatIsNotThere: requests that nobody can answer are removed, and harm nothing.
func TestRepairOfWhatIsNotThere(t *testing.T) {
	w := newWorld(t, 2, tableA)
	w.txs(30)
	p := w.start(nil)
	p.awaitEqual()
	w.repair(tableC, 1)
	other := checkpoint.Repair{Table: tableA, Columns: []string{"id string"}, Gone: [][]byte{{1, 0, 0, 0, 65}}}
	damaged := checkpoint.Repair{Table: tableA, Columns: checkpoint.KeyColumns(fakeSchema(tableA, 1)), Gone: [][]byte{{1, 2}}}
	for _, r := range []checkpoint.Repair{other, damaged} {
		if err := w.store().RequestRepair(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.objs.Put(t.Context(), "requests/repair/x/y.json", []byte("{")); err != nil {
		t.Fatal(err)
	}
	p.await("answers", func() bool {
		_, repairs, err := w.store().Asked(t.Context())
		return err == nil && !repairs
	})
	w.txs(10)
	p.awaitEqual()
	p.lock(func() {
		if len(p.restarts) > 0 {
			t.Errorf("restarts: %v", p.restarts)
		}
	})
	p.stop()
}
