package objstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// TestLocalLeavesNothing: directories that become empty go, the root stays, and so do
// directories that are none of ours.
func TestLocalLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	c := newClient(t, objstore.Config{NoSync: true})
	s := newStore(t, c, root)
	must(t, s.Put(t.Context(), "a/b/c/k", nil))
	must(t, s.Put(t.Context(), "a/k", nil))
	must(t, s.Delete(t.Context(), "a/b/c/k"))
	if _, err := os.Stat(filepath.Join(root, "a/b")); !os.IsNotExist(err) {
		t.Errorf("a/b: %v", err)
	}
	must(t, s.Delete(t.Context(), "a/k"))
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Errorf("root: %v, %v", entries, err)
	}

	other := filepath.Join(dir, "other")
	r, key, err := c.Resolve(t.Context(), "file://"+other+"/k")
	must(t, err)
	must(t, r.Put(t.Context(), key, nil))
	must(t, r.Delete(t.Context(), key))
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a directory outside of our roots was removed: %v", err)
	}
}

// TestLocalCrash: what a killed process was writing is neither listed nor read, and is swept
// when it is old.
func TestLocalCrash(t *testing.T) {
	root := t.TempDir()
	s := newStore(t, newClient(t, objstore.Config{NoSync: true}), root)
	w, err := s.Create(t.Context(), "data/f")
	must(t, err)
	_, err = w.Write([]byte("half"))
	must(t, err)
	// The writer is forgotten here.
	entries, err := os.ReadDir(filepath.Join(root, "data"))
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("%v", entries)
	}
	for info, err := range s.List(t.Context(), "", "") {
		t.Errorf("listed %v, %v", info, err)
	}
	_, _, err = s.Get(t.Context(), "data/"+entries[0].Name())
	wantErr(t, err, objstore.ErrInvalid)
	for _, try := range []struct {
		prefix string
		before time.Time
		want   int
	}{
		{"", time.Now().Add(-time.Hour), 0},
		{"metadata/", time.Now().Add(time.Hour), 0},
		{"data/", time.Now().Add(time.Hour), 1},
		{"", time.Now().Add(time.Hour), 0},
	} {
		n, err := objstore.SweepUploads(t.Context(), s, try.prefix, try.before)
		must(t, err)
		if n != try.want {
			t.Errorf("swept %d below %q, want %d", n, try.prefix, try.want)
		}
	}
	if err := w.Close(); err == nil {
		t.Error("closed after it was swept")
	}
}

func TestLocalDenied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	root := t.TempDir()
	must(t, os.Chmod(root, 0o500))
	s := newStore(t, newClient(t, objstore.Config{}), root)
	wantErr(t, s.Put(t.Context(), "k", nil), objstore.ErrAccess)
	wantErr(t, s.PutIfAbsent(t.Context(), "a/k", nil), objstore.ErrAccess)
}
