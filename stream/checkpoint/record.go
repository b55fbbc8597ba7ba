package checkpoint

import (
	"encoding/json"
	"fmt"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Version is the format of a Record. A reader of N reads N-1 too, and refuses a newer one.
const Version = 1

// maxRecordBytes bounds what is read back; a checkpoint of 10,000 files and 10 million deleted positions stays below it.
const maxRecordBytes = 1 << 30

// Kind tells a fence from a decision.
type Kind string

const (
	// Fence opens a generation. It has no parts.
	Fence Kind = "fence"
	// Data decides a checkpoint.
	Data Kind = "data"
)

// Last names the newest data record as of a record of the same epoch; N is 0 if there is none.
type Last struct {
	N     uint64 `json:"n"`
	Nonce string `json:"nonce"`
}

// Ack says that a slot has prepared its share: which attempt it was, and which one it followed, so that an owner that
// missed a checkpoint is never taken for the one that did not.
type Ack struct {
	Slot int    `json:"slot"`
	ID   string `json:"id"`
	Prev string `json:"prev,omitempty"`
	// Mark is how far the slot has read each input.
	Mark []uint64 `json:"mark"`
}

// Record is one link of the chain. The tables' entries are complete in every record.
type Record struct {
	V        int    `json:"v"`
	Pipeline string `json:"pipeline"`
	Kind     Kind   `json:"kind"`
	Epoch    uint64 `json:"epoch"`
	N        uint64 `json:"n"`
	// Generation is the number of the fence record of the process that wrote this.
	Generation uint64 `json:"generation"`
	Nonce      string `json:"nonce"`
	Last       Last   `json:"last"`
	// Positions holds the boundary of each input of the log at this checkpoint.
	Positions []cdc.Position            `json:"positions,omitempty"`
	Tables    map[cdc.TableID]cdc.Entry `json:"tables"`
	Parts     map[cdc.TableID]cdc.Part  `json:"parts,omitempty"`
	Acks      []Ack                     `json:"acks,omitempty"`
	// Statements of the log that were acted on up to here, and that the history may not have yet.
	Statements []cdc.Statement `json:"statements,omitempty"`
	Micros     int64           `json:"micros"` // when it was written, microseconds since the epoch
}

// ID names the record.
func (r *Record) ID() cdc.CheckpointID {
	return cdc.CheckpointID{Epoch: r.Epoch, K: r.N, Nonce: r.Nonce}
}

func (r *Record) encode() ([]byte, error) {
	r.V = Version
	return json.Marshal(r)
}

// decode reads a record and checks what a foreign or damaged object would get wrong.
func decode(b []byte, pipeline string, epoch, n uint64, where string) (*Record, error) {
	r := new(Record)
	err := json.Unmarshal(b, r)
	if err != nil {
		r.V = 0
		var v struct {
			V int `json:"v"`
		}
		if json.Unmarshal(b, &v) != nil {
			return nil, corrupt(where, fmt.Sprintf("is not a checkpoint record: %v", err))
		}
		r.V = v.V // a newer format may not be one that can be read, and is not damage
	}
	if r.V > Version || r.V < 1 {
		return nil, &cdc.Error{Code: CodeRecordVersion, Msg: fmt.Sprintf("%s has format version %d, this program reads up to %d", where, r.V, Version)}
	}
	if err != nil {
		return nil, corrupt(where, fmt.Sprintf("cannot be read: %v", err))
	}
	switch {
	case r.Pipeline != pipeline:
		return nil, &cdc.Error{Code: CodeForeignRecord, Msg: fmt.Sprintf("%s belongs to pipeline %q, not to %q", where, r.Pipeline, pipeline)}
	case r.Epoch != epoch || r.N != n:
		return nil, corrupt(where, fmt.Sprintf("says that it is record %d of epoch %d", r.N, r.Epoch))
	case r.Nonce == "" || r.Generation == 0 || r.Generation > r.N:
		return nil, corrupt(where, "lacks its nonce or generation")
	case r.Kind != Fence && r.Kind != Data, r.Kind == Fence && len(r.Parts) > 0:
		return nil, corrupt(where, fmt.Sprintf("has kind %q and %d parts", r.Kind, len(r.Parts)))
	}
	return r, nil
}

func corrupt(where, what string) error {
	return &cdc.Error{Code: cdc.CodeCorrupt, Msg: where + " " + what,
		Fix: "if the object was damaged or written by something else, restore it; if it cannot be restored, move the whole records/ folder of the pipeline away: the pipeline then goes on from the tables' own markers"}
}
