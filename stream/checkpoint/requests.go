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

// Request is what a command asks of the pipeline: requests/reload/TABLE. A running process polls for it, a starting one
// honours it, and it is deleted once it has been committed.
type Request struct {
	Table  cdc.TableID `json:"table"`
	Micros int64       `json:"micros"` // when it was made
	ETag   string      `json:"-"`
}

const reloadPrefix = "requests/reload/"

func reloadKey(t cdc.TableID) string {
	b, _ := t.MarshalText() //nolint:errcheck // never fails
	return reloadPrefix + strings.ReplaceAll(string(b), "/", "%2F") + ".json"
}

// RequestReload asks the pipeline to load a table anew.
func (s *Store) RequestReload(ctx context.Context, t cdc.TableID) error {
	b, err := json.Marshal(Request{Table: t, Micros: time.Now().UnixMicro()})
	if err != nil {
		return err
	}
	if err := s.objs.Put(ctx, reloadKey(t), b); err != nil {
		return storeErr(err)
	}
	return nil
}

// Reloads lists the tables that are to be loaded anew.
func (s *Store) Reloads(ctx context.Context) ([]Request, error) {
	var out []Request
	for i, err := range s.objs.List(ctx, reloadPrefix, "") {
		if err != nil {
			return nil, storeErr(err)
		}
		b, info, err := s.objs.Get(ctx, i.Key)
		if err != nil {
			if objstoreNotFound(err) {
				continue
			}
			return nil, storeErr(err)
		}
		var r Request
		if err := json.Unmarshal(b, &r); err != nil || r.Table == (cdc.TableID{}) {
			return nil, corrupt(s.objs.Location(i.Key), "is not a reload request")
		}
		r.ETag = info.ETag
		out = append(out, r)
	}
	return out, nil
}

// ReloadDone removes a request that has been committed. A newer request for the same table stays.
func (s *Store) ReloadDone(ctx context.Context, r Request) error {
	_, info, err := s.objs.Get(ctx, reloadKey(r.Table))
	switch {
	case objstoreNotFound(err):
		return nil
	case err != nil:
		return storeErr(err)
	case info.ETag != r.ETag:
		return nil
	}
	if err := s.objs.Delete(ctx, reloadKey(r.Table)); err != nil {
		return storeErr(err)
	}
	return nil
}

func objstoreNotFound(err error) bool { return errors.Is(err, objstore.ErrNotFound) }
