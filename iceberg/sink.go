package iceberg

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

// Options configure a sink.
type Options struct {
	// Pipeline is the name that stands in every table of ours, and that seeds key hashes.
	Pipeline string
	Catalog  CatalogConfig
	// Store reaches the objects of the warehouse; an *objstore.Client.
	Store Resolver
	// StateDir is the local directory of the keyed state, one folder per slot.
	StateDir string
	// Slots is the number of shard writers, Groups the number of key groups (default cdc.Groups).
	Slots  int
	Groups int
	Naming Naming
	// History is the Iceberg name of the table of statements; nil: there is none.
	History []string
	// Tables returns a table's options; nil: defaults for all.
	Tables func(cdc.TableID) TableOptions
	// KeepSnapshots is how many snapshots of a table stay readable; default 30. Every commit writes the metadata file anew,
	// which grows with it: about 1 KiB and 40 microseconds of CPU a snapshot.
	KeepSnapshots int
	// Parallelism bounds the tables that are committed or caught up at the same time; default 8.
	Parallelism int
	// ScanParallelism bounds the data files that are read at the same time while catching up; default GOMAXPROCS.
	ScanParallelism int
	// BufferRows and BufferBytes bound a shard writer's buffer; 0: its defaults.
	BufferRows  int
	BufferBytes int
	// EncoderBytes bounds the encoded pages that the open files of a shard writer hold in memory; default 256 MiB.
	EncoderBytes int64
	// BuildBytes bounds the memory of rebuilding key indexes, over all slots; default 256 MiB.
	BuildBytes int64
	// Meter returns the meters of "shard" (blocked: its encoder is behind) and "encoder" (blocked: the store is), by slot.
	Meter cdc.MeterFunc
	Log   *slog.Logger
	Now   func() time.Time

	// wrapCatalog and alwaysReplace are for tests.
	wrapCatalog   func(catalogue) catalogue
	alwaysReplace bool // no reload keeps rows until they are replaced
	backoff       time.Duration
}

const (
	defaultKeepSnapshots = 30
	minKeepSnapshots     = 10
	defaultParallelism   = 8
	defaultBackoff       = 100 * time.Millisecond
	maxBackoff           = 15 * time.Second
	defaultBuildBytes    = 256 << 20
)

// Sink commits to Iceberg tables. Its methods are those of stream.Sink, and as safe for concurrent use as that says.
type Sink struct {
	o    Options
	fs   *storage
	cat  catalogue
	prod *producer
	log  *slog.Logger
	// history is nil if there is none.
	history *history

	mu     sync.Mutex // guards all below
	tables map[cdc.TableID]*sinkTable
	owners owners
	gen    cdc.Generation
	starts []cdc.TableStart
	states []*state.Shard // by slot; nil: not open
	old    []string       // metadata files to delete

	building sync.Mutex // held while a table's index is rebuilt
}

// Open connects to the catalog.
func Open(ctx context.Context, o Options) (*Sink, error) {
	if o.Groups == 0 {
		o.Groups = cdc.Groups
	}
	if o.KeepSnapshots == 0 {
		o.KeepSnapshots = defaultKeepSnapshots
	}
	o.KeepSnapshots = max(o.KeepSnapshots, minKeepSnapshots)
	if o.Parallelism <= 0 {
		o.Parallelism = defaultParallelism
	}
	if o.BuildBytes <= 0 {
		o.BuildBytes = defaultBuildBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.backoff == 0 {
		o.backoff = defaultBackoff
	}
	switch {
	case o.Pipeline == "":
		return nil, configError("the pipeline has no name")
	case o.Slots < 1 || o.Slots > MaxSlots || o.Slots > o.Groups:
		return nil, configError("%d slots: there must be 1 to %d, and no more than the %d key groups", o.Slots, MaxSlots, o.Groups)
	}
	fs := newStorage(o.Store)
	cat, err := openCatalog(ctx, o.Catalog, fs)
	if err != nil {
		fs.close()
		return nil, err
	}
	if o.wrapCatalog != nil {
		cat = o.wrapCatalog(cat)
	}
	s := &Sink{o: o, fs: fs, cat: cat, log: o.Log, tables: map[cdc.TableID]*sinkTable{}, owners: owners{}, states: make([]*state.Shard, o.Slots),
		prod: &producer{fs: fs, pipeline: o.Pipeline, keep: o.KeepSnapshots, now: o.Now}}
	if n := len(o.History); n > 0 {
		s.history = &history{ident: o.History, id: cdc.TableID{Database: identString(o.History[:n-1]), Name: o.History[n-1]}}
	}
	return s, nil
}

// Close gives everything back. No shard writer may be in use.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs error
	for i, st := range s.states {
		if st != nil {
			errs = errors.Join(errs, st.Close())
			s.states[i] = nil
		}
	}
	s.dropOldLocked(context.Background(), 0)
	errs = errors.Join(errs, s.cat.close())
	s.fs.close()
	return errs
}

// table returns what is known of a table, which may be nothing yet but its name.
func (s *Sink) table(id cdc.TableID) (*sinkTable, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[id]; t != nil {
		return t, nil
	}
	opts, err := s.o.tableOptions(id)
	if err != nil {
		return nil, err
	}
	ident, err := s.o.Naming.ident(id)
	if err != nil {
		return nil, err
	}
	t := &sinkTable{id: id, ident: ident, opts: opts, files: newTableFiles(), counters: map[int]uint32{}, foreign: map[string]uint32{}}
	s.tables[id] = t
	return t, nil
}

// Ident returns the Iceberg name of a source table.
func (s *Sink) Ident(id cdc.TableID) ([]string, error) { return s.o.Naming.ident(id) }

// each calls f for every table, several at a time, and returns the first error, after which no further table is begun. A goroutine serves
// many: requests and JSON need deep stacks, and each new goroutine would grow its own.
func each[T any](ctx context.Context, limit int, in []T, f func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(max(limit, 1), len(in)) {
		g.Go(func() error {
			for {
				i := next.Add(1) - 1
				if i >= int64(len(in)) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(ctx, in[i]); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// Markers reads the markers of the tables that exist and are ours (step 1).
func (s *Sink) Markers(ctx context.Context, tables []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error) {
	at, err := s.locate(ctx, tables)
	if err != nil {
		return nil, err
	}
	out := map[cdc.TableID]cdc.TableMarkers{}
	var mu sync.Mutex
	err = each(ctx, s.o.Parallelism, tables, func(ctx context.Context, id cdc.TableID) error {
		t, err := s.table(id)
		if err != nil {
			return err
		}
		v, err := s.reload(ctx, t, at[identString(t.ident)])
		if errors.Is(err, errNoTable) {
			return nil
		}
		if err != nil {
			return err
		}
		var m cdc.TableMarkers
		if ok, _ := v.ours(s.o.Pipeline, id); ok {
			if m, _, err = v.markers(); err != nil {
				return err
			}
		}
		mu.Lock()
		out[id] = m
		mu.Unlock()
		return nil
	})
	return out, err
}

// locate looks up where the metadata of tables lies (see catalogue), for reload: one look-up for many tables instead of one each.
func (s *Sink) locate(ctx context.Context, ids []cdc.TableID) (map[string]string, error) {
	tables := make([]*sinkTable, len(ids))
	for i, id := range ids {
		var err error
		if tables[i], err = s.table(id); err != nil {
			return nil, err
		}
	}
	return s.locateTables(ctx, tables)
}

func (s *Sink) locateTables(ctx context.Context, tables []*sinkTable) (map[string]string, error) {
	idents := make([]table.Identifier, len(tables))
	for i, t := range tables {
		idents[i] = t.ident
	}
	return s.cat.locate(ctx, idents)
}

// reload reads the current version of a table; at is as in load.
func (s *Sink) reload(ctx context.Context, t *sinkTable, at string) (*metaVersion, error) {
	t.mu.Lock()
	have := t.version
	t.mu.Unlock()
	v, err := s.cat.load(ctx, t.ident, have, at)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.version = v
	t.mu.Unlock()
	return v, nil
}

// Part makes a table's part of the next record; see stream.Sink. No storage call is made.
func (s *Sink) Part(in cdc.PartInput) (cdc.Part, error) {
	t, err := s.table(in.Table)
	if err != nil {
		return cdc.Part{}, err
	}
	var k uint64
	in.Committables = slices.Clone(in.Committables)
	for i, c := range in.Committables {
		n, size := binary.Uvarint(c.Payload)
		if size <= 0 || k != 0 && k != n {
			return cdc.Part{}, cdc.Errorf(cdc.CodeInternal, in.Table, "committables of checkpoints %d and %d in one part", k, n)
		}
		k = n
		in.Committables[i].Payload = c.Payload[size:]
	}
	p, err := t.part(in)
	if err != nil {
		return p, err
	}
	t.mu.Lock()
	t.preparedK = k
	t.mu.Unlock()
	return p, nil
}

// Define makes a table's new definition known; see stream.Sink.
func (s *Sink) Define(c *cdc.Schema) error {
	t, err := s.table(c.Table)
	if err != nil {
		return err
	}
	return t.define(c)
}

// Moved lists the tables whose head is not the snapshot that the sink expects (step 10, when idle).
func (s *Sink) Moved(ctx context.Context) ([]cdc.TableID, error) {
	tables := s.ready()
	at, err := s.locateTables(ctx, tables)
	if err != nil {
		return nil, err
	}
	var out []cdc.TableID
	var mu sync.Mutex
	err = each(ctx, s.o.Parallelism, tables, func(ctx context.Context, t *sinkTable) error {
		// A commit under way would move the head: look only between commits.
		t.commitMu.Lock()
		defer t.commitMu.Unlock()
		v, err := s.reload(ctx, t, at[identString(t.ident)])
		moved := errors.Is(err, errNoTable)
		if err != nil && !moved {
			return err
		}
		if !moved {
			t.mu.Lock()
			moved = !sameSnapshot(headOf(v.meta), t.parent)
			t.mu.Unlock()
		}
		if moved {
			mu.Lock()
			out = append(out, t.id)
			mu.Unlock()
		}
		return nil
	})
	slices.SortFunc(out, func(a, b cdc.TableID) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	return out, err
}

// ready lists the tables that were caught up in this generation and are not paused.
func (s *Sink) ready() []*sinkTable {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*sinkTable
	for _, t := range s.tables {
		t.mu.Lock()
		if t.ready && t.gen == s.gen {
			out = append(out, t)
		}
		t.mu.Unlock()
	}
	return out
}

func headOf(m table.Metadata) *int64 {
	if s := m.CurrentSnapshot(); s != nil {
		return &s.SnapshotID
	}
	return nil
}

func sameSnapshot(a, b *int64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// SlotWriter is the shard writer of a slot.
type SlotWriter struct {
	*ShardWriter
	s *Sink
}

// SlotPrepared is a checkpoint that a slot has sealed.
type SlotPrepared struct {
	*Prepared
	k uint64
}

// Shard returns the writer of a slot for the generation of the last CatchUp.
func (s *Sink) Shard(slot int) (*SlotWriter, error) {
	if slot < 0 || slot >= s.o.Slots {
		return nil, cdcErrorf(cdc.CodeInternal, "slot %d does not exist", slot)
	}
	s.mu.Lock()
	st, starts := s.states[slot], s.starts
	s.mu.Unlock()
	if st == nil {
		return nil, cdcErrorf(cdc.CodeInternal, "slot %d was not caught up", slot)
	}
	w, err := newShardWriter(shardOptions{
		slot: slot, groups: cdc.SplitGroups(s.o.Groups, s.o.Slots)[slot], state: st,
		table: func(id cdc.TableID) shardTable {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.tables[id]
		},
		create: func(ctx context.Context, uri string) (objstore.Writer, error) {
			st, key, err := s.o.Store.Resolve(ctx, uri)
			if err != nil {
				return nil, err
			}
			return st.Create(ctx, key)
		},
		meta:       s.metas,
		bufferRows: s.o.BufferRows, bufferBytes: s.o.BufferBytes, encoderBytes: s.o.EncoderBytes,
		meter: s.o.Meter.Of("shard", slot), encoderMeter: s.o.Meter.Of("encoder", slot),
	}, starts)
	if err != nil {
		return nil, err
	}
	return &SlotWriter{w, s}, nil
}

// Prepare ends checkpoint k; see stream.ShardWriter.
func (w *SlotWriter) Prepare(ctx context.Context, k uint64) (*SlotPrepared, error) {
	p, err := w.ShardWriter.Prepare(ctx, k)
	if err != nil {
		return nil, err
	}
	return &SlotPrepared{p, k}, nil
}

// Pause drops what the current checkpoint holds of the table; see stream.ShardWriter.
func (w *SlotWriter) Pause(id cdc.TableID) {
	if t, err := w.s.table(id); err == nil {
		t.mu.Lock()
		t.paused = true
		t.mu.Unlock()
	}
	w.ShardWriter.Pause(id)
}

// Wait returns the committables. Each begins with the checkpoint's number as the shards count it, which is not that of the
// record: it is how a snapshot and the state that covers it are brought together.
func (p *SlotPrepared) Wait(ctx context.Context) ([]cdc.Committable, error) {
	cs, err := p.Prepared.Wait(ctx)
	for i := range cs {
		cs[i].Payload = append(binary.AppendUvarint(nil, p.k), cs[i].Payload...)
	}
	return cs, err
}

// metas says what the state remembers with checkpoint k: for each table that was committed with it, the snapshot that the
// state then covers. A table that paused has none any more: its rows of k may be in the state and not in the table.
func (s *Sink) metas(k uint64) (map[cdc.TableID][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[cdc.TableID][]byte{}
	for id, t := range s.tables {
		t.mu.Lock()
		if (t.dropped || t.emptied) && t.ready {
			out[id] = []byte{} // locations in files that are gone are left in it: the next generation builds it anew
		} else if at, ok := t.heads[k]; ok && t.ready {
			out[id] = t.stateMetaLocked(&at)
		} else if t.paused && t.ready {
			out[id] = []byte{}
		}
		t.mu.Unlock()
	}
	return out, nil
}

// stateDir is the folder of a slot's state.
func (s *Sink) stateDir(slot int) string {
	return filepath.Join(s.o.StateDir, fmt.Sprintf("slot-%03d", slot))
}

// openStates opens the state of every slot, and drops what was not complete.
func (s *Sink) openStates() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ranges := cdc.SplitGroups(s.o.Groups, s.o.Slots)
	for i := range s.states {
		if s.states[i] != nil {
			s.states[i].Abort()
			continue
		}
		st, err := state.Open(state.Options{Dir: s.stateDir(i), Groups: ranges[i], Log: s.log, BuildBytes: max(s.o.BuildBytes/int64(s.o.Slots), 8<<20)})
		if err != nil {
			return err
		}
		s.states[i] = st
	}
	// Slots that a wider pipeline has left behind are of no use, and derived.
	for i := s.o.Slots; ; i++ {
		if _, err := os.Stat(s.stateDir(i)); err != nil {
			return nil
		}
		if err := os.RemoveAll(s.stateDir(i)); err != nil {
			return fmt.Errorf("remove the state of a slot that is no longer used: %w", err)
		}
	}
}
