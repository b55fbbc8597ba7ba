package iceberg

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// sinkTable is what a sink knows of one table. It outlives generations; CatchUp renews what belongs to one.
type sinkTable struct {
	id    cdc.TableID
	ident table.Identifier
	opts  TableOptions

	// commitMu is held while a part is committed or the table caught up: one at a time.
	commitMu sync.Mutex
	cache    *snapshotCache // guarded by commitMu: manifests and delete files as of a snapshot

	mu      sync.Mutex // guards all below
	version *metaVersion
	gen     cdc.Generation
	ready   bool // caught up in gen, and not paused
	// parent is the snapshot that the next part asserts: that of our last commit (not simply main's head). nil: none.
	parent *int64
	// defs are the definitions that shards may write under, oldest first. The first is the table's own; a later one becomes
	// so when a part that needs it is committed.
	defs   []*definition
	lastID int // last field id given out, in defs
	files  *tableFiles
	// counters holds the last counter given out, by slot; counter is the largest of all times.
	counters map[int]uint32
	counter  uint32
	foreign  map[string]uint32 // numbers of files that we did not name
	// heads remembers the snapshots of the newest checkpoints, by the shards' count: what the state covers once a shard
	// completes one.
	heads     map[uint64]int64
	preparedK uint64           // of the part made last
	settled   cdc.CheckpointID // the record settled last
	paused    bool             // by a shard writer, in this generation
	// base is that of the load under way, or of the last one; dropped says that its files have left the table in this generation, and
	// emptied that all have: the state may still name them.
	base             uint32
	dropped, emptied bool
}

// definition is one version of the table's columns, as rows are written under it.
type definition struct {
	target *writeTarget
	added  bool // target.schema is not in the table's metadata yet
}

var _ shardTable = (*sinkTable)(nil)

// define makes a new definition known.
func (t *sinkTable) define(s *cdc.Schema) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.defs) > 0 && !sameKey(t.defs[len(t.defs)-1].target.source, s) {
		return cdc.Errorf(codeKeyChanged, t.id, "its key was changed")
	}
	_, err := t.defineLocked(s)
	return err
}

// target implements shardTable.
func (t *sinkTable) target(s *cdc.Schema) (*writeTarget, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, err := t.defineLocked(s)
	if err != nil {
		return nil, err
	}
	return d.target, nil
}

func (t *sinkTable) defineLocked(s *cdc.Schema) (*definition, error) {
	if t.version == nil || len(t.defs) == 0 {
		return nil, cdc.Errorf(cdc.CodeInternal, t.id, "written before it was caught up")
	}
	for _, d := range slices.Backward(t.defs) {
		if d.target.source == s || sameDefinition(d.target.source, s) {
			return d, nil
		}
	}
	last := t.defs[len(t.defs)-1].target
	e, err := evolve(last.schema, t.lastID, last.source, s, last.formatVersion, t.version.meta.PartitionSpecs(), rowsStay)
	if err != nil {
		return nil, err
	}
	w := *last
	w.source, w.schema = s, e.schema
	if e.changed {
		// Only for telling definitions apart until the table has numbered them.
		w.schema.ID = last.schema.ID + 1
	}
	t.lastID = e.lastID
	d := &definition{target: &w, added: e.changed}
	t.defs = append(t.defs, d)
	return d, nil
}

// sameDefinition reports whether rows are written alike under both.
func sameDefinition(a, b *cdc.Schema) bool {
	if a.Version != 0 && b.Version != 0 && a.Version != b.Version || !slices.Equal(a.Key, b.Key) || len(a.Columns) != len(b.Columns) {
		return false
	}
	for i := range a.Columns {
		x, y := &a.Columns[i], &b.Columns[i]
		if x.Name != y.Name || x.Type != y.Type || x.Nullable != y.Nullable || x.Meta != y.Meta {
			return false
		}
	}
	return true
}

// lastFile implements shardTable.
func (t *sinkTable) lastFile(slot int) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.counters[slot], t.counter)
}

// newFile implements shardTable.
func (t *sinkTable) newFile(slot int, partition string) (uint32, string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version == nil {
		return 0, "", cdc.Errorf(cdc.CodeInternal, t.id, "written before it was caught up")
	}
	if slot < 0 || slot >= MaxSlots {
		return 0, "", cdc.Errorf(cdc.CodeInternal, t.id, "slot %d does not exist", slot)
	}
	c := max(t.counters[slot], t.counter) + 1
	if c > counterMask {
		return 0, "", &cdc.Error{Code: CodeSchemaChange, Table: t.id, Msg: "all file numbers are used up", Fix: "reload the table with: cdc2lake reload TABLE"}
	}
	t.counters[slot] = c
	num := uint32(slot)<<slotShift | c
	name := fileName(num, generationTag(t.gen), strings.ReplaceAll(uuid.NewString(), "-", ""))
	loc, err := dataLocation(t.version.meta, partition, name)
	return num, loc, err
}

// dataFolder is the folder of a table's data files, without a slash at its end.
func dataFolder(meta table.Metadata) string {
	if p := meta.Properties()[table.WriteDataPathKey]; p != "" {
		return strings.TrimRight(p, "/")
	}
	return strings.TrimRight(meta.Location(), "/") + "/data"
}

func metadataFolder(meta table.Metadata) string {
	if p := meta.Properties()[table.WriteMetadataPathKey]; p != "" {
		return strings.TrimRight(p, "/")
	}
	return strings.TrimRight(meta.Location(), "/") + "/metadata"
}

func dataLocation(meta table.Metadata, partition, name string) (string, error) {
	if props := meta.Properties(); props.GetBool(table.ObjectStoreEnabledKey, false) {
		p, err := table.LoadLocationProvider(meta.Location(), props)
		if err != nil {
			return "", err
		}
		return p.NewDataLocation(name), nil // a hash before the name spreads the load; no partition folders
	}
	// Joined as text: locations are plain strings, and an escape in a partition's value stays as it is.
	loc := dataFolder(meta) + "/"
	if partition != "" {
		loc += strings.Trim(partition, "/") + "/"
	}
	loc += name
	if _, err := url.Parse(loc); err != nil {
		return "", fmt.Errorf("location of a data file: %w", err)
	}
	return loc, nil
}

// resetLocked starts a generation on version v with the definition as of its position. was is the definition that v stands for, if that
// is known and another one.
func (t *sinkTable) resetLocked(v *metaVersion, gen cdc.Generation, was, src *cdc.Schema, parent *int64, rows rowsLeft) error {
	t.version, t.gen, t.parent = v, gen, parent
	t.base, t.dropped, t.emptied = 0, false, false
	t.heads, t.settled = map[uint64]int64{}, cdc.CheckpointID{}
	t.lastID = v.meta.LastColumnID()
	base := &writeTarget{schema: v.meta.CurrentSchema(), spec: v.meta.PartitionSpec(),
		formatVersion: v.meta.Version(), targetBytes: t.opts.TargetFileBytes, props: v.meta.Properties()}
	if head := v.meta.CurrentSnapshot(); rows == rowsStay && head != nil && head.SchemaID != nil {
		// After a rollback the current schema is ahead of the rows, and may have other names for their columns.
		for _, s := range v.meta.Schemas() {
			if s.ID == *head.SchemaID {
				base.schema = s
			}
		}
	}
	e, err := evolve(base.schema, t.lastID, was, src, base.formatVersion, v.meta.PartitionSpecs(), rows)
	if err != nil {
		return err
	}
	base.source, base.schema, t.lastID = src, e.schema, e.lastID
	t.defs = []*definition{{target: base, added: !e.schema.Equals(v.meta.CurrentSchema())}}
	return nil
}

// begin is resetLocked for catching up. changed: the table's own columns are others than the definition's.
func (t *sinkTable) begin(v *metaVersion, gen cdc.Generation, was, src *cdc.Schema, rows rowsLeft) (changed bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err = t.resetLocked(v, gen, was, src, headOf(v.meta), rows)
	return err == nil && t.defs[0].added, err
}

// markReady ends catching up; base is that of the load, see cdc.LoadState.
func (t *sinkTable) markReady(base uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready, t.base = true, base
}

// rewritten reports whether the table holds files that are not ours.
func (t *sinkTable) rewritten() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.foreign) > 0
}

// lastCounter returns the largest file number that was ever given out.
func (t *sinkTable) lastCounter() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counter
}

// settledLocked takes note that a part stands in the table as snapshot at.
func (t *sinkTable) settledLocked(v *metaVersion, id cdc.CheckpointID, p *partPayload, at int64) {
	t.version = v
	if !t.ready || p.Generation != t.gen {
		return // a part of an older generation; catching up follows
	}
	if t.settled == id {
		return // once more, though it was known: what follows it may be under way
	}
	t.settled = id
	t.parent = &at
	t.definedLocked(len(p.Schemas))
	if p.Replace {
		own := map[uint32]bool{}
		for _, f := range p.Files {
			own[f.Num] = true
		}
		// Every file of the dictionary is in the table or in this part: the next one is made when this one is complete.
		for num, info := range t.files.byNum {
			if !own[num] {
				t.files.remove(info.file.FilePath())
			}
		}
	}
	if p.Drop != 0 {
		for num, info := range t.files.byNum {
			if precedes(num, p.Drop) {
				t.files.remove(info.file.FilePath())
			}
		}
	}
	if t.preparedK == 0 {
		return // no rows: the state has nothing of it either
	}
	t.heads[t.preparedK] = at
	for k := range t.heads {
		if k+keepHeads < t.preparedK {
			delete(t.heads, k)
		}
	}
}

// keepHeads: a slot completes a checkpoint in the state when it comes to it, which may be some checkpoints later.
const keepHeads = 1024

// stateMeta is what the state remembers of a table with a checkpoint: the snapshot that it covers, and what its locations mean.
type stateMeta struct {
	V        int               `json:"v"`
	UUID     string            `json:"uuid"`
	Snapshot *int64            `json:"snapshot,omitempty"` // nil: the table had none
	Key      []int             `json:"key"`                // field ids of the key, in order
	Wide     []int             `json:"wide,omitempty"`     // of these, those that are hashed as 128 bits: see cdc.KeyHasher
	Whole    bool              `json:"whole,omitempty"`    // there is no key, and Key are all columns
	Foreign  map[string]uint32 `json:"foreign,omitempty"`  // numbers of files that do not carry one in their name
}

const stateMetaVersion = 1

func (t *sinkTable) stateMetaLocked(at *int64) []byte {
	m := stateMeta{V: stateMetaVersion, UUID: t.version.meta.TableUUID().String(), Snapshot: at, Foreign: t.foreign}
	m.Key, m.Wide = keyFields(t.defs[0].target)
	m.Whole = t.defs[0].target.source.Keyless()
	b, err := json.Marshal(m)
	if err != nil {
		panic("iceberg: state meta: " + err.Error())
	}
	return b
}

// keyFields lists the field ids of the key, in key order, and those whose values are 128 bits wide: a decimal that grows beyond 18
// digits gets other hashes.
func keyFields(w *writeTarget) (key, wide []int) {
	for _, k := range w.source.Hashed() {
		id := w.schema.Fields()[k].ID
		key = append(key, id)
		if w.source.Columns[k].Type.Layout() == cdc.LayoutI128 {
			wide = append(wide, id)
		}
	}
	return key, wide
}

// specs resolves partition specs for the codec.
func specsOf(meta table.Metadata) func(int) (iceberggo.PartitionSpec, bool) {
	return func(id int) (iceberggo.PartitionSpec, bool) {
		s := meta.PartitionSpecByID(id)
		if s == nil {
			return iceberggo.PartitionSpec{}, false
		}
		return *s, true
	}
}

// part makes the table's part of the next record; see Sink.Part.
func (t *sinkTable) part(in cdc.PartInput) (cdc.Part, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready {
		return cdc.Part{}, cdc.Errorf(cdc.CodeInternal, t.id, "has a part, but was not caught up")
	}
	def, err := t.defineLocked(in.Schema)
	if err != nil {
		return cdc.Part{}, err
	}
	meta := t.version.meta
	p := &partPayload{Table: t.id, UUID: meta.TableUUID().String(), Generation: t.gen, Parent: t.parent, Format: meta.Version(),
		Replace: in.Replace || in.Truncated, Position: in.Position, Label: in.Label, CommitMicros: in.CommitMicros, Load: in.Load}
	t.emptied = t.emptied || in.Truncated
	if in.Drop && t.base != 0 {
		p.Drop, t.dropped = t.base, true
	}
	if p.Source, err = json.Marshal(in.Schema); err != nil {
		return cdc.Part{}, fmt.Errorf("encode definition of %s: %w", t.id, err)
	}
	for _, d := range t.defs {
		if d.added {
			raw, err := json.Marshal(d.target.schema)
			if err != nil {
				return cdc.Part{}, fmt.Errorf("encode schema of %s: %w", t.id, err)
			}
			p.Schemas = append(p.Schemas, raw)
		}
		if d == def {
			break
		}
	}
	out := cdc.Part{Position: in.Position}
	if err := t.fillLocked(p, in.Committables, &out.Counts, def); err != nil {
		return cdc.Part{}, err
	}
	out.Payload, err = p.encode()
	return out, err
}

// definedLocked takes note that the table now has the next n added definitions.
func (t *sinkTable) definedLocked(n int) {
	for i, d := range t.defs {
		if n == 0 {
			return
		}
		if d.added {
			d.added = false
			if n--; n == 0 {
				t.defs = t.defs[i:]
				return
			}
		}
	}
}

// fillLocked puts what the shards prepared into the part.
func (t *sinkTable) fillLocked(p *partPayload, cs []cdc.Committable, counts *cdc.Counts, def *definition) error {
	meta := t.version.meta
	specs := specsOf(meta)
	deleted := map[uint32]*roaring.Bitmap{}
	own := map[uint32]bool{}
	for _, c := range cs {
		counts.Add(c.Counts)
		d, err := decodeDelta(c.Payload, specs, def.target.schema)
		if err != nil {
			return err
		}
		for _, f := range d.files {
			spec, ok := specs(int(f.file.SpecID()))
			if !ok {
				return cdc.Errorf(cdc.CodeInternal, t.id, "data file of unknown partition spec %d", f.file.SpecID())
			}
			enc, err := codec.EncodeDataFile(f.file, spec, def.target.schema, p.Format)
			if err != nil {
				return fmt.Errorf("encode data file of %s: %w", t.id, err)
			}
			if own[f.num] {
				return cdc.Errorf(cdc.CodeInternal, t.id, "file number %d occurs twice in one checkpoint", f.num)
			}
			own[f.num] = true
			if err := t.files.add(f.num, f.file, spec); err != nil {
				return cdc.Errorf(cdc.CodeInternal, t.id, "%w", err)
			}
			p.Files = append(p.Files, partFile{f.num, int(f.file.SpecID()), enc})
			t.counter = max(t.counter, f.num&counterMask)
		}
		for num, bm := range d.deleted { // two slots may hit one file
			if have := deleted[num]; have != nil {
				have.Or(bm)
			} else {
				deleted[num] = bm
			}
		}
	}
	p.Counter = t.counter
	for _, num := range slices.Sorted(maps.Keys(deleted)) {
		if deleted[num].IsEmpty() || t.dropped && precedes(num, t.base) {
			continue // the file is gone as a whole
		}
		d := partDeleted{Own: num}
		if !own[num] {
			info := t.files.byNum[num]
			if info == nil {
				return cdc.Errorf(cdc.CodeInternal, t.id, "rows are deleted from file number %d, which is not in the table", num)
			}
			spec, ok := specs(int(info.file.SpecID()))
			if !ok {
				return cdc.Errorf(cdc.CodeInternal, t.id, "data file of unknown partition spec %d", info.file.SpecID())
			}
			enc, err := codec.EncodeDataFile(info.file, spec, def.target.schema, p.Format)
			if err != nil {
				return fmt.Errorf("encode data file of %s: %w", t.id, err)
			}
			d = partDeleted{Spec: spec.ID(), Ref: enc}
		}
		deleted[num].RunOptimize()
		enc, err := deleted[num].ToBytes()
		if err != nil {
			return fmt.Errorf("encode deleted positions of %s: %w", t.id, err)
		}
		d.Positions = enc
		p.Deleted = append(p.Deleted, d)
	}
	return nil
}

// metaCounter reads the counter property.
func metaCounter(meta table.Metadata) uint32 {
	n, err := strconv.ParseUint(meta.Properties()[propCounter], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
