package objtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// create writes an object in pieces.
func create(ctx context.Context, s objstore.Store, key string, body []byte, piece int) error {
	w, err := s.Create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Abort() //nolint:errcheck // after Close it does nothing
	for p := range slices.Chunk(body, piece) {
		if n, err := w.Write(p); err != nil || n != len(p) {
			return fmt.Errorf("wrote %d of %d: %w", n, len(p), err)
		}
	}
	if w.Size() != int64(len(body)) {
		return fmt.Errorf("size %d after %d bytes", w.Size(), len(body))
	}
	return w.Close()
}

func testCreateSizes(t *testing.T, s objstore.Store) {
	const part = 8 << 20 // the default; S3 takes another way above it
	for i, n := range []int{0, 1, 1000, 256 << 10, 256<<10 + 1, part - 1, part, part + 1, 2 * part} {
		key := fmt.Sprintf("data/%d.parquet", n)
		body := noise(uint64(i), n)
		must(t, create(ctxOf(t), s, key, body, 1<<20-17))
		wantBody(t, s, key, body)
		must(t, s.Delete(ctxOf(t), key))
	}
}

func testCreateReplaces(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	must(t, s.Put(ctx, "k", []byte("old")))
	w, err := s.Create(ctx, "k")
	must(t, err)
	_, err = w.Write([]byte("new"))
	must(t, err)
	wantBody(t, s, "k", []byte("old"))
	must(t, w.Close())
	wantBody(t, s, "k", []byte("new"))
	must(t, w.Close()) // the same answer again
	must(t, w.Abort()) // and nothing
	wantBody(t, s, "k", []byte("new"))
	if _, err := w.Write([]byte("x")); err == nil {
		t.Fatal("write after close")
	}
}

func testCreateLarge(t *testing.T, s objstore.Store) {
	body := noise(7, 40<<20+12345)
	must(t, create(ctxOf(t), s, "large", body, 3<<20+1))
	wantBody(t, s, "large", body)
	if got := keysOf(t, s, "", ""); !slices.Equal(got, []string{"large"}) {
		t.Fatalf("listed %q", got)
	}
	f, err := s.Open(ctxOf(t), "large")
	must(t, err)
	defer f.Close()
	got, err := io.ReadAll(f)
	must(t, err)
	if !bytes.Equal(got, body) {
		t.Fatal("read as a stream, it is other content")
	}
}

// testManyWriters: one goroutine that fills many files in turn must not wait for itself.
func testManyWriters(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	const n = 12
	body := noise(3, 9<<20)
	writers := make([]objstore.Writer, n)
	for i := range writers {
		w, err := s.Create(ctx, fmt.Sprintf("t%d", i))
		must(t, err)
		defer w.Abort() //nolint:errcheck // after Close it does nothing
		writers[i] = w
	}
	for p := range slices.Chunk(body, 1<<20) {
		for _, w := range writers {
			_, err := w.Write(p)
			must(t, err)
		}
	}
	for i, w := range writers {
		must(t, w.Close())
		wantBody(t, s, fmt.Sprintf("t%d", i), body)
	}
}

func testAbort(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	for _, n := range []int{0, 10, 20 << 20} {
		w, err := s.Create(ctx, "gone/file")
		must(t, err)
		_, err = w.Write(noise(2, n))
		must(t, err)
		must(t, w.Abort())
		must(t, w.Abort())
		if err := w.Close(); err == nil {
			t.Fatal("closed after an abort")
		}
		_, err = s.Stat(ctx, "gone/file")
		wantErr(t, err, objstore.ErrNotFound)
		if got := keysOf(t, s, "", ""); len(got) > 0 {
			t.Fatalf("left: %q", got)
		}
	}
	noUploads(t, s)
}

// farFuture is after any upload.
var farFuture = time.Now().Add(365 * 24 * time.Hour)

// noUploads checks that no unfinished upload is left.
func noUploads(t *testing.T, s objstore.Store) {
	t.Helper()
	n, err := objstore.SweepUploads(ctxOf(t), s, "", farFuture)
	if errors.Is(err, objstore.ErrUnsupported) {
		return
	}
	must(t, err)
	if n != 0 {
		t.Fatalf("%d unfinished uploads are left", n)
	}
}

func testCreateCancelled(t *testing.T, s objstore.Store) {
	for _, n := range []int{10, 20 << 20} {
		ctx, cancel := context.WithCancel(ctxOf(t))
		w, err := s.Create(ctx, "gone")
		must(t, err)
		_, err = w.Write(noise(2, n))
		must(t, err)
		cancel()
		err = w.Close()
		wantErr(t, err, context.Canceled)
		if again := w.Close(); !errors.Is(again, context.Canceled) {
			t.Fatalf("second close: %v", again)
		}
		_, err = s.Stat(ctxOf(t), "gone")
		wantErr(t, err, objstore.ErrNotFound)
	}
	noUploads(t, s)
}
