package restcatalog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	restcat "github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
	"go.uber.org/goleak"

	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testenv.Wrap(m)) }

const secret = "do-not-hand-out"

// env is a served catalog with a client.
type env struct {
	t         testing.TB
	warehouse string
	cat       *iceberg.ServedCatalog
	srv       *httptest.Server
	client    *restcat.Catalog
}

// catalogs are the databases that can be served.
var catalogs = []string{"sqlite", "postgres"}

func newEnv(t testing.TB, kind string) *env {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	e := &env{t: t, warehouse: "file://" + dir + "/warehouse"}
	objs, err := objstore.NewClient(objstore.Config{AccessKey: "key", SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(objs.Close)
	c := iceberg.CatalogConfig{Type: kind, URI: filepath.Join(dir, "catalog.db"), Warehouse: e.warehouse}
	if kind == "postgres" {
		// The database is shared with other tests; catalogs are told apart by name.
		c.URI, c.Name = testenv.NeedPostgreSQL(t).DSN("postgres"), fmt.Sprintf("%s-%d", t.Name(), rand.Uint64())
	}
	if e.cat, err = iceberg.OpenServedCatalog(ctx, c, objs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.cat.Close(); err != nil {
			t.Error(err)
		}
	})
	e.srv = httptest.NewServer(New(Options{Catalog: e.cat, Defaults: map[string]string{"s3.region": "eu-north-1"}}))
	t.Cleanup(e.srv.Close)
	e.client = e.newClient()
	return e
}

// newClient is another REST client of the catalog.
func (e *env) newClient() *restcat.Catalog {
	e.t.Helper()
	c, err := restcat.NewCatalog(context.Background(), "test", e.srv.URL)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	return c
}

var testSchema = iceberggo.NewSchema(0,
	iceberggo.NestedField{ID: 1, Name: "id", Type: iceberggo.PrimitiveTypes.Int64, Required: true},
	iceberggo.NestedField{ID: 2, Name: "name", Type: iceberggo.PrimitiveTypes.String},
)

// create makes a namespace, if it is not there, and a table.
func (e *env) create(id table.Identifier, opts ...catalog.CreateTableOpt) *table.Table {
	e.t.Helper()
	ctx := context.Background()
	if ok, err := e.client.CheckNamespaceExists(ctx, id[:len(id)-1]); err != nil {
		e.t.Fatal(err)
	} else if !ok {
		e.must(e.client.CreateNamespace(ctx, id[:len(id)-1], nil))
	}
	t, err := e.client.CreateTable(ctx, id, testSchema, opts...)
	e.must(err)
	return t
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) load(id table.Identifier) *table.Table {
	e.t.Helper()
	t, err := e.client.LoadTable(context.Background(), id)
	e.must(err)
	return t
}

// metadataFiles counts the metadata files in a table's folder.
func (e *env) metadataFiles(t *table.Table) int {
	e.t.Helper()
	files, err := filepath.Glob(filepath.Join(t.Location()[len("file://"):], "metadata", "*.metadata.json"))
	e.must(err)
	return len(files)
}

// rows is an Arrow table of ids with names.
func rows(t testing.TB, ids ...int64) arrow.Table {
	sc, err := table.SchemaToArrowSchema(testSchema, nil, false, false)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for _, id := range ids {
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("name ", id))
	}
	rec := b.NewRecordBatch()
	return array.NewTableFromRecords(sc, []arrow.RecordBatch{rec})
}

// ids reads a table's ids.
func (e *env) ids(t *table.Table) map[int64]bool {
	e.t.Helper()
	got, err := t.Scan().ToArrowTable(context.Background())
	e.must(err)
	defer got.Release()
	out := map[int64]bool{}
	for _, chunk := range got.Column(0).Data().Chunks() {
		for _, v := range chunk.(*array.Int64).Int64Values() {
			out[v] = true
		}
	}
	return out
}

// snapshot makes updates that add a snapshot to main; its manifest list is never read.
func snapshot(t *table.Table, id int64) []table.Update {
	s := &table.Snapshot{SnapshotID: id, SequenceNumber: t.Metadata().LastSequenceNumber() + 1, TimestampMs: t.Metadata().LastUpdatedMillis() + 1,
		ManifestList: t.Location() + "/metadata/none.avro", Summary: &table.Summary{Operation: table.OpAppend}, SchemaID: new(int)}
	if cur := t.CurrentSnapshot(); cur != nil {
		s.ParentSnapshotID = &cur.SnapshotID
	}
	return []table.Update{table.NewAddSnapshotUpdate(s), table.NewSetSnapshotRefUpdate(table.MainBranch, id, table.BranchRef, -1, -1, -1)}
}

// expectHead is the requirement that main is as in t.
func expectHead(t *table.Table) []table.Requirement {
	var at *int64
	if cur := t.CurrentSnapshot(); cur != nil {
		at = &cur.SnapshotID
	}
	return []table.Requirement{table.AssertTableUUID(t.Metadata().TableUUID()), table.AssertRefSnapshotID(table.MainBranch, at)}
}

func head(t *table.Table) int64 {
	if cur := t.CurrentSnapshot(); cur != nil {
		return cur.SnapshotID
	}
	return 0
}

func exists(t testing.TB, loc string) bool {
	_, err := os.Stat(loc[len("file://"):])
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return err == nil
}
