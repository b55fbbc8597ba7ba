package iceberg

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// producer turns a part into a snapshot on top of one version of the table's metadata: it writes delete files, manifests
// and the manifest list, and says what to ask of the catalog. Its cost depends on what changes and, by a logarithm, on
// what is there, but not on how many commits there were: manifests are merged in tiers, and what a snapshot holds is
// remembered from the commit before.
type producer struct {
	fs       *storage
	pipeline string
	keep     int // snapshots
	now      func() time.Time
}

// built is a snapshot that is ready to be committed.
type built struct {
	change   change
	snapshot int64
	written  []string // objects that nothing refers to unless the commit succeeds
	// apply brings the cache, which is that of the parent, to the new snapshot.
	apply func()
	cache *snapshotCache
}

// build is one attempt to commit a part on version v, whose main is the part's parent.
type build struct {
	*producer
	ctx  context.Context
	v    *metaVersion
	meta table.Metadata
	part *partPayload
	id   cdc.CheckpointID

	snapshot int64
	sequence int64
	schema   *iceberggo.Schema // current after the commit
	updates  []table.Update
	tag      string // of file names
	nextFile int
	objects  []object
	written  []string

	sum summary
}

// build prepares the commit. cache is what is known of the parent, or nil.
func (p *producer) build(ctx context.Context, v *metaVersion, part *partPayload, id cdc.CheckpointID, gen cdc.Generation, cache *snapshotCache) (_ *built, err error) {
	b := &build{producer: p, ctx: ctx, v: v, meta: v.meta, part: part, id: id,
		snapshot: newSnapshotID(v.meta), sequence: v.meta.LastSequenceNumber() + 1,
		tag: generationTag(gen) + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")}
	defer func() {
		if err != nil {
			p.discard(ctx, b.written)
		}
	}()
	parent := v.meta.CurrentSnapshot()
	if cache == nil || parent == nil || cache.snapshot != parent.SnapshotID || cache.version != v.meta.Version() {
		if cache, err = loadSnapshotCache(ctx, p.fs, v.meta, parent); err != nil {
			return nil, err
		}
	}
	if err := b.schemas(); err != nil {
		return nil, err
	}
	files, deleted, err := part.content(v.meta)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b.sum.add(f.file)
	}
	next := cache.next(b.snapshot)
	if part.Replace {
		if err := b.removeAll(next); err != nil {
			return nil, err
		}
	}
	if part.Drop != 0 {
		again, err := b.removeBefore(next, part.Drop)
		if err != nil {
			return nil, err
		}
		deleted = mergeDeleted(deleted, again)
	}
	for _, f := range files {
		g := next.group(iceberggo.ManifestContentData, f.file.SpecID())
		g.added = append(g.added, f.file)
	}
	if err := b.addDeletes(deleted, next); err != nil {
		return nil, err
	}
	if err := b.writeManifests(next); err != nil {
		return nil, err
	}
	return b.finish(parent, next)
}

// schemas adds the part's definitions.
func (b *build) schemas() error {
	b.schema = b.meta.CurrentSchema()
	added, err := b.part.schemas()
	if err != nil {
		return err
	}
	ids := newSchemaIDs(b.meta)
	for _, s := range added {
		s = ids.next(s)
		b.updates = append(b.updates, table.NewAddSchemaUpdate(s))
		b.schema = s
	}
	if len(added) > 0 {
		b.updates = append(b.updates, table.NewSetCurrentSchemaUpdate(-1))
	}
	return nil
}

// schemaIDs numbers definitions that are added to a table, as the catalog does: with the next free id, or that of an equal one.
type schemaIDs struct {
	have []*iceberggo.Schema
	last int
}

func newSchemaIDs(m table.Metadata) *schemaIDs {
	ids := &schemaIDs{have: m.Schemas()}
	for _, s := range ids.have {
		ids.last = max(ids.last, s.ID)
	}
	return ids
}

// next returns the schema with its id.
func (n *schemaIDs) next(s *iceberggo.Schema) *iceberggo.Schema {
	s = iceberggo.NewSchemaWithIdentifiers(n.last+1, s.IdentifierFieldIDs, s.Fields()...)
	for _, have := range n.have {
		if have.Equals(s) {
			s = have
		}
	}
	n.last = max(n.last, s.ID)
	return s
}

// finish writes the manifest list and puts the updates together.
func (b *build) finish(parent *table.Snapshot, next *cacheDelta) (*built, error) {
	var parentID *int64
	ts := max(b.now().UnixMilli(), b.meta.LastUpdatedMillis())
	if parent != nil {
		parentID = &parent.SnapshotID
		ts = max(ts, parent.TimestampMs)
	}
	h := listHead{b.meta.Version(), b.snapshot, b.sequence, parentID, b.meta.NextRowID()}
	list, listed, nextRow, err := encodeManifestList(h, next.manifests)
	if err != nil {
		return nil, fmt.Errorf("manifest list of %s: %w", identString(b.v.ident), err)
	}
	next.manifests = listed
	loc := metadataFolder(b.meta) + fmt.Sprintf("/snap-%d_%s.avro", b.snapshot, b.tag)
	if err := b.put(loc, list); err != nil {
		return nil, err
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	marker, key, def, err := encodeMarker(b.part.marker(b.pipeline, b.id))
	if err != nil {
		return nil, err
	}
	schemaID := b.schema.ID
	snap := &table.Snapshot{SnapshotID: b.snapshot, ParentSnapshotID: parentID, SequenceNumber: b.sequence, TimestampMs: ts,
		ManifestList: loc, SchemaID: &schemaID, Summary: b.summary(parent, marker)}
	if b.meta.Version() >= 3 {
		added := nextRow - h.firstRow
		snap.FirstRowID, snap.AddedRows = &h.firstRow, &added
	}
	props := iceberggo.Properties{propMarker: marker, propPipeline: b.pipeline}
	have := b.meta.Properties()
	if have[key] != def {
		props[key] = def
	}
	if b.part.Counter > metaCounter(b.meta) {
		props[propCounter] = fmt.Sprint(b.part.Counter)
	}
	b.updates = append(b.updates, table.NewAddSnapshotUpdate(snap), b.mainRef(), table.NewSetPropertiesUpdate(props))
	b.updates = append(b.updates, expire(b.meta, b.keep, markerRef(marker), have)...)
	return &built{change: change{b.v, b.updates}, snapshot: b.snapshot, written: b.written,
		apply: next.apply, cache: next.base}, nil
}

// mainRef moves main, and keeps the retention that somebody may have set on it.
func (b *build) mainRef() table.Update {
	var refAge, snapAge int64
	var keep int
	for name, r := range b.meta.Refs() {
		if name != table.MainBranch {
			continue
		}
		if r.MaxRefAgeMs != nil {
			refAge = *r.MaxRefAgeMs
		}
		if r.MaxSnapshotAgeMs != nil {
			snapAge = *r.MaxSnapshotAgeMs
		}
		if r.MinSnapshotsToKeep != nil {
			keep = *r.MinSnapshotsToKeep
		}
	}
	return table.NewSetSnapshotRefUpdate(table.MainBranch, b.snapshot, table.BranchRef, refAge, snapAge, keep)
}

// object is one to be written before the commit.
type object struct {
	loc  string
	body []byte
}

// put takes an object that only this attempt knows. All are written together at the end: a round trip to the store takes longer
// than everything else here.
func (b *build) put(loc string, body []byte) error {
	b.objects = append(b.objects, object{loc, body})
	return nil
}

// parallelPuts bounds the objects of one commit that are written at the same time.
const parallelPuts = 8

// flush writes all objects.
func (b *build) flush() error {
	for _, o := range b.objects {
		b.written = append(b.written, o.loc)
	}
	return each(b.ctx, parallelPuts, b.objects, func(ctx context.Context, o object) error {
		if err := b.fs.write(ctx, o.loc, o.body); err != nil {
			return fmt.Errorf("write for %s: %w", identString(b.v.ident), err)
		}
		return nil
	})
}

// discard removes the objects of an attempt that certainly failed. What is left behind is found by Clean.
func (p *producer) discard(ctx context.Context, locs []string) {
	if len(locs) > 0 {
		_ = p.fs.remove(context.WithoutCancel(ctx), locs...)
	}
}

func newSnapshotID(meta table.Metadata) int64 {
	for {
		if id := rand.Int64(); id > 0 && meta.SnapshotByID(id) == nil { // #nosec G404 -- a name, not a secret
			return id
		}
	}
}
