package telemetry

import "sync"

// Health is what the probes answer: a reason, or none. The zero value is healthy and not ready.
type Health struct {
	m *Metrics

	mu      sync.Mutex // guards the rest
	ready   bool
	waiting string
	failed  string // for good
	stalled string // for the moment
}

// NewHealth returns a Health that shows readiness in m too.
func NewHealth(m *Metrics) *Health {
	h := &Health{m: m, waiting: "starting"}
	h.showLocked()
	return h
}

// Ready says that the service works.
func (h *Health) Ready() { h.update(true, "", "") }

// NotReady says why it does not work yet, or for the moment.
func (h *Health) NotReady(reason string) { h.update(false, reason, "") }

// Failed says that it will not work again by itself.
func (h *Health) Failed(reason string) { h.update(false, reason, reason) }

// Stalled says that the service runs and gets nowhere, and why: a new process might.
func (h *Health) Stalled(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stalled = reason
	h.showLocked()
}

// Moving ends Stalled.
func (h *Health) Moving() { h.Stalled("") }

func (h *Health) update(ready bool, waiting, failed string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready, h.waiting = ready, waiting
	if failed != "" {
		h.failed = failed
	}
	h.showLocked()
}

func (h *Health) showLocked() {
	if h.m == nil {
		return
	}
	show := func(d *Desc, ok bool) {
		v := 0.0
		if ok {
			v = 1
		}
		h.m.set(d, v)
	}
	show(readyGauge, h.ready && h.failed == "")
	show(aliveGauge, h.failed == "" && h.stalled == "")
}

// Liveness returns whether the process should go on, and otherwise why not.
func (h *Health) Liveness() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed != "" {
		return false, h.failed
	}
	return h.stalled == "", h.stalled
}

// Readiness returns whether the service works, and otherwise why not.
func (h *Health) Readiness() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready && h.failed == "", h.waiting
}
