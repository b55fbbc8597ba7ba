package iceberg

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// slotMetas collects what catching up has put into one slot's state, until all tables are done.
type slotMetas struct {
	mu    sync.Mutex // guards the slot's open overlay, and metas
	metas map[cdc.TableID][]byte
}

// maxIncremental bounds the rows of added files that are caught up through memory; beyond, a rebuild is cheaper.
const maxIncremental = 2 << 20

// complete makes what was caught up permanent.
func (u *catchUp) complete() error {
	for i, st := range u.s.states {
		m := &u.slots[i]
		if len(m.metas) == 0 {
			continue
		}
		st.Seal(0)
		if err := st.Complete(0, m.metas); err != nil {
			return err
		}
	}
	return nil
}

// state brings the keyed state of all slots to the head of v, which is the table's known version, and returns the number of live
// rows. A slot whose state is of a snapshot in main's ancestry is brought forward; any other is rebuilt.
func (u *catchUp) state(ctx context.Context, t *sinkTable, v *metaVersion, src *cdc.Schema) (int64, error) {
	fs, limit := u.s.fs, u.s.scanLimit()
	head := v.meta.CurrentSnapshot()
	files, err := listFiles(ctx, fs, t.id, head, limit)
	if err != nil {
		return 0, err
	}
	metas := u.metas(t, src)
	if err := u.number(t, v, files, metas); err != nil {
		return 0, err
	}
	// The first commit need not read what was read now.
	c := newSnapshotCache(v.meta, head)
	if legacy, err := c.fill(files.manifests, files.entries); err == nil && len(legacy) == 0 {
		t.cache = c
	}
	// Slots by the snapshot that their state covers.
	known := map[int64]*table.Snapshot{}
	for s := range ancestors(v.meta) {
		known[s.SnapshotID] = s
	}
	byBase := map[int64][]int{}
	var rebuild []int
	for slot, m := range metas {
		switch {
		case m == nil:
			rebuild = append(rebuild, slot)
		case sameSnapshot(m.Snapshot, headOf(v.meta)):
		case m.Snapshot == nil:
			byBase[0] = append(byBase[0], slot)
		case known[*m.Snapshot] != nil:
			byBase[*m.Snapshot] = append(byBase[*m.Snapshot], slot)
		default:
			rebuild = append(rebuild, slot)
		}
	}
	keys, err := newKeyReader(u.s, t, src)
	if err != nil {
		return 0, err
	}
	for base, slots := range byBase {
		done, err := u.forward(ctx, t, keys, known[base], files, slots)
		if err != nil {
			return 0, err
		}
		if !done {
			rebuild = append(rebuild, slots...)
		}
	}
	if len(rebuild) > 0 {
		slices.Sort(rebuild)
		u.s.log.Info("index rebuilt from the table", "table", t.id.String(), "rows", files.rows(), "files", len(files.data), "slots", rebuild)
		if err := u.rebuild(ctx, t, keys, files, rebuild); err != nil {
			return 0, err
		}
	}
	rows := int64(0)
	for slot := range u.slots {
		u.slots[slot].mu.Lock()
		rows += u.s.states[slot].Table(t.id, keys.exact).Len()
		u.slots[slot].mu.Unlock()
	}
	return rows, nil
}

// metas reads what each slot's state covers; nil: it has to be rebuilt.
func (u *catchUp) metas(t *sinkTable, src *cdc.Schema) []*stateMeta {
	t.mu.Lock()
	uuid := t.version.meta.TableUUID().String()
	key, wide := keyFields(t.defs[0].target)
	t.mu.Unlock()
	out := make([]*stateMeta, len(u.slots))
	for slot, st := range u.s.states {
		m := new(stateMeta)
		b := st.Table(t.id, src.KeyExact()).Meta()
		if len(b) == 0 || json.Unmarshal(b, m) != nil || m.V != stateMetaVersion || m.UUID != uuid ||
			!slices.Equal(m.Key, key) || !slices.Equal(m.Wide, wide) || m.Whole != src.Keyless() {
			continue
		}
		out[slot] = m
	}
	// File numbers mean the same in all slots, or nothing.
	var foreign map[string]uint32
	for _, m := range out {
		if m == nil {
			continue
		}
		if foreign == nil {
			foreign = m.Foreign
		} else if !maps.Equal(foreign, m.Foreign) {
			return make([]*stateMeta, len(u.slots))
		}
	}
	return out
}

// number fills the table's dictionary with the live files. Our own carry their number in their name; others keep the one that the
// state knows them by, or get a new one.
func (u *catchUp) number(t *sinkTable, v *metaVersion, files *snapshotFiles, metas []*stateMeta) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var had map[string]uint32
	for _, m := range metas {
		if m != nil {
			had = m.Foreign
		}
	}
	t.files, t.foreign = newTableFiles(), map[string]uint32{}
	t.counters, t.counter = map[int]uint32{}, metaCounter(v.meta)
	next := uint32(0)
	for _, num := range had {
		next = max(next, num&counterMask)
	}
	for _, p := range sortedPaths(files.data) {
		f := files.data[p]
		spec := v.meta.PartitionSpecByID(int(f.SpecID()))
		if spec == nil {
			return cdc.Errorf(CodeUnreadableFile, t.id, "data file %s has the unknown partition spec %d", p, f.SpecID())
		}
		num, ok := parseFileName(p)
		if ok {
			t.counter = max(t.counter, num&counterMask)
		} else {
			if num, ok = had[p]; !ok {
				next++
				num = foreignSlot<<slotShift | next
			}
			t.foreign[p] = num
		}
		if err := t.files.add(num, f, *spec); err != nil {
			return cdc.Errorf(CodeUnreadableFile, t.id, "%w", err)
		}
	}
	return nil
}

func (u *catchUp) meta(t *sinkTable) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stateMetaLocked(headOf(t.version.meta))
}

// empty gives every slot an empty table, for a load that replaces everything. The state belongs to no snapshot until then.
func (u *catchUp) empty(_ context.Context, t *sinkTable, v *metaVersion) error {
	t.mu.Lock()
	t.files, t.foreign, t.counters = newTableFiles(), map[string]uint32{}, map[int]uint32{}
	t.counter = metaCounter(v.meta)
	exact := t.defs[0].target.source.KeyExact()
	t.mu.Unlock()
	for _, st := range u.s.states {
		if err := st.Table(t.id, exact).NewBuilder().Finish(nil); err != nil {
			return err
		}
	}
	return nil
}

// rebuild reads the keys of all live rows.
func (u *catchUp) rebuild(ctx context.Context, t *sinkTable, keys *keyReader, files *snapshotFiles, slots []int) error {
	dead, err := files.deleted(ctx, u.s.fs, nil, u.s.scanLimit())
	if err != nil {
		return err
	}
	// Each builder sorts in memory of its own: one table at a time.
	u.s.building.Lock()
	defer u.s.building.Unlock()
	type lane struct {
		mu sync.Mutex
		b  *state.Builder
	}
	lanes := make([]*lane, len(u.slots))
	for _, slot := range slots {
		st := u.s.states[slot].Table(t.id, keys.exact)
		if keys.src.Keyless() {
			lanes[slot] = &lane{b: st.NewRowBuilder()}
		} else {
			lanes[slot] = &lane{b: st.NewBuilder()}
		}
		defer lanes[slot].b.Abandon()
	}
	err = each(ctx, u.s.scanLimit(), sortedPaths(files.data), func(ctx context.Context, p string) error {
		num := keys.number(p)
		perKeys, perLocs := make([][]cdc.Key, len(u.slots)), make([][]state.Loc, len(u.slots))
		return keys.read(ctx, files.data[p], func(first uint32, ks []cdc.Key) error {
			bm := dead[p]
			for slot := range perKeys {
				perKeys[slot], perLocs[slot] = perKeys[slot][:0], perLocs[slot][:0]
			}
			for i, k := range ks {
				pos := first + uint32(i)
				if bm != nil && bm.Contains(pos) {
					continue
				}
				if slot := keys.slot(k); lanes[slot] != nil {
					perKeys[slot] = append(perKeys[slot], k)
					perLocs[slot] = append(perLocs[slot], state.MakeLoc(num, pos))
				}
			}
			for slot, l := range lanes {
				if l == nil || len(perKeys[slot]) == 0 {
					continue
				}
				l.mu.Lock()
				err := l.b.Add(perKeys[slot], perLocs[slot])
				l.mu.Unlock()
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	meta := u.meta(t)
	for _, slot := range slots {
		if err := lanes[slot].b.Finish(meta); err != nil {
			return err
		}
	}
	return nil
}

// forward brings slots from a snapshot (nil: none) to the head. It reports false where a rebuild is the better or the only way:
// files have left the table, or so much has come that it does not fit into memory.
func (u *catchUp) forward(ctx context.Context, t *sinkTable, keys *keyReader, base *table.Snapshot, files *snapshotFiles, slots []int) (bool, error) {
	old, err := listFiles(ctx, u.s.fs, t.id, base, u.s.scanLimit())
	if err != nil {
		return false, nil //nolint:nilerr // the old snapshot's manifests may have been removed: rebuild
	}
	read := map[string]bool{} // data files to read
	rows := int64(0)
	for p := range old.data {
		if files.data[p] == nil {
			return false, nil
		}
	}
	for p, f := range files.data {
		if old.data[p] == nil {
			read[p] = true
			rows += f.Count()
		}
	}
	fresh, err := files.deleted(ctx, u.s.fs, old, u.s.scanLimit())
	if err != nil {
		return false, err
	}
	for p := range fresh {
		if f := files.data[p]; f != nil && !read[p] {
			read[p] = true
			rows += f.Count()
		}
	}
	if rows > maxIncremental {
		return false, nil
	}
	type changes struct {
		mu   sync.Mutex
		add  []located
		gone []located
	}
	per := make([]*changes, len(u.slots))
	for _, slot := range slots {
		per[slot] = &changes{}
	}
	err = each(ctx, u.s.scanLimit(), slices.Sorted(maps.Keys(read)), func(ctx context.Context, p string) error {
		num, added, bm := keys.number(p), old.data[p] == nil, fresh[p]
		return keys.read(ctx, files.data[p], func(first uint32, ks []cdc.Key) error {
			if !added && (bm == nil || !anyIn(bm, first, len(ks))) {
				return nil
			}
			for i, k := range ks {
				pos := first + uint32(i)
				dead := bm != nil && bm.Contains(pos)
				if !dead && !added {
					continue
				}
				if c := per[keys.slot(k)]; c != nil {
					c.mu.Lock()
					if dead {
						// Of an added file too: the state may be ahead of the snapshot that it names.
						c.gone = append(c.gone, located{k, state.MakeLoc(num, pos)})
					} else {
						c.add = append(c.add, located{k, state.MakeLoc(num, pos)})
					}
					c.mu.Unlock()
				}
			}
			return nil
		})
	})
	if err != nil {
		return false, err
	}
	meta := u.meta(t)
	for _, slot := range slots {
		m := &u.slots[slot]
		m.mu.Lock()
		st := u.s.states[slot].Table(t.id, keys.exact)
		apply := applyChanges
		if keys.src.Keyless() {
			apply = applyRows
		}
		ok := apply(st, per[slot].gone, per[slot].add, func(l state.Loc) bool {
			info := keys.files.byNum[l.File()]
			if info == nil {
				return true
			}
			bm := fresh[info.file.FilePath()]
			return bm != nil && bm.Contains(l.Pos())
		})
		if !ok {
			st.Discard(0)
			m.mu.Unlock()
			return false, nil // a rebuild says for certain
		}
		if m.metas == nil {
			m.metas = map[cdc.TableID][]byte{}
		}
		m.metas[t.id] = meta
		m.mu.Unlock()
	}
	return true, nil
}

// located is a key at a location.
type located struct {
	key cdc.Key
	loc state.Loc
}

func compareKeys(a, b located) int {
	switch {
	case a.key.Hi != b.key.Hi:
		if a.key.Hi < b.key.Hi {
			return -1
		}
		return 1
	case a.key.Lo != b.key.Lo:
		if a.key.Lo < b.key.Lo {
			return -1
		}
		return 1
	}
	return 0
}

// applyChanges removes the deleted rows' entries, as far as they still name them, and enters the added ones. It reports false if a
// key turns out to be live twice; dead says whether a row is deleted.
func applyChanges(st *state.Table, gone, add []located, dead func(state.Loc) bool) bool {
	slices.SortFunc(gone, compareKeys)
	slices.SortFunc(add, compareKeys)
	var ks []cdc.Key
	var locs []state.Loc
	for i, l := range gone {
		if i == 0 || compareKeys(l, gone[i-1]) != 0 {
			ks = append(ks, l.key)
		}
	}
	cur := make([]state.Loc, len(ks))
	st.Lookup(ks, cur)
	var drop []cdc.Key
	var was []state.Loc
	for i, j := 0, 0; i < len(ks); i++ {
		hit := false
		for ; j < len(gone) && gone[j].key == ks[i]; j++ {
			hit = hit || gone[j].loc == cur[i]
		}
		if hit {
			drop, was, locs = append(drop, ks[i]), append(was, cur[i]), append(locs, state.None)
		}
	}
	if len(drop) > 0 {
		st.Put(drop, locs, was)
	}
	ks, locs = ks[:0], nil
	for i, l := range add {
		if i > 0 && compareKeys(l, add[i-1]) == 0 {
			return false
		}
		ks, locs = append(ks, l.key), append(locs, l.loc)
	}
	cur = make([]state.Loc, len(ks))
	st.Lookup(ks, cur)
	for i := range ks {
		if cur[i] != state.None && cur[i] != locs[i] && !dead(cur[i]) {
			return false
		}
	}
	if len(ks) > 0 {
		st.Put(ks, locs, cur)
	}
	return true
}

// applyRows is applyChanges for a table without a key: of each row, the locations that the state has and those that were added, less
// those that are deleted, are numbered anew.
func applyRows(st *state.Table, gone, add []located, dead func(state.Loc) bool) bool {
	slices.SortFunc(gone, compareKeys)
	slices.SortFunc(add, compareKeys)
	var keys []cdc.Key
	var locs, old []state.Loc
	for len(gone) > 0 || len(add) > 0 {
		var key cdc.Key
		if len(add) == 0 || len(gone) > 0 && compareKeys(gone[0], add[0]) < 0 {
			key = gone[0].key
		} else {
			key = add[0].key
		}
		had := rowsOf(st, key)
		stay := map[state.Loc]bool{}
		for _, l := range had {
			stay[l] = !dead(l)
		}
		for ; len(add) > 0 && add[0].key == key; add = add[1:] {
			stay[add[0].loc] = true
		}
		for ; len(gone) > 0 && gone[0].key == key; gone = gone[1:] {
			stay[gone[0].loc] = false
		}
		var now []state.Loc
		for l, ok := range stay {
			if ok {
				now = append(now, l)
			}
		}
		slices.Sort(now)
		for n := range max(len(had), len(now)) {
			was, is := state.None, state.None
			if n < len(had) {
				was = had[n]
			}
			if n < len(now) {
				is = now[n]
			}
			if was != is {
				keys, locs, old = append(keys, key.Nth(uint64(n))), append(locs, is), append(old, was)
			}
		}
	}
	st.Put(keys, locs, old)
	return true
}

// rowsOf returns where the state has the rows that are equal to each other.
func rowsOf(st *state.Table, key cdc.Key) []state.Loc {
	var out []state.Loc
	for n := 1; ; n *= 2 {
		var keys []cdc.Key
		for i := range n {
			keys = append(keys, key.Nth(uint64(len(out)+i)))
		}
		locs := make([]state.Loc, n)
		st.Lookup(keys, locs)
		for _, l := range locs {
			if l == state.None {
				return out
			}
			out = append(out, l)
		}
	}
}

// keyReader reads the keys of data files.
type keyReader struct {
	fs     *storage
	src    *cdc.Schema
	fields []scanField
	exact  bool
	seed   uint64
	files  *tableFiles
	groups int
	slots  []int // by key group
}

func newKeyReader(s *Sink, t *sinkTable, src *cdc.Schema) (*keyReader, error) {
	t.mu.Lock()
	target, files := t.defs[0].target, t.files
	t.mu.Unlock()
	r := &keyReader{fs: s.fs, src: &cdc.Schema{Table: t.id}, exact: src.KeyExact(), seed: cdc.Seed(s.o.Pipeline), files: files, groups: s.o.Groups, slots: make([]int, s.o.Groups)}
	var err error
	if r.fields, err = scanFields(target.schema, src, src.Hashed()); err != nil {
		return nil, err
	}
	for i, k := range src.Hashed() {
		r.src.Columns = append(r.src.Columns, src.Columns[k])
		if !src.Keyless() {
			r.src.Key = append(r.src.Key, i)
		}
	}
	for slot, g := range cdc.SplitGroups(s.o.Groups, s.o.Slots) {
		for i := g.From; i < g.To; i++ {
			r.slots[i] = slot
		}
	}
	return r, nil
}

func (r *keyReader) slot(k cdc.Key) int { return r.slots[cdc.Group(k.Hi, r.groups)] }

func (r *keyReader) number(path string) uint32 { return r.files.byPath[path] }

// read hands on the keys of all rows of a file, with the position of the first. The slice is used again.
func (r *keyReader) read(ctx context.Context, f iceberggo.DataFile, fn func(first uint32, keys []cdc.Key) error) error {
	h := cdc.NewKeyHasher(r.src, r.seed)
	keys := make([]cdc.Key, cdc.MaxBatchRows)
	hi, lo := make([]uint64, cdc.MaxBatchRows), make([]uint64, cdc.MaxBatchRows)
	return r.fs.scanFile(ctx, f, r.fields, func(cols []cdc.Vec, first uint32, n int) error {
		for i := range cols {
			if cols[i].Nulls > 0 && !r.src.Keyless() {
				return cdc.Errorf(CodeUnreadableFile, r.src.Table, "data file %s holds NULL in the key column %s", f.FilePath(), r.fields[i].name)
			}
		}
		h.Hash(cols, 0, n, hi, lo)
		for i := range n {
			keys[i] = cdc.Key{Hi: hi[i], Lo: lo[i]}
		}
		return fn(first, keys[:n])
	})
}
