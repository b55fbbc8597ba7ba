package checkpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Verb is what is asked for.
type Verb string

const (
	// Reload: load the table anew.
	Reload Verb = "reload"
	// Pause: stand still until Resume or Reload.
	Pause Verb = "pause"
	// Resume: go on from where Pause has left the table.
	Resume Verb = "resume"
)

// Request is what a command asks of the pipeline: requests/VERB/TABLE/NONCE.json. A running process polls for it, a
// starting one honours it, and it is deleted once it has been answered. Each has a name of its own, so that deleting one
// never takes another one along that was made meanwhile.
type Request struct {
	Table  cdc.TableID `json:"table"`
	Micros int64       `json:"micros"` // when it was made
	Verb   Verb        `json:"-"`      // the key has it
	Key    string      `json:"-"`      // tells requests apart
}

const requestsPrefix = "requests/"

// requestsFor is where the requests for a table are; verb is a Verb or that of repairs.
func requestsFor(verb Verb, t cdc.TableID) string {
	b, _ := t.MarshalText() //nolint:errcheck // never fails
	return requestsPrefix + string(verb) + "/" + strings.ReplaceAll(string(b), "/", "%2F") + "/"
}

// newRequestKey names a request.
func newRequestKey(verb Verb, t cdc.TableID) string {
	return requestsFor(verb, t) + newNonce() + ".json"
}

// Ask asks something of the pipeline for a table.
func (s *Store) Ask(ctx context.Context, v Verb, t cdc.TableID) error {
	b, err := json.Marshal(Request{Table: t, Micros: time.Now().UnixMicro()})
	if err != nil {
		return err
	}
	if err := s.objs.Put(ctx, newRequestKey(v, t), b); err != nil {
		return storeErr(err)
	}
	return nil
}

// Asked says what there are requests for, so that a look costs one listing.
func (s *Store) Asked(ctx context.Context) (requests, repairs bool, err error) {
	for i, err := range s.objs.List(ctx, requestsPrefix, "") {
		if err != nil {
			return false, false, storeErr(err)
		}
		requests = requests || verbOf(i.Key) != ""
		repairs = repairs || strings.HasPrefix(i.Key, repairPrefix)
	}
	return requests, repairs, nil
}

// verbOf returns the verb of a request's key; empty: it is none of these requests.
func verbOf(key string) Verb {
	v, _, _ := strings.Cut(strings.TrimPrefix(key, requestsPrefix), "/")
	switch v := Verb(v); v {
	case Reload, Pause, Resume:
		return v
	}
	return ""
}

// Requests lists what is asked for, oldest first.
func (s *Store) Requests(ctx context.Context) ([]Request, error) {
	var out []Request
	for i, err := range s.objs.List(ctx, requestsPrefix, "") {
		if err != nil {
			return nil, storeErr(err)
		}
		verb := verbOf(i.Key)
		if verb == "" {
			continue
		}
		b, _, err := s.objs.Get(ctx, i.Key)
		if err != nil {
			if objstoreNotFound(err) {
				continue
			}
			return nil, storeErr(err)
		}
		var r Request
		if err := json.Unmarshal(b, &r); err != nil || r.Table == (cdc.TableID{}) {
			return nil, &cdc.Error{Code: cdc.CodeCorrupt, Msg: s.objs.Location(i.Key) + " is not a request to " + string(verb) + " a table",
				Fix: "delete the object, and ask again with: cdc2lake " + string(verb) + " DATABASE.TABLE"}
		}
		r.Key, r.Verb = i.Key, verb
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b Request) int { return cmp.Compare(a.Micros, b.Micros) })
	return out, nil
}

// Answered removes a request that has been answered. A newer request for the same table stays.
func (s *Store) Answered(ctx context.Context, r Request) error {
	if err := s.objs.Delete(ctx, r.Key); err != nil {
		return storeErr(err)
	}
	return nil
}

func objstoreNotFound(err error) bool { return errors.Is(err, objstore.ErrNotFound) }
