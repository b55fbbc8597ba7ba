package model

import "reflect"

// Rules are the rules of the protocol. All hold in Protocol; a control takes one away. The numbers are the steps of docs/protocol.md.
type Rules struct {
	ConditionalPut bool // 2, 8: a record is written only if its number is free
	ResolveByNonce bool // 2: a number that is taken is ours only if the nonce is
	FenceFirst     bool // 2: a generation begins with a record of its own
	AgainFence     bool // 3: after a fence the newest record is read again
	AgainData      bool // 3: after a data record, too
	Epoch          bool // 1: a lost store begins a new epoch
	FinishFirst    bool // 4: the last record is finished before anything else
	StopNewer      bool // 5, 9: a table that a newer generation has committed to stops this one
	NumbersBelow   bool // 5: a table with a record of an older generation above the fence says that the store was lost
	PositionEach   bool // 5: each table goes on from its own position
	ReplayResumed  bool // 5: a resumed table goes on from its marker
	MarkerExpired  bool // 5: a table whose marker is in no snapshot any more is not gone on with
	CleanOwn       bool // 6: a table is cleaned only while its property is of this generation
	CleanLate      bool // 6: only after the last record was finished
	CleanNamed     bool // 6: what a record names stays
	SkipCovered    bool // 7: what a table has is not applied again
	AnyEvent       bool // 7: a table gets a part for any event, even without net change
	MapDeletes     bool // 7: deletes that came while a compaction ran are mapped to its file
	AllAcks        bool // 7: a record waits for every shard
	VoidForeign    bool // 9: a part whose parent is not the head is void
	VoidUndone     bool // 9: a part that was committed once and is in main's ancestry no more is void
	ByAncestry     bool // 9: committed is what stands in main's ancestry, not in the property
	OwnParent      bool // 9: the next part's parent is the snapshot that carries this one, not the head
	SwapVersion    bool // 9: the commit asserts the metadata version, not only main
	DDLInPart      bool // 7: a definition changes in the commit of the rows around it
	DDLFromMarker  bool // 5: the log is read under the definition in the marker

	ChunkVisible  bool // load: a chunk sees at least what the log had delivered when it began
	ChunkRemember bool // load: a chunk's row whose key was deleted since it began is dropped
	ChunkUnknown  bool // load: a chunk's row whose key is known is dropped
	ChunkDDL      bool // load: a chunk read under another definition than the stream's is read again
	LoadProgress  bool // load: progress is part of the commit that holds the rows
	LoadEnd       bool // load: done only when the stream has passed what the last chunk may have seen
}

// Protocol is docs/protocol.md as it stands: every rule holds.
func Protocol() Rules {
	var r Rules
	for _, f := range reflect.ValueOf(&r).Elem().Fields() {
		f.SetBool(true)
	}
	return r
}

// Bounds say how often each fault may happen, and what else a scenario has.
type Bounds struct {
	Starts   uint8 // processes
	Timeouts uint8 // requests without an answer
	Lost     uint8 // losses of the record store
	Rewrites uint8 // of a table by somebody else
	Deletes  uint8 // of a row by somebody else
	Rolls    uint8 // rollbacks of a table to one of its two snapshots before
	Expiries uint8 // by somebody else: all snapshots but the head go
	Pauses   uint8
	Compacts uint8 // compactions of ours
	Cleans   uint8
	Records  uint8 // highest number of a record

	DDL    bool // transaction 2 alters table 1
	Load   bool // table 1 is being loaded, and joined the stream after transaction 1
	Shards bool // a shard for each key seals by itself, while the record before is being committed
}
