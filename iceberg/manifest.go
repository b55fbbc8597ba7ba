package iceberg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

const (
	// mergeFanIn manifests of about one size are merged into one, like the levels of an LSM tree: an entry is rewritten
	// once per power of mergeFanIn, and a snapshot has at most mergeFanIn manifests of each size.
	mergeFanIn = 8
	// maxManifestBytes: a manifest of this size is left alone (Iceberg's own commit.manifest.target-size-bytes).
	maxManifestBytes = 8 << 20
	// minVectorEntries and vectorManifests bound manifests of deletion vectors. Replacing a vector rewrites the manifest
	// that holds the old one, so these stay small; but readers want few.
	minVectorEntries = 512
	vectorManifests  = 24
)

// tier is the size class of a manifest with n live entries.
func tier(n int) int { return (bits.Len(uint(n)) - 1) / 3 } // 3 = log2(mergeFanIn)

func liveFiles(m iceberggo.ManifestFile) int { return int(m.AddedDataFiles() + m.ExistingDataFiles()) }

// planMerge chooses, among the manifests of one group, those that a new manifest of n live entries should take in.
func planMerge(ms []iceberggo.ManifestFile, n, maxEntries int) []iceberggo.ManifestFile {
	var out []iceberggo.ManifestFile
	left := slices.Clone(ms)
	for n > 0 {
		var same []iceberggo.ManifestFile
		for _, m := range left {
			if tier(liveFiles(m)) <= tier(n) && m.Length() < maxManifestBytes && (maxEntries == 0 || liveFiles(m) < maxEntries) {
				same = append(same, m)
			}
		}
		if len(same)+1 < mergeFanIn {
			break
		}
		for _, m := range same {
			n += liveFiles(m)
		}
		out = append(out, same...)
		left = slices.DeleteFunc(left, func(m iceberggo.ManifestFile) bool { return slices.Contains(same, m) })
	}
	return out
}

// writeManifests writes the manifests of all groups, merged with older ones where there are many, and puts them into the list.
func (b *build) writeManifests(next *cacheDelta) error {
	for _, k := range next.order {
		g := next.groups[k]
		limit := 0
		if isVectors(k, b.meta.Version()) {
			limit = max(minVectorEntries, (len(next.base.vectors)+len(next.vectors))/vectorManifests)
		}
		var same []iceberggo.ManifestFile
		for _, m := range next.manifests {
			if m.ManifestContent() == k.content && m.PartitionSpecID() == k.spec {
				same = append(same, m)
			}
		}
		for _, m := range planMerge(same, g.live(), limit) {
			if err := b.absorb(next, g, m); err != nil {
				return err
			}
		}
		if err := b.writeGroup(next, k, g, limit); err != nil {
			return err
		}
	}
	return nil
}

// isVectors: deletes in a table of this format are vectors, at least those of ours.
func isVectors(k groupKey, version int) bool {
	return k.content == iceberggo.ManifestContentDeletes && version >= 3
}

// wholeBlocks counts the entries of each block, and returns those that are not in a block all of whose entries are here.
func wholeBlocks(entries []*liveEntry) (loose []*liveEntry) {
	for _, e := range entries {
		if e.block != nil {
			e.block.here = 0
		}
	}
	for _, e := range entries {
		if e.block != nil {
			e.block.here++
		}
	}
	for _, e := range entries {
		if e.block == nil || e.block.here != e.block.n {
			loose = append(loose, e)
		}
	}
	return loose
}

// absorb moves the live entries of an older manifest into the group.
func (b *build) absorb(next *cacheDelta, g *group, m iceberggo.ManifestFile) error {
	entries, ok := next.base.entries[m.FilePath()]
	if !ok {
		var err error
		if entries, err = liveEntries(b.ctx, b.fs, m); err != nil {
			return err
		}
	}
	next.take(m.FilePath())
	g.existing = append(g.existing, entries...)
	return nil
}

// writeGroup writes a group as one manifest, or as several of at most limit live entries.
func (b *build) writeGroup(next *cacheDelta, k groupKey, g *group, limit int) error {
	spec := b.meta.PartitionSpecByID(int(k.spec))
	if spec == nil {
		return cdcErrorf(cdc.CodeInternal, "%s: partition spec %d is unknown", identString(b.v.ident), k.spec)
	}
	if limit == 0 {
		limit = g.live() + 1
	}
	var fresh []iceberggo.ManifestFile
	for first := true; first && len(g.deleted) > 0 || g.live() > 0; first = false {
		part := group{}
		if first {
			part.deleted = g.deleted
		}
		n := min(limit, len(g.added))
		part.added, g.added = g.added[:n], g.added[n:]
		n = min(limit-n, len(g.existing))
		part.existing, g.existing = g.existing[:n], g.existing[n:]
		m, err := b.writeManifest(next, k, *spec, &part)
		if err != nil {
			return err
		}
		fresh = append(fresh, m)
	}
	next.manifests = append(fresh, next.manifests...)
	return nil
}

func (b *build) writeManifest(next *cacheDelta, k groupKey, spec iceberggo.PartitionSpec, g *group) (iceberggo.ManifestFile, error) {
	loc := fmt.Sprintf("%s/%s-m%d.avro", metadataFolder(b.meta), b.tag, b.nextFile)
	b.nextFile++
	added := make([]*liveEntry, len(g.added))
	for i, f := range g.added {
		added[i] = newLiveEntry(iceberggo.NewManifestEntry(iceberggo.EntryStatusADDED, &b.snapshot, &b.sequence, &b.sequence, f), loc)
	}
	m, body, err := b.encodeManifest(next, k, spec, added, g, loc)
	if err == nil {
		err = b.put(loc, body)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", identString(b.v.ident), err)
	}
	if isVectors(k, b.meta.Version()) {
		next.entries[loc] = append(added, g.existing...)
		for _, e := range added {
			if e.ref != "" {
				next.vectors[e.ref] = e
			}
		}
	} else if b.meta.Version() < 3 && spec.IsUnpartitioned() {
		next.remember(loc, added, g.existing)
	}
	return m, nil
}

// encodeManifest writes a manifest.
func (b *build) encodeManifest(next *cacheDelta, k groupKey, spec iceberggo.PartitionSpec, added []*liveEntry, g *group, loc string) (iceberggo.ManifestFile, []byte, error) {
	header, err := next.base.manifestHeader(headerKey{b.meta.Version(), k.content, spec.ID(), b.schema.ID}, len(b.part.Schemas) == 0, spec, b.schema)
	if err != nil {
		return nil, nil, err
	}
	buf := manifestBuffers.Get().(*manifestBuffer)
	defer buf.release()
	buf.begin(header)
	var rows [3]int64
	minSeq := int64(-1)
	add := func(status iceberggo.ManifestEntryStatus, e *liveEntry) error {
		raw, err := e.encoded(spec, b.schema, b.meta.Version())
		if err != nil {
			return err
		}
		snapshot, seq, fileSeq := e.snapshot, e.seq, e.fileSeq
		switch status {
		case iceberggo.EntryStatusADDED:
			seq, fileSeq = -1, -1 // inherited from the manifest list
		case iceberggo.EntryStatusDELETED:
			snapshot = b.snapshot
		}
		if status != iceberggo.EntryStatusADDED && seq < 0 {
			return fmt.Errorf("%s has no sequence number", e.file.FilePath())
		}
		buf.entry(status, snapshot, seq, fileSeq, raw)
		rows[status] += e.rows
		return nil
	}
	for _, e := range added {
		if err := add(iceberggo.EntryStatusADDED, e); err != nil {
			return nil, nil, err
		}
	}
	for _, e := range g.deleted {
		if err := add(iceberggo.EntryStatusDELETED, e); err != nil {
			return nil, nil, err
		}
	}
	for _, e := range g.existing {
		if minSeq < 0 || e.seq < minSeq {
			minSeq = e.seq
		}
	}
	loose := g.existing
	if isVectors(k, b.meta.Version()) {
		if _, err := buf.block(); err != nil {
			return nil, nil, err
		}
		loose = wholeBlocks(g.existing)
		for _, e := range g.existing {
			k := e.block
			if k == nil || k.here != k.n && k.here != blockWritten {
				continue
			}
			if k.here == k.n {
				buf.compressed(int64(k.n), k.z)
				k.here = blockWritten
			}
			rows[iceberggo.EntryStatusEXISTING] += e.rows
		}
		for len(loose) >= blockEntries {
			for _, e := range loose[:blockEntries] {
				if err := add(iceberggo.EntryStatusEXISTING, e); err != nil {
					return nil, nil, err
				}
			}
			z, err := buf.block()
			if err != nil {
				return nil, nil, err
			}
			block := &entryBlock{n: blockEntries, z: bytes.Clone(z)}
			for _, e := range loose[:blockEntries] {
				e.block = block
			}
			loose = loose[blockEntries:]
		}
	}
	for _, e := range loose {
		if err := add(iceberggo.EntryStatusEXISTING, e); err != nil {
			return nil, nil, err
		}
	}
	body, err := buf.bytes()
	if err != nil {
		return nil, nil, err
	}
	mb := iceberggo.NewManifestFile(b.meta.Version(), loc, int64(len(body)), k.spec, b.snapshot).Content(k.content).SequenceNum(-1, minSeq).
		AddedFiles(int32(len(g.added))).ExistingFiles(int32(len(g.existing))).DeletedFiles(int32(len(g.deleted))).
		AddedRows(rows[iceberggo.EntryStatusADDED]).ExistingRows(rows[iceberggo.EntryStatusEXISTING]).DeletedRows(rows[iceberggo.EntryStatusDELETED])
	if !spec.IsUnpartitioned() {
		s, err := b.partitionSummaries(next.base, k, spec, added, g.existing, g.deleted)
		if err != nil {
			return nil, nil, err
		}
		mb.Partitions(s)
	}
	return mb.Build(), body, nil
}

// partitionSummaries are the bounds of each partition field over a manifest's entries. They depend only on which partitions occur, and
// iceberg-go, which alone knows how to compare and encode values of every type, works them out from one entry of each.
func (b *build) partitionSummaries(c *snapshotCache, k groupKey, spec iceberggo.PartitionSpec, g ...[]*liveEntry) ([]iceberggo.FieldSummary, error) {
	distinct := map[string]iceberggo.DataFile{}
	for _, entries := range g {
		for _, e := range entries {
			if e.partition == "" {
				e.partition = partitionKey(e.file)
			}
			distinct[e.partition] = e.file
		}
	}
	keys := slices.Sorted(maps.Keys(distinct))
	name := fmt.Sprint(b.meta.Version(), k.content, b.schema.ID, len(b.part.Schemas), keys)
	if s, ok := c.summaries[name]; ok && len(b.part.Schemas) == 0 {
		return s, nil
	}
	w, err := iceberggo.NewManifestWriter(b.meta.Version(), io.Discard, spec, b.schema, b.snapshot, iceberggo.WithManifestWriterContent(k.content))
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := w.Add(iceberggo.NewManifestEntry(iceberggo.EntryStatusADDED, &b.snapshot, nil, nil, distinct[key])); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	m, err := w.ToManifestFile("x", 1)
	if err != nil {
		return nil, err
	}
	if c.summaries == nil || len(c.summaries) >= maxSummaries {
		c.summaries = map[string][]iceberggo.FieldSummary{}
	}
	c.summaries[name] = m.Partitions()
	return m.Partitions(), nil
}

// maxSummaries bounds what is remembered of partition summaries.
const maxSummaries = 256

// removeAll takes every file of the table out.
func (b *build) removeAll(next *cacheDelta) error {
	for _, m := range slices.Clone(next.manifests) {
		entries, err := liveEntries(b.ctx, b.fs, m)
		if err != nil {
			return err
		}
		g := next.group(m.ManifestContent(), m.PartitionSpecID())
		g.deleted = append(g.deleted, entries...)
		for _, e := range entries {
			b.sum.remove(e.file)
		}
		next.take(m.FilePath())
	}
	for p := range next.base.vectors {
		next.lost = append(next.lost, p)
	}
	next.legacy = nil
	return nil
}

// removeBefore takes the files of ours out that are numbered up to base, and the deletes that concern them. Where these stand in one file
// with those of files that stay, the latter are returned: their positions have to be deleted again.
func (b *build) removeBefore(next *cacheDelta, base uint32) (again []deletedFrom, err error) {
	before := func(path string) bool {
		num, ok := parseFileName(path)
		return ok && precedes(num, base)
	}
	var shared []*liveEntry // position deletes of format 2
	data := map[string]iceberggo.DataFile{}
	for _, m := range slices.Clone(next.manifests) {
		entries, ok := next.base.entries[m.FilePath()]
		if !ok || len(entries) > 0 && entries[0].file == nil {
			if entries, err = liveEntries(b.ctx, b.fs, m); err != nil {
				return nil, err
			}
		}
		var gone, stay []*liveEntry
		for _, e := range entries {
			switch {
			case m.ManifestContent() == iceberggo.ManifestContentData:
				if before(e.file.FilePath()) {
					gone = append(gone, e)
				} else {
					stay = append(stay, e)
					data[e.file.FilePath()] = e.file
				}
			case e.ref != "" && !before(e.ref), b.meta.Version() >= 3 && e.ref == "": // what a table was upgraded with is harmless
				stay = append(stay, e)
			default:
				gone = append(gone, e)
				if e.ref == "" {
					shared = append(shared, e)
				}
			}
		}
		if len(gone) == 0 {
			continue
		}
		next.take(m.FilePath())
		g := next.group(m.ManifestContent(), m.PartitionSpecID())
		g.deleted, g.existing = append(g.deleted, gone...), append(g.existing, stay...)
		for _, e := range gone {
			b.sum.remove(e.file)
		}
	}
	for p := range next.base.vectors {
		if before(p) {
			next.lost = append(next.lost, p)
		}
	}
	positions, err := b.positionsOf(shared)
	for p, bm := range positions {
		if f := data[p]; f != nil {
			again = append(again, deletedFrom{f, bm})
		}
	}
	return again, err
}

// positionsOf reads files of position deletes.
func (b *build) positionsOf(files []*liveEntry) (map[string]*roaring.Bitmap, error) {
	all := map[string]*roaring.Bitmap{}
	var mu sync.Mutex
	err := each(b.ctx, parallelPuts, files, func(ctx context.Context, e *liveEntry) error {
		one := map[string]*roaring.Bitmap{}
		if err := readPositionDeletes(ctx, b.fs, e.file, one); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for p, bm := range one {
			if have := all[p]; have != nil {
				have.Or(bm)
			} else {
				all[p] = bm
			}
		}
		return nil
	})
	return all, err
}

// mergeDeleted joins positions that are deleted from the same files.
func mergeDeleted(a, b []deletedFrom) []deletedFrom {
	at := map[string]int{}
	for i, d := range a {
		at[d.file.FilePath()] = i
	}
	for _, d := range b {
		if i, ok := at[d.file.FilePath()]; ok {
			a[i].positions.Or(d.positions)
		} else {
			a = append(a, d)
		}
	}
	return a
}
