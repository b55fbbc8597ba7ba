package main

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// lagBench is a board with a clock, over a log whose positions are numbers of bytes.
type lagBench struct {
	*testing.T
	b *board
	t time.Time
}

func newLagBench(t *testing.T) *lagBench {
	l := &lagBench{T: t, b: newBoard("p"), t: time.Unix(1000, 0)}
	l.b.now = func() time.Time { return l.t }
	return l
}

func offset(p cdc.Position) int64 { n, _ := strconv.ParseInt(string(p), 10, 64); return n }

func at(seq uint64, sec, bytes int64) cdc.Boundary {
	return cdc.Boundary{Seq: seq, CommitMicros: time.Unix(sec, 0).UnixMicro(), Position: cdc.Position(strconv.FormatInt(bytes, 10))}
}

// pass lets time go by, with heartbeats.
func (l *lagBench) pass(seconds int) {
	l.t = l.t.Add(time.Duration(seconds) * time.Second)
	l.b.received()
}

// serverAt is the source's answer that its log ends at the place.
func (l *lagBench) serverAt(end int64) {
	l.b.logEnd(&logEnd{asked: l.t, covers: func(p cdc.Position) (bool, error) { return offset(p) >= end, nil },
		beyond: func(p cdc.Position) int64 { return max(0, end-offset(p)) }})
}

func (l *lagBench) expect(what string, seconds float64, bytes int64) {
	l.Helper()
	if s, b := l.b.lag(); s != seconds || b != bytes {
		l.Errorf("%s: lag of %v s and %d bytes, want %v and %d", what, s, b, seconds, bytes)
	}
}

func TestLagOfWhatWasRead(t *testing.T) {
	l := newLagBench(t)
	l.b.generation(1)
	l.expect("nothing read", 0, -1)
	l.b.boundary(at(1, 990, 10))
	l.b.boundary(at(2, 995, 20))
	l.expect("two transactions are open", 10, -1)
	l.b.checkpoint(1, at(1, 990, 10), nil)
	l.expect("one is committed", 5, -1)
	l.b.checkpoint(2, at(2, 995, 20), nil)
	l.expect("both are", 0, -1)
	l.pass(10)
	l.b.boundary(at(2, 995, 20)) // idle: the same boundary again
	l.expect("idle", 0, -1)
	l.t = l.t.Add(time.Hour)
	l.b.boundary(at(2, 995, 20)) // reported by a ticker, not by the source
	l.expect("no word from the source", 3600, -1)
	l.b.received()
	l.b.boundary(at(3, l.t.Unix(), 30))
	l.expect("a transaction after a long rest is fresh", 0, -1)
	l.b.generation(2) // sequence numbers start over
	l.b.boundary(at(1, l.t.Unix()-7, 30))
	l.expect("read again", 7, -1)
}

func TestLagOfWhatWasNotRead(t *testing.T) {
	l := newLagBench(t)
	l.b.generation(1)
	l.b.received()
	l.serverAt(100)
	l.expect("nothing is known of our place", 0, -1)
	l.b.boundary(at(0, 900, 100))
	l.expect("caught up at the start", 0, 0)
	l.pass(5)
	l.serverAt(100)
	l.expect("idle", 0, 0)
	l.pass(5)
	l.serverAt(170) // the server has more, and the reader stands still
	l.expect("just told", 0, 70)
	for range 12 {
		l.pass(5)
		l.b.boundary(at(0, 900, 100))
		l.serverAt(200)
	}
	l.expect("a minute later", 60, 100)
	l.b.logEnd(nil)
	l.expect("the server does not answer any more", 60, -1)
	l.serverAt(200)
	l.b.generation(2)
	l.expect("a new generation does not make it better", 60, 100)
	l.b.boundary(at(1, l.t.Unix()-62, 170))
	l.expect("read, and as old as it says", 62, 100)
	l.b.checkpoint(1, at(1, l.t.Unix()-62, 170), nil)
	l.expect("what was told first is committed", 55, 30)
	l.b.boundary(at(1, l.t.Unix(), 200)) // the rest concerns no table of ours
	l.expect("nothing is missing", 0, 0)
	l.pass(5)
	for range 10 * maxEnds {
		l.pass(5)
		l.serverAt(201)
	}
	l.expect("a long stand", 5*(10*maxEnds-1), 1)
	if len(l.b.ends) > maxEnds {
		t.Errorf("%d answers are kept", len(l.b.ends))
	}
	l.b.logEnd(&logEnd{asked: l.t, covers: func(cdc.Position) (bool, error) { return false, errors.New("another server") },
		beyond: func(cdc.Position) int64 { return -1 }})
	l.expect("bytes of another server's log cannot be counted", 5*(10*maxEnds-1), -1)
}

// Every field of /status stands in docs/metrics.md.
func TestStatusIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "## Status")
	if !ok {
		t.Fatal("no section of the status")
	}
	var look func(prefix string, r reflect.Type)
	look = func(prefix string, r reflect.Type) {
		for i := range r.NumField() {
			name, _, _ := strings.Cut(r.Field(i).Tag.Get("json"), ",")
			want := "`" + prefix + name + "`"
			if r == reflect.TypeFor[cdc.Counts]() || r == reflect.TypeFor[cdc.Pause]() {
				want = "`" + name + "`"
			}
			f := r.Field(i).Type
			if f.Kind() != reflect.Slice && !strings.Contains(text, want) {
				t.Errorf("docs/metrics.md lacks %s", want)
			}
			if f.Kind() == reflect.Slice || f.Kind() == reflect.Pointer {
				f = f.Elem()
			}
			if f.Kind() == reflect.Struct {
				look(prefix+name+"[].", f)
			}
		}
	}
	look("", reflect.TypeFor[status]())
	if b, err := json.Marshal(status{}); err != nil || strings.Contains(string(b), "lag_bytes") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestBoardCountsAndOrders(t *testing.T) {
	b := newBoard("p")
	x, y := cdc.TableID{Database: "d", Name: "x"}, cdc.TableID{Database: "d", Name: "y"}
	b.update(y, func(s *tableStatus) { s.State = "live" })
	b.checkpoint(3, cdc.Boundary{Label: "L"}, map[cdc.TableID]cdc.Counts{x: {Inserts: 2}})
	b.checkpoint(4, cdc.Boundary{Label: "M"}, map[cdc.TableID]cdc.Counts{x: {Inserts: 3}})
	s := b.snapshot()
	if len(s.Tables) != 2 || s.Tables[0].Table != "d.x" || s.Tables[0].Counts.Inserts != 5 || s.Tables[1].State != "live" || s.Position != "M" || s.Checkpoint != 4 {
		t.Errorf("%+v", s)
	}
}
