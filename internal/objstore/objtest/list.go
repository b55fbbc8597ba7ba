package objtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"golang.org/x/sync/errgroup"
)

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
