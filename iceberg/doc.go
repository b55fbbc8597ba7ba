// Package iceberg is the two-phase-commit sink: it turns batches of changes into data files and positions of deleted
// rows, and commits them to Iceberg tables exactly once.
//
// It has two sides. The write side (ShardWriter) collapses changes per key, looks old locations up in the keyed state and
// encodes Parquet. The commit side (Sink) makes a table's part of a checkpoint record out of what the shards prepared,
// commits it by step 9 of docs/protocol.md, and brings tables and state together again after a restart (CatchUp).
// contract.go is the border between them.
//
// The rules that must not be broken:
//
//   - A part is committed only on the snapshot that it names as its parent, and only by a compare-and-swap on the metadata
//     version on which that was seen. Everything else is void and is prepared anew.
//   - Committed is decided by main's ancestry (the marker in a snapshot's summary), "somebody newer was here" by the table
//     property, which a rollback does not move.
//   - Delete files are built while committing, against the parent. A data file has at most one deletion vector.
//   - Whoever changes a table besides us is noticed, never overwritten and never merged with.
//
// Only this package and compaction import apache/iceberg-go.
package iceberg
