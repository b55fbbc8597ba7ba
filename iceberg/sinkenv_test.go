package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// A pipe is a pipeline without source and runtime: batches go in, records are kept in memory, and a model says what the table must
// hold. Tables have the columns id (key), v, s, and what DDL adds.
type pipe struct {
	t    testing.TB
	dir  string
	o    Options
	id   cdc.TableID
	sink *Sink

	gen     uint64
	number  uint64 // of records
	k       uint64 // of barriers
	schema  *cdc.Schema
	pool    *cdc.BatchPool
	starts  []cdc.TableStart
	writers []*SlotWriter
	entry   *cdc.Entry
	log     []map[int64]*testRowChange
	live    bool
	// keyOf gives the key columns' values of row number id; nil: one bigint, the number itself.
	keyOf func(id int64) testRow

	model map[int64]testRow // after the whole log
}

// testRowChange is one event of the log: a new row, or nil for a delete.
type testRowChange struct{ row testRow }

func testSchema() *cdc.Schema {
	return &cdc.Schema{Table: cdc.TableID{Database: "shop", Name: "orders"}, Version: 1, Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1, Source: "bigint"},
		{Name: "v", Type: cdc.Type{Kind: cdc.KindInt32}, Nullable: true},
		{Name: "s", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true},
	}}
}

func newPipe(t testing.TB, change func(*Options)) *pipe {
	t.Helper()
	dir := t.TempDir()
	p := &pipe{t: t, dir: dir, schema: testSchema(), model: map[int64]testRow{}, live: true,
		o: Options{Pipeline: "test", Store: newMemStore(), StateDir: filepath.Join(dir, "state"), Slots: 2, backoff: 1,
			Catalog: CatalogConfig{Type: "sqlite", URI: filepath.Join(dir, "catalog.db"), Warehouse: "file://" + dir + "/lake"}}}
	if os.Getenv("CDC2LAKE_TEST_LOG") != "" {
		p.o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if change != nil {
		change(&p.o)
	}
	p.id = p.schema.Table
	p.open()
	t.Cleanup(p.close)
	return p
}

func (p *pipe) open() {
	p.t.Helper()
	s, err := Open(context.Background(), p.o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.sink = s
}

func (p *pipe) close() {
	p.stop()
	if p.sink != nil {
		if err := p.sink.Close(); err != nil {
			p.t.Error(err)
		}
		p.sink = nil
	}
}

func (p *pipe) stop() {
	for _, w := range p.writers {
		if err := w.Close(); err != nil {
			p.t.Error(err)
		}
	}
	p.writers = nil
}

// reopen is a new process with the same local disk; without it, with none.
func (p *pipe) reopen(disk bool) {
	p.t.Helper()
	p.close()
	if !disk {
		if err := os.RemoveAll(p.o.StateDir); err != nil {
			p.t.Fatal(err)
		}
	}
	p.open()
}

func (p *pipe) generation() cdc.Generation { return cdc.Generation{Number: p.gen} }

// start begins a generation and replays the log from where the table goes on.
func (p *pipe) start() cdc.TableStart {
	p.t.Helper()
	st, err := p.tryStart(false)
	if err != nil {
		p.t.Fatal(err)
	}
	if st.Paused != nil {
		p.t.Fatalf("paused: %+v", st.Paused)
	}
	return st
}

func (p *pipe) tryStart(reload bool) (cdc.TableStart, error) {
	p.t.Helper()
	p.stop()
	p.number++
	p.gen, p.k = p.number, 0
	req := cdc.TableRequest{Discovered: &cdc.Discovered{Table: p.id, Schema: p.schema, Position: cdc.Position("0")}, Entry: p.entry, Reload: reload}
	starts, err := p.sink.CatchUp(context.Background(), p.generation(), []cdc.TableRequest{req})
	if err != nil {
		return cdc.TableStart{}, err
	}
	st := starts[0]
	p.starts = starts
	if st.Paused != nil {
		return st, nil
	}
	p.entry = &st.Entry
	p.pool = cdc.NewBatchPool(st.Schema)
	for slot := range p.o.Slots {
		w, err := p.sink.Shard(slot)
		if err != nil {
			p.t.Fatal(err)
		}
		p.writers = append(p.writers, w)
	}
	from, err := strconv.Atoi(string(st.Position))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, tx := range p.log[from:] {
		p.apply(tx)
	}
	return st, nil
}

// tx is one transaction: a row of nil deletes.
func (p *pipe) tx(rows map[int64]testRow) {
	p.t.Helper()
	tx := map[int64]*testRowChange{}
	for id, r := range rows {
		tx[id] = &testRowChange{r}
		if r == nil {
			delete(p.model, id)
		} else {
			p.model[id] = r
		}
	}
	p.log = append(p.log, tx)
	p.apply(tx)
}

// apply writes a transaction to the shards. Updates and inserts are told apart loosely: the sink upserts.
func (p *pipe) apply(tx map[int64]*testRowChange) {
	p.t.Helper()
	b := p.pool.Get()
	for _, id := range slices.Sorted(maps.Keys(tx)) {
		if r := tx[id].row; r == nil {
			appendRow(b, cdc.OpDelete, p.whole(id, nil))
		} else {
			appendRow(b, cdc.OpUpdate, p.whole(id, r))
		}
	}
	h := cdc.NewKeyHasher(p.pool.Schema(), cdc.Seed(p.o.Pipeline))
	h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
	p.route(b)
}

// whole is row number id with its key.
func (p *pipe) whole(id int64, r testRow) testRow {
	if p.keyOf == nil {
		return append(testRow{id}, r...)
	}
	return append(slices.Clone(p.keyOf(id)), r...)
}

func (p *pipe) route(b *cdc.Batch) {
	p.t.Helper()
	groups := cdc.SplitGroups(cdc.Groups, p.o.Slots)
	b.Retain(p.o.Slots - 1)
	for slot, w := range p.writers {
		rows := []int32{}
		for i := range b.N {
			if groups[slot].Contains(b.KeyHi[i]) {
				rows = append(rows, int32(i))
			}
		}
		if err := w.Write(context.Background(), b, rows); err != nil {
			p.t.Fatal(err)
		}
	}
}

// record is a decided checkpoint.
type record struct {
	id    cdc.CheckpointID
	parts map[cdc.TableID]cdc.Part
	k     uint64
	entry cdc.Entry
}

// decide prepares a checkpoint with all that was written, and decides it.
func (p *pipe) decide() record {
	p.t.Helper()
	r, err := p.tryDecide(false)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *pipe) tryDecide(replace bool) (record, error) {
	return p.decidePart(cdc.PartInput{Load: cdc.LoadState{Phase: cdc.LoadDone}, Replace: replace})
}

// decidePart is tryDecide for a part of which some is given.
func (p *pipe) decidePart(in cdc.PartInput) (record, error) {
	p.k++
	in.Table, in.Schema, in.Position, in.Label = p.id, p.pool.Schema(), cdc.Position(strconv.Itoa(len(p.log))), fmt.Sprintf("uuid:1-%d", len(p.log))
	in.CommitMicros = 1_700_000_000_000_000
	var ps []*SlotPrepared
	for _, w := range p.writers {
		x, err := w.Prepare(context.Background(), p.k)
		if err != nil {
			return record{}, err
		}
		ps = append(ps, x)
	}
	for _, x := range ps {
		cs, err := x.Wait(context.Background())
		if err != nil {
			return record{}, err
		}
		in.Committables = append(in.Committables, cs...)
	}
	part, err := p.sink.Part(in)
	if err != nil {
		return record{}, err
	}
	// Through JSON, as in the store.
	b, err := json.Marshal(part)
	if err != nil {
		return record{}, err
	}
	part = cdc.Part{}
	if err := json.Unmarshal(b, &part); err != nil {
		return record{}, err
	}
	p.number++
	id := cdc.CheckpointID{K: p.number, Nonce: fmt.Sprintf("n%d", p.number)}
	return record{id: id, parts: map[cdc.TableID]cdc.Part{p.id: part}, k: p.k, entry: cdc.Entry{ID: id, Position: in.Position}}, nil
}

func (p *pipe) tryCommit(r record) (cdc.Outcome, error) {
	out, err := p.sink.Commit(context.Background(), p.generation(), r.id, r.parts)
	if err != nil {
		return 0, err
	}
	o, ok := out[p.id]
	if !ok {
		return 0, errors.New("no outcome")
	}
	p.entry = &r.entry
	return o, nil
}

func (p *pipe) commit(r record) {
	p.t.Helper()
	o, err := p.tryCommit(r)
	if err != nil {
		p.t.Fatal(err)
	}
	if o != cdc.Committed {
		p.t.Fatalf("checkpoint %d: outcome %d", r.id.K, o)
	}
	p.complete(r)
}

func (p *pipe) complete(r record) {
	p.t.Helper()
	for _, w := range p.writers {
		if err := w.Complete(context.Background(), r.k); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *pipe) checkpoint() { p.t.Helper(); p.commit(p.decide()) }

// check compares the table with the model, as iceberg-go reads it and as we do.
func (p *pipe) check() {
	p.t.Helper()
	want := map[string]int{}
	for id, r := range p.model {
		want[showRow(p.whole(id, r))]++
	}
	if got := p.readGo(); !maps.Equal(got, want) {
		p.t.Fatalf("iceberg-go reads other rows: %s", diffRows(got, want))
	}
	if got := p.readOurs(); !maps.Equal(got, want) {
		p.t.Fatalf("our scan reads other rows: %s", diffRows(got, want))
	}
}

func diffRows(got, want map[string]int) string {
	s := fmt.Sprintf("%d rows, expected %d;", len(got), len(want))
	n := 0
	for k, c := range want {
		if got[k] != c {
			if n++; n < 8 {
				s += fmt.Sprintf(" %s is there %d times, expected %d;", k, got[k], c)
			}
		}
	}
	for k, c := range got {
		if want[k] == 0 {
			if n++; n < 8 {
				s += fmt.Sprintf(" %s is there %d times, unexpectedly;", k, c)
			}
		}
	}
	return s
}

// readGo reads the table with iceberg-go's scanner.
func (p *pipe) readGo() map[string]int {
	p.t.Helper()
	tbl, err := p.sink.GoTable(context.Background(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := scanGo(tbl)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func scanGo(tbl *table.Table, opts ...table.ScanOption) (map[string]int, error) {
	_, recs, err := tbl.Scan(opts...).ToArrowRecords(context.Background())
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for rec, err := range recs {
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			row := make(testRow, rec.NumCols())
			for c := range row {
				row[c] = arrowValue(rec.Column(c), i)
			}
			out[showRow(row)]++
		}
		rec.Release()
	}
	return out, nil
}

func arrowValue(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int64:
		return a.Value(i)
	case *array.Int32:
		return a.Value(i)
	case *array.Float32:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.Date32:
		return int32(a.Value(i))
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.Decimal128:
		v := a.Value(i)
		if a.DataType().(*arrow.Decimal128Type).Precision <= 18 {
			return int64(v.LowBits())
		}
		return [2]int64{int64(v.LowBits()), v.HighBits()}
	case *array.String:
		return a.Value(i)
	case *array.LargeString:
		return a.Value(i)
	case *array.Binary:
		return string(a.Value(i))
	case *array.LargeBinary:
		return string(a.Value(i))
	default:
		panic(fmt.Sprintf("%T", a))
	}
}

// readOurs reads the table with Sink.Scan.
func (p *pipe) readOurs() map[string]int {
	p.t.Helper()
	out := map[string]int{}
	var mu sync.Mutex
	err := p.sink.Scan(context.Background(), p.id, nil, func(r *Rows) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range r.N {
			row := make(testRow, len(r.Cols))
			for c := range r.Cols {
				row[c] = vecValue(&r.Cols[c], i)
			}
			out[showRow(row)]++
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func vecValue(v *cdc.Vec, i int) any {
	if v.IsNull(i) {
		return nil
	}
	switch v.Layout {
	case cdc.LayoutU8:
		return v.U8[i] == 1
	case cdc.LayoutI32:
		return v.I32[i]
	case cdc.LayoutI64:
		return v.I64[i]
	case cdc.LayoutI128:
		return [2]int64{v.I64[2*i], v.I64[2*i+1]}
	case cdc.LayoutF32:
		return v.F32[i]
	case cdc.LayoutF64:
		return v.F64[i]
	default:
		return string(v.Bytes(i))
	}
}

// state reads the index of all slots.
func (p *pipe) state() map[cdc.Key]string {
	p.t.Helper()
	out := map[cdc.Key]string{}
	t, err := p.sink.table(p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, st := range p.sink.states {
		err := st.Table(p.id, p.schema.KeyExact()).Iterate(func(k cdc.Key, l stateLoc) error {
			info := t.files.byNum[l.File()]
			if info == nil {
				return fmt.Errorf("key %x is in the unknown file %d", k.Hi, l.File())
			}
			out[k] = fmt.Sprintf("%s:%d", info.file.FilePath(), l.Pos())
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return out
}

// checkState compares the index with one that is rebuilt from the table by reading it with iceberg-go's metadata and our scan.
func (p *pipe) checkState() {
	p.t.Helper()
	want := map[cdc.Key]string{}
	var mu sync.Mutex
	err := p.sink.Scan(context.Background(), p.id, nil, func(r *Rows) error {
		h := cdc.NewKeyHasher(r.Schema, cdc.Seed(p.o.Pipeline))
		hi, lo := make([]uint64, r.N), make([]uint64, r.N)
		h.Hash(r.Cols, 0, r.N, hi, lo)
		mu.Lock()
		defer mu.Unlock()
		for i := range r.N {
			pos := r.First + uint32(i)
			if r.Positions != nil {
				pos = r.Positions[i]
			}
			want[cdc.Key{Hi: hi[i], Lo: lo[i]}] = fmt.Sprintf("%s:%d", r.File, pos)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if got := p.state(); !maps.Equal(got, want) {
		p.t.Fatalf("the index has %d keys, the table %d; they differ", len(got), len(want))
	}
}

func (p *pipe) meta() table.Metadata {
	p.t.Helper()
	_, v, err := p.sink.current(context.Background(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	return v.meta
}

func row(v int32, s string) testRow { return testRow{v, s} }

var _ iceberggo.DataFile
