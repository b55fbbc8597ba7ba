package model

import (
	"strings"
	"testing"
)

// TestTrace: what the protocol does is allowed, and what it must not do is not.
func TestTrace(t *testing.T) {
	covers := func(a, b int, partA, partB bool) [Tables]Covers { return [Tables]Covers{{a, partA}, {b, partB}} }
	type step func(tr *Trace) error
	fence := func(gen string, n int) step { return func(tr *Trace) error { return tr.Fence(gen, n) } }
	data := func(gen string, n int, c [Tables]Covers) step {
		return func(tr *Trace) error { return tr.Data(gen, n, c) }
	}
	commit := func(gen string, table, n int, rows ...int) step {
		return func(tr *Trace) error { return tr.Commit(gen, table, n, [Keys]int(rows)) }
	}
	first := []step{fence("2", 2), data("2", 3, covers(1, 1, true, true)), commit("2", 0, 3, 1, 1), commit("2", 1, 3, 1, 0)}
	for _, c := range []struct {
		name  string
		steps []step
		ok    bool
	}{
		{"one after the other", []step{data("2", 4, covers(2, 2, true, false)), commit("2", 0, 4, 2, 1), data("2", 5, covers(4, 4, true, true)), commit("2", 0, 5, 4, 0), commit("2", 1, 5, 0, 3)}, true},
		{"another finishes", []step{data("2", 4, covers(3, 3, true, true)), commit("2", 0, 4, 0, 1), fence("5", 5), commit("5", 1, 4, 3, 3), data("5", 6, covers(4, 4, true, true))}, true},
		{"the older one was faster", []step{data("2", 4, covers(3, 3, true, true)), fence("5", 5), commit("2", 0, 4, 0, 1), commit("5", 1, 4, 3, 3)}, true},
		{"a table is committed twice", []step{commit("2", 0, 3, 1, 1)}, false},
		{"a record before the one before is complete", []step{data("2", 4, covers(3, 3, true, true)), commit("2", 0, 4, 0, 1), data("2", 5, covers(4, 4, true, true))}, false},
		{"a part without a change", []step{data("2", 4, covers(2, 2, true, true))}, false},
		{"a position goes back", []step{data("2", 4, covers(2, 0, true, false))}, false},
		{"a number is left out", []step{data("2", 5, covers(2, 2, true, false))}, false},
		{"a row is lost", []step{data("2", 4, covers(2, 2, true, false)), commit("2", 0, 4, 2, 0)}, false},
		{"an old version", []step{data("2", 4, covers(2, 2, true, false)), commit("2", 0, 4, 1, 1)}, false},
		{"a fenced one decides", []step{fence("4", 4), data("2", 5, covers(2, 2, true, false))}, false},
		{"the dead decide", []step{func(tr *Trace) error { tr.Dead("2"); return nil }, data("2", 4, covers(2, 2, true, false))}, false},
		{"work begins before the last record is finished", []step{data("2", 4, covers(3, 3, true, true)), fence("5", 5), data("5", 6, covers(4, 4, true, true))}, false},
		{"two fences of one number", []step{fence("4", 4), fence("4b", 4)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := NewTrace(Protocol())
			for i, s := range first {
				if err := s(tr); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			var err error
			for i, s := range c.steps {
				err = s(tr)
				if err != nil && (c.ok || i < len(c.steps)-1) {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			if (err == nil) != c.ok {
				t.Fatalf("expected %t: %v", c.ok, err)
			}
			if err != nil && !strings.Contains(err.Error(), "generation") {
				t.Error(err)
			}
		})
	}
}
