// Package telemetry is what an operator sees of a running cdc2lake: metrics, logs, health and status over HTTP.
//
// It imports nothing of ours, and the other packages do not import it: they declare small hooks, and cmd/cdc2lake ties
// these to the methods of Metrics, which take plain values. Every metric stands in one table (see Table), from which
// docs/metrics.md is written and against which it is checked.
package telemetry
