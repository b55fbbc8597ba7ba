package cdc

import (
	"cmp"
	"slices"
)

// Statement is a statement of a source's log that concerned a table, and what was done about it.
type Statement struct {
	Table TableID `json:"table"`
	// Position names the transaction as people write it (a GTID, or file:offset), and Ordinal counts the statements in it.
	Position string `json:"position"`
	Ordinal  int    `json:"ordinal"`
	Micros   int64  `json:"time"` // commit time in the source, microseconds since the epoch
	// Database is what names without a database in it mean.
	Database string `json:"database,omitempty"`
	// SQL is empty if the statement is none that defines tables: such ones hold values.
	SQL    string `json:"statement,omitempty"`
	Action Action `json:"action"`
	Code   string `json:"code,omitempty"` // the reason of ActionReload, ActionReplace and ActionPaused
	// Before and After are the ids of the table's Iceberg schemas, where they are known.
	Before *int `json:"schema_before,omitempty"`
	After  *int `json:"schema_after,omitempty"`
	// Epoch and Checkpoint name the record that decided this; Sequence is the order within it.
	Epoch      uint64 `json:"epoch"`
	Checkpoint uint64 `json:"checkpoint"`
	Sequence   int    `json:"sequence"`

	// From and To are the definitions, as long as the schemas have no ids yet.
	From, To *Schema `json:"-"`
}

// Action is what was done about a statement.
type Action string

const (
	// ActionMetadata: the definition was carried over.
	ActionMetadata Action = "metadata"
	// ActionTruncate: the table was emptied.
	ActionTruncate Action = "truncate"
	// ActionReload: the table is loaded anew, and keeps its rows until others have taken their place.
	ActionReload Action = "reload"
	// ActionReplace: the table is emptied, and loaded anew once it can be.
	ActionReplace Action = "replace"
	// ActionPaused: the table stands still.
	ActionPaused Action = "paused"
	// ActionNone: the table is not followed where the statement stands, so that nothing has to be done: it has not joined yet, is paused, or
	// is loaded as it was later.
	ActionNone Action = "none"
	// ActionJoined: the table came into being, and joins.
	ActionJoined Action = "joined"
)

// SortStatements sorts statements by the order in which they were acted on.
func SortStatements(s []Statement) {
	slices.SortFunc(s, func(a, b Statement) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Checkpoint, b.Checkpoint), cmp.Compare(a.Sequence, b.Sequence))
	})
}
