package objtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"golang.org/x/sync/errgroup"
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

// keysOf lists keys.
func keysOf(t testing.TB, s objstore.Store, prefix, after string) []string {
	t.Helper()
	var keys []string
	for info, err := range s.List(ctxOf(t), prefix, after) {
		must(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

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

// rounds is the number of repetitions of a race.
func rounds() int {
	if testing.Short() {
		return 20
	}
	return 150
}

// farFuture is after any upload.
var farFuture = time.Now().Add(365 * 24 * time.Hour)

const racers = 8

// race lets n goroutines start together, and returns their errors.
func race(n int, run func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = run(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// winner is the only one of a race without an error; the others have the error want.
func winner(t *testing.T, errs []error, want error) int {
	t.Helper()
	win := -1
	for i, err := range errs {
		switch {
		case err == nil && win >= 0:
			t.Fatalf("both %d and %d won", win, i)
		case err == nil:
			win = i
		default:
			wantErr(t, err, want)
		}
	}
	if win < 0 {
		t.Fatal("nobody won")
	}
	return win
}

func testOneWinner(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	for round := range rounds() {
		key := fmt.Sprintf("records/%06d", round)
		body := func(i int) []byte { return noise(uint64(i), 1000+100*i) }
		errs := race(racers, func(i int) error { return s.PutIfAbsent(ctx, key, body(i)) })
		win := winner(t, errs, objstore.ErrExists)
		wantBody(t, s, key, body(win))
		wantErr(t, s.PutIfAbsent(ctx, key, nil), objstore.ErrExists)
		if round%3 == 0 { // a number can be free again
			must(t, s.Delete(ctx, key))
			must(t, s.PutIfAbsent(ctx, key, body(1)))
			wantBody(t, s, key, body(1))
		}
	}
}

func testPutIfMatch(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	_, err := s.PutIfMatch(ctx, "lease", `"0123456789abcdef0123456789abcdef"`, nil)
	wantErr(t, err, objstore.ErrChanged)
	must(t, s.PutIfAbsent(ctx, "lease", []byte("a")))
	first, err := s.Stat(ctx, "lease")
	must(t, err)
	second, err := s.PutIfMatch(ctx, "lease", first.ETag, []byte("b"))
	must(t, err)
	_, info, err := s.Get(ctx, "lease")
	must(t, err)
	if info.ETag != second || second == first.ETag {
		t.Fatalf("ETags: first %s, returned %s, read %s", first.ETag, second, info.ETag)
	}
	_, err = s.PutIfMatch(ctx, "lease", first.ETag, []byte("c"))
	wantErr(t, err, objstore.ErrChanged)
	wantBody(t, s, "lease", []byte("b"))
	must(t, s.Put(ctx, "lease", []byte("d")))
	_, err = s.PutIfMatch(ctx, "lease", second, []byte("e"))
	wantErr(t, err, objstore.ErrChanged)
	must(t, s.Delete(ctx, "lease"))
	_, err = s.PutIfMatch(ctx, "lease", second, []byte("f"))
	wantErr(t, err, objstore.ErrChanged)
	if got := keysOf(t, s, "", ""); len(got) > 0 {
		t.Fatalf("left: %q", got)
	}
}

func testPutIfMatchOneWinner(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	must(t, s.Put(ctx, "lease", []byte("start")))
	info, err := s.Stat(ctx, "lease")
	must(t, err)
	tag := info.ETag
	for round := range rounds() {
		tags := make([]string, racers)
		body := func(i int) []byte { return fmt.Appendf(nil, "round %d, writer %d", round, i) }
		errs := race(racers, func(i int) (err error) {
			tags[i], err = s.PutIfMatch(ctx, "lease", tag, body(i))
			return err
		})
		win := winner(t, errs, objstore.ErrChanged)
		tag = tags[win]
		wantBody(t, s, "lease", body(win))
	}
}

func testListOrder(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	keys := []string{
		"a", "a-b", "a.b/c", "a0", "b/1", "b/10", "b/2", "b/c/d", "b-c/x", "b.x", "b0", "bb/a", "B", "é", "z/ä", "z/z/z/z",
	}
	for _, key := range keys {
		must(t, s.Put(ctx, key, []byte(key)))
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "b", "b/", "b/1", "b/c", "b/c/", "z/z", "q", "b/1/", "bb"} {
		for _, after := range append([]string{"", "b/", "b/1/", "b/c", "a/x", "zz", "\u00ff"}, keys...) {
			var want []string
			for _, key := range keys {
				if len(key) >= len(prefix) && key[:len(prefix)] == prefix && key > after {
					want = append(want, key)
				}
			}
			if got := keysOf(t, s, prefix, after); !slices.Equal(got, want) {
				t.Fatalf("prefix %q after %q:\n got %q\nwant %q", prefix, after, got, want)
			}
		}
	}
	for info, err := range s.List(ctx, "b/", "") {
		must(t, err)
		if info.Size != int64(len(info.Key)) || info.ETag == "" || info.Modified.IsZero() {
			t.Fatalf("info %+v", info)
		}
		break // a caller may stop
	}
}

func testListPages(t *testing.T, s objstore.Store) {
	ctx := ctxOf(t)
	const n = 2345 // three pages
	var want []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range n {
		key := fmt.Sprintf("p/%03d/%04d", i%7, i)
		want = append(want, key)
		g.Go(func() error { return s.Put(gctx, key, nil) })
	}
	must(t, g.Wait())
	slices.Sort(want)
	if got := keysOf(t, s, "p/", ""); !slices.Equal(got, want) {
		t.Fatalf("%d keys listed, want %d", len(got), n)
	}
	if got := keysOf(t, s, "p/", want[1200]); !slices.Equal(got, want[1201:]) {
		t.Fatalf("%d keys after %s, want %d", len(got), want[1200], n-1201)
	}
	must(t, s.Delete(ctx, want...))
	if got := keysOf(t, s, "", ""); len(got) > 0 {
		t.Fatalf("%d keys are left", len(got))
	}
}

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
