package iceberg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"

	iceberggo "github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func (s *Sink) goFS(ctx context.Context) (icebergio.IO, error) { return s.fs.bind(ctx), nil }

func (s *Sink) scanLimit() int {
	if s.o.ScanParallelism > 0 {
		return s.o.ScanParallelism
	}
	return runtime.GOMAXPROCS(0)
}

// CatchUp makes tables ready for a generation (step 5); see stream.Sink.
func (s *Sink) CatchUp(ctx context.Context, gen cdc.Generation, reqs []cdc.TableRequest) ([]cdc.TableStart, error) {
	ids := make([]cdc.TableID, len(reqs))
	for i, r := range reqs {
		if r.Discovered == nil {
			return nil, cdcErrorf(cdc.CodeInternal, "a table is requested without its name")
		}
		ids[i] = r.Discovered.Table
	}
	if err := s.openStates(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.gen = gen
	wanted := map[cdc.TableID]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	for _, st := range s.states {
		for _, id := range st.Tables() {
			if !wanted[id] {
				st.Drop(id)
			}
		}
	}
	for _, id := range ids { // in order: of two new tables of one name, the first has it
		if ident, err := s.o.Naming.ident(id); err == nil {
			s.owners.claim(ident, id)
		}
	}
	for id, t := range s.tables { // the state forgets what is gone, so nothing is said about it either
		if !wanted[id] {
			t.mu.Lock()
			t.ready = false
			t.mu.Unlock()
		}
	}
	s.mu.Unlock()

	at, err := s.locate(ctx, ids)
	if err != nil {
		return nil, err
	}
	up := &catchUp{s: s, gen: gen, at: at, slots: make([]slotMetas, s.o.Slots)}
	starts := make([]cdc.TableStart, len(reqs))
	order := make([]int, len(reqs))
	for i := range order {
		order[i] = i
	}
	err = each(ctx, s.o.Parallelism, order, func(ctx context.Context, i int) (err error) {
		starts[i], err = up.table(ctx, &reqs[i])
		return err
	})
	if err == nil {
		err = up.complete()
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.starts = starts
	s.mu.Unlock()
	return starts, nil
}

// catchUp is one call of CatchUp.
type catchUp struct {
	s     *Sink
	gen   cdc.Generation
	at    map[string]string // see Sink.locate
	slots []slotMetas
}

// table brings one table to where it goes on. A failure that concerns only this table pauses it.
func (u *catchUp) table(ctx context.Context, req *cdc.TableRequest) (cdc.TableStart, error) {
	id := req.Discovered.Table
	t, err := u.s.table(id)
	if err != nil {
		return cdc.TableStart{}, err
	}
	t.commitMu.Lock()
	defer t.commitMu.Unlock()
	t.mu.Lock()
	t.ready, t.paused, t.cache, t.preparedK = false, false, nil, 0
	t.mu.Unlock()
	start := cdc.TableStart{Table: id, Schema: req.Discovered.Schema, Position: req.Discovered.Position}
	if req.Entry != nil {
		start.Entry = *req.Entry
	}
	err = u.bring(ctx, t, req, &start)
	if e := cdc.AsError(err); e != nil && e.Code.Class == cdc.TablePaused {
		start.Paused = cdc.PauseOf(e, u.s.o.Now().UnixMicro())
		u.s.log.Error("table paused", "table", id.String(), "code", e.Code.Name, "err", e, "remedy", e.Remedy())
		err = nil
	}
	if err != nil {
		return start, err
	}
	if start.Paused != nil {
		start.Reload, start.Replace = false, false
		t.mu.Lock()
		t.ready = false
		t.mu.Unlock()
	}
	start.Entry.Paused, start.Entry.Position = start.Paused, start.Position
	return start, nil
}

func (u *catchUp) bring(ctx context.Context, t *sinkTable, req *cdc.TableRequest, start *cdc.TableStart) error {
	d, entry := req.Discovered, req.Entry
	v, err := u.s.reload(ctx, t, u.at[identString(t.ident)])
	if errors.Is(err, errNoTable) {
		if entry != nil && entry.Paused != nil && !req.Reload {
			start.Paused, start.Position = entry.Paused, entry.Position
			return nil
		}
		if entry != nil && entry.ID.K != 0 && !req.Reload {
			return cdc.Errorf(CodeTableDropped, t.id, "%s", identString(t.ident))
		}
		if d.Err != nil {
			return d.Err
		}
		u.s.mu.Lock()
		other := u.s.owners.claim(t.ident, t.id)
		u.s.mu.Unlock()
		if other != t.id {
			return collision(t.id, other.String(), t.ident)
		}
		v, err = u.create(ctx, t, d.Schema)
	}
	if err != nil {
		return err
	}
	if ok, why := v.ours(u.s.o.Pipeline, t.id); !ok {
		if props := v.meta.Properties(); props[propPipeline] == u.s.o.Pipeline {
			return collision(t.id, props[propSource], t.ident)
		}
		return cdc.Errorf(CodeForeignTable, t.id, "%s: %s", identString(t.ident), why)
	}
	m, at, err := v.markers()
	if err != nil {
		return err
	}
	if m.Property != nil && u.gen.Less(m.Property.Gen()) {
		return &cdc.Error{Code: CodeFenced, Table: t.id, Msg: fmt.Sprintf("generation %d of epoch %d has committed to it, this is generation %d of epoch %d",
			m.Property.Generation, m.Property.ID.Epoch, u.gen.Number, u.gen.Epoch)}
	}
	if p := m.Property; p != nil && p.ID.Epoch == u.gen.Epoch && p.ID.K > u.gen.Number && p.Generation < u.gen.Number {
		// The store had lost records when the fence was written, and nobody could see it then: another attempt does.
		return cdc.Errorf(CodeLostRecords, t.id, "it holds checkpoint %d of generation %d, and this generation's fence has the number %d", p.ID.K, p.Generation, u.gen.Number)
	}
	if m.Ancestry != nil {
		if start.Schema, err = decodeSchema(m.Ancestry, identString(v.ident)); err != nil {
			return err
		}
		start.Schema.Table = t.id
		start.Position, start.Load, start.Entry.ID = m.Ancestry.Position, m.Ancestry.Load, m.Ancestry.ID
		if entry != nil && entry.Paused == nil && m.Ancestry.ID == entry.ID {
			start.Position = entry.Position
		}
	}
	if m.Ancestry != nil && start.Schema.Keyless() && start.Load.Phase != cdc.LoadDone && (entry == nil || entry.Paused == nil) {
		again := *req // such a load cannot go on where it stood
		again.Reload = true
		req = &again
	}
	switch {
	case req.Reload:
		if d.Err != nil {
			return d.Err
		}
		if done := start.Load.Phase == cdc.LoadDone || start.Load.Phase == cdc.LoadReconciling; req.Reconcile != nil && m.Ancestry != nil && done {
			err := u.reconcile(ctx, t, v, at, req, start)
			if err == nil || cdc.ClassOf(err) != cdc.TablePaused {
				return err
			}
			u.s.log.Info("the table is loaded instead of compared", "table", t.id.String(), "because", err)
			if v, err = u.s.reload(ctx, t, ""); err != nil {
				return err
			}
		}
		return u.anew(ctx, t, v, d, start, m.Ancestry != nil && !req.Empty)
	case entry != nil && entry.Paused != nil:
		start.Paused = entry.Paused
		return nil
	case d.Err != nil:
		return d.Err
	case m.Ancestry == nil && (m.Property != nil || entry != nil && entry.ID.K != 0 && v.meta.CurrentSnapshot() != nil):
		return cdc.Errorf(CodeMarkerLost, t.id, "%s", identString(t.ident))
	}
	if v, err = u.upgrade(ctx, t, v); err != nil {
		return err
	}
	// A table that was made, and never committed to before MySQL's changed, can become any.
	empty, rows := m.Ancestry == nil && m.Property == nil && v.meta.CurrentSnapshot() == nil, rowsStay
	if empty {
		rows = rowsGone
	}
	changed, err := t.begin(v, u.gen, nil, start.Schema, rows)
	if err != nil {
		return err
	}
	// After a rollback the schema is ahead of the snapshot, and the replay brings it there again. Otherwise they belong together.
	if changed && !empty && (m.Ancestry == nil || m.Property != nil && m.Property.ID == m.Ancestry.ID) {
		return cdc.Errorf(CodeForeignSchema, t.id, "somebody else changed the schema of %s", identString(t.ident))
	}
	if err := foreignRows(t.id, v, at); err != nil {
		return err
	}
	if start.Rows, err = u.state(ctx, t, v, start.Schema); err != nil {
		return err
	}
	if start.Load.Base != 0 && start.Load.Phase != cdc.LoadDone && t.rewritten() {
		// Somebody else has put rows from before and after the load into one file.
		if d.Err != nil {
			return d.Err
		}
		return u.anew(ctx, t, v, d, start, false)
	}
	t.markReady(start.Load.Base)
	return nil
}

// reconcile lets a table go on from where the source is now, with the rows that it has.
func (u *catchUp) reconcile(ctx context.Context, t *sinkTable, v *metaVersion, at *table.Snapshot, req *cdc.TableRequest, start *cdc.TableStart) error {
	s, err := req.Reconcile(start.Schema)
	if err != nil {
		return err
	}
	if v, err = u.upgrade(ctx, t, v); err != nil {
		return err
	}
	changed, err := t.begin(v, u.gen, nil, start.Schema, rowsStay)
	if err != nil {
		return err
	}
	if changed {
		return cdc.Errorf(CodeForeignSchema, t.id, "its schema is not that of its marker")
	}
	if err := foreignRows(t.id, v, at); err != nil {
		return err
	}
	rows, err := u.state(ctx, t, v, start.Schema)
	if err != nil {
		return err
	}
	if err := t.define(s); err != nil {
		return err
	}
	start.Schema, start.Position, start.Rows = s, req.Discovered.Position, rows
	start.Load, start.Reload = cdc.LoadState{Phase: cdc.LoadReconciling}, true
	t.markReady(0)
	return nil
}

// anew begins to load a table again. If its key is what it was, its rows stay until the load has replaced them, so that readers never
// miss any. Otherwise, or if the rows cannot be told apart, the first part takes the place of everything.
func (u *catchUp) anew(ctx context.Context, t *sinkTable, v *metaVersion, d *cdc.Discovered, start *cdc.TableStart, hasRows bool) error {
	start.Reload, start.Replace = true, true
	was := start.Schema
	if was == d.Schema {
		was = nil // nothing was ever committed
	}
	start.Schema, start.Position, start.Load, start.Rows = d.Schema, d.Position, cdc.LoadState{}, 0
	v, err := u.upgrade(ctx, t, v)
	if err != nil {
		return err
	}
	if hasRows && len(d.Schema.Key) > 0 && !u.s.o.alwaysReplace {
		_, err := t.begin(v, u.gen, was, d.Schema, rowsReplaced)
		if err == nil {
			start.Rows, err = u.state(ctx, t, v, d.Schema)
		}
		if e := cdc.AsError(err); err != nil && (e == nil || e.Code.Class != cdc.TablePaused) {
			return err
		}
		if err == nil && !t.rewritten() {
			start.Replace, start.Load.Base = false, t.lastCounter()
			t.markReady(start.Load.Base)
			return nil
		}
		u.s.log.Info("the table is emptied before it is loaded anew", "table", t.id.String(), "because", err)
	}
	if _, err := t.begin(v, u.gen, was, d.Schema, rowsGone); err != nil {
		return err
	}
	start.Rows = 0
	if err := u.empty(ctx, t, v); err != nil {
		return err
	}
	t.markReady(0)
	return nil
}

// foreignRows refuses a table to which somebody else added rows since our last commit. Rewrites and deletes are followed.
func foreignRows(id cdc.TableID, v *metaVersion, ours *table.Snapshot) error {
	for s := range ancestors(v.meta) {
		if ours != nil && s.SnapshotID == ours.SnapshotID {
			return nil
		}
		if s.Summary == nil {
			return cdc.Errorf(CodeForeignRows, id, "snapshot %d of %s does not say what it did", s.SnapshotID, identString(v.ident))
		}
		if s.Summary.Operation == table.OpReplace || s.Summary.Operation == table.OpDelete {
			continue
		}
		// The counts are optional. Files without a count may hold rows.
		p := s.Summary.Properties
		n, counted := p["added-records"]
		if files := p["added-data-files"]; counted && n != "0" || !counted && files != "" && files != "0" {
			return cdc.Errorf(CodeForeignRows, id, "snapshot %d (%s) of %s added %s rows in %s files", s.SnapshotID, s.Summary.Operation, identString(v.ident), n, files)
		}
	}
	return nil
}

// create makes the Iceberg table.
func (u *catchUp) create(ctx context.Context, t *sinkTable, src *cdc.Schema) (*metaVersion, error) {
	sc := newSchema(src)
	spec, err := partitionSpec(t.id, t.opts.Partition, sc)
	if err != nil {
		return nil, err
	}
	source, err := t.id.MarshalText()
	if err != nil {
		return nil, err
	}
	props := iceberggo.Properties{
		table.MetadataPreviousVersionsMaxKey:      "20",
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		// What other writers should do to fit: rows are deleted by position, and Parquet is what we read back.
		"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read",
		"write.format.default":            "parquet",
		"write.parquet.compression-codec": "zstd",
		table.WriteTargetFileSizeBytesKey: strconv.FormatInt(t.opts.TargetFileBytes, 10),
	}
	maps.Copy(props, t.opts.Properties)
	props[table.PropertyFormatVersion] = strconv.Itoa(t.opts.FormatVersion)
	props[propPipeline], props[propSource] = u.s.o.Pipeline, string(source)
	loc := ""
	if w := u.s.o.Catalog.Warehouse; hasScheme(w) {
		loc = location(w, t.ident)
	}
	v, err := u.s.cat.create(ctx, t.ident, newTable{schema: sc, spec: spec, location: loc, props: props})
	if err != nil {
		// Perhaps it was made after all, by this call or by another process of ours.
		have, e := u.s.reload(ctx, t, "")
		if e != nil {
			return nil, err
		}
		return have, nil
	}
	t.mu.Lock()
	t.version = v
	t.mu.Unlock()
	u.s.log.Info("table created", "table", t.id.String(), "iceberg", identString(t.ident), "location", v.meta.Location())
	return v, nil
}

func hasScheme(w string) bool {
	return slices.ContainsFunc([]string{"s3://", "s3a://", "s3n://", "file:/", "/"}, func(p string) bool { return len(w) >= len(p) && w[:len(p)] == p })
}

// upgrade takes a table of format 2 to 3 where that is asked for. Only the metadata changes; positions stay deleted by the files
// that say so, until a vector takes them over.
func (u *catchUp) upgrade(ctx context.Context, t *sinkTable, v *metaVersion) (*metaVersion, error) {
	for attempt := 0; t.opts.FormatVersion > v.meta.Version(); attempt++ {
		nv, err := u.s.cat.commit(ctx, change{v, []table.Update{table.NewUpgradeFormatVersionUpdate(t.opts.FormatVersion)}})
		if err == nil {
			t.mu.Lock()
			t.version = nv
			t.mu.Unlock()
			return nv, nil
		}
		if attempt == 3 || !errors.Is(err, errConflict) && !errors.Is(err, errUnknown) {
			return nil, err
		}
		if v, err = u.s.reload(ctx, t, ""); err != nil {
			return nil, err
		}
	}
	return v, nil
}
