package iceberg

import (
	"context"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// snapshotCache is what the producer remembers of a snapshot, so that the next commit reads nothing: the manifest list, and,
// where deletes are vectors, which vector each data file has. It is one table's and used by one commit at a time.
type snapshotCache struct {
	snapshot  int64 // 0: the table has no snapshot
	version   int   // of the table's format: an upgrade changes what has to be known of a snapshot
	manifests []iceberggo.ManifestFile
	// vectors holds the deletion vector of each data file that has one, by the data file's path.
	vectors map[string]*liveEntry
	// entries holds the live entries of delete manifests, where deletes are vectors, by manifest; and in unpartitioned tables of format 2
	// those of small manifests, only encoded, since they are soon merged into larger ones.
	entries    map[string][]*liveEntry
	smallBytes int // of the latter
	// bitmaps are the newest vectors' contents: rows deleted lately tend to have neighbours.
	bitmaps     map[string]*roaring.Bitmap
	bitmapBytes uint64
	headers     map[headerKey][]byte
	// summaries are those of manifests, by the partitions that occur in them.
	summaries map[string][]iceberggo.FieldSummary
	// legacy are the position deletes of format 2 in a table of format 3; nil: there are none.
	legacy *legacyDeletes
}

// liveEntry is an entry of a manifest, with what is needed to write it again: vectors are, whenever a neighbour is replaced.
type liveEntry struct {
	iceberggo.ManifestEntry
	file                   iceberggo.DataFile
	ref                    string // data file of a deletion vector; "" for everything else
	manifest               string // that holds it
	snapshot, seq, fileSeq int64
	rows                   int64
	raw                    []byte      // as it stands in manifests; nil: not known
	block                  *entryBlock // that holds it, with status EXISTING; nil: none
	partition              string      // see partitionKey; "": not known
}

// entryBlock is a block of a manifest of vectors, compressed. As long as all of its entries live it is written again as it is: replacing
// ten vectors among a thousand then encodes and compresses a few blocks and not a thousand entries.
type entryBlock struct {
	n int // entries that point to it
	z []byte
	// here is used while a manifest is written: how many of them go into it, or blockWritten.
	here int
}

const blockWritten = -1

// blockEntries is the size of such a block: small, since a replaced vector costs its block; but every block has a Huffman table of its own.
const blockEntries = 16

func newLiveEntry(e iceberggo.ManifestEntry, manifest string) *liveEntry {
	f := e.DataFile()
	l := &liveEntry{ManifestEntry: e, file: f, manifest: manifest, snapshot: e.SnapshotID(), seq: e.SequenceNum(), fileSeq: -1, rows: f.Count()}
	if n := e.FileSequenceNum(); n != nil {
		l.fileSeq = *n
	}
	if f.FileFormat() == iceberggo.PuffinFile {
		if r := f.ReferencedDataFile(); r != nil {
			l.ref = *r
		}
	}
	return l
}

// encoded is the file as it stands in manifests.
func (l *liveEntry) encoded(spec iceberggo.PartitionSpec, sc *iceberggo.Schema, version int) ([]byte, error) {
	if l.raw != nil {
		return l.raw, nil
	}
	b, err := encodeFile(l.file, spec, sc, version)
	if err == nil && (l.ref != "" || version < 3) {
		l.raw = b
	}
	return b, err
}

// maxSmallEntries and maxSmallBytes bound the manifests whose entries are remembered to be merged: mergeFanIn of up to mergeFanIn each.
const (
	maxSmallEntries = mergeFanIn * mergeFanIn
	maxSmallBytes   = 256 << 10
)

// remember keeps what merging a manifest takes: the entries as they are encoded, without what they say.
func (d *cacheDelta) remember(loc string, added, existing []*liveEntry) {
	if len(added)+len(existing) > maxSmallEntries {
		return
	}
	out := make([]*liveEntry, 0, len(added)+len(existing))
	size := 0
	for _, entries := range [][]*liveEntry{added, existing} {
		for _, e := range entries {
			if e.raw == nil {
				return
			}
			size += len(e.raw)
			out = append(out, &liveEntry{manifest: loc, snapshot: e.snapshot, seq: e.seq, fileSeq: e.fileSeq, rows: e.rows, raw: e.raw})
		}
	}
	if size <= maxSmallBytes {
		d.entries[loc] = out
	}
}

// maxCachedBitmaps bounds snapshotCache.bitmaps in bytes.
const maxCachedBitmaps = 4 << 20

// loadSnapshotCache reads what the producer needs of a snapshot.
func loadSnapshotCache(ctx context.Context, fs *storage, meta table.Metadata, s *table.Snapshot) (*snapshotCache, error) {
	if s == nil {
		return newSnapshotCache(meta, nil), nil
	}
	manifests, err := manifestsOf(ctx, fs, s)
	if err != nil {
		return nil, err
	}
	entries := map[string][]*liveEntry{}
	for _, m := range manifests {
		if meta.Version() < 3 || m.ManifestContent() != iceberggo.ManifestContentDeletes {
			continue
		}
		if entries[m.FilePath()], err = liveEntries(ctx, fs, m); err != nil {
			return nil, err
		}
	}
	c := newSnapshotCache(meta, s)
	legacy, err := c.fill(manifests, entries)
	if err != nil {
		return nil, err
	}
	c.legacy, err = loadLegacyDeletes(ctx, fs, legacy)
	return c, err
}

func newSnapshotCache(meta table.Metadata, s *table.Snapshot) *snapshotCache {
	c := &snapshotCache{version: meta.Version(), vectors: map[string]*liveEntry{}, entries: map[string][]*liveEntry{}, bitmaps: map[string]*roaring.Bitmap{}}
	if s != nil {
		c.snapshot = s.SnapshotID
	}
	return c
}

// fill enters a snapshot's manifests, and where deletes are vectors the live entries of its delete manifests. It returns the
// entries that are position deletes of format 2 in a table of format 3.
func (c *snapshotCache) fill(manifests []iceberggo.ManifestFile, entries map[string][]*liveEntry) (legacy []*liveEntry, err error) {
	c.manifests = manifests
	if c.version < 3 {
		return nil, nil
	}
	c.entries = entries
	for _, m := range manifests {
		for _, e := range entries[m.FilePath()] {
			switch {
			case e.file.ContentType() != iceberggo.EntryContentPosDeletes:
			case e.ref == "":
				legacy = append(legacy, e)
			case c.vectors[e.ref] != nil:
				return nil, cdcErrorf(CodeDuplicateVector, "%s has two deletion vectors in snapshot %d", e.ref, c.snapshot)
			default:
				c.vectors[e.ref] = e
			}
		}
	}
	return legacy, nil
}

// manifestsOf reads a snapshot's manifest list.
func manifestsOf(ctx context.Context, fs *storage, s *table.Snapshot) ([]iceberggo.ManifestFile, error) {
	b, err := fs.read(ctx, s.ManifestList)
	if err == nil {
		var out []iceberggo.ManifestFile
		if out, err = readManifestList(b); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("manifest list of snapshot %d: %w", s.SnapshotID, err)
}

// entriesOf reads a manifest's entries.
func entriesOf(ctx context.Context, fs *storage, m iceberggo.ManifestFile, discardDeleted bool) ([]iceberggo.ManifestEntry, error) {
	b, err := fs.read(ctx, m.FilePath())
	if err != nil {
		return nil, err
	}
	return readManifest(m, b, discardDeleted)
}

// liveEntries reads the entries of a manifest that are not deleted.
func liveEntries(ctx context.Context, fs *storage, m iceberggo.ManifestFile) ([]*liveEntry, error) {
	entries, err := entriesOf(ctx, fs, m, true)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", m.FilePath(), err)
	}
	out := make([]*liveEntry, len(entries))
	for i, e := range entries {
		out[i] = newLiveEntry(e, m.FilePath())
	}
	return out, nil
}

// groupKey tells manifests apart that cannot be merged.
type groupKey struct {
	content iceberggo.ManifestContent
	spec    int32
}

// group collects what goes into new manifests of one kind.
type group struct {
	added    []iceberggo.DataFile
	existing []*liveEntry
	deleted  []*liveEntry
}

func (g *group) live() int { return len(g.added) + len(g.existing) }

// cacheDelta is how a snapshot being built differs from the cache of its parent. apply makes it so.
type cacheDelta struct {
	base      *snapshotCache
	snapshot  int64
	manifests []iceberggo.ManifestFile
	groups    map[groupKey]*group
	order     []groupKey
	vectors   map[string]*liveEntry // new
	lost      []string              // data files that have left, with their vectors
	entries   map[string][]*liveEntry
	gone      []string // delete manifests that are no longer in the list
	bitmaps   map[string]*roaring.Bitmap
	legacy    *legacyDeletes
}

func (c *snapshotCache) next(snapshot int64) *cacheDelta {
	d := &cacheDelta{base: c, snapshot: snapshot, groups: map[groupKey]*group{}, vectors: map[string]*liveEntry{},
		entries: map[string][]*liveEntry{}, bitmaps: map[string]*roaring.Bitmap{}, legacy: c.legacy}
	for _, m := range c.manifests {
		// A manifest whose files are all deleted has told its snapshot so, and is of no use to later ones.
		if m.HasAddedFiles() || m.HasExistingFiles() {
			d.manifests = append(d.manifests, m)
		} else {
			d.gone = append(d.gone, m.FilePath())
		}
	}
	return d
}

func (d *cacheDelta) group(c iceberggo.ManifestContent, spec int32) *group {
	k := groupKey{c, spec}
	g := d.groups[k]
	if g == nil {
		g = &group{}
		d.groups[k] = g
		d.order = append(d.order, k)
	}
	return g
}

// take removes a manifest from the list, since its entries go into a new one.
func (d *cacheDelta) take(path string) (iceberggo.ManifestFile, bool) {
	i := slices.IndexFunc(d.manifests, func(m iceberggo.ManifestFile) bool { return m.FilePath() == path })
	if i < 0 {
		return nil, false
	}
	m := d.manifests[i]
	d.manifests = slices.Delete(d.manifests, i, i+1)
	d.gone = append(d.gone, path)
	return m, true
}

func (d *cacheDelta) apply() {
	c := d.base
	c.snapshot, c.manifests, c.legacy = d.snapshot, d.manifests, d.legacy
	for _, p := range d.lost {
		delete(c.vectors, p)
		c.remember(p, nil)
	}
	for _, p := range d.gone {
		c.smallBytes -= smallSize(c.entries[p])
		delete(c.entries, p)
	}
	for p, v := range d.vectors {
		c.vectors[p] = v
	}
	for loc, entries := range d.entries {
		size := smallSize(entries)
		if size > 0 && c.smallBytes+size > maxSmallBytes {
			continue // it is read when it is merged
		}
		c.smallBytes += size
		c.entries[loc] = entries
		for _, e := range entries {
			e.manifest = loc
		}
	}
	for p, b := range d.bitmaps {
		c.remember(p, b)
	}
}

// smallSize is the size of entries that are remembered only encoded, 0 of others.
func smallSize(entries []*liveEntry) (n int) {
	if len(entries) == 0 || entries[0].file != nil {
		return 0
	}
	for _, e := range entries {
		n += len(e.raw)
	}
	return n
}

// remember keeps a vector's content, nil: not any more. What is remembered is bounded: when it is too much, it begins anew.
func (c *snapshotCache) remember(path string, b *roaring.Bitmap) {
	if old := c.bitmaps[path]; old != nil {
		c.bitmapBytes -= old.GetSizeInBytes()
		delete(c.bitmaps, path)
	}
	if b == nil {
		return
	}
	size := b.GetSizeInBytes()
	if c.bitmapBytes+size > maxCachedBitmaps {
		clear(c.bitmaps)
		c.bitmapBytes = 0
	}
	if size <= maxCachedBitmaps {
		c.bitmaps[path] = b
		c.bitmapBytes += size
	}
}
