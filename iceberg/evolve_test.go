package iceberg

import (
	"context"
	"io"
	"slices"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func withSnapshot(id int64) table.ScanOption { return table.WithSnapshotID(id) }

// ddl switches the pipe to a definition.
func (p *pipe) ddl(change func(*cdc.Schema)) {
	p.t.Helper()
	s := *p.pool.Schema()
	s.Columns = append([]cdc.Column{}, s.Columns...)
	s.Version++
	change(&s)
	for _, w := range p.writers {
		if err := w.Schema(context.Background(), cdc.SchemaChange{Schema: &s}); err != nil {
			p.t.Fatal(err)
		}
	}
	p.pool, p.schema = cdc.NewBatchPool(&s), &s
}

func drop(s *cdc.Schema, name string) {
	i := s.Column(name)
	s.Columns = append(append([]cdc.Column{}, s.Columns[:i]...), s.Columns[i+1:]...)
}

func TestColumnsComeAndGo(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b"), 3: row(3, "c")})
		p.checkpoint()
		// A column comes, another goes and comes again with another meaning, all within one checkpoint with rows between.
		p.ddl(func(s *cdc.Schema) {
			s.Columns = append(s.Columns, cdc.Column{Name: "n", Type: cdc.Type{Kind: cdc.KindInt64}, Nullable: true})
		})
		p.tx(map[int64]testRow{1: {int32(10), "aa", int64(100)}})
		p.ddl(func(s *cdc.Schema) { drop(s, "s") })
		p.tx(map[int64]testRow{2: {int32(20), int64(200)}})
		p.ddl(func(s *cdc.Schema) {
			s.Columns = append(s.Columns, cdc.Column{Name: "s", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true})
		})
		p.tx(map[int64]testRow{4: {int32(4), int64(400), "new"}})
		p.checkpoint()
		// The old s is gone, also from rows that had it.
		p.model = map[int64]testRow{1: {int32(10), int64(100), nil}, 2: {int32(20), int64(200), nil}, 3: {int32(3), nil, nil}, 4: {int32(4), int64(400), "new"}}
		p.check()
		p.checkState()
		if got := p.meta().LastColumnID(); got != 5 {
			t.Fatalf("last column id %d", got)
		}
		p.reopen(false)
		p.start()
		p.check()
		p.tx(map[int64]testRow{3: {int32(30), int64(300), "x"}})
		p.checkpoint()
		p.check()
		p.checkState()
	})
}

func TestDefaultsOfAddedColumns(t *testing.T) {
	def := "7"
	add := func(s *cdc.Schema) {
		s.Columns = append(s.Columns, cdc.Column{Name: "d", Type: cdc.Type{Kind: cdc.KindInt32}, Initial: &def})
	}
	p := newPipe(t, withFormat(3))
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
	p.checkpoint()
	p.ddl(add)
	p.tx(map[int64]testRow{2: {int32(2), "bb", int32(9)}})
	p.checkpoint()
	p.model = map[int64]testRow{1: {int32(1), "a", int32(7)}, 2: {int32(2), "bb", int32(9)}}
	p.check()

	s := testSchema()
	add(s)
	if _, err := evolve(newSchema(testSchema()), 3, nil, s, 2, nil, rowsStay); cdc.AsError(err) == nil || cdc.AsError(err).Code != CodeSchemaChange {
		t.Fatalf("format 2 accepted a default: %v", err)
	}
}

func TestSomebodyElsesColumnPausesTheTable(t *testing.T) {
	p := newPipe(t, nil)
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a")})
	p.checkpoint()
	p.foreign(func(tbl *table.Table) error {
		tx := tbl.NewTransaction()
		up := tx.UpdateSchema(true, false)
		up.AddColumn([]string{"mine"}, icebergType(cdc.Type{Kind: cdc.KindString}, nil), "", false, nil)
		if err := up.Commit(); err != nil {
			return err
		}
		_, err := tx.Commit(context.Background())
		return err
	})
	st, err := p.tryStart(false)
	if err != nil || st.Paused == nil || st.Paused.Code != CodeForeignSchema.Name {
		t.Fatalf("%+v, %v", st.Paused, err)
	}
}

// TestTableChangesBeforeItsFirstCommit: the process dies after it has made a table, and MySQL's has another definition when the
// next one finds it.
func TestTableChangesBeforeItsFirstCommit(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		p.reopen(true)
		s := testSchema()
		drop(s, "v")
		s.Columns[1].Type = cdc.Type{Kind: cdc.KindInt64}
		s.Columns = append(s.Columns, cdc.Column{Name: "more", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true})
		p.schema = s
		p.start()
		p.tx(map[int64]testRow{1: {int64(10), "a"}})
		p.checkpoint()
		p.check()
		p.reopen(false)
		p.start()
		p.check()
	})
}

func TestPartitionedTable(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, func(o *Options) {
			o.Tables = func(cdc.TableID) TableOptions {
				return TableOptions{FormatVersion: format, Partition: []string{"bucket(4, id)", "truncate(1, s)"}}
			}
		})
		p.start()
		for i := range int64(12) {
			p.tx(map[int64]testRow{i: row(int32(i), string(rune('a'+i%3))+"x/=%"), i / 2: row(int32(i), string(rune('a'+i%5))), 100 + i: {nil, nil}})
			p.checkpoint()
			p.check()
		}
		p.checkSummaries()
		p.checkState()
		p.reopen(false)
		p.start()
		p.checkState()
		p.check()
	})
}

// TestPartitionedByNamesBeyondAvro: manifests are written in Avro, which takes few names.
func TestPartitionedByNamesBeyondAvro(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, func(o *Options) {
			o.Tables = func(cdc.TableID) TableOptions {
				return TableOptions{FormatVersion: format, Partition: []string{"bucket(4, größe in cm)", "größe in cm", "truncate(1, 2nd)", "2nd"}}
			}
		})
		p.schema.Columns[1].Name, p.schema.Columns[2].Name = "größe in cm", "2nd"
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b")})
		p.checkpoint()
		p.check()
		p.checkSummaries()
		p.reopen(false)
		p.start()
		p.tx(map[int64]testRow{1: row(3, "c")})
		p.checkpoint()
		p.check()
	})
}

// checkSummaries compares the partition summaries of all manifests with those that iceberg-go works out from all their entries.
func (p *pipe) checkSummaries() {
	p.t.Helper()
	ctx, meta := context.Background(), p.meta()
	ms, err := meta.CurrentSnapshot().Manifests(p.sink.fs.bind(ctx))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, m := range ms {
		spec := meta.PartitionSpecByID(int(m.PartitionSpecID()))
		entries, err := entriesOf(ctx, p.sink.fs, m, false)
		if err != nil {
			p.t.Fatal(err)
		}
		w, err := iceberggo.NewManifestWriter(meta.Version(), io.Discard, *spec, meta.CurrentSchema(), 1, iceberggo.WithManifestWriterContent(m.ManifestContent()))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range entries {
			id := int64(1)
			if err := w.Add(iceberggo.NewManifestEntry(iceberggo.EntryStatusADDED, &id, nil, nil, e.DataFile())); err != nil {
				p.t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			p.t.Fatal(err)
		}
		want, err := w.ToManifestFile("x", 1)
		if err != nil {
			p.t.Fatal(err)
		}
		if d := cmp.Diff(want.Partitions(), m.Partitions()); d != "" || len(m.Partitions()) == 0 {
			p.t.Fatalf("partitions of %s: %s", m.FilePath(), d)
		}
	}
}

func TestNames(t *testing.T) {
	id := func(db, name string) cdc.TableID { return cdc.TableID{Database: db, Name: name} }
	for _, c := range []struct {
		n    Naming
		t    cdc.TableID
		want string
	}{
		{Naming{}, id("Shop", "Orders"), "shop.orders"},
		{Naming{KeepCase: true}, id("Shop", "Orders"), "Shop.Orders"},
		{Naming{Namespace: "lake.{database}", Table: "raw_{table}"}, id("shop", "orders"), "lake.shop.raw_orders"},
		{Naming{Namespace: "all", Table: "{database}_{table}"}, id("shop", "orders"), "all.shop_orders"},
		{Naming{}, id("A.b", "t"), "a_2e_b.t"},
		{Naming{}, id("a", "x/Y\\ z\""), "a.x_2f_y_5c_ z_22_"},
		{Naming{Table: "{database}-{table}"}, id("a", " {t}\u3000"), "a.a-_20__7b_t_7d__3000_"},
		{Naming{Namespace: "{db}"}, id("a", "t"), ""},
		{Naming{Table: "x/{table}"}, id("a", "t"), ""},
	} {
		got, err := c.n.ident(c.t)
		if (err != nil) != (c.want == "") || err == nil && identString(got) != c.want {
			t.Errorf("%v of %v: %v, %v", c.n, c.t, got, err)
		}
	}
	o := owners{}
	for _, tbl := range []cdc.TableID{id("shop", "orders"), id("Shop", "ORDERS")} {
		ident, _ := (Naming{KeepCase: true}).ident(tbl)
		if got := o.claim(ident, tbl); got != id("shop", "orders") {
			t.Errorf("%v has the name of %v", got, tbl)
		}
	}
	if a, b := location("s3://b/w", []string{"n", "ä"}), location("s3://b/w", []string{"n", "ö"}); a == b {
		t.Errorf("two tables in %s", a)
	}
}

// TestNewKeyIsRequired: an optional column that becomes the key of a table that is emptied becomes another column, since identifiers are
// required, and optional columns never become so.
func TestNewKeyIsRequired(t *testing.T) {
	s := testSchema()
	cur := newSchema(s)
	now := *s
	now.Columns = slices.Clone(s.Columns)
	for i := range now.Columns {
		now.Columns[i].Key, now.Columns[i].Nullable = 0, i != 1
	}
	now.Columns[1].Key, now.Key = 1, []int{1}
	optional := cur.Fields()[1]
	if optional.Required {
		t.Fatal("the column is required already")
	}
	e, err := evolve(cur, len(s.Columns), nil, &now, 2, nil, rowsGone)
	if err != nil {
		t.Fatal(err)
	}
	f := e.schema.Fields()[1]
	if !f.Required || f.ID == optional.ID || !slices.Equal(e.schema.IdentifierFieldIDs, []int{f.ID}) {
		t.Errorf("%+v, identifiers %v", f, e.schema.IdentifierFieldIDs)
	}
}
