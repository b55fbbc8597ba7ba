package iceberg

import (
	"maps"
	"slices"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
)

// TestEntryBlocks: through hundreds of commits that replace random vectors, the manifests as iceberg-go reads them hold exactly the entries
// that were meant: one live vector per data file with the row count of its bitmap, what a manifest's list entry says of it, and no block
// whose entries changed was written again.
func TestEntryBlocks(t *testing.T) {
	for _, partition := range [][]string{nil, {"bucket(16, id)"}} {
		l := newCommitLoad(t, 3, partition, picks["random"])
		copied := 0
		for i := range 150 {
			l.commit(t)
			if i%3 == 0 {
				l.fail(t)
			}
			if i%10 != 9 {
				continue
			}
			meta := l.tab.version.meta
			read, err := loadSnapshotCache(t.Context(), l.p.sink.fs, meta, meta.CurrentSnapshot())
			if err != nil {
				t.Fatal(err)
			}
			have := l.tab.cache
			if a, b := slices.Sorted(maps.Keys(have.vectors)), slices.Sorted(maps.Keys(read.vectors)); !slices.Equal(a, b) {
				t.Fatalf("commit %d: %d vectors are remembered, %d are in the table", i, len(a), len(b))
			}
			for p, e := range read.vectors {
				h := have.vectors[p]
				if e.file.FilePath() != h.file.FilePath() || *e.file.ContentOffset() != *h.file.ContentOffset() || e.rows != h.rows ||
					e.seq != h.seq || e.fileSeq != h.fileSeq || e.snapshot != h.snapshot || e.manifest != h.manifest {
					t.Fatalf("commit %d: vector of %s:\n%+v\n%+v", i, p, e, h)
				}
				if h.block != nil {
					copied++
				}
			}
			for j := range l.files { // what was deleted, by the test's own count
				f := &l.files[j]
				if e := read.vectors[f.uri]; (e == nil) != f.dead.IsEmpty() || e != nil && uint64(e.rows) != f.dead.GetCardinality() {
					t.Fatalf("commit %d: file %d lost %d rows, its vector says %+v", i, j, f.dead.GetCardinality(), e)
				}
			}
			for _, m := range read.manifests {
				if m.ManifestContent() != iceberggo.ManifestContentDeletes {
					continue
				}
				var files, rows [3]int64
				minSeq := int64(-1)
				all, err := entriesOf(t.Context(), l.p.sink.fs, m, false)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range all {
					files[e.Status()]++
					rows[e.Status()] += e.DataFile().Count()
					if e.Status() != iceberggo.EntryStatusDELETED && (minSeq < 0 || e.SequenceNum() < minSeq) {
						minSeq = e.SequenceNum()
					}
				}
				if got := [3]int64{int64(m.ExistingDataFiles()), int64(m.AddedDataFiles()), int64(m.DeletedDataFiles())}; got != files {
					t.Fatalf("commit %d: %s: files %v, listed %v", i, m.FilePath(), files, got)
				}
				if got := [3]int64{m.ExistingRows(), m.AddedRows(), m.DeletedRows()}; got != rows {
					t.Fatalf("commit %d: %s: rows %v, listed %v", i, m.FilePath(), rows, got)
				}
				if m.MinSequenceNum() != minSeq {
					t.Fatalf("commit %d: %s: lowest sequence number %d, listed %d", i, m.FilePath(), minSeq, m.MinSequenceNum())
				}
			}
		}
		if copied == 0 {
			t.Fatal("no entry is in a block")
		}
	}
}

// fail makes an attempt that replaces many vectors and rewrites their manifests, and is not committed. What it leaves in memory must not
// change what the next commit writes.
func (l *commitLoad) fail(t *testing.T) {
	t.Helper()
	v, c := l.tab.version, l.tab.cache
	b := &build{producer: l.p.sink.prod, ctx: t.Context(), v: v, meta: v.meta, part: &partPayload{}, snapshot: newSnapshotID(v.meta),
		sequence: v.meta.LastSequenceNumber() + 1, tag: "failed", schema: v.meta.CurrentSchema()}
	next := c.next(b.snapshot)
	manifests, replaced := map[string]bool{}, map[*liveEntry]bool{}
	for _, e := range c.vectors {
		if l.rnd.IntN(4) == 0 {
			manifests[e.manifest], replaced[e] = true, true
		}
	}
	for m := range manifests {
		if err := b.replaceVectors(next, m, replaced); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.writeManifests(next); err != nil {
		t.Fatal(err)
	}
}
