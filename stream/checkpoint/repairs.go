package checkpoint

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Repair asks a running process to bring rows of a table to what the source has: requests/repair/TABLE/NONCE.json. It says which
// rows, never what they are: that is read when the repair is made.
type Repair struct {
	Table cdc.TableID `json:"table"`
	// Columns are the key's columns with their types; keys under another definition mean nothing.
	Columns []string `json:"columns"`
	// Rows are keys of rows that the source has, Gone of rows that it does not have, as cdc.Batch.AppendKey writes them.
	Rows   [][]byte `json:"rows,omitempty"`
	Gone   [][]byte `json:"gone,omitempty"`
	Micros int64    `json:"micros"` // when it was asked for
	Key    string   `json:"-"`      // tells requests apart
}

// RepairKeys is how many keys a Repair may have.
const RepairKeys = cdc.MaxBatchRows

const (
	repairVerb   Verb = "repair"
	repairPrefix      = requestsPrefix + string(repairVerb) + "/"
)

// KeyColumns describes the key of a definition for Repair.Columns.
func KeyColumns(s *cdc.Schema) []string {
	out := make([]string, len(s.Key))
	for n, i := range s.Key {
		out[n] = s.Columns[i].Name + " " + s.Columns[i].Type.String()
	}
	return out
}

// RequestRepair asks for a repair.
func (s *Store) RequestRepair(ctx context.Context, r Repair) error {
	r.Micros = time.Now().UnixMicro()
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := s.objs.Put(ctx, newRequestKey(repairVerb, r.Table), b); err != nil {
		return storeErr(err)
	}
	return nil
}

// Repairs lists the requests that known does not report as read before. One that cannot be read has no table.
func (s *Store) Repairs(ctx context.Context, known func(key string) bool) ([]Repair, error) {
	var out []Repair
	for i, err := range s.objs.List(ctx, repairPrefix, "") {
		if err != nil {
			return nil, storeErr(err)
		}
		if known(i.Key) {
			continue
		}
		b, _, err := s.objs.Get(ctx, i.Key)
		if err != nil {
			if objstoreNotFound(err) {
				continue
			}
			return nil, storeErr(err)
		}
		var r Repair
		if err := json.Unmarshal(b, &r); err != nil || len(r.Rows)+len(r.Gone) > RepairKeys {
			r = Repair{} // not worth stopping for: nobody can make anything of it
		}
		r.Key = i.Key
		out = append(out, r)
	}
	return out, nil
}

// PendingRepairs counts the requests for a table that have not been answered.
func (s *Store) PendingRepairs(ctx context.Context, t cdc.TableID) (int, error) {
	n := 0
	for _, err := range s.objs.List(ctx, requestsFor(repairVerb, t), "") {
		if err != nil {
			return 0, storeErr(err)
		}
		n++
	}
	return n, nil
}

// RepairDone removes a request that has been answered.
func (s *Store) RepairDone(ctx context.Context, r Repair) error {
	if err := s.objs.Delete(ctx, r.Key); err != nil {
		return storeErr(err)
	}
	return nil
}
