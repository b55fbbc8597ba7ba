package objstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// probePrefix is where Probe puts its object.
const probePrefix = "cdc2lake-probe/"

// probeTimeout bounds a Probe: a wrong endpoint should be reported while the person who
// mistyped it is still looking.
const probeTimeout = 20 * time.Second

// Report is what Probe found out.
type Report struct {
	// IfMatch tells whether PutIfMatch works: leases need it, checkpoints do not.
	IfMatch bool
	// RoundTrip is the duration of one small write.
	RoundTrip time.Duration
}

// Probe tries everything that a checkpoint needs: write, read, list, delete, and that of two
// conditional writes the second is refused. Servers exist that ignore If-None-Match and
// accept both; they lose checkpoints when two processes run, and are reported as
// ErrUnsupported. It leaves nothing behind. For the error's text see Error: it names the fix.
func Probe(ctx context.Context, s Store) (rep Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := probePrefix + hex.EncodeToString(nonce[:])
	first, second := []byte("first "+key), []byte("second")

	defer func() {
		// Also after a failure: the first write may have happened. A permission to delete
		// that is missing shows here.
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		if derr := s.Delete(cctx, key); err == nil && derr != nil {
			err = fmt.Errorf("probe: %w", derr)
		}
		if err == nil {
			if _, serr := s.Stat(cctx, key); !errors.Is(serr, ErrNotFound) {
				err = fmt.Errorf("probe: %s is still there after its delete: %w", s.Location(key), ErrUnsupported)
			}
		}
	}()

	start := time.Now()
	if err := s.PutIfAbsent(ctx, key, first); err != nil {
		return rep, fmt.Errorf("probe: %w", err)
	}
	rep.RoundTrip = time.Since(start)
	got, info, err := s.Get(ctx, key)
	if err != nil {
		return rep, fmt.Errorf("probe: %w", err)
	}
	if !bytes.Equal(got, first) {
		return rep, fmt.Errorf("probe: %s reads back as other content: %w", s.Location(key), ErrUnsupported)
	}
	if err := s.PutIfAbsent(ctx, key, second); err == nil {
		return rep, fmt.Errorf("probe: %w: the storage accepted a second write with If-None-Match (conditional PUT): "+
			"it cannot hold checkpoints; use a server that implements conditional writes", ErrUnsupported)
	} else if !errors.Is(err, ErrExists) {
		return rep, fmt.Errorf("probe: second conditional write: %w", err)
	}
	listed := false
	for i, err := range s.List(ctx, key, "") {
		if err != nil {
			return rep, fmt.Errorf("probe: %w", err)
		}
		listed = listed || i.Key == key
	}
	if !listed {
		return rep, fmt.Errorf("probe: %s was written and is not listed: %w", s.Location(key), ErrUnsupported)
	}
	rep.IfMatch, err = probeIfMatch(ctx, s, key, info.ETag)
	if err != nil {
		return rep, fmt.Errorf("probe: %w", err)
	}
	return rep, nil
}

// probeIfMatch tells whether a write with the right ETag succeeds and one with an old ETag is
// refused.
func probeIfMatch(ctx context.Context, s Store, key, etag string) (bool, error) {
	for _, try := range []struct{ wanted error }{{nil}, {ErrChanged}} {
		_, err := s.PutIfMatch(ctx, key, etag, []byte("third"))
		switch {
		case errors.Is(err, try.wanted) || err == nil && try.wanted == nil:
		case err == nil, errors.Is(err, ErrUnsupported), errors.Is(err, ErrChanged), errors.Is(err, ErrInvalid):
			return false, nil
		default:
			return false, err
		}
	}
	return true, nil
}
