package main

import (
	"maps"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// status is what /status answers: the running service as it sees itself. Durations are in seconds.
type status struct {
	Pipeline   string        `json:"pipeline"`
	Version    string        `json:"version"`
	Ready      bool          `json:"ready"`
	Waiting    string        `json:"waiting,omitempty"` // why it is not ready
	Failed     string        `json:"failed,omitempty"`  // why /healthz fails
	Generation uint64        `json:"generation"`
	Checkpoint uint64        `json:"checkpoint"`
	Committed  string        `json:"committed"` // when the last checkpoint was complete, RFC 3339; empty: none yet
	Position   string        `json:"position"`  // of the last complete checkpoint
	Lag        float64       `json:"lag_seconds"`
	LagBytes   *int64        `json:"lag_bytes,omitempty"` // nil: unknown
	Restarts   int           `json:"restarts"`
	LastError  string        `json:"last_error,omitempty"`
	Tables     []tableStatus `json:"tables"`
}

type tableStatus struct {
	Table    string     `json:"table"`
	State    string     `json:"state"` // loading, catching-up, reconciling, live, paused
	RowsRead int64      `json:"load_rows_read"`
	Estimate int64      `json:"load_rows_estimated"`
	Counts   cdc.Counts `json:"since_start"`
	Paused   *cdc.Pause `json:"paused,omitempty"`
	Expiring string     `json:"expiring,omitempty"` // why its position in the source's log is about to be lost
}

// board collects what the runtime reports. Methods may be called concurrently.
type board struct {
	now func() time.Time

	mu     sync.Mutex // guards the rest
	s      status
	tables map[cdc.TableID]*tableStatus
	// places are the tables' positions in the source's log as of the last checkpoint.
	places map[cdc.TableID]cdc.Position
	// open holds boundaries that the log has passed and no checkpoint covers yet, oldest first.
	open      []cdc.Boundary
	committed uint64       // Boundary.Seq of the last complete checkpoint
	covered   cdc.Boundary // the newest boundary up to which everything is in Iceberg
	// ends are answers of the source that covered does not reach, oldest first; the newest is last, even if it is reached.
	ends    []*logEnd
	unknown bool // the last question was not answered

	heard atomic.Int64 // when the log was last heard of, nanoseconds since the epoch; 0: not yet
}

// logEnd is where the source's log ended when it was asked.
type logEnd struct {
	asked  time.Time
	covers func(cdc.Position) (bool, error)
	beyond func(cdc.Position) int64 // bytes; -1: unknown
}

func newBoard(pipeline string) *board {
	return &board{now: time.Now, s: status{Pipeline: pipeline, Version: version}, tables: map[cdc.TableID]*tableStatus{}, places: map[cdc.TableID]cdc.Position{}}
}

// table returns the entry of a table. The caller holds mu.
func (b *board) table(t cdc.TableID) *tableStatus {
	e := b.tables[t]
	if e == nil {
		e = &tableStatus{Table: t.String(), State: "loading"}
		b.tables[t] = e
	}
	return e
}

// silence is how long the log may be silent before its age counts as lag; the source hears a heartbeat every five seconds.
const silence = 20 * time.Second

// Beyond these only the oldest, and the last answer, matter.
const (
	maxOpen = 4096
	maxEnds = 64
)

// received hears that bytes of the log came.
func (b *board) received() { b.heard.Store(b.now().UnixNano()) }

func (b *board) boundary(at cdc.Boundary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.Seq <= b.committed {
		b.covered = at // what came since concerns no table of ours
		return
	}
	if at.CommitMicros == 0 {
		return
	}
	if n := len(b.open); n > 0 && (b.open[n-1].Seq >= at.Seq || n >= maxOpen) {
		return
	}
	b.open = append(b.open, at)
}

// generation starts over: sequence numbers are those of one generation. Positions are not, so what is covered stays.
func (b *board) generation(g uint64) {
	b.heard.CompareAndSwap(0, b.now().UnixNano())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Generation, b.committed, b.open = g, 0, nil
}

func (b *board) checkpoint(k uint64, at cdc.Boundary, counts map[cdc.TableID]cdc.Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k > 0 {
		b.s.Checkpoint = k
	}
	b.s.Committed = b.now().UTC().Format(time.RFC3339Nano)
	b.s.Position = at.Label
	if at.Seq > b.committed { // otherwise boundary has seen it
		b.committed, b.covered = at.Seq, at
	}
	i := sort.Search(len(b.open), func(i int) bool { return b.open[i].Seq > b.committed })
	b.open = b.open[i:]
	for t, c := range counts {
		b.table(t).Counts.Add(c)
	}
}

// coveredPosition returns the position up to which everything is in Iceberg; empty: unknown yet.
func (b *board) coveredPosition() cdc.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.covered.Position
}

// logEnd takes an answer of the source; nil: there was none.
func (b *board) logEnd(e *logEnd) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unknown = e == nil
	if e == nil {
		return
	}
	if len(b.ends) == maxEnds { // the oldest tells how old, the newest how much
		b.ends = b.ends[:maxEnds-1]
	}
	b.ends = append(b.ends, e)
}

// lag is the age of the oldest transaction that is known not to be in Iceberg, and how many bytes of the source's log are not;
// -1: unknown. What was read tells its own age; what was not read is as old as the first answer of the source that told of
// it; and if the source is not heard of, anything may have happened since it was.
func (b *board) lag() (seconds float64, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lagLocked()
}

func (b *board) lagLocked() (float64, int64) {
	now, lag, bytes := b.now(), 0.0, int64(-1)
	for len(b.ends) > 1 && b.reached(b.ends[0]) {
		b.ends = b.ends[1:]
	}
	if n := len(b.ends); n > 0 && b.covered.Position != "" {
		if !b.unknown {
			bytes = b.ends[n-1].beyond(b.covered.Position)
		}
		if !b.reached(b.ends[0]) {
			lag = now.Sub(b.ends[0].asked).Seconds()
		}
	}
	if len(b.open) > 0 {
		lag = now.Sub(time.UnixMicro(b.open[0].CommitMicros)).Seconds()
	}
	if heard := b.heard.Load(); heard != 0 {
		if d := now.Sub(time.Unix(0, heard)); d > silence {
			lag = max(lag, d.Seconds())
		}
	}
	return max(0, lag), bytes
}

// reached reports whether everything before the end is in Iceberg. An end that cannot be compared any more, after a failover,
// says nothing. The caller holds mu.
func (b *board) reached(e *logEnd) bool {
	ok, err := e.covers(b.covered.Position)
	return ok || err != nil
}

func (b *board) restart(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Restarts++
	b.s.LastError = err.Error()
}

func (b *board) update(t cdc.TableID, f func(*tableStatus)) tableStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.table(t)
	f(e)
	return *e
}

// positions returns where the tables are in the source's log, as of the last checkpoint.
func (b *board) positions() map[cdc.TableID]cdc.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.places)
}

// place says where a table is.
func (b *board) place(t cdc.TableID, p cdc.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p != "" {
		b.places[t] = p
	}
}

// snapshot returns a copy, tables by name.
func (b *board) snapshot() status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.s
	lag, bytes := b.lagLocked()
	s.Lag = lag
	if bytes >= 0 {
		s.LagBytes = &bytes
	}
	s.Tables = make([]tableStatus, 0, len(b.tables))
	for _, t := range b.tables {
		s.Tables = append(s.Tables, *t)
	}
	sort.Slice(s.Tables, func(i, j int) bool { return s.Tables[i].Table < s.Tables[j].Table })
	return s
}
