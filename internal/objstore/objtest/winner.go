package objtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

const racers = 8

// rounds is the number of repetitions of a race.
func rounds() int {
	if testing.Short() {
		return 20
	}
	return 150
}

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
