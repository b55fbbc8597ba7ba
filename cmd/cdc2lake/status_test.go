package main

import (
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func TestLag(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBoard("p")
	b.now = func() time.Time { return now }
	at := func(seq uint64, sec int64) cdc.Boundary {
		return cdc.Boundary{Seq: seq, CommitMicros: time.Unix(sec, 0).UnixMicro()}
	}
	expect := func(what string, want float64) {
		t.Helper()
		if got := b.lag(); got != want {
			t.Errorf("%s: lag %v, want %v", what, got, want)
		}
	}
	b.generation(1)
	expect("nothing read", 0)
	b.boundary(at(1, 990))
	b.boundary(at(2, 995))
	expect("two transactions are open", 10)
	b.checkpoint(1, at(1, 990), nil)
	expect("one is committed", 5)
	b.checkpoint(2, at(2, 995), nil)
	expect("both are", 0)
	now = now.Add(10 * time.Second)
	b.boundary(at(2, 995)) // idle: the same boundary again
	expect("idle", 0)
	now = now.Add(time.Hour)
	expect("no word from the source", 3600)
	b.boundary(at(3, now.Unix()))
	expect("a transaction after a long rest is fresh", 0)
	b.generation(2) // sequence numbers start over
	b.boundary(at(1, now.Unix()-7))
	expect("read again", 7)
}

func TestBoardCountsAndOrders(t *testing.T) {
	b := newBoard("p")
	x, y := cdc.TableID{Database: "d", Name: "x"}, cdc.TableID{Database: "d", Name: "y"}
	b.update(y, func(s *tableStatus) { s.State = "live" })
	b.checkpoint(3, cdc.Boundary{Label: "L"}, map[cdc.TableID]cdc.Counts{x: {Inserts: 2}})
	b.checkpoint(4, cdc.Boundary{Label: "M"}, map[cdc.TableID]cdc.Counts{x: {Inserts: 3}})
	s := b.snapshot(true)
	if len(s.Tables) != 2 || s.Tables[0].Table != "d.x" || s.Tables[0].Counts.Inserts != 5 || s.Tables[1].State != "live" || s.Position != "M" || s.Checkpoint != 4 {
		t.Errorf("%+v", s)
	}
}
