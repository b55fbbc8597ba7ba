package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script drives a coordinator with 2 slots and 2 inputs: each line is "MILLISECOND event…" and what it must answer.
func script(t *testing.T, c *coordinator, t0 time.Time, lines ...[2]string) {
	t.Helper()
	for _, l := range lines {
		var ms int
		var kind string
		var a, b uint64
		fmt.Sscan(l[0], &ms, &kind, &a, &b) //nolint:errcheck // short lines leave the rest zero
		e := event{now: t0.Add(time.Duration(ms) * time.Millisecond), k: a}
		switch kind {
		case "tick":
		case "rows":
			e.kind, e.rows, e.k = evProgress, int64(a), 0
		case "loaded":
			e.kind, e.loaded, e.k = evProgress, int64(a), 0
		case "barrier":
			e.kind = evBarrier
		case "ack":
			e.kind, e.slot = evAck, int(b)
		case "committed":
			e.kind = evCommitted
		case "stop":
			e.kind = evStop
		default:
			t.Fatalf("unknown event in %q", l[0])
		}
		var got []string
		for _, x := range c.step(e) {
			s := x.kind.String()
			if x.k != 0 {
				s += fmt.Sprintf(" %d", x.k)
			}
			got = append(got, s)
		}
		if d := cmp.Diff(l[1], strings.Join(got, ", ")); d != "" {
			t.Fatalf("after %q (-want +got):\n%s", l[0], d)
		}
	}
}

func newTestCoordinator() (*coordinator, time.Time) {
	t0 := time.Unix(1000, 0)
	return newCoordinator(2, 2, time.Second, 10*time.Second, 1000, 0, t0), t0
}

func TestCoordinatorPipelinesTwoCheckpoints(t *testing.T) {
	c, t0 := newTestCoordinator()
	script(t, c, t0, [][2]string{
		{"500 tick", ""},
		{"1000 tick", "trigger 1"},
		{"1010 barrier 1", ""},
		{"1020 barrier 1", ""},
		{"1030 ack 1 1", ""},
		{"1040 ack 1 0", "commit 1"},
		{"2000 tick", "trigger 2"}, // while 1 is being committed
		{"2010 barrier 2", ""},
		{"2020 ack 2 0", ""}, // one slot was quick: the other input's barrier is not needed for it to be counted
		{"2030 barrier 2", ""},
		{"2040 ack 2 1", ""}, // prepared, but 1 is not committed yet: its decision waits
		{"3100 tick", ""},    // and no third one begins
		{"3200 committed 1", "complete 1, commit 2, trigger 3"},
		{"3300 committed 2", "complete 2"},
	}...)
}

func TestCoordinatorTriggersEarlyWhenRowsPileUp(t *testing.T) {
	c, t0 := newTestCoordinator()
	script(t, c, t0, [][2]string{
		{"10 rows 600", ""},
		{"20 rows 600", "trigger 1"},
		{"30 rows 5000", ""}, // 1 is not prepared yet
		{"40 barrier 1", ""}, {"41 barrier 1", ""}, {"42 ack 1 0", ""},
		{"43 ack 1 1", "commit 1, trigger 2"},
	}...)
}

func TestCoordinatorStopsAfterOneMoreCheckpoint(t *testing.T) {
	c, t0 := newTestCoordinator()
	script(t, c, t0, [][2]string{
		{"1000 tick", "trigger 1"},
		{"1100 stop", ""}, // 1 does not hold everything: another one follows
		{"1200 barrier 1", ""}, {"1201 barrier 1", ""}, {"1202 ack 1 0", ""},
		{"1203 ack 1 1", "commit 1, trigger 2"},
		{"1300 barrier 2", ""}, {"1301 barrier 2", ""}, {"1302 ack 2 0", ""}, {"1303 ack 2 1", ""},
		{"1400 committed 1", "complete 1, commit 2"},
		{"9000 tick", ""}, // no further one
		{"9100 committed 2", "complete 2, end 2"},
		{"9200 tick", ""},
	}...)
}

func TestCoordinatorGivesUpOnWhatCannotBe(t *testing.T) {
	for name, lines := range map[string][][2]string{
		"time-out":               {{"1000 tick", "trigger 1"}, {"11000 tick", "fail"}},
		"a long transaction":     {{"1000 tick", "trigger 1"}, {"10000 rows 5", ""}, {"19000 rows 5", ""}, {"19001 barrier 1", ""}, {"29001 tick", "fail"}},
		"a slow commit":          {{"1000 tick", "trigger 1"}, {"9000 barrier 1", ""}, {"9000 barrier 1", ""}, {"9000 ack 1 0", ""}, {"9000 ack 1 1", "commit 1, trigger 2"}, {"18999 rows 5", ""}, {"19000 tick", "fail"}},
		"barrier of nothing":     {{"10 barrier 7", "fail"}},
		"ack of nothing":         {{"10 ack 7 0", "fail"}},
		"ack twice":              {{"1000 tick", "trigger 1"}, {"1001 ack 1 0", ""}, {"1002 ack 1 0", "fail"}},
		"commit of an open one":  {{"1000 tick", "trigger 1"}, {"1001 committed 1", "fail"}},
		"commit out of order":    {{"1000 tick", "trigger 1"}, {"1001 committed 2", "fail"}},
		"three barriers for two": {{"1000 tick", "trigger 1"}, {"1001 barrier 1", ""}, {"1002 barrier 1", ""}, {"1003 barrier 1", "fail"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, t0 := newTestCoordinator()
			script(t, c, t0, lines...)
			if a := c.step(event{now: t0.Add(time.Hour)}); a != nil {
				t.Errorf("went on after the failure: %v", a)
			}
		})
	}
}

// Loaded rows make a checkpoint come early as those of the log do, but are no sign that the log's barrier is on its way.
func TestCoordinatorLoadedRows(t *testing.T) {
	c, t0 := newTestCoordinator()
	script(t, c, t0, [][2]string{
		{"10 loaded 600", ""},
		{"20 rows 399", ""},
		{"30 loaded 1", "trigger 1"},
		{"40 barrier 1", ""},
		{"9000 loaded 1000000", ""},
		{"10040 loaded 1", "fail"},
	}...)
}
