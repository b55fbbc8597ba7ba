package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
)

var orders = cdc.TableID{Database: "shop", Name: "orders"}

func local(t *testing.T) objstore.Store {
	t.Helper()
	s, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type marks map[cdc.TableID]cdc.TableMarkers

func (m marks) read(context.Context, []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error) {
	return m, nil
}

func start(t *testing.T, s *Store, m marks) *Started {
	t.Helper()
	st, err := Start(t.Context(), s, time.Now, m.read)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return st
}

func decide(t *testing.T, c *Chain, pos string) *Record {
	t.Helper()
	r, err := c.Decide(t.Context(), decision(c, pos))
	if err != nil {
		t.Fatalf("decide: %v", err)
	}
	return r
}

func decision(c *Chain, pos string) Decision {
	return Decision{Tables: map[cdc.TableID]cdc.Entry{orders: {ID: c.Next(), Position: cdc.Position(pos)}},
		Parts: map[cdc.TableID]cdc.Part{orders: {Position: cdc.Position(pos), Payload: []byte(pos)}}}
}

func isFenced(err error) bool { return err != nil && cdc.ClassOf(err) == cdc.Fenced }

func TestGenerationsFollowEachOther(t *testing.T) {
	s := NewStore(local(t), "p")
	a := start(t, s, nil)
	if a.Last != nil || a.Lost || a.Chain.Generation() != (cdc.Generation{Epoch: 1, Number: 1}) {
		t.Fatalf("first start: %+v, generation %v", a, a.Chain.Generation())
	}
	decide(t, a.Chain, "10")
	r := decide(t, a.Chain, "20")
	if r.N != 3 {
		t.Fatalf("the second data record has number %d", r.N)
	}
	b := start(t, s, nil)
	if b.Last == nil || b.Last.ID() != r.ID() || string(b.Last.Parts[orders].Payload) != "20" {
		t.Fatalf("the second generation is to finish %+v", b.Last)
	}
	if b.Entries[orders].Position != "20" || b.Chain.Generation().Number != 4 {
		t.Fatalf("entries %+v, generation %v", b.Entries, b.Chain.Generation())
	}
	if _, err := a.Chain.Decide(t.Context(), decision(a.Chain, "30")); !isFenced(err) {
		t.Fatalf("the older generation could decide: %v", err)
	}
	decide(t, b.Chain, "30")
}

// TestPruneKeepsWhatRecoveryNeeds: after pruning, the newest fence and the last data record are still there.
func TestPruneKeepsWhatRecoveryNeeds(t *testing.T) {
	s := NewStore(local(t), "p")
	a := start(t, s, nil)
	decide(t, a.Chain, "10")
	last := decide(t, a.Chain, "20")
	b := start(t, s, nil)
	if err := b.Chain.Prune(t.Context()); err != nil { // it has decided nothing: the last record is not its own
		t.Fatal(err)
	}
	c := start(t, s, nil)
	if c.Last == nil || c.Last.ID() != last.ID() {
		t.Fatalf("the record to finish is gone: %+v", c.Last)
	}
	decide(t, c.Chain, "30")
	if err := c.Chain.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := s.All(t.Context())
	if err != nil || len(all) != 1 || all[0].Parts[orders].Position != "30" {
		t.Fatalf("after pruning: %v, %v", all, err)
	}
	// The zombie's number is free again; its late PUT lands and must not count (PROTOCOL, first trap).
	if _, err := a.Chain.Decide(t.Context(), decision(a.Chain, "99")); !isFenced(err) {
		t.Fatalf("a zombie decided under a deleted number: %v", err)
	}
}

// TestSupersededIsNoticedWithoutDeciding: a process that has nothing to decide learns of the newer one too.
func TestSupersededIsNoticedWithoutDeciding(t *testing.T) {
	s := NewStore(local(t), "p")
	a := start(t, s, nil)
	if err := a.Chain.Superseded(t.Context()); err != nil {
		t.Fatalf("alone: %v", err)
	}
	decide(t, a.Chain, "10")
	if err := a.Chain.Superseded(t.Context()); err != nil {
		t.Fatalf("after its own decision: %v", err)
	}
	b := start(t, s, nil)
	if err := a.Chain.Superseded(t.Context()); !isFenced(err) {
		t.Fatalf("after another start: %v", err)
	}
	if err := b.Chain.Superseded(t.Context()); err != nil {
		t.Fatalf("the newer one: %v", err)
	}
}

func TestUnknownOutcomesAreResolvedByReading(t *testing.T) {
	for _, landed := range []bool{false, true} {
		t.Run(fmt.Sprintf("landed=%t", landed), func(t *testing.T) {
			n := 0
			objs := objtest.NewFaulty(local(t), func(_ context.Context, c objtest.Call) objtest.Fault {
				if c.Op != objstore.OpPutIfAbsent {
					return objtest.Fault{}
				}
				if n++; n%3 != 0 { // two answers of three are lost
					if landed {
						return objtest.Fault{Lose: objtest.Unknown(c.Op, c.Key)}
					}
					return objtest.Fault{Refuse: objtest.Unknown(c.Op, c.Key)}
				}
				return objtest.Fault{}
			})
			s := NewStore(objs, "p")
			a := start(t, s, nil)
			for i := range 5 {
				decide(t, a.Chain, fmt.Sprint(i))
			}
			all, err := s.All(t.Context())
			if err != nil || len(all) != 6 {
				t.Fatalf("%d records, %v", len(all), err)
			}
		})
	}
}

func TestLostStoreBeginsANewEpochFromTheMarkers(t *testing.T) {
	prop := &cdc.Marker{ID: cdc.CheckpointID{Epoch: 1, K: 9, Nonce: "n9"}, Generation: 7, Position: "90"}
	anc := &cdc.Marker{ID: cdc.CheckpointID{Epoch: 1, K: 8, Nonce: "n8"}, Generation: 7, Position: "80"} // rolled back by one
	m := marks{orders: {Property: prop, Ancestry: anc}}
	check := func(t *testing.T, st *Started) {
		t.Helper()
		if !st.Lost || st.Last != nil || st.Chain.Generation() != (cdc.Generation{Epoch: 2, Number: 10}) {
			t.Fatalf("lost %t, last %v, generation %v", st.Lost, st.Last, st.Chain.Generation())
		}
		if e := st.Entries[orders]; e.Position != "80" || e.ID != anc.ID {
			t.Fatalf("entry %+v is not the ancestry's marker", e)
		}
	}
	t.Run("empty", func(t *testing.T) { check(t, start(t, NewStore(local(t), "p"), m)) })
	t.Run("older than the tables", func(t *testing.T) {
		s := NewStore(local(t), "p")
		a := start(t, s, nil)
		decide(t, a.Chain, "10")
		check(t, start(t, s, m))
	})
	t.Run("last data record missing", func(t *testing.T) {
		objs := local(t)
		s := NewStore(objs, "p")
		a := start(t, s, nil)
		r := decide(t, a.Chain, "10")
		start(t, s, nil) // a fence that names it
		if err := objs.Delete(t.Context(), recordKey(r.Epoch, r.N)); err != nil {
			t.Fatal(err)
		}
		st := start(t, s, nil)
		if !st.Lost || st.Last != nil || st.Chain.Generation().Epoch != 2 {
			t.Fatalf("%+v, generation %v", st, st.Chain.Generation())
		}
	})
}

// TestOneOfManyWins: processes that start and decide at the same time make one history: every number is decided once.
func TestOneOfManyWins(t *testing.T) {
	objs := local(t)
	var mu sync.Mutex
	decided := map[uint64]string{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := NewStore(objs, "p")
			st, err := Start(t.Context(), s, time.Now, marks(nil).read)
			if isFenced(err) {
				return
			}
			if err != nil {
				t.Errorf("start: %v", err)
				return
			}
			for range 20 {
				r, err := st.Chain.Decide(t.Context(), decision(st.Chain, "x"))
				if isFenced(err) {
					return
				}
				if err != nil {
					t.Errorf("decide: %v", err)
					return
				}
				mu.Lock()
				if o, ok := decided[r.N]; ok && o != r.Nonce {
					t.Errorf("record %d was decided by %s and %s", r.N, o, r.Nonce)
				}
				decided[r.N] = r.Nonce
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(decided) == 0 {
		t.Error("nobody decided anything")
	}
}

// TestFenceLooksAtTheTablesAgain: a table's property that went beyond the store between step 1 and step 3 stops the start.
func TestFenceLooksAtTheTablesAgain(t *testing.T) {
	s := NewStore(local(t), "p")
	decide(t, start(t, s, nil).Chain, "10")
	n := 0
	_, err := Start(t.Context(), s, time.Now, func(context.Context, []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error) {
		if n++; n == 1 {
			return nil, nil
		}
		return marks{orders: {Property: &cdc.Marker{ID: cdc.CheckpointID{Epoch: 1, K: 99, Nonce: "z"}, Generation: 1}}}, nil
	})
	if !isFenced(err) {
		t.Fatalf("went on beside a table that is ahead of the store: %v", err)
	}
}

// TestEveryAnswerIsLost: a store of which no answer ever comes, and nothing lands, is given up for this time.
func TestEveryAnswerIsLost(t *testing.T) {
	objs := objtest.NewFaulty(local(t), func(_ context.Context, c objtest.Call) objtest.Fault {
		if c.Op == objstore.OpPutIfAbsent {
			return objtest.Fault{Refuse: objtest.Unknown(c.Op, c.Key)}
		}
		return objtest.Fault{}
	})
	if _, err := Start(t.Context(), NewStore(objs, "p"), time.Now, marks(nil).read); err == nil || cdc.ClassOf(err) != cdc.Retryable {
		t.Fatalf("got %v", err)
	}
}

func TestForeignAndDamagedRecordsAreRefused(t *testing.T) {
	good := `{"v":1,"pipeline":"p","kind":"fence","epoch":1,"n":1,"generation":1,"nonce":"x","last":{"n":0,"nonce":""},"tables":{},"micros":1}`
	for name, c := range map[string]struct {
		body string
		code *cdc.Code
	}{
		"not JSON":         {"PK\x03\x04", cdc.CodeCorrupt},
		"truncated":        {good[:40], cdc.CodeCorrupt},
		"newer version":    {`{"v":2}`, CodeRecordVersion},
		"other pipeline":   {`{"v":1,"pipeline":"q","kind":"fence","epoch":1,"n":1,"generation":1,"nonce":"x"}`, CodeForeignRecord},
		"other number":     {`{"v":1,"pipeline":"p","kind":"fence","epoch":1,"n":2,"generation":1,"nonce":"x"}`, cdc.CodeCorrupt},
		"fence with parts": {`{"v":1,"pipeline":"p","kind":"fence","epoch":1,"n":1,"generation":1,"nonce":"x","parts":{"a.b":{}}}`, cdc.CodeCorrupt},
		"no nonce":         {`{"v":1,"pipeline":"p","kind":"fence","epoch":1,"n":1,"generation":1}`, cdc.CodeCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			objs := local(t)
			if err := objs.Put(t.Context(), recordKey(1, 1), []byte(c.body)); err != nil {
				t.Fatal(err)
			}
			_, err := Start(t.Context(), NewStore(objs, "p"), time.Now, marks(nil).read)
			if e := cdc.AsError(err); e == nil || e.Code != c.code {
				t.Fatalf("got %v, want %s", err, c.code.Name)
			}
		})
	}
	if _, err := decode([]byte(good), "p", 1, 1, "x"); err != nil {
		t.Fatalf("the good one: %v", err)
	}
}

func TestReloadRequests(t *testing.T) {
	s := NewStore(local(t), "p")
	odd := cdc.TableID{Database: "a.b%", Name: "c/d"}
	for _, id := range []cdc.TableID{orders, odd} {
		if err := s.Ask(t.Context(), Reload, id); err != nil {
			t.Fatal(err)
		}
	}
	reqs, err := s.Requests(t.Context())
	if err != nil || len(reqs) != 2 {
		t.Fatalf("%v, %v", reqs, err)
	}
	for _, r := range reqs {
		if r.Table == odd { // asked for again after it was seen: the newer request stays
			if err := s.Ask(t.Context(), Reload, odd); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Answered(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	reqs, err = s.Requests(t.Context())
	if err != nil || len(reqs) != 1 || reqs[0].Table != odd {
		t.Fatalf("%v, %v", reqs, err)
	}
}

func TestStoreErrorsAreClassified(t *testing.T) {
	for kind, want := range map[error]cdc.Class{objstore.ErrUnavailable: cdc.Retryable, objstore.ErrAccess: cdc.Fatal, objstore.ErrNoBucket: cdc.Fatal} {
		objs := objtest.NewFaulty(local(t), func(context.Context, objtest.Call) objtest.Fault {
			return objtest.Fault{Refuse: &objstore.Error{Op: objstore.OpList, Kind: kind}}
		})
		_, err := Start(t.Context(), NewStore(objs, "p"), time.Now, marks(nil).read)
		if cdc.ClassOf(err) != want || !errors.Is(err, kind) {
			t.Errorf("%v: class %v of %v", kind, cdc.ClassOf(err), err)
		}
	}
}
