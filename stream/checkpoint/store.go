package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Store holds the records of one pipeline: objects records/EPOCH/NUMBER.json, both with leading zeros, so that the order
// of the names is the order of the records. Each epoch has its own prefix.
type Store struct {
	objs     objstore.Store
	pipeline string
}

// NewStore returns the store of a pipeline in objs.
func NewStore(objs objstore.Store, pipeline string) *Store { return &Store{objs, pipeline} }

const recordsPrefix = "records/"

func recordKey(epoch, n uint64) string {
	return fmt.Sprintf("%s%010d/%020d.json", recordsPrefix, epoch, n)
}

// ref is a record's name.
type ref struct{ epoch, n uint64 }

func (r ref) less(o ref) bool { return r.epoch < o.epoch || r.epoch == o.epoch && r.n < o.n }

func parseKey(key string) (ref, bool) {
	e, n, ok := strings.Cut(strings.TrimPrefix(key, recordsPrefix), "/")
	n, json := strings.CutSuffix(n, ".json")
	if !ok || !json {
		return ref{}, false
	}
	epoch, err1 := strconv.ParseUint(e, 10, 64)
	num, err2 := strconv.ParseUint(n, 10, 64)
	if err1 != nil || err2 != nil || recordKey(epoch, num) != key {
		return ref{}, false
	}
	return ref{epoch, num}, true
}

// maxTries bounds what is repeated at once because a store contradicts itself, or loses every answer.
const maxTries = 10

// list returns the names of all records, oldest first. Objects of other names are left alone.
func (s *Store) list(ctx context.Context) ([]ref, error) {
	var out []ref
	for i, err := range s.objs.List(ctx, recordsPrefix, "") {
		if err != nil {
			return nil, storeErr(err)
		}
		if r, ok := parseKey(i.Key); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// read returns a record, or nil if there is none.
func (s *Store) read(ctx context.Context, r ref) (*Record, error) {
	key := recordKey(r.epoch, r.n)
	b, _, err := s.objs.Get(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, storeErr(err)
	}
	where := s.objs.Location(key)
	if len(b) > maxRecordBytes {
		return nil, corrupt(where, fmt.Sprintf("has %d bytes", len(b)))
	}
	return decode(b, s.pipeline, r.epoch, r.n, where)
}

// Newest returns the newest record, or nil if the store is empty.
func (s *Store) Newest(ctx context.Context) (*Record, error) {
	for range maxTries {
		refs, err := s.list(ctx)
		if err != nil || len(refs) == 0 {
			return nil, err
		}
		r, err := s.read(ctx, refs[len(refs)-1])
		if r != nil || err != nil {
			return r, err
		}
		// Deleted since it was listed: a newer one must exist.
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, &cdc.Error{Code: CodeStore, Msg: "the newest record is listed, but cannot be found"}
}

// All returns all records, oldest first.
func (s *Store) All(ctx context.Context) ([]*Record, error) {
	refs, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	var out []*Record
	for _, f := range refs {
		r, err := s.read(ctx, f)
		if err != nil {
			return nil, err
		}
		if r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// put writes the record if its number is free, and resolves every outcome by reading (step 2): mine reports that the
// number holds this very record.
func (s *Store) put(ctx context.Context, r *Record) (mine bool, err error) {
	body, err := r.encode()
	if err != nil {
		return false, &cdc.Error{Code: cdc.CodeInternal, Msg: "encode checkpoint record", Err: err}
	}
	for try := 1; ; try++ {
		err := s.objs.PutIfAbsent(ctx, recordKey(r.Epoch, r.N), body)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, objstore.ErrExists), errors.Is(err, objstore.ErrUnknown):
		default:
			return false, storeErr(err)
		}
		o, rerr := s.read(ctx, ref{r.Epoch, r.N})
		if rerr != nil {
			return false, rerr
		}
		if o != nil {
			return o.Nonce == r.Nonce, nil
		}
		// Absent: the PUT may still land, or was deleted as too old; the same PUT again tells. If it does not, the next
		// generation finds out what became of it.
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if try == maxTries {
			return false, storeErr(err)
		}
	}
}

// deleteBefore removes all records older than the given one.
func (s *Store) deleteBefore(ctx context.Context, limit ref) error {
	refs, err := s.list(ctx)
	if err != nil {
		return err
	}
	var keys []string
	for _, r := range refs {
		if r.less(limit) {
			keys = append(keys, recordKey(r.epoch, r.n))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := s.objs.Delete(ctx, keys...); err != nil {
		return storeErr(err)
	}
	return nil
}

// storeErr classifies an error of the object store. What no retry can help is fatal.
func storeErr(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, objstore.ErrAccess) || errors.Is(err, objstore.ErrNoBucket) || errors.Is(err, objstore.ErrUnsupported) || errors.Is(err, objstore.ErrInvalid) {
		return &cdc.Error{Code: CodeStoreAccess, Msg: "checkpoint store", Err: err}
	}
	return &cdc.Error{Code: CodeStore, Msg: "checkpoint store", Err: err}
}

// CodeStoreAccess: the store refuses us, or lacks what checkpoints need.
var CodeStoreAccess = cdc.NewCode("CHECKPOINT_STORE_ACCESS", cdc.Fatal,
	"the checkpoint store refuses access, does not exist, or has no conditional PUT",
	"run cdc2lake check: it says which permission, bucket or feature is missing")

func newNonce() string {
	var b [12]byte
	rand.Read(b[:]) //nolint:errcheck // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
