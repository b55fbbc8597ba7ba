package objtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"golang.org/x/sync/errgroup"
)

func testReadRanges(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	for _, n := range []int{0, 1, 100, 128 << 10, 128<<10 + 1, 600 << 10, 5<<20 + 3} {
		body := noise(5, n)
		key := fmt.Sprintf("f%d", n)
		must(t, s.Put(ctx, key, body))
		for name, open := range map[string]func() (objstore.File, error){
			"Open":      func() (objstore.File, error) { return s.Open(ctx, key) },
			"OpenSized": func() (objstore.File, error) { return s.OpenSized(ctx, key, int64(n)) },
		} {
			f, err := open()
			must(t, err)
			fi, err := f.Stat()
			must(t, err)
			if f.Size() != int64(n) || fi.Size() != int64(n) || fi.Name() != key || fi.IsDir() {
				t.Fatalf("%s %s: size %d, stat %v", name, key, f.Size(), fi)
			}
			rnd := rand.New(rand.NewPCG(uint64(n), 1))
			for range 60 {
				off := rnd.IntN(n + 2)
				length := rnd.IntN(min(n+2, 1<<uint(rnd.IntN(22)+1)))
				p := make([]byte, length)
				got, err := f.ReadAt(p, int64(off))
				want := body[min(off, n):min(off+length, n)]
				if got != len(want) || !bytes.Equal(p[:got], want) {
					t.Fatalf("%s %s: ReadAt(%d, %d) = %d bytes, want %d", name, key, length, off, got, len(want))
				}
				if short := got < length; short != errors.Is(err, io.EOF) || !short && err != nil {
					t.Fatalf("%s %s: ReadAt(%d, %d) = %d, %v", name, key, length, off, got, err)
				}
			}
			if _, err := f.ReadAt(make([]byte, 1), -1); err == nil {
				t.Fatal("read at a negative offset")
			}
			half := int64(n / 2)
			if off, err := f.Seek(-(int64(n) - half), io.SeekEnd); err != nil || off != half {
				t.Fatalf("seek: %d, %v", off, err)
			}
			rest, err := io.ReadAll(f)
			must(t, err)
			if !bytes.Equal(rest, body[half:]) {
				t.Fatalf("%s %s: the second half is %d bytes", name, key, len(rest))
			}
			_, err = f.Seek(0, io.SeekStart)
			must(t, err)
			all, err := io.ReadAll(io.MultiReader(io.LimitReader(f, half), f))
			must(t, err)
			if !bytes.Equal(all, body) {
				t.Fatalf("%s %s: %d bytes in sequence", name, key, len(all))
			}
			if _, err := f.Seek(-1, io.SeekStart); err == nil {
				t.Fatal("seek to a negative offset")
			}
			must(t, f.Close())
		}
	}
}

func testReadConcurrently(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	body := noise(6, 6<<20)
	must(t, s.Put(ctx, "f", body))
	f, err := s.OpenSized(ctx, "f", int64(len(body)))
	must(t, err)
	defer f.Close()
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			from, to := i*len(body)/8, (i+1)*len(body)/8
			p := make([]byte, 20<<10+i)
			for off := from; off < to; off += len(p) {
				n, err := f.ReadAt(p, int64(off))
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				if !bytes.Equal(p[:n], body[off:min(off+len(p), len(body))]) {
					return fmt.Errorf("other content at %d", off)
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
}

func testOpenSized(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	must(t, s.Put(ctx, "f", noise(1, 1000)))
	for _, size := range []int64{999, 1001, 10, 5 << 20} {
		f, err := s.OpenSized(ctx, "f", size)
		if err == nil {
			_, err = f.ReadAt(make([]byte, 8), size-8)
			must(t, f.Close())
		}
		wantErr(t, err, objstore.ErrChanged)
	}
}
