package state

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// The model of a shard: maps, copied at every checkpoint.
type modelTable struct {
	exact bool
	rows  map[cdc.Key]Loc
	meta  string // empty: none
}

func (m modelTable) clone() modelTable {
	m.rows = maps.Clone(m.rows)
	return m
}

type modelShard map[cdc.TableID]modelTable

func (m modelShard) clone() modelShard {
	out := modelShard{}
	for id, t := range m {
		out[id] = t.clone()
	}
	return out
}

type machine struct {
	dir      string
	groups   cdc.GroupRange
	s        *Shard
	tables   map[cdc.TableID]*Table
	complete modelShard // as of the last complete checkpoint
	sealed   []struct {
		k uint64
		m modelShard
	}
	open modelShard
	k    uint64
	n    uint64 // counts locations
	pool []cdc.Key
}

var modelIDs = []cdc.TableID{{Database: "a", Name: "x"}, {Database: "a", Name: "y"}, {Database: "b", Name: "x"}}

func modelExact(id cdc.TableID) bool { return id != modelIDs[2] }

func (m *machine) start(t *rapid.T) {
	s, err := Open(Options{Dir: m.dir, Groups: m.groups, BuildBytes: 1, manualMerge: true, mergeStep: rapid.SampledFrom([]int{0, 1, 64}).Draw(t, "merge step"),
		blockWords: rapid.SampledFrom([]int{0, 64, 256}).Draw(t, "block"), scrubBlocks: true})
	if err != nil {
		t.Fatal(err)
	}
	m.s = s
	m.tables = map[cdc.TableID]*Table{}
	for _, id := range modelIDs {
		m.tables[id] = s.Table(id, modelExact(id))
	}
}

// restart is what a crash does: whatever is not complete is gone.
func (m *machine) restart(t *rapid.T) {
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	m.open, m.sealed = m.complete.clone(), nil
}

func (m *machine) empty() {
	m.complete = modelShard{}
	for _, id := range modelIDs {
		m.complete[id] = modelTable{exact: modelExact(id), rows: map[cdc.Key]Loc{}}
	}
	m.open, m.sealed = m.complete.clone(), nil
}

// keysOf draws sorted unique keys of a table.
func (m *machine) keysOf(t *rapid.T, exact bool) []cdc.Key {
	n := rapid.SampledFrom([]int{0, 1, 3, 50, 600}).Draw(t, "keys")
	// Mostly the same few keys, so that overlays and runs overlap.
	start := rapid.OneOf(rapid.Just(0), rapid.Just(40), rapid.IntRange(0, len(m.pool)-1)).Draw(t, "start")
	stride := rapid.SampledFrom([]int{1, 1, 7}).Draw(t, "stride")
	seen := map[cdc.Key]bool{}
	var keys []cdc.Key
	for i := range n {
		k := m.pool[(start+i*stride)%len(m.pool)]
		if exact {
			k.Lo = 0
		}
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

func compareKeys(a, b cdc.Key) int {
	if c := cmp.Compare(a.Hi, b.Hi); c != 0 {
		return c
	}
	return cmp.Compare(a.Lo, b.Lo)
}

// makePool returns keys of the groups; some share Hi, and some are the smallest and largest possible.
func makePool(g cdc.GroupRange, n int) []cdc.Key {
	var out []cdc.Key
	for _, hi := range []uint64{0, 1, ^uint64(0), ^uint64(0) - 1} {
		if g.Contains(hi) {
			out = append(out, cdc.Key{Hi: hi}, cdc.Key{Hi: hi, Lo: ^uint64(0)})
		}
	}
	for i := uint64(0); len(out) < n; i++ {
		hi := cdc.Mix64(i)
		if !g.Contains(hi) {
			continue
		}
		out = append(out, cdc.Key{Hi: hi, Lo: cdc.Mix64(^i)})
		if i%16 == 0 {
			out = append(out, cdc.Key{Hi: hi, Lo: 0}, cdc.Key{Hi: hi, Lo: 1})
		}
	}
	return out
}

func (m *machine) check(t *rapid.T) {
	for _, id := range modelIDs {
		tab, want := m.tables[id], m.open[id]
		if got := tab.Len(); got != int64(len(want.rows)) {
			t.Fatalf("%s: Len is %d, want %d", id, got, len(want.rows))
		}
		meta := tab.Meta()
		if string(meta) != m.complete[id].meta || (meta == nil) != (m.complete[id].meta == "") {
			t.Fatalf("%s: meta is %q, want %q", id, meta, m.complete[id].meta)
		}
		got := map[cdc.Key]Loc{}
		var last *cdc.Key
		err := tab.Iterate(func(k cdc.Key, l Loc) error {
			if last != nil && !orderedKey(*last).less(k) {
				return fmt.Errorf("%v after %v", k, *last)
			}
			last = &k
			got[k] = l
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want.rows) {
			t.Fatalf("%s: iterated %d rows, want %d, or others", id, len(got), len(want.rows))
		}
		keys := slices.Clone(m.pool)
		if want.exact {
			for i := range keys {
				keys[i].Lo = 0
			}
		}
		slices.SortFunc(keys, compareKeys)
		m.lookup(t, id, slices.Compact(keys))
	}
}

func (m *machine) lookup(t *rapid.T, id cdc.TableID, keys []cdc.Key) []Loc {
	out := make([]Loc, len(keys))
	m.tables[id].Lookup(keys, out)
	for i, k := range keys {
		want, ok := m.open[id].rows[k]
		if !ok {
			want = None
		}
		if out[i] != want {
			t.Fatalf("%s: key %x is at %v, want %v", id, k, out[i], want)
		}
	}
	return out
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "state")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		groups := rapid.SampledFrom([]cdc.GroupRange{{From: 0, To: 128, Of: 128}, {From: 5, To: 6, Of: 7}, {From: 0, To: 1, Of: 128}}).Draw(t, "groups")
		m := &machine{dir: filepath.Join(dir, "s"), groups: groups, pool: makePool(groups, 1500)}
		m.empty()
		m.start(t)
		defer func() { _ = m.s.Close() }()
		table := func(t *rapid.T) cdc.TableID { return rapid.SampledFrom(modelIDs).Draw(t, "table") }
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { m.check(t) },
			"put": func(t *rapid.T) {
				id := table(t)
				keys := m.keysOf(t, modelExact(id))
				locs := make([]Loc, len(keys))
				deletes := rapid.SampledFrom([]int{0, 2, 1}).Draw(t, "deletes") // none, every second, all
				for i, k := range keys {
					m.n++
					locs[i] = MakeLoc(uint32(m.n>>8), uint32(m.n))
					if deletes > 0 && i%deletes == 0 {
						locs[i] = None
						delete(m.open[id].rows, k)
					}
				}
				var old []Loc
				if rapid.Bool().Draw(t, "looked up") {
					old = make([]Loc, len(keys))
					m.tables[id].Lookup(keys, old)
				}
				m.tables[id].Put(keys, locs, old)
				for i, k := range keys {
					if locs[i] != None {
						m.open[id].rows[k] = locs[i]
					}
				}
			},
			"lookup": func(t *rapid.T) {
				id := table(t)
				m.lookup(t, id, m.keysOf(t, modelExact(id)))
			},
			"clear": func(t *rapid.T) {
				id := table(t)
				m.tables[id].Clear()
				clear(m.open[id].rows)
			},
			"seal": func(t *rapid.T) { m.seal(t) },
			"complete": func(t *rapid.T) {
				if len(m.sealed) == 0 {
					t.Skip("nothing sealed")
				}
				m.completeOldest(t)
			},
			"checkpoint": func(t *rapid.T) {
				m.seal(t)
				for len(m.sealed) > 0 {
					m.completeOldest(t)
				}
			},
			"merge": func(t *rapid.T) {
				if _, err := m.s.mergeOnce(); err != nil {
					t.Fatal(err)
				}
			},
			"abort": func(t *rapid.T) {
				m.s.Abort()
				m.open, m.sealed = m.complete.clone(), nil
			},
			"restart": func(t *rapid.T) {
				m.restart(t)
				if m.s.Fresh() {
					t.Fatal("fresh: ", m.s.FreshReason())
				}
			},
			"drop": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
					t.Skip("rarely")
				}
				id := table(t)
				m.s.Drop(id)
				m.tables[id] = m.s.Table(id, modelExact(id))
				fresh := modelTable{exact: modelExact(id), rows: map[cdc.Key]Loc{}}
				m.complete[id], m.open[id] = fresh.clone(), fresh.clone()
				for _, x := range m.sealed {
					x.m[id] = fresh.clone()
				}
			},
			"build": func(t *rapid.T) {
				if len(m.sealed) > 0 {
					t.Skip("checkpoints in flight")
				}
				m.s.Abort()
				m.open = m.complete.clone()
				id := table(t)
				b := m.tables[id].NewBuilder()
				tab := modelTable{exact: modelExact(id), rows: map[cdc.Key]Loc{}, meta: "built"}
				for range rapid.IntRange(0, 3).Draw(t, "parts") {
					var keys []cdc.Key
					var locs []Loc
					for _, k := range m.keysOf(t, tab.exact) {
						if _, ok := tab.rows[k]; !ok {
							m.n++
							tab.rows[k] = MakeLoc(1, uint32(m.n))
							keys, locs = append(keys, k), append(locs, tab.rows[k])
						}
					}
					for i := range keys { // any order
						j := int(cdc.Mix64(uint64(i)) % uint64(len(keys)))
						keys[i], keys[j] = keys[j], keys[i]
						locs[i], locs[j] = locs[j], locs[i]
					}
					if err := b.Add(keys, locs); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.Finish([]byte(tab.meta)); err != nil {
					t.Fatal(err)
				}
				m.complete[id], m.open[id] = tab, tab.clone()
			},
			"damage": func(t *rapid.T) {
				m.damage(t)
			},
		})
	})
}

func (m *machine) seal(t *rapid.T) {
	m.k += uint64(rapid.IntRange(1, 3).Draw(t, "step"))
	m.s.Seal(m.k)
	m.sealed = append(m.sealed, struct {
		k uint64
		m modelShard
	}{m.k, m.open.clone()})
}

func (m *machine) completeOldest(t *rapid.T) {
	x := m.sealed[0]
	m.sealed = m.sealed[1:]
	metas := map[cdc.TableID][]byte{}
	for id, tab := range x.m {
		tab.meta = fmt.Sprintf("%s as of %d", id, x.k)
		metas[id] = []byte(tab.meta)
		x.m[id] = tab
	}
	m.complete = x.m
	if err := m.s.Complete(x.k, metas); err != nil {
		t.Fatal(err)
	}
}

// damage flips or cuts a file as a crash of the machine may, and starts again: the shard must come back fresh, or as of
// its last complete checkpoint. (A cut manifest may lead to an older one; see TestTornManifest.)
func (m *machine) damage(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip("rarely")
	}
	files, err := filepath.Glob(filepath.Join(m.dir, "*.run"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no runs")
	}
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	path := rapid.SampledFrom(files).Draw(t, "file")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
	switch rapid.SampledFrom([]string{"flip", "cut", "zero", "remove"}).Draw(t, "how") {
	case "flip":
		b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case "cut":
		b = b[:at]
	case "zero":
		if slices.Max(b[at:]) == 0 {
			b = b[:at] // nothing to clear
		}
		clear(b[at:])
	case "remove":
		b = nil
		_ = os.Remove(path)
	}
	if b != nil {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.empty()
	m.start(t)
	if !m.s.Fresh() {
		t.Fatalf("damage of %s at %d was not noticed", filepath.Base(path), at)
	}
}
