package cdc

import "encoding/json"

// Bound is a key that limits a chunk, as the source encodes it; empty means the table's edge.
type Bound string

// Chunk is a range of a table's key, after From (exclusive) up to To (inclusive).
type Chunk struct {
	From Bound `json:"from,omitempty"`
	To   Bound `json:"to,omitempty"`
}

// LoadPhase says how far a table's initial load has come.
type LoadPhase string

const (
	// LoadPending: nothing has been read. The zero value reads as this.
	LoadPending LoadPhase = ""
	// LoadReading: chunks are being read.
	LoadReading LoadPhase = "reading"
	// LoadCatchingUp: all chunks are applied; the table is consistent once the stream has passed LoadState.End.
	LoadCatchingUp LoadPhase = "catching-up"
	// LoadReconciling: the table goes on with rows of which it is not known that they are the source's; it is compared with the source,
	// and consistent once the stream has passed LoadState.End, which is set when nothing differs any more.
	LoadReconciling LoadPhase = "reconciling"
	// LoadDone: the table equals the source as of its position.
	LoadDone LoadPhase = "done"
)

// LoadState is the progress of a table's initial load as of a checkpoint: everything up to Frontier has been read and
// applied, except the chunks in Open. After a restart open chunks are read again from their start. A table without a key
// starts over if its load is not done.
type LoadState struct {
	Phase    LoadPhase `json:"phase,omitempty"`
	Frontier Bound     `json:"frontier,omitempty"`
	// Planned: no chunk follows Frontier.
	Planned bool    `json:"planned,omitempty"`
	Open    []Chunk `json:"open,omitempty"`
	// End is the log position read after the last chunk, or after the comparison.
	End Position `json:"end,omitempty"`
	// Rows counts the rows read so far, for progress only.
	Rows int64 `json:"rows,omitempty"`
	// Base is set by the sink when a table that holds rows is loaded anew, and means something to it alone: data files numbered up
	// to Base are from before the load. Their rows are replaced one by one, so that readers never miss any, and what is left of them
	// is removed by the part with which the load is done.
	Base uint32 `json:"base,omitempty"`
}

// CheckpointID names one record of the checkpoint store.
type CheckpointID struct {
	Epoch uint64 `json:"epoch"`
	K     uint64 `json:"k"`
	Nonce string `json:"nonce"`
}

// Generation is one attempt to run: the fencing token. It is the epoch and number of the fence record.
type Generation struct {
	Epoch  uint64 `json:"epoch"`
	Number uint64 `json:"generation"`
}

// Less orders generations by epoch, then number.
func (g Generation) Less(o Generation) bool {
	return g.Epoch < o.Epoch || g.Epoch == o.Epoch && g.Number < o.Number
}

// MarkerVersion is the format of Marker. N reads N-1; a newer one is refused.
const MarkerVersion = 1

// Marker says which pipeline and checkpoint a table's contents come from, and how far in the source's log they
// reach. It stands in the summary of every snapshot of ours (the ancestry of main decides what is committed) and in a
// table property (which only moves forward, also when the table is rolled back).
type Marker struct {
	V          int          `json:"v"`
	Pipeline   string       `json:"pipeline"`
	ID         CheckpointID `json:"id"`
	Generation uint64       `json:"generation"`
	Position   Position     `json:"position"`
	Load       LoadState    `json:"load"`
	// Schema is the table's definition as of Position.
	Schema json.RawMessage `json:"schema,omitempty"`
}

// Gen returns the generation that wrote the marker.
func (m *Marker) Gen() Generation { return Generation{m.ID.Epoch, m.Generation} }

// Pause says why a table stands still.
type Pause struct {
	Code   string `json:"code"`
	Msg    string `json:"msg"`
	Remedy string `json:"remedy,omitempty"`
	Since  int64  `json:"since,omitempty"` // microseconds since the epoch
}

// PauseOf describes err as the reason of a pause.
func PauseOf(err *Error, nowMicros int64) *Pause {
	return &Pause{Code: err.Code.Name, Msg: err.Error(), Remedy: err.Remedy(), Since: nowMicros}
}
