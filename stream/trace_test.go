package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/docs/model"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream/checkpoint"
)

// tracer tells a model.Trace what is seen of real processes: the records that they write, and the commits to their tables.
type tracer struct {
	mu     sync.Mutex
	trace  *model.Trace
	err    error
	tables []cdc.TableID
	record uint64           // number of the record that is the model's first
	pos    int              // position of the log that is the model's 0
	alive  map[*proc]string // generation of a process
	events int
}

func (tr *tracer) note(err error) {
	tr.events++
	if tr.err == nil {
		tr.err = err
	}
}

func (tr *tracer) wrote(p *proc, r *checkpoint.Record) {
	gen, n := strconv.FormatUint(r.Generation, 10), int(r.N-tr.record)+1
	if r.Kind == checkpoint.Fence {
		// Generations of one process follow each other.
		tr.trace.Dead(tr.alive[p])
		tr.alive[p] = gen
		tr.note(tr.trace.Fence(gen, n))
		return
	}
	var covers [model.Tables]model.Covers
	for i, t := range tr.tables {
		_, part := r.Parts[t]
		covers[i] = model.Covers{Position: posOf(r.Tables[t].Position) - tr.pos, Part: part}
	}
	tr.note(tr.trace.Data(gen, n, covers))
}

func (tr *tracer) committed(gen cdc.Generation, id cdc.TableID, ck cdc.CheckpointID, rows map[int64]int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i, t := range tr.tables {
		if t == id {
			var have [model.Keys]int
			for k, v := range rows {
				have[k] = int(v)
			}
			tr.note(tr.trace.Commit(strconv.FormatUint(gen.Number, 10), i, int(ck.K-tr.record)+1, have))
		}
	}
}

func (tr *tracer) died(p *proc) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.trace.Dead(tr.alive[p])
}

// tracedStore is what a process writes records to.
type tracedStore struct {
	objstore.Store
	tr *tracer
	p  *proc
}

func (s *tracedStore) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	s.tr.mu.Lock()
	defer s.tr.mu.Unlock()
	err := s.Store.PutIfAbsent(ctx, key, body)
	if err == nil && strings.HasPrefix(key, "records/") {
		var r checkpoint.Record
		if err := json.Unmarshal(body, &r); err != nil {
			s.tr.note(err)
			return nil
		}
		s.tr.wrote(s.p, &r)
	}
	return err
}

// traced returns a world with the model's tables, empty and live, and a tracer that goes on from there.
func traced(t *testing.T) *world {
	w := newWorld(t, 2, tableA, tableB)
	p := w.start(nil)
	p.awaitEqual()
	p.stop()
	newest, err := w.store().Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.trace = &tracer{trace: model.NewTrace(model.Protocol()), tables: w.tables, record: newest.N, pos: w.db.end(), alive: map[*proc]string{}}
	w.cat.saw = w.trace.committed
	return w
}

// play commits transaction x of the model's log.
func (w *world) play(x int) {
	var cs []change
	for i, t := range w.tables {
		for k := range model.Keys {
			writes, deletes := model.Change(x, i, k)
			switch {
			case writes && w.keys[t][int64(k)]:
				cs = append(cs, change{table: t, op: cdc.OpUpdate, key: int64(k), val: int64(x)})
			case writes:
				cs = append(cs, change{table: t, op: cdc.OpInsert, key: int64(k), val: int64(x)})
				w.keys[t][int64(k)] = true
			case deletes:
				cs = append(cs, change{table: t, op: cdc.OpDelete, key: int64(k)})
				delete(w.keys[t], int64(k))
			}
		}
	}
	w.db.exec(cs...)
}

// TestTracesOfTheModel: whatever fails, and of however many processes, what the coordinator is seen to do is what the model of the
// protocol does in some order of events.
func TestTracesOfTheModel(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for i := range rounds {
		t.Run(fmt.Sprintf("round=%d", i), func(t *testing.T) {
			t.Parallel()
			w := traced(t)
			rate := float64(i%4) * 0.01
			var healed atomic.Bool
			// start starts a process that fails now and then, and perhaps dies in the middle of something.
			start := func() *proc {
				var calls atomic.Int64
				last := int64(1 << 40)
				if w.roll(2) == 0 {
					last = int64(w.roll(150))
				}
				return w.start(func(what string) error {
					switch {
					case calls.Add(1) > last:
						return cdc.Errorf(codeKilled, cdc.TableID{}, "%s", what)
					case !healed.Load() && float64(w.roll(1e6))/1e6 < rate:
						return fault(what)
					}
					return nil
				})
			}
			var zombie *proc
			p := start()
			end := func(p *proc) {
				if p != nil {
					p.kill()
					w.trace.died(p)
				}
			}
			for x := 1; x <= model.Transactions; x++ {
				w.play(x)
				for patience := time.Now().Add(time.Duration(w.roll(60)) * time.Millisecond); time.Now().Before(patience) && !w.equal(); {
					time.Sleep(200 * time.Microsecond)
				}
				switch {
				case p.ended():
					w.trace.died(p)
					p = start()
				case w.roll(4) == 0:
					end(p)
					p = start()
				case w.roll(3) == 0: // of two processes, one has the last word, and the other may not know yet
					end(zombie)
					zombie, p = p, start()
				}
			}
			end(zombie)
			end(p)
			healed.Store(true)
			p = w.start(nil)
			p.awaitEqual()
			p.stop()
			w.trace.mu.Lock()
			defer w.trace.mu.Unlock()
			if w.trace.err != nil {
				t.Error(w.trace.err)
			}
			t.Logf("%d events, %d states", w.trace.events, w.trace.trace.States())
		})
	}
}
