package telemetry

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics holds the metrics of one pipeline in a registry of its own. Its methods may be called concurrently; they are
// meant for once a batch, request or checkpoint, not once a row.
type Metrics struct {
	reg        *prometheus.Registry
	counters   map[*Desc]*prometheus.CounterVec
	gauges     map[*Desc]*prometheus.GaugeVec
	histograms map[*Desc]*prometheus.HistogramVec

	mu    sync.Mutex        // guards state
	state map[string]string // table: the state shown, so that a change resets the former one only
}

// New returns metrics with all families registered. The pipeline's name is a label of every series of ours.
func New(pipeline string) *Metrics {
	m := &Metrics{
		reg:        prometheus.NewRegistry(),
		counters:   map[*Desc]*prometheus.CounterVec{},
		gauges:     map[*Desc]*prometheus.GaugeVec{},
		histograms: map[*Desc]*prometheus.HistogramVec{},
		state:      map[string]string{},
	}
	m.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ours := prometheus.WrapRegistererWith(prometheus.Labels{"pipeline": pipeline}, m.reg)
	for _, d := range table {
		switch d.Kind {
		case Counter:
			v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.FullName(), Help: d.Help}, d.Labels)
			ours.MustRegister(v)
			m.counters[d] = v
		case Gauge:
			v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.FullName(), Help: d.Help}, d.Labels)
			ours.MustRegister(v)
			m.gauges[d] = v
		case Histogram:
			v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.FullName(), Help: d.Help, Buckets: d.Buckets}, d.Labels)
			ours.MustRegister(v)
			m.histograms[d] = v
		}
	}
	// Families without labels exist from the start, so that a rate() has a zero to begin with.
	for _, d := range table {
		if len(d.Labels) > 0 || d == lagBytes {
			continue
		}
		switch d.Kind {
		case Counter:
			m.counters[d].WithLabelValues()
		case Gauge:
			m.gauges[d].WithLabelValues()
		case Histogram:
			m.histograms[d].WithLabelValues()
		}
	}
	return m
}

// Registry is where the metrics are gathered from.
func (m *Metrics) Registry() *prometheus.Registry { return m.reg }

func (m *Metrics) add(d *Desc, v float64, labels ...string) {
	if v > 0 {
		m.counters[d].WithLabelValues(labels...).Add(v)
	}
}

func (m *Metrics) set(d *Desc, v float64, labels ...string) {
	m.gauges[d].WithLabelValues(labels...).Set(v)
}

func (m *Metrics) observe(d *Desc, t time.Duration, labels ...string) {
	m.histograms[d].WithLabelValues(labels...).Observe(t.Seconds())
}

// Build says which build runs.
func (m *Metrics) Build(version, commit, goVersion string) {
	m.set(buildInfo, 1, version, commit, goVersion)
}

// Commit is what one table's commit brought. Counters that are 0 may be left out.
type Commit struct {
	Inserts, Updates, Deletes, Reads int64
	Events, Skipped, Divergent       int64
	Files, Bytes                     int64
	// Oldest and Newest are the source commit times of the first and last transaction in the commit; zero: none, as in an
	// initial load.
	Oldest, Newest time.Time
}

// TableCommit counts a commit of the table at the time.
func (m *Metrics) TableCommit(tbl string, c Commit, at time.Time) {
	m.add(rows, float64(c.Inserts), tbl, "insert")
	m.add(rows, float64(c.Updates), tbl, "update")
	m.add(rows, float64(c.Deletes), tbl, "delete")
	m.add(rows, float64(c.Reads), tbl, "read")
	m.add(events, float64(c.Events), tbl)
	m.add(skipped, float64(c.Skipped), tbl)
	m.add(divergent, float64(c.Divergent), tbl)
	m.add(dataFiles, float64(c.Files), tbl)
	m.add(dataBytes, float64(c.Bytes), tbl)
	m.add(commits, 1, tbl)
	for which, t := range map[string]time.Time{"oldest": c.Oldest, "newest": c.Newest} {
		if !t.IsZero() {
			// The clocks are two machines': a negative difference is none.
			m.observe(freshness, max(0, at.Sub(t)), which)
		}
	}
}

// Checkpoint counts a complete checkpoint: total is the time since its barrier, commit that of its table commits.
func (m *Metrics) Checkpoint(k uint64, at time.Time, total, commit time.Duration) {
	m.set(checkpoint, float64(k))
	m.set(checkpointTime, float64(at.UnixMicro())/1e6)
	m.observe(checkpointDuration, total)
	m.observe(commitDuration, commit)
}

// CheckpointFailed counts a checkpoint that did not complete.
func (m *Metrics) CheckpointFailed(code string) { m.add(checkpointFailures, 1, code) }

// CommitFailed counts a failed attempt to commit.
func (m *Metrics) CommitFailed(code string) { m.add(commitFailures, 1, code) }

// Generation shows the generation that runs.
func (m *Metrics) Generation(n uint64) { m.set(generation, float64(n)) }

// Restart counts a restart within the process.
func (m *Metrics) Restart(code string) { m.add(restarts, 1, code) }

// Error counts an error.
func (m *Metrics) Error(code, class string) { m.add(errorsTotal, 1, code, class) }

// Lag shows how far Iceberg is behind the source; bytes < 0 means unknown.
func (m *Metrics) Lag(seconds float64, bytes int64) {
	m.set(lagSeconds, max(0, seconds))
	if bytes >= 0 {
		m.set(lagBytes, float64(bytes))
	} else {
		m.gauges[lagBytes].DeleteLabelValues()
	}
}

// Expiring shows how many tables are about to lose their position in the source's log.
func (m *Metrics) Expiring(tables int) { m.set(expiring, float64(tables)) }

// TableLag shows how far one table is behind.
func (m *Metrics) TableLag(tbl string, seconds float64) { m.set(tableLag, max(0, seconds), tbl) }

// Source counts what was received from the source's log since the last call.
func (m *Metrics) Source(bytes, connects int64) {
	m.add(sourceBytes, float64(bytes))
	m.add(sourceConns, float64(connects))
}

// Queue shows the queue between an input and a shard.
func (m *Metrics) Queue(input string, slot int, bytes, limit int64) {
	m.set(queueBytes, float64(bytes), input, strconv.Itoa(slot))
	m.set(queueLimit, float64(limit))
}

// Operator adds wall time of an operator; slot < 0 is an operator that exists once.
func (m *Metrics) Operator(name string, slot int, busy, idle, blocked time.Duration) {
	s := ""
	if slot >= 0 {
		s = strconv.Itoa(slot)
	}
	m.add(operatorTime, busy.Seconds(), name, s, "busy")
	m.add(operatorTime, idle.Seconds(), name, s, "idle")
	m.add(operatorTime, blocked.Seconds(), name, s, "blocked")
}

// TableStates are the values of the label state of cdc2lake_table_state.
var TableStates = []string{"loading", "catching-up", "reconciling", "live", "paused"}

// Table shows a table's state, one of TableStates, and for a paused one the error code of the reason.
func (m *Metrics) Table(tbl, state, pauseCode string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.state[tbl]; old == state+"/"+pauseCode {
		return
	}
	m.state[tbl] = state + "/" + pauseCode
	for _, s := range TableStates {
		v := 0.0
		if s == state {
			v = 1
		}
		m.set(tableState, v, tbl, s)
	}
	m.gauges[tablePaused].DeletePartialMatch(prometheus.Labels{"table": tbl})
	if pauseCode != "" {
		m.set(tablePaused, 1, tbl, pauseCode)
	}
}

// Load shows the progress of a table's initial load.
func (m *Metrics) Load(tbl string, read, estimate int64) {
	m.set(loadRows, float64(read), tbl)
	m.set(loadEstimate, float64(estimate), tbl)
}

// StoreRequest counts one attempt of a request to the object store. Bytes are counted if the result is "ok".
func (m *Metrics) StoreRequest(op, result string, bytes int64, d time.Duration) {
	m.add(storeRequests, 1, op, result)
	m.observe(storeDurations, d, op)
	if result == "ok" {
		m.add(storeBytes, float64(bytes), op)
	}
}
