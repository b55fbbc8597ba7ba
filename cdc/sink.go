package cdc

// Entry is what a checkpoint record says of a table: the newest part that was decided for it, and how far the log is
// covered, which may be beyond that part's position when nothing happened to the table since.
type Entry struct {
	ID       CheckpointID `json:"id"`
	Position Position     `json:"position"`
	Paused   *Pause       `json:"paused,omitempty"`
	// PartMicros is when the newest part was decided: rarely changing tables get a marker-only part well inside the
	// log's retention.
	PartMicros int64 `json:"at,omitempty"`
}

// TableMarkers are the markers that a table carries.
type TableMarkers struct {
	Property *Marker // nil: the table is not ours
	Ancestry *Marker // newest marker in main's ancestry; nil: none
}

// TableRequest asks the sink to make a table ready for a generation.
type TableRequest struct {
	Discovered *Discovered // nil if the table is no longer in the source
	Entry      *Entry      // nil if no record names it
	// Reload loads the table anew; Empty, too, that what it holds is of no use until then: it is another table, or was emptied.
	Reload, Empty bool
	// Reconcile makes a reload unnecessary, if it can: what the table holds stays, under a definition that follows from the one that it
	// has (see Source.Evolve), and it goes on from Discovered.Position, to be compared (LoadReconciling). Nil: it is loaded.
	Reconcile func(has *Schema) (*Schema, error)
}

// TableStart is where a table goes on after recovery.
type TableStart struct {
	Table    TableID
	Schema   *Schema // the definition as of Position
	Position Position
	Load     LoadState
	Entry    Entry
	// Reload: the table is loaded anew, and a part is due at once that says so.
	Reload bool
	// Replace: that part must take the place of everything in the table (PartInput.Replace). Otherwise the old rows stay until the
	// load has replaced them, see LoadState.Base.
	Replace bool
	// Paused tables take no part until they are resumed or reloaded.
	Paused *Pause
	Rows   int64 // live rows
}

// Committable is what one shard has prepared of one table for one checkpoint. Payload is opaque outside the sink.
type Committable struct {
	Table   TableID `json:"table"`
	Payload []byte  `json:"payload"`
	Counts  Counts  `json:"counts"`
}

// Counts are a shard's figures of one table and checkpoint.
type Counts struct {
	// Events counts log events before collapsing; a table with any gets a part even if nothing changed on balance.
	Events  int64 `json:"events"`
	Inserts int64 `json:"inserts"`
	Updates int64 `json:"updates"`
	Deletes int64 `json:"deletes"`
	Reads   int64 `json:"reads"`   // chunk rows applied
	Skipped int64 `json:"skipped"` // chunk rows that the stream already knew better
	// Divergent counts, on a loaded table, INSERTs of known keys and UPDATEs or DELETEs of unknown ones.
	Divergent int64 `json:"divergent"`
	Rows      int64 `json:"rows"`  // rows written to data files
	Files     int64 `json:"files"` // data files
	Bytes     int64 `json:"bytes"` // bytes of data files
	// OldestMicros and NewestMicros are the commit times of the first and last transaction with rows here; 0 if none.
	OldestMicros int64 `json:"oldest,omitempty"`
	NewestMicros int64 `json:"newest,omitempty"`
}

// Add accumulates o into c.
func (c *Counts) Add(o Counts) {
	c.Events += o.Events
	c.Inserts += o.Inserts
	c.Updates += o.Updates
	c.Deletes += o.Deletes
	c.Reads += o.Reads
	c.Skipped += o.Skipped
	c.Divergent += o.Divergent
	c.Rows += o.Rows
	c.Files += o.Files
	c.Bytes += o.Bytes
	if o.OldestMicros != 0 && (c.OldestMicros == 0 || o.OldestMicros < c.OldestMicros) {
		c.OldestMicros = o.OldestMicros
	}
	c.NewestMicros = max(c.NewestMicros, o.NewestMicros)
}

// PartInput is what a sink makes a table's part of a record from.
type PartInput struct {
	Table        TableID
	Committables []Committable // of all shards, in slot order; empty: a marker-only part
	Position     Position      // the table's position after this checkpoint
	Label        string        // the position as people write it
	CommitMicros int64         // source commit time of the last transaction before Position
	Load         LoadState
	// Schema is the table's definition as of Position.
	Schema *Schema
	// Replace: the part's files take the place of everything in the table.
	Replace bool
	// Truncated: the table was emptied since the part before; the files of this one were all written afterwards.
	Truncated bool
	// Drop: the load that began with LoadState.Base is done, and the files up to it leave the table.
	Drop bool
}

// Part is a table's share of a checkpoint record: enough for any process to commit it.
type Part struct {
	Position Position `json:"position"`
	Payload  []byte   `json:"payload"` // opaque outside the sink: parent snapshot, data files, deleted positions, marker fields
	Counts   Counts   `json:"counts"`
}

// Outcome says what became of a table's part.
type Outcome uint8

const (
	// Committed: the part stands in main's ancestry.
	Committed Outcome = iota
	// Void: the table was changed by somebody else since the part was prepared; it gets no part of this record.
	// A new generation catches up and replays.
	Void
)
