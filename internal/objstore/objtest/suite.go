package objtest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Run checks that a Store keeps its contract. newStore makes an empty one for each test.
func Run(t *testing.T, newStore func(t testing.TB) objstore.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, objstore.Store)
	}{
		{"PutGetDelete", testPutGetDelete},
		{"Missing", testMissing},
		{"BadKeys", testBadKeys},
		{"OneWinner", testOneWinner},
		{"PutIfMatch", testPutIfMatch},
		{"PutIfMatchOneWinner", testPutIfMatchOneWinner},
		{"ListOrder", testListOrder},
		{"ListPages", testListPages},
		{"CreateSizes", testCreateSizes},
		{"CreateReplaces", testCreateReplaces},
		{"CreateLarge", testCreateLarge},
		{"ManyWriters", testManyWriters},
		{"Abort", testAbort},
		{"CreateCancelled", testCreateCancelled},
		{"ReadRanges", testReadRanges},
		{"ReadConcurrently", testReadConcurrently},
		{"OpenSized", testOpenSized},
		{"DeleteMany", testDeleteMany},
		{"NeverHalf", testNeverHalf},
		{"Cancelled", testCancelled},
		{"Probe", testProbe},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newStore(t)) })
	}
}

func ctxOf(t testing.TB) context.Context { return t.Context() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func wantBody(t testing.TB, s objstore.Store, key string, want []byte) {
	t.Helper()
	got, info, err := s.Get(ctxOf(t), key)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, not the %d that were written", key, len(got), len(want))
	}
	if info.Size != int64(len(want)) || info.Key != key || info.ETag == "" || info.Modified.IsZero() {
		t.Fatalf("%s: info %+v", key, info)
	}
}

// noise is n bytes that depend on a seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = src.Read(b)
	return b
}

func testCancelled(t *testing.T, s objstore.Store) {
	ctx, cancel := context.WithCancel(ctxOf(t))
	cancel()
	_, _, err := s.Get(ctx, "k")
	wantErr(t, err, context.Canceled)
	wantErr(t, s.Put(ctx, "k", nil), context.Canceled)
	err = s.PutIfAbsent(ctx, "k", nil)
	wantErr(t, err, context.Canceled)
	if errors.Is(err, objstore.ErrUnknown) {
		t.Fatal("unknown, though nothing was sent")
	}
	wantErr(t, s.Delete(ctx, "k"), context.Canceled)
	for _, err = range s.List(ctx, "", "") {
	}
	wantErr(t, err, context.Canceled)
	if got := keysOf(t, s, "", ""); len(got) > 0 {
		t.Fatalf("left: %q", got)
	}
}

func testProbe(t *testing.T, s objstore.Store) {
	rep, err := objstore.Probe(ctxOf(t), s)
	must(t, err)
	if !rep.IfMatch || rep.RoundTrip <= 0 {
		t.Fatalf("report %+v", rep)
	}
	if got := keysOf(t, s, "", ""); len(got) > 0 {
		t.Fatalf("left: %q", got)
	}
}
