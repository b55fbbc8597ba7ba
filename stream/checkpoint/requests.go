package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Request is what a command asks of the pipeline: requests/reload/TABLE/NONCE.json. A running process polls for it, a
// starting one honours it, and it is deleted once it has been answered. Each has a name of its own, so that deleting one
// never takes another one along that was made meanwhile.
type Request struct {
	Table  cdc.TableID `json:"table"`
	Micros int64       `json:"micros"` // when it was made
	Key    string      `json:"-"`      // tells requests apart
}

const (
	requestsPrefix = "requests/"
	reloadPrefix   = requestsPrefix + "reload/"
)

// newReloadKey names a request.
func newReloadKey(t cdc.TableID) string {
	b, _ := t.MarshalText() //nolint:errcheck // never fails
	return reloadPrefix + strings.ReplaceAll(string(b), "/", "%2F") + "/" + newNonce() + ".json"
}

// RequestReload asks the pipeline to load a table anew.
func (s *Store) RequestReload(ctx context.Context, t cdc.TableID) error {
	b, err := json.Marshal(Request{Table: t, Micros: time.Now().UnixMicro()})
	if err != nil {
		return err
	}
	if err := s.objs.Put(ctx, newReloadKey(t), b); err != nil {
		return storeErr(err)
	}
	return nil
}

// Asked says what there are requests for, so that a look costs one listing.
func (s *Store) Asked(ctx context.Context) (reloads, repairs bool, err error) {
	for i, err := range s.objs.List(ctx, requestsPrefix, "") {
		if err != nil {
			return false, false, storeErr(err)
		}
		reloads = reloads || strings.HasPrefix(i.Key, reloadPrefix)
		repairs = repairs || strings.HasPrefix(i.Key, repairPrefix)
	}
	return reloads, repairs, nil
}

// Reloads lists the tables that are to be loaded anew.
func (s *Store) Reloads(ctx context.Context) ([]Request, error) {
	var out []Request
	for i, err := range s.objs.List(ctx, reloadPrefix, "") {
		if err != nil {
			return nil, storeErr(err)
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
			return nil, &cdc.Error{Code: cdc.CodeCorrupt, Msg: s.objs.Location(i.Key) + " is not a reload request",
				Fix: "delete the object, and ask again with: cdc2lake reload DATABASE.TABLE"}
		}
		r.Key = i.Key
		out = append(out, r)
	}
	return out, nil
}

// ReloadDone removes a request that has been answered. A newer request for the same table stays.
func (s *Store) ReloadDone(ctx context.Context, r Request) error {
	if err := s.objs.Delete(ctx, r.Key); err != nil {
		return storeErr(err)
	}
	return nil
}

func objstoreNotFound(err error) bool { return errors.Is(err, objstore.ErrNotFound) }
