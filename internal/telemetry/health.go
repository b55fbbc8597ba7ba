package telemetry

import "sync"

// Health is what the probes answer: a reason, or none. The zero value is healthy and not ready.
type Health struct {
	m *Metrics

	mu      sync.Mutex // guards the rest
	ready   bool
	waiting string
	failed  string
}

// NewHealth returns a Health that shows readiness in m too.
func NewHealth(m *Metrics) *Health { return &Health{m: m, waiting: "starting"} }

// Ready says that the service works.
func (h *Health) Ready() { h.update(true, "", "") }

// NotReady says why it does not work yet, or for the moment.
func (h *Health) NotReady(reason string) { h.update(false, reason, "") }

// Failed says that it will not work again by itself.
func (h *Health) Failed(reason string) { h.update(false, reason, reason) }

func (h *Health) update(ready bool, waiting, failed string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready, h.waiting = ready, waiting
	if failed != "" {
		h.failed = failed
	}
	if h.m != nil {
		v := 0.0
		if ready {
			v = 1
		}
		h.m.set(readyGauge, v)
	}
}

// Liveness returns whether the process should go on, and otherwise why not.
func (h *Health) Liveness() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed == "", h.failed
}

// Readiness returns whether the service works, and otherwise why not.
func (h *Health) Readiness() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready && h.failed == "", h.waiting
}
