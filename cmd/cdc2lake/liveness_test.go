package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLiveness(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLiveness(10 * time.Second) // 30 intervals: 5 minutes
	l.now = func() time.Time { return now }
	l.since = now
	pass := func(d time.Duration) { now = now.Add(d) }
	expect := func(what string, dead string) {
		t.Helper()
		if got := l.overdue(); (got == "") != (dead == "") || !strings.Contains(got, dead) {
			t.Errorf("%s: %q, want %q", what, got, dead)
		}
	}
	pass(time.Hour)
	expect("a first recovery takes its time", "")
	l.generation(true)
	pass(4 * time.Minute)
	expect("the first checkpoint is not overdue yet", "")
	pass(2 * time.Minute)
	expect("it is", "no checkpoint has been completed for 6m0s")
	l.checkpoint()
	expect("it has come", "")
	for range 100 {
		pass(4 * time.Minute)
		l.checkpoint()
	}
	expect("slow, but steady", "")
	pass(2 * time.Minute)
	l.restart(errors.New("store away"))
	pass(2 * time.Minute)
	expect("the next attempt is under way", "")
	l.restart(errors.New("store still away"))
	expect("attempts have failed for 4 minutes", "")
	pass(2 * time.Minute)
	l.restart(errors.New("store still away"))
	expect("and for 6", "store still away")
	pass(time.Hour)
	l.generation(true)
	expect("a recovery that succeeds does not mend it", "for 6m0s")
	l.checkpoint()
	expect("but a checkpoint does", "")
	l.restart(errors.New("x"))
	pass(time.Minute)
	l.generation(false)
	pass(24 * time.Hour)
	expect("no table can be replicated", "")
	l.restart(errors.New("reload"))
	l.generation(true)
	expect("until one can", "")
	if d := newLiveness(time.Hour).limit; d != 30*time.Hour {
		t.Error(d)
	}
}
