package telemetry

import "strings"

// Kind is the type of a metric.
type Kind string

// The kinds, as Prometheus names them.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Desc describes one metric.
type Desc struct {
	Name    string // without the prefix
	Kind    Kind
	Labels  []string
	Help    string
	Buckets []float64 // of a histogram
}

// FullName is the name under which the metric is exported.
func (d *Desc) FullName() string { return Namespace + "_" + d.Name }

// Namespace is the prefix of all metric names.
const Namespace = "cdc2lake"

var table []*Desc

// Table lists all metrics of ours, in the order of docs/metrics.md.
func Table() []*Desc { return append([]*Desc(nil), table...) }

func define(kind Kind, name, help string, labels ...string) *Desc {
	d := &Desc{Name: name, Kind: kind, Labels: labels, Help: help}
	table = append(table, d)
	return d
}

func histogram(name, help string, buckets []float64, labels ...string) *Desc {
	d := define(Histogram, name, help, labels...)
	d.Buckets = buckets
	return d
}

// Buckets in seconds. A checkpoint is a second to minutes, a storage request milliseconds to a minute.
var (
	slowBuckets = []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600}
	// Freshness is spread over one checkpoint interval, so that the buckets are narrow where common intervals (1 s, 10 s) lie.
	freshBuckets = []float64{0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 12.5, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400}
	fastBuckets  = []float64{0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60}
)

// The metrics. Labels have few values: tables, operators and codes, never keys, files or messages.
var (
	buildInfo  = define(Gauge, "build_info", "Always 1; the labels say which build runs.", "version", "commit", "go")
	readyGauge = define(Gauge, "ready", "1 while the service answers /readyz with 200: recovery is done, and the log is being followed.")
	aliveGauge = define(Gauge, "alive", "1 while the service answers /healthz with 200.")

	rows      = define(Counter, "rows_total", "Rows committed to Iceberg, after collapsing changes of one key within a checkpoint. op is insert, update, delete, or read (initial load).", "table", "op")
	events    = define(Counter, "events_total", "Row changes of the source's log covered by commits, before collapsing.", "table")
	dataBytes = define(Counter, "data_bytes_total", "Bytes of data files committed to Iceberg.", "table")
	dataFiles = define(Counter, "data_files_total", "Data files committed to Iceberg.", "table")
	divergent = define(Counter, "divergent_rows_total", "Changes that contradict the table: an insert of a known key, an update or delete of an unknown one. Anything but 0 asks for verification.", "table")
	skipped   = define(Counter, "load_skipped_rows_total", "Rows of the initial load that were left out because the log had brought a newer version.", "table")

	lagSeconds  = define(Gauge, "lag_seconds", "Age of the oldest transaction that the source has committed and Iceberg has not; 0 if there is none. The source is asked every five seconds, so that a reader that stands still shows; while the source cannot be heard it is the time since it was.")
	lagBytes    = define(Gauge, "lag_bytes", "Bytes of the source's log that are not in Iceberg yet; absent where the source cannot tell.")
	tableLag    = define(Gauge, "table_lag_seconds", "As cdc2lake_lag_seconds, of one table. It grows while the table is paused.", "table")
	expiring    = define(Gauge, "expiring_tables", "Tables whose position in the source's log is about to be deleted there, or is deleted already; a paused table has to be resumed or loaded anew. Asked once a minute; the log names them.")
	freshness   = histogram("freshness_seconds", "Time from a transaction's commit in the source to its commit in Iceberg, once for the oldest and once for the newest transaction of each table's commit: all others lie between. The clocks are those of two machines.", freshBuckets, "transaction")
	sourceBytes = define(Counter, "source_bytes_total", "Bytes received from the source's log.")
	sourceConns = define(Counter, "source_connects_total", "Connections made to the source's log; more than one means that it was lost.")

	checkpoint         = define(Gauge, "checkpoint", "Number of the last complete checkpoint.")
	generation         = define(Gauge, "generation", "Number of the running generation: it grows by one with every start and every restart within a process.")
	checkpointTime     = define(Gauge, "last_checkpoint_timestamp_seconds", "When the last checkpoint was completed, in seconds since the epoch.")
	checkpointDuration = histogram("checkpoint_duration_seconds", "Time from a checkpoint's barrier to its last table commit.", slowBuckets)
	checkpointFailures = define(Counter, "checkpoint_failures_total", "Checkpoints that did not complete, by error code.", "code")
	commitDuration     = histogram("commit_duration_seconds", "Time of the table commits of one checkpoint.", slowBuckets)
	commitFailures     = define(Counter, "commit_failures_total", "Failed attempts to commit, by error code; most are tried again.", "code")
	commits            = define(Counter, "table_commits_total", "Snapshots committed.", "table")
	restarts           = define(Counter, "restarts_total", "Restarts from the last checkpoint within the process, by error code.", "code")
	errorsTotal        = define(Counter, "errors_total", "Errors, by code and class (docs/errors.md).", "code", "class")

	queueBytes     = define(Gauge, "queue_bytes", "Bytes waiting in the queue between an input (log, load) and a shard.", "input", "slot")
	queueLimit     = define(Gauge, "queue_limit_bytes", "Bound of each queue; at the bound its input waits.")
	operatorTime   = define(Counter, "operator_seconds_total", "Wall time of an operator by state: busy (working), idle (waiting for input), blocked (waiting for output). log decodes the source's log (blocked: queues are full); load reads chunks, slot being the reader (busy includes waiting for the source); shard collapses and looks up (blocked: its encoder is behind); encoder writes Parquet (blocked: the store is); committer decides and commits.", "operator", "slot", "state")
	tableState     = define(Gauge, "table_state", "1 for the state that the table is in: loading, catching-up, reconciling, live or paused; 0 for the others.", "table", "state")
	tablePaused    = define(Gauge, "table_paused", "1 for a table that stands still, with the error code of the reason.", "table", "code")
	loadRows       = define(Gauge, "load_rows", "Rows that the table's initial load has read so far.", "table")
	loadEstimate   = define(Gauge, "load_estimated_rows", "Rows that the source estimates the table to have.", "table")
	storeRequests  = define(Counter, "store_requests_total", "Requests to the object store, each attempt counted, by operation and result.", "operation", "result")
	storeBytes     = define(Counter, "store_bytes_total", "Bytes moved to or from the object store by successful requests.", "operation")
	storeDurations = histogram("store_request_duration_seconds", "Time of one request to the object store.", fastBuckets, "operation")
)

// Markdown renders docs/metrics.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("<!-- generated from internal/telemetry/table.go by `make docs`; do not edit -->\n# Metrics\n\n" +
		"`GET /metrics` in the text format of Prometheus, on the address `http.listen`. Beside the metrics below stand the usual\n" +
		"`go_*` and `process_*` ones. Error codes are those of [errors.md](errors.md).\n\n" +
		"| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, d := range table {
		labels := "–"
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		b.WriteString("| `" + d.FullName() + "` | " + string(d.Kind) + " | " + labels + " | " + d.Help + " |\n")
	}
	b.WriteString(endpoints)
	return b.String()
}

const endpoints = `
## Other endpoints

| path | answer |
|---|---|
| ` + "`/healthz`" + ` | 200 while the process works. 503 with the reason once it has failed for good, and while no checkpoint has been completed for 30 intervals, at least 5 minutes. The time that a recovery takes does not count unless it fails, nor does time in which there is no table to replicate. Restart the process on 503. |
| ` + "`/readyz`" + ` | 200 while a generation runs and the log is followed; 503 with the reason during recovery, while MySQL cannot be reached, between restarts, and while all tables are paused. |
| ` + "`/status`" + ` | the running service as it sees itself, as JSON (below). |

With ` + "`http.token`" + ` set, ` + "`/metrics` and `/status`" + ` want ` + "`Authorization: Bearer TOKEN`" + `; the two probes answer without.

## Status

| field of ` + "`/status`" + ` | meaning |
|---|---|
| ` + "`pipeline`, `version`" + ` | name of the pipeline, and of the build |
| ` + "`ready`, `waiting`" + ` | as ` + "`/readyz`" + `, and why not |
| ` + "`failed`" + ` | why ` + "`/healthz`" + ` answers 503; absent if it does not |
| ` + "`generation`" + ` | number of the running generation |
| ` + "`checkpoint`, `committed`" + ` | number of the last checkpoint with something to record, and when the last one was complete (RFC 3339) |
| ` + "`position`" + ` | how far the log was read at that checkpoint: a GTID set, or file:offset |
| ` + "`lag_seconds`, `lag_bytes`" + ` | as the metrics; ` + "`lag_bytes`" + ` is absent if unknown |
| ` + "`restarts`, `last_error`" + ` | restarts within this process, and what the last one was for |
| ` + "`tables[].table`, `tables[].state`" + ` | database.table, and loading, catching-up, reconciling, live or paused |
| ` + "`tables[].load_rows_read`, `tables[].load_rows_estimated`" + ` | rows that the initial load has read, and the source's estimate of all |
| ` + "`tables[].since_start`" + ` | counts of what was committed since the process started: ` + "`events`" + ` of the log before collapsing; ` + "`inserts`, `updates`, `deletes`" + ` among them; ` + "`reads`" + ` and ` + "`skipped`" + ` rows of the initial load; ` + "`divergent`" + ` changes; ` + "`rows`, `files`, `bytes`" + ` of data files; ` + "`oldest` and `newest`" + ` commit time, in microseconds since the epoch |
| ` + "`tables[].paused`" + ` | only of a paused table: ` + "`code`, `msg`, `remedy`" + `, and ` + "`since`" + ` in microseconds since the epoch |
| ` + "`tables[].expiring`" + ` | only of a table whose position in MySQL's log is about to be deleted there, or is: why |
`
