package stream

import (
	"context"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Sink is the two-phase-commit target of a pipeline. Step numbers are those of docs/protocol.md.
type Sink interface {
	// Markers reads the markers of the tables that exist (step 1). Tables that do not exist are absent.
	Markers(ctx context.Context, tables []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error)

	// Part makes a table's part of the next record out of the shards' committables. It is called when the checkpoint
	// before is complete, so that the sink knows the parent that the part will assert. No storage call is made.
	Part(in cdc.PartInput) (cdc.Part, error)

	// Commit commits the parts of a decided record (step 9; step 4 when it finishes the record of an older generation).
	// It is idempotent: a part whose marker stands in main's ancestry is Committed. It retries what can be retried
	// until ctx ends. A table whose property holds a newer generation than gen makes it fail with class Fenced.
	Commit(ctx context.Context, gen cdc.Generation, id cdc.CheckpointID, parts map[cdc.TableID]cdc.Part) (map[cdc.TableID]cdc.Outcome, error)

	// CatchUp makes tables ready for a generation (step 5): creates those that do not exist, brings the keyed state to
	// main's head, and says where each goes on. A table that cannot go on is returned with Paused set.
	CatchUp(ctx context.Context, gen cdc.Generation, tables []cdc.TableRequest) ([]cdc.TableStart, error)

	// Define makes a table's new definition known, before any shard writes under it. An error of class TablePaused says that it
	// cannot be carried over to the table as it stands.
	Define(s *cdc.Schema) error

	// Shard returns the writer of a slot for the generation of the last CatchUp. Writers of one generation may be used
	// concurrently with each other, Part and Commit; each from one goroutine.
	Shard(slot int) (ShardWriter, error)

	// Moved lists the tables whose head is not the snapshot that the sink expects (step 10, when idle).
	Moved(ctx context.Context) ([]cdc.TableID, error)

	// Clean removes files of older generations that no record names and no snapshot ever referenced (step 6).
	// named holds the parts of all records in the store; it was read before the call.
	Clean(ctx context.Context, gen cdc.Generation, named []cdc.Part) error
}

// ShardWriter writes the rows of one slot's key groups. It is used by one goroutine.
type ShardWriter interface {
	// Write takes rows of a batch, and with them one reference to it. rows selects and is ascending; nil means all.
	Write(ctx context.Context, b *cdc.Batch, rows []int32) error
	// Schema switches a table to a new definition; later batches come under it.
	Schema(ctx context.Context, c cdc.SchemaChange) error
	// Live says that a table's load is done: from now on divergence is counted and remembered deletes are forgotten.
	Live(t cdc.TableID)
	// Pause drops what the current checkpoint holds of the table; later batches of it are ignored.
	Pause(t cdc.TableID)
	// Truncate empties a table whose load is done: what the current checkpoint holds of it is dropped, and what the table held is unknown.
	Truncate(t cdc.TableID)
	// Prepare ends checkpoint k: what was written since the last Prepare is sealed. Uploads may go on until Wait returns;
	// rows written afterwards belong to the next checkpoint.
	Prepare(ctx context.Context, k uint64) (Prepared, error)
	// Complete says that checkpoint k is complete: its part of the state becomes permanent.
	Complete(ctx context.Context, k uint64) error
	// Close gives everything back; unprepared rows are dropped, open uploads aborted.
	Close() error
}

// Prepared is a checkpoint that a shard has sealed.
type Prepared interface {
	// Wait returns when all data files are stored, with one committable per table that had rows.
	Wait(ctx context.Context) ([]cdc.Committable, error)
}
