package state

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// history makes a directory with n checkpoints, each with its own contents: checkpoint k has keys [0, 10k) and puts all
// of them at file k.
func history(t testing.TB, dir string, n int) {
	t.Helper()
	s := mustOpen(t, dir, allGroups, true)
	tab := s.Table(ordersID, true)
	for k := 1; k <= n; k++ {
		mustPut(tab, 0, 10*k, uint32(k))
		s.Seal(uint64(k))
		mustComplete(t, s, uint64(k), tab)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkConsistent opens a directory and accepts a fresh shard, or one that is exactly as of one of the checkpoints.
func checkConsistent(t *testing.T, dir string) (k int) {
	t.Helper()
	s, err := Open(Options{Dir: dir, Groups: allGroups, manualMerge: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tab := s.Table(ordersID, true)
	got := contents(t, tab)
	if tab.Meta() == nil {
		if len(got) > 0 {
			t.Fatalf("%d keys without a meta", len(got))
		}
		return 0
	}
	if _, err := fmt.Sscanf(string(tab.Meta()), "as of %d", &k); err != nil {
		t.Fatal(err)
	}
	if len(got) != 10*k {
		t.Fatalf("as of %d there are %d keys", k, len(got))
	}
	for key, l := range got {
		if l.File() != uint32(k) {
			t.Fatalf("as of %d key %x is at %v", k, key, l)
		}
	}
	return k
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// The manifest cut at every length, and with every byte changed: never a wrong answer.
func TestTornManifest(t *testing.T) {
	dir := t.TempDir()
	history(t, dir, 5)
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	try := func(x []byte) {
		d := copyDir(t, dir)
		if err := os.WriteFile(filepath.Join(d, manifestName), x, 0o600); err != nil {
			t.Fatal(err)
		}
		k := checkConsistent(t, d)
		seen[k] = true
		if again := checkConsistent(t, d); again != k {
			t.Fatalf("opened again, %d is %d", k, again)
		}
	}
	step := 1
	if testing.Short() {
		step = 13
	}
	for i := 0; i < len(b); i += step {
		try(b[:i])
		x := bytes.Clone(b)
		x[i] ^= 0x41
		try(x)
		x = bytes.Clone(b)
		clear(x[i:]) // pages that never reached the disk
		try(x)
	}
	try(append(bytes.Clone(b), b[8:40]...))
	for k := range 6 {
		if !seen[k] {
			t.Errorf("no damage led to checkpoint %d", k)
		}
	}
}

// A run with every byte changed, or cut: the shard is fresh.
func TestTornRun(t *testing.T) {
	dir := t.TempDir()
	history(t, dir, 2)
	files, _ := filepath.Glob(filepath.Join(dir, "*.run"))
	if len(files) != 2 {
		t.Fatal(files)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for _, x := range [][]byte{b[:i], append(bytes.Clone(b[:i]), append([]byte{b[i] ^ 1}, b[i+1:]...)...)} {
			d := copyDir(t, dir)
			if err := os.WriteFile(filepath.Join(d, filepath.Base(files[0])), x, 0o600); err != nil {
				t.Fatal(err)
			}
			if k := checkConsistent(t, d); k != 0 {
				t.Fatalf("byte %d: as of %d", i, k)
			}
		}
	}
}

// A run of an older history in the place of one with the same name and size.
func TestSwappedRun(t *testing.T) {
	dir := t.TempDir()
	history(t, dir, 2)
	other := t.TempDir()
	s := mustOpen(t, other, allGroups, true)
	tab := s.Table(ordersID, true)
	mustPut(tab, 0, 10, 7)
	s.Seal(1)
	mustComplete(t, s, 1, tab)
	_ = s.Close()
	a, _ := filepath.Glob(filepath.Join(dir, "*.run"))
	b, _ := filepath.Glob(filepath.Join(other, "*.run"))
	x, err := os.ReadFile(b[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a[0], x, 0o600); err != nil {
		t.Fatal(err)
	}
	if k := checkConsistent(t, dir); k != 0 {
		t.Fatalf("as of %d", k)
	}
}

func TestForeignFormat(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"newer version": func(b []byte) { b[7]++ },
		"other":         func(b []byte) { copy(b, "SQLite format 3") },
	} {
		dir := t.TempDir()
		history(t, dir, 1)
		path := filepath.Join(dir, manifestName)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, dir, allGroups, true)
		if !s.Fresh() {
			t.Errorf("%s: not fresh", name)
		}
		_ = s.Close()
		if k := checkConsistent(t, dir); k != 0 {
			t.Errorf("%s: as of %d", name, k)
		}
	}
}

// The log is written anew when it grows, and metas that did not change stay.
func TestManifestGrows(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, allGroups, true)
	idle := s.Table(cdc.TableID{Database: "a", Name: "idle"}, true)
	mustPut(idle, 0, 10, 1)
	s.Seal(1)
	mustComplete(t, s, 1, idle)
	tab := s.Table(ordersID, true)
	meta := bytes.Repeat([]byte("m"), 100_000)
	for k := uint64(2); k < 60; k++ {
		mustPut(tab, 0, 10, uint32(k))
		s.Seal(k)
		if err := s.Complete(k, map[cdc.TableID][]byte{ordersID: append(meta, byte(k))}); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(filepath.Join(dir, manifestName))
		if err != nil {
			t.Fatal(err)
		}
		if st.Size() > 2*manifestSlack {
			t.Fatalf("the manifest has %d bytes", st.Size())
		}
		if _, err := s.mergeOnce(); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	s = mustOpen(t, dir, allGroups, true)
	if s.Fresh() {
		t.Fatal(s.FreshReason())
	}
	if m := s.Table(ordersID, true).Meta(); len(m) != len(meta)+1 || m[len(meta)] != 59 {
		t.Error("the last meta is lost")
	}
	idle = s.Table(idle.id, true)
	if string(idle.Meta()) != "as of 1" || idle.Len() != 10 {
		t.Error("the idle table is lost")
	}
	expect(t, idle, 0, 10, 1)
	expect(t, s.Table(ordersID, true), 0, 10, 59)
}

func FuzzManifest(f *testing.F) {
	f.Add((&edit{k: 1, nextID: 2, nextSeq: 3, remove: []uint64{1}, add: []runRef{{id: 1, seq: 2, size: 3, sum: 4}}, drop: []cdc.TableID{ordersID},
		tables: map[cdc.TableID]tableState{ordersID: {exact: true, meta: []byte("m")}}}).encode(allGroups))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, g, err := decodeEdit(b)
		if err != nil {
			return
		}
		c := catalog{tables: map[cdc.TableID]tableState{}}
		c.apply(&e)
		if _, _, err := decodeEdit(e.encode(g)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzRun(f *testing.F) {
	dir := f.TempDir()
	history(f, dir, 1)
	files, _ := filepath.Glob(filepath.Join(dir, "*.run"))
	b, err := os.ReadFile(files[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := wordsOf(make([]byte, (len(b)+7)/8*8+8)) // aligned
		data := bytesOf(m)[:len(b)]
		copy(data, b)
		for _, verify := range []bool{true, false} {
			r := &run{m: data, sections: map[cdc.TableID]openSection{}}
			if len(data) >= runTrailer {
				var tail [3]uint64
				copy(bytesOf(tail[:]), data[len(data)-runTrailer:])
				r.sum = tail[1]
			}
			_ = r.read(verify)
		}
	})
}
