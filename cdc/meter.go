package cdc

import (
	"sync"
	"time"
)

// OpState says what an operator is doing.
type OpState uint8

const (
	// Busy: it works.
	Busy OpState = iota
	// Idle: it waits for input.
	Idle
	// Blocked: it waits for room in its output.
	Blocked
	opStates
)

// Meter sums the wall time that an operator (a goroutine of the pipeline) spends in each state. The state that it is in
// counts up to the moment of reading, so that an operator that stands still shows as such. The operator switches it once a
// batch or so, not once a row; any goroutine may read it. Methods of a nil Meter do nothing.
type Meter struct {
	mu    sync.Mutex // guards the rest
	on    bool
	state OpState
	since time.Time
	sum   [opStates]time.Duration
}

// MeterFunc returns the meter of an operator: the same one for the same name and slot, also in a later generation. slot < 0
// is an operator that exists once. A nil function, and one that returns nil, measure nothing.
type MeterFunc func(operator string, slot int) *Meter

// Of is f(operator, slot), also for a nil f.
func (f MeterFunc) Of(operator string, slot int) *Meter {
	if f == nil {
		return nil
	}
	return f(operator, slot)
}

// Enter says that the operator is in the state from now on.
func (m *Meter) Enter(s OpState) {
	if m == nil {
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(now)
	m.on, m.state = true, s
}

// Stop says that the operator does not run any more.
func (m *Meter) Stop() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	m.on = false
}

// settle adds up to now, and goes on from there. The caller holds mu.
func (m *Meter) settle(now time.Time) {
	if m.on {
		m.sum[m.state] += max(0, now.Sub(m.since))
	}
	m.since = now
}

// Read returns what was spent in each state so far.
func (m *Meter) Read() (busy, idle, blocked time.Duration) {
	if m == nil {
		return 0, 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	return m.sum[Busy], m.sum[Idle], m.sum[Blocked]
}
