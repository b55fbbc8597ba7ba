package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// memTable is a table as the test's sink holds it.
type memTable struct {
	schema  *cdc.Schema
	rows    map[string]string // key → row
	deleted map[string]uint64 // key → sequence of its last delete, while the table loads
	loading bool
	paused  *cdc.Error
}

func (t *memTable) clone() *memTable {
	return &memTable{schema: t.schema, rows: maps.Clone(t.rows), deleted: maps.Clone(t.deleted), loading: t.loading, paused: t.paused}
}

// checkpoint is the sink's state at a barrier.
type checkpoint struct {
	k      uint64
	at     cdc.Boundary
	tables map[cdc.TableID]*memTable
	loaded bool
}

// mapSink applies what a Follow delivers to maps: the simplest sink that follows the rules of DESIGN 4.
type mapSink struct {
	t   testing.TB
	src *Source
	due chan uint64

	mu          sync.Mutex // guards everything below
	tables      map[cdc.TableID]*memTable
	at          cdc.Boundary
	changed     chan struct{} // closed at every boundary, barrier and pause
	checkpoints []checkpoint
	keep        bool
	barriers    int
	ddl         []string
	divergent   int
	divergences []string
	skipped     int
	stale       bool // a chunk was dropped since its schema was old
	rowsSeen    int
	maxBytes    int
	onBatch     func(*cdc.Batch)
}

func newSink(t testing.TB, src *Source) *mapSink {
	return &mapSink{t: t, src: src, due: make(chan uint64, 1), tables: map[cdc.TableID]*memTable{}, changed: make(chan struct{})}
}

func (s *mapSink) add(schema *cdc.Schema, loading bool) {
	s.tables[schema.Table] = &memTable{schema: schema, rows: map[string]string{}, deleted: map[string]uint64{}, loading: loading}
}

func (s *mapSink) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *mapSink) Due() <-chan uint64 { return s.due }

func (s *mapSink) Batch(_ context.Context, b *cdc.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer b.Release()
	if s.onBatch != nil {
		s.onBatch(b)
	}
	return s.apply(b)
}

func (s *mapSink) apply(b *cdc.Batch) error {
	t := s.tables[b.Schema.Table]
	s.rowsSeen += b.N
	s.maxBytes = max(s.maxBytes, b.Bytes())
	if t.paused != nil {
		return fmt.Errorf("a batch of the paused table %s", b.Schema.Table)
	}
	if b.Chunk != nil && b.Schema.Version != t.schema.Version {
		s.stale = true
		return nil
	}
	if b.Schema.Version != t.schema.Version {
		return fmt.Errorf("a batch of version %d of %s, the table has %d", b.Schema.Version, b.Schema.Table, t.schema.Version)
	}
	for i := range b.N {
		key := render(b, i, true)
		_, known := t.rows[key]
		switch b.Ops[i] {
		case cdc.OpRead:
			if at, ok := t.deleted[key]; known || ok && at > b.Chunk.StartSeq {
				s.skipped++
				continue
			}
			t.rows[key] = render(b, i, false)
		case cdc.OpDelete:
			if !known && !t.loading {
				s.diverged("delete of the unknown %s of %s", key, b.Schema.Table)
			}
			delete(t.rows, key)
			if t.loading {
				t.deleted[key] = b.Seq
			}
		default:
			if known != (b.Ops[i] == cdc.OpUpdate) && !t.loading {
				s.diverged("%d of %s of %s, known: %t", b.Ops[i], key, b.Schema.Table, known)
			}
			t.rows[key] = render(b, i, false)
		}
	}
	return nil
}

func (s *mapSink) diverged(format string, args ...any) {
	s.divergent++
	if len(s.divergences) < 5 {
		s.divergences = append(s.divergences, fmt.Sprintf(format, args...))
	}
}

func (s *mapSink) Schema(_ context.Context, c cdc.SchemaChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[c.Schema.Table]
	s.ddl = append(s.ddl, c.DDL)
	// Old rows get the new columns' initial values, and lose the dropped ones.
	old := t.schema
	for key, row := range t.rows {
		vals := map[string]string{}
		for i, v := range strings.Split(row, "\x1f") {
			vals[old.Columns[i].Name] = v
		}
		out := make([]string, len(c.Schema.Columns))
		for i, col := range c.Schema.Columns {
			name := col.Name
			if col.Was != "" {
				name = col.Was
			}
			v, ok := vals[name]
			if !ok {
				v = "NULL"
				if col.Initial != nil {
					v = *col.Initial
				}
			}
			out[i] = v
		}
		t.rows[key] = strings.Join(out, "\x1f")
	}
	t.schema = c.Schema
	s.wake()
	return nil
}

func (s *mapSink) Truncate(_ context.Context, id cdc.TableID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tables[id].rows)
	s.wake()
	return nil
}

func (*mapSink) Appeared(cdc.TableID) {}

// Statement implements cdc.LogEmitter.
func (*mapSink) Statement(*cdc.Statement) {}

func (s *mapSink) Pause(_ context.Context, id cdc.TableID, reason *cdc.Error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables[id].paused = reason
	s.wake()
	return nil
}

func (s *mapSink) Barrier(_ context.Context, k uint64, at cdc.Boundary) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
	s.barriers++
	if s.keep {
		c := checkpoint{k: k, at: at, tables: map[cdc.TableID]*memTable{}, loaded: true}
		for id, t := range s.tables {
			c.tables[id] = t.clone()
			c.loaded = c.loaded && !t.loading
		}
		s.checkpoints = append(s.checkpoints, c)
	}
	s.wake()
	return nil
}

func (s *mapSink) Progress(at cdc.Boundary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
	s.wake()
}

// await waits until ok, which is called with the lock, holds.
func (s *mapSink) await(ctx context.Context, what string, ok func() bool) {
	s.t.Helper()
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.t.Fatalf("waiting for %s: %v", what, context.Cause(ctx))
		}
	}
}

// awaitPosition asks for a barrier and waits until the log has been delivered up to p.
func (s *mapSink) awaitPosition(ctx context.Context, p cdc.Position) {
	s.t.Helper()
	s.await(ctx, "position "+string(p), func() bool {
		select {
		case s.due <- 1 << 50: // boundaries are reported at barriers, and between them only about once a second
		default:
		}
		if s.at.Position == "" {
			return false
		}
		c, err := s.src.Compare(s.at.Position, p)
		if err != nil {
			s.t.Errorf("compare: %v", err)
			return true
		}
		return c >= 0
	})
}

// render writes a row as text: the key's columns, or all of them.
func render(b *cdc.Batch, i int, key bool) string {
	var out []string
	if key {
		for _, c := range b.Schema.Key {
			out = append(out, value(b, c, i))
		}
	} else {
		for c := range b.Schema.Columns {
			out = append(out, value(b, c, i))
		}
	}
	return strings.Join(out, "\x1f")
}

func value(b *cdc.Batch, c, i int) string {
	v, t := &b.Cols[c], b.Schema.Columns[c].Type
	if v.IsNull(i) {
		return "NULL"
	}
	switch t.Kind {
	case cdc.KindBool:
		return strconv.Itoa(int(v.U8[i]))
	case cdc.KindInt32:
		return strconv.Itoa(int(v.I32[i]))
	case cdc.KindInt64:
		return strconv.FormatInt(v.I64[i], 10)
	case cdc.KindFloat32:
		return strconv.FormatFloat(float64(v.F32[i]), 'g', -1, 64)
	case cdc.KindFloat64:
		return strconv.FormatFloat(v.F64[i], 'g', -1, 64)
	case cdc.KindDecimal:
		if t.Layout() == cdc.LayoutI64 {
			return decimalLiteral(v.I64[i], v.I64[i]>>63, int(t.Scale))
		}
		return decimalLiteral(v.I64[2*i], v.I64[2*i+1], int(t.Scale))
	case cdc.KindDate:
		return formatMicros(int64(v.I32[i]) * 86400e6)[:10]
	case cdc.KindTimestamp, cdc.KindTimestampTZ:
		return formatMicros(v.I64[i])
	case cdc.KindString:
		return string(v.Bytes(i))
	case cdc.KindBinary:
		return strings.ToUpper(hex.EncodeToString(v.Bytes(i)))
	default:
		return "?" + t.String()
	}
}

// querier is a server that can be asked as the administrator.
type querier interface {
	Query(ctx context.Context, sql string) ([][]string, error)
}

// printed are expressions with which MySQL prints the columns as value does.
func printed(s *cdc.Schema) []string {
	var exprs []string
	for _, c := range s.Columns {
		q := quoteName(c.Name)
		switch c.Type.Kind {
		case cdc.KindBinary:
			q = "HEX(CAST(" + q + " AS BINARY))"
		case cdc.KindFloat32, cdc.KindFloat64:
			q = "CAST(" + q + " AS DOUBLE)"
		case cdc.KindBool:
			q += "+0"
		case cdc.KindInt32:
			q = "CAST(" + q + "+0 AS CHAR)" // YEAR and ZEROFILL print zeros
		case cdc.KindTimestamp, cdc.KindTimestampTZ:
			q = "DATE_FORMAT(" + q + ", '%Y-%m-%d %H:%i:%s.%f')"
		case cdc.KindString:
			q = "CONVERT(" + q + " USING utf8mb4)"
		default:
			q = "CAST(" + q + " AS CHAR)"
		}
		exprs = append(exprs, q)
	}
	return exprs
}

// normalFloats writes floats as value does.
func normalFloats(s *cdc.Schema, row []string) {
	for i := range row {
		if k := s.Columns[i].Type.Kind; k == cdc.KindFloat32 || k == cdc.KindFloat64 {
			if f, err := strconv.ParseFloat(row[i], 64); err == nil {
				row[i] = strconv.FormatFloat(f, 'g', -1, 64)
			}
		}
	}
}

// asMySQL reads a table as MySQL prints it, as key → row of the columns in the schema.
func asMySQL(t testing.TB, db querier, s *cdc.Schema) map[string]string {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT "+strings.Join(printed(s), ", ")+" FROM "+quoteTable(s.Table))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range rows {
		normalFloats(s, r)
		var key []string
		for _, k := range s.Key {
			key = append(key, r[k])
		}
		out[strings.Join(key, "\x1f")] = strings.Join(r, "\x1f")
	}
	return out
}

// equal compares the sink's table with MySQL's.
func (s *mapSink) equal(db querier, id cdc.TableID) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[id]
	if t.paused != nil {
		s.t.Fatalf("%s is paused: %v", id, t.paused)
	}
	want := asMySQL(s.t, db, t.schema)
	var diff []string
	for k, v := range want {
		if got, ok := t.rows[k]; !ok {
			diff = append(diff, fmt.Sprintf("missing %q", v))
		} else if got != v {
			diff = append(diff, fmt.Sprintf("got %q want %q", got, v))
		}
	}
	for k, v := range t.rows {
		if _, ok := want[k]; !ok {
			diff = append(diff, fmt.Sprintf("extra %q", v))
		}
	}
	if len(diff) > 0 {
		sort.Strings(diff)
		s.t.Fatalf("%s: %d differences of %d rows: %s", id, len(diff), len(want), strings.Join(diff[:min(5, len(diff))], "; "))
	}
	if s.divergent > 0 {
		s.t.Fatalf("%s: %d divergent changes: %v", id, s.divergent, s.divergences)
	}
}
