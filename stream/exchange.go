package stream

import (
	"context"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Kind tells what an Envelope carries.
type Kind uint8

const (
	// KindBatch: rows of one table.
	KindBatch Kind = iota
	// KindBarrier ends checkpoint K on this input.
	KindBarrier
	// KindSchema: a table's new definition.
	KindSchema
	// KindPause: a table is followed no further.
	KindPause
	// KindTruncate: a table was emptied.
	KindTruncate
	// KindLive: a table's load is done.
	KindLive
	// KindComplete: checkpoint K is complete.
	KindComplete
)

// Envelope is what travels from an input to a slot.
type Envelope struct {
	Generation uint64
	Input      int
	Sequence   uint64 // counts the envelopes of one input to one slot: 1, 2, …
	Kind       Kind
	K          uint64      // KindBarrier, KindComplete
	Batch      *cdc.Batch  // KindBatch
	Rows       []int32     // KindBatch: selected rows; nil means all
	rows       *[]int32    // where Rows comes from, to be given back; nil if it came from elsewhere
	Chunk      cdc.Chunk   // KindBatch of a load: the chunk it belongs to
	Table      cdc.TableID // KindPause, KindTruncate, KindLive
	Schema     *cdc.SchemaChange
}

// Bytes is what the envelope counts against its queue's bound.
func (e *Envelope) Bytes() int {
	if e.Batch == nil {
		return 0
	}
	if e.Rows == nil || e.Batch.N == 0 {
		return e.Batch.Bytes()
	}
	return e.Batch.Bytes() * len(e.Rows) / e.Batch.N
}

// Exchange is the queue between inputs and slots. Its only implementation is bounded memory (see Queues); a log of another
// process may stand here later, so nothing in an Envelope depends on sharing memory except for speed.
type Exchange interface {
	// Send appends to the queue of (input, slot). It blocks while the queue holds more bytes than its bound.
	Send(ctx context.Context, slot int, e Envelope) error
	// Receive takes the next envelope of the slot from any input whose bit in hold is not set.
	Receive(ctx context.Context, slot int, hold uint64) (Envelope, error)
}
