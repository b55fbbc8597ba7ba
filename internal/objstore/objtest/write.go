package objtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"golang.org/x/sync/errgroup"
)

func testPutGetDelete(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	for _, key := range []string{"a", "dir/b", "dir/deeper/c d+e%20é=&?#~'(x)!*;:@,$"} {
		for _, body := range [][]byte{[]byte("first"), {}, noise(1, 300<<10), []byte("last")} {
			must(t, s.Put(ctx, key, body))
			wantBody(t, s, key, body)
			info, err := s.Stat(ctx, key)
			must(t, err)
			_, got, err := s.Get(ctx, key)
			must(t, err)
			if info.ETag != got.ETag || info.Size != int64(len(body)) || info.Key != key {
				t.Fatalf("stat %+v, get %+v", info, got)
			}
		}
		if got := keysOf(t, s, key, ""); !slices.Equal(got, []string{key}) {
			t.Fatalf("listed %q, want %q", got, key)
		}
		must(t, s.Delete(ctx, key))
		_, _, err := s.Get(ctx, key)
		wantErr(t, err, objstore.ErrNotFound)
		must(t, s.Delete(ctx, key)) // again
	}
	must(t, s.Delete(ctx))
	if got := keysOf(t, s, "", ""); len(got) > 0 {
		t.Fatalf("left: %q", got)
	}
	// A directory that became empty can be an object, and the other way round.
	must(t, s.Put(ctx, "dir", nil))
	must(t, s.Delete(ctx, "dir"))
	must(t, s.Put(ctx, "dir/b", nil))
}

func testMissing(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	must(t, s.Put(ctx, "there/is", []byte("x")))
	for _, key := range []string{"no", "no/such", "there", "there/no", "there/is/not"} {
		_, _, err := s.Get(ctx, key)
		wantErr(t, err, objstore.ErrNotFound)
		_, err = s.Stat(ctx, key)
		wantErr(t, err, objstore.ErrNotFound)
		_, err = s.Open(ctx, key)
		wantErr(t, err, objstore.ErrNotFound)
		f, err := s.OpenSized(ctx, key, 100)
		if err == nil {
			_, err = f.ReadAt(make([]byte, 10), 0)
			must(t, f.Close())
		}
		wantErr(t, err, objstore.ErrNotFound)
		if key != "there/is/not" { // not below an object: servers on file systems refuse that
			_, err = s.PutIfMatch(ctx, key, "etag", nil)
			wantErr(t, err, objstore.ErrChanged)
		}
		if key != "there" && key != "there/is/not" {
			must(t, s.Delete(ctx, key))
		}
	}
	if got := keysOf(t, s, "no/", ""); len(got) > 0 {
		t.Fatalf("listed %q", got)
	}
	wantBody(t, s, "there/is", []byte("x"))
}

func testBadKeys(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	long := string(bytes.Repeat([]byte("x"), 1025))
	for _, key := range []string{"", "..", "a/../b", "./a", "a\x00b", "a\xffb", long} {
		wantErr(t, s.Put(ctx, key, nil), objstore.ErrInvalid)
		wantErr(t, s.PutIfAbsent(ctx, key, nil), objstore.ErrInvalid)
		wantErr(t, s.Delete(ctx, key), objstore.ErrInvalid)
		_, _, err := s.Get(ctx, key)
		wantErr(t, err, objstore.ErrInvalid)
		_, err = s.Open(ctx, key)
		wantErr(t, err, objstore.ErrInvalid)
		_, err = s.OpenSized(ctx, key, 1)
		wantErr(t, err, objstore.ErrInvalid)
		_, err = s.Create(ctx, key)
		wantErr(t, err, objstore.ErrInvalid)
		_, err = s.PutIfMatch(ctx, key, "x", nil)
		wantErr(t, err, objstore.ErrInvalid)
	}
}

func testDeleteMany(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	var keys []string
	for i := range 30 {
		key := fmt.Sprintf("d/%d/x y&<%d>", i%3, i)
		keys = append(keys, key)
		must(t, s.Put(ctx, key, nil))
	}
	must(t, s.Put(ctx, "d/keep", nil))
	keys = append(keys, "d/never/was")
	must(t, s.Delete(ctx, keys...))
	if got := keysOf(t, s, "", ""); !slices.Equal(got, []string{"d/keep"}) {
		t.Fatalf("left: %q", got)
	}
	err := s.Delete(ctx, "..", "d/keep")
	wantErr(t, err, objstore.ErrInvalid)
	if got := keysOf(t, s, "", ""); len(got) > 0 {
		t.Fatalf("a bad key kept others from being deleted: %q", got)
	}
}

// testNeverHalf: readers see whole objects while they are replaced.
func testNeverHalf(t *testing.T, s objstore.Store) {
	ctx, cancel := context.WithCancel(ctxOf(t))
	defer cancel()
	bodies := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 200_000)}
	must(t, s.Put(ctx, "x/k", bodies[0]))
	var g errgroup.Group
	for range 2 {
		g.Go(func() error {
			for ctx.Err() == nil {
				got, _, err := s.Get(ctx, "x/k")
				if ctx.Err() != nil {
					return nil
				}
				if err != nil {
					return err
				}
				if !bytes.Equal(got, bodies[0]) && !bytes.Equal(got, bodies[1]) {
					return fmt.Errorf("%d bytes of neither version", len(got))
				}
			}
			return nil
		})
	}
	for i := range rounds() {
		must(t, s.Put(ctx, "x/k", bodies[i%2]))
		// A directory that comes and goes beside it.
		must(t, s.Put(ctx, "x/d/k", nil))
		must(t, s.Delete(ctx, "x/d/k"))
	}
	cancel()
	must(t, g.Wait())
}
