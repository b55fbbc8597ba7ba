package iceberg

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// history is a table of statements that were acted on. It is appended to beside the checkpoints, and belongs to everybody: somebody may
// compact it, expire its snapshots, delete old rows, and write those of other pipelines to it.
type history struct {
	ident table.Identifier
	id    cdc.TableID // for messages
	mu    sync.Mutex  // one append at a time
}

// propHistory marks such a table; its value is the format.
const propHistory = "cdc2lake.history"

var historySchema = func(id cdc.TableID) *cdc.Schema {
	col := func(name string, k cdc.Kind, null bool, doc string) cdc.Column {
		return cdc.Column{Name: name, Type: cdc.Type{Kind: k}, Nullable: null, Doc: doc}
	}
	return &cdc.Schema{Table: id, Version: 1, Columns: []cdc.Column{
		col("pipeline", cdc.KindString, false, "name of the pipeline"),
		col("source_database", cdc.KindString, false, "database of the table in MySQL"),
		col("source_table", cdc.KindString, false, "table in MySQL"),
		col("event_time", cdc.KindTimestampTZ, false, "when MySQL committed the statement"),
		col("position", cdc.KindString, false, "GTID, or file:offset, of the transaction"),
		col("ordinal", cdc.KindInt32, false, "number of the statement within the transaction"),
		col("default_database", cdc.KindString, true, "what names without a database mean"),
		col("statement", cdc.KindString, true, "the statement; NULL if it is none that defines tables"),
		col("action", cdc.KindString, false, "metadata, truncate, reload, replace, paused or joined"),
		col("error_code", cdc.KindString, true, "reason of reload, replace and paused"),
		col("schema_before", cdc.KindInt32, true, "id of the Iceberg schema before the statement"),
		col("schema_after", cdc.KindInt32, true, "id of the Iceberg schema after it"),
		col("epoch", cdc.KindInt64, false, "epoch of the checkpoint"),
		col("checkpoint", cdc.KindInt64, false, "the checkpoint that the statement is part of"),
		col("sequence", cdc.KindInt32, false, "order within the checkpoint"),
	}}
}

// historyRow returns the values of a statement in the order of historySchema; nil is NULL.
func (s *Sink) historyRow(x *cdc.Statement) []any {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	number := func(p *int) any {
		if p == nil {
			return nil
		}
		return int64(*p)
	}
	return []any{s.o.Pipeline, x.Table.Database, x.Table.Name, x.Micros, x.Position, int64(x.Ordinal), text(x.Database), text(x.SQL), string(x.Action), text(x.Code),
		number(x.Before), number(x.After), int64(x.Epoch), int64(x.Checkpoint), int64(x.Sequence)}
}

// SchemaID implements stream.History.
func (s *Sink) SchemaID(id cdc.TableID, def *cdc.Schema) (int, bool) {
	t, err := s.table(id)
	if err != nil {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version == nil {
		return 0, false
	}
	ids := newSchemaIDs(t.version.meta)
	at := t.version.meta.CurrentSchema().ID
	for _, d := range t.defs {
		if d.added {
			at = ids.next(d.target.schema).ID
		}
		if d.target.source == def || sameDefinition(d.target.source, def) {
			return at, true
		}
	}
	return 0, false
}

// Keep implements stream.History: it appends the statements that the table does not have.
func (s *Sink) Keep(ctx context.Context, gen cdc.Generation, statements []cdc.Statement) error {
	h := s.history
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := (&committing{}); ; {
		err := s.keepOnce(ctx, h, gen, statements)
		if err == nil {
			return nil
		}
		if err := s.again(ctx, c, err); err != nil {
			return err
		}
	}
}

func (s *Sink) keepOnce(ctx context.Context, h *history, gen cdc.Generation, statements []cdc.Statement) error {
	v, err := s.cat.load(ctx, h.ident, nil, "")
	if errors.Is(err, errNoTable) {
		v, err = s.createHistory(ctx, h)
	}
	if err != nil {
		return err
	}
	if v.meta.Properties()[propHistory] == "" {
		return &cdc.Error{Code: CodeForeignTable, Table: h.id, Msg: "it is to hold the history of statements", Fix: "drop or rename the Iceberg table, or choose another one with iceberg.ddl_history"}
	}
	type key struct {
		table    cdc.TableID
		position string
		ordinal  int
	}
	have := map[key]bool{}
	oldest := slices.MinFunc(statements, func(a, b cdc.Statement) int { return cmp.Compare(a.Micros, b.Micros) }).Micros
	if err := s.scanHistory(ctx, h, v, oldest, func(x *cdc.Statement) { have[key{x.Table, x.Position, x.Ordinal}] = true }); err != nil {
		return err
	}
	var rows []cdc.Statement
	for _, x := range statements {
		if k := (key{x.Table, x.Position, x.Ordinal}); !have[k] {
			have[k] = true
			rows = append(rows, x)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	part, file, err := s.historyPart(ctx, h, v, gen, rows)
	if err != nil {
		return err
	}
	last := rows[len(rows)-1]
	b, err := s.prod.build(ctx, v, part, cdc.CheckpointID{Epoch: last.Epoch, K: last.Checkpoint}, gen, nil)
	if err != nil {
		s.prod.discard(ctx, []string{file})
		return err
	}
	if _, err = s.cat.commit(ctx, b.change); errors.Is(err, errConflict) {
		s.prod.discard(ctx, append(b.written, file))
	}
	return err
}

func (s *Sink) createHistory(ctx context.Context, h *history) (*metaVersion, error) {
	props := iceberggo.Properties{table.MetadataPreviousVersionsMaxKey: "20", table.MetadataDeleteAfterCommitEnabledKey: "true",
		"write.parquet.compression-codec": "zstd", table.PropertyFormatVersion: strconv.Itoa(2), propHistory: "1"}
	loc := ""
	if w := s.o.Catalog.Warehouse; hasScheme(w) {
		loc = location(w, h.ident)
	}
	v, err := s.cat.create(ctx, h.ident, newTable{schema: newSchema(historySchema(h.id)), spec: iceberggo.UnpartitionedSpec, location: loc, props: props})
	if err != nil {
		if have, e := s.cat.load(ctx, h.ident, nil, ""); e == nil {
			return have, nil // it was made after all, by this call or by another process
		}
	}
	return v, err
}

// scanHistory tells the statements of this pipeline from files that have any since oldest.
func (s *Sink) scanHistory(ctx context.Context, h *history, v *metaVersion, oldest int64, f func(*cdc.Statement)) error {
	src := historySchema(h.id)
	since := func(df iceberggo.DataFile) bool {
		field, ok := v.meta.CurrentSchema().FindFieldByName("event_time")
		if !ok {
			return true
		}
		lit, err := iceberggo.LiteralFromBytes(iceberggo.PrimitiveTypes.TimestampTz, df.UpperBoundValues()[field.ID])
		if err != nil {
			return true
		}
		ts, ok := lit.Any().(iceberggo.Timestamp)
		return !ok || int64(ts) >= oldest
	}
	var mu sync.Mutex
	return s.scanSome(ctx, h.id, v, v.meta.CurrentSnapshot(), src, since, func(r *Rows) error {
		mu.Lock()
		defer mu.Unlock()
		text := func(c, i int) string {
			if r.Cols[c].IsNull(i) {
				return ""
			}
			return string(r.Cols[c].Bytes(i))
		}
		number := func(c, i int) *int {
			if r.Cols[c].IsNull(i) {
				return nil
			}
			n := int(r.Cols[c].I32[i])
			return &n
		}
		for i := range r.N {
			if text(0, i) != s.o.Pipeline {
				continue
			}
			f(&cdc.Statement{Table: cdc.TableID{Database: text(1, i), Name: text(2, i)}, Micros: r.Cols[3].I64[i], Position: text(4, i), Ordinal: int(r.Cols[5].I32[i]),
				Database: text(6, i), SQL: text(7, i), Action: cdc.Action(text(8, i)), Code: text(9, i), Before: number(10, i), After: number(11, i),
				Epoch: uint64(r.Cols[12].I64[i]), Checkpoint: uint64(r.Cols[13].I64[i]), Sequence: int(r.Cols[14].I32[i])})
		}
		return nil
	})
}

// Statements returns what the history has of this pipeline, in the order in which it was decided.
func (s *Sink) Statements(ctx context.Context) ([]cdc.Statement, error) {
	if s.history == nil {
		return nil, nil
	}
	v, err := s.cat.load(ctx, s.history.ident, nil, "")
	if errors.Is(err, errNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []cdc.Statement
	err = s.scanHistory(ctx, s.history, v, 0, func(x *cdc.Statement) { out = append(out, *x) })
	cdc.SortStatements(out)
	return out, err
}

// historyPart writes a data file with the statements, and makes a part of it that may be committed on v.
func (s *Sink) historyPart(ctx context.Context, h *history, v *metaVersion, gen cdc.Generation, statements []cdc.Statement) (p *partPayload, file string, err error) {
	src := historySchema(h.id)
	fields := make([]iceberggo.NestedField, len(src.Columns))
	for i, c := range src.Columns {
		f, ok := v.meta.CurrentSchema().FindFieldByName(c.Name)
		if !ok {
			return nil, "", cdc.Errorf(CodeForeignSchema, h.id, "the table of the history lacks column %s", c.Name)
		}
		fields[i] = f
	}
	to := &writeTarget{source: src, schema: iceberggo.NewSchema(v.meta.CurrentSchema().ID, fields...), spec: v.meta.PartitionSpec(),
		formatVersion: v.meta.Version(), props: v.meta.Properties()}
	if !to.spec.IsUnpartitioned() {
		return nil, "", &cdc.Error{Code: CodeForeignTable, Table: h.id, Msg: "the table of the history was partitioned", Fix: "drop its partition fields"}
	}
	l, err := newParquetLayout(to)
	if err != nil {
		return nil, "", err
	}
	set := new(colPool).get(l)
	set.n = len(statements)
	for i := range statements {
		for c, val := range s.historyRow(&statements[i]) {
			d := &set.cols[c]
			if l.cols[c].optional {
				level := int16(1)
				if val == nil {
					level = 0
				}
				d.def = append(d.def, level)
			}
			switch val := val.(type) {
			case string:
				d.data = append(d.data, val...)
				d.off = append(d.off, int32(len(d.data)))
			case int64:
				if l.cols[c].to == physInt32 {
					d.i32 = append(d.i32, int32(val))
				} else {
					d.i64 = append(d.i64, val)
				}
			}
		}
	}
	body, meta, err := new(smallEncoder).encode(l, set)
	if err != nil {
		return nil, "", fmt.Errorf("encode the history: %w", err)
	}
	if file, err = dataLocation(v.meta, "", generationTag(gen)+"_"+strings.ReplaceAll(uuid.NewString(), "-", "")+".parquet"); err != nil {
		return nil, "", err
	}
	df, err := makeDataFile(to, file, int64(len(body)), meta, nil)
	if err != nil {
		return nil, "", err
	}
	enc, err := codec.EncodeDataFile(df, to.spec, to.schema, v.meta.Version())
	if err != nil {
		return nil, "", fmt.Errorf("encode data file of the history: %w", err)
	}
	p = &partPayload{Table: h.id, UUID: v.meta.TableUUID().String(), Generation: gen, Format: v.meta.Version(), Files: []partFile{{Num: 1, Spec: to.spec.ID(), Data: enc}},
		Label: statements[len(statements)-1].Position, CommitMicros: statements[len(statements)-1].Micros}
	if p.Source, err = json.Marshal(src); err != nil {
		return nil, "", fmt.Errorf("encode the definition of the history: %w", err)
	}
	return p, file, s.fs.write(ctx, file, body)
}
