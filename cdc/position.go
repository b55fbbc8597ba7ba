package cdc

// Position is a place in a source's log. It is opaque outside the source that made it, always stands for a transaction
// boundary, and carries the server's identity. The empty Position means none. It is printable text.
type Position string

// Boundary is a transaction boundary that a source has reached: everything before it has been handed on.
type Boundary struct {
	Position Position
	// CommitMicros is the commit time of the last transaction before the boundary, microseconds since the epoch;
	// 0 if the source has not seen one yet.
	CommitMicros int64
	// Seq is the sequence number of the last batch or event handed on.
	Seq uint64
	// Label is the position as people write it (a GTID set, or file:offset), for summaries and logs.
	Label string
}
