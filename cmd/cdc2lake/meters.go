package main

import (
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// meters are the meters of all operators. They outlive generations. Methods may be called concurrently.
type meters struct {
	mu  sync.Mutex // guards all
	all map[operator]*metered
}

type operator struct {
	name string
	slot int
}

type metered struct {
	cdc.Meter
	seen [3]time.Duration // what was reported
}

// of returns the meter of an operator (a cdc.MeterFunc).
func (m *meters) of(name string, slot int) *cdc.Meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := operator{name, slot}
	e := m.all[k]
	if e == nil {
		if m.all == nil {
			m.all = map[operator]*metered{}
		}
		e = new(metered)
		m.all[k] = e
	}
	return &e.Meter
}

// report tells what every operator spent in each state since the last report.
func (m *meters) report(tell func(name string, slot int, busy, idle, blocked time.Duration)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, e := range m.all {
		busy, idle, blocked := e.Read()
		tell(k.name, k.slot, busy-e.seen[0], idle-e.seen[1], blocked-e.seen[2])
		e.seen = [3]time.Duration{busy, idle, blocked}
	}
}
