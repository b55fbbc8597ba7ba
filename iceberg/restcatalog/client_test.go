package restcatalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/catalogtest"
	restcat "github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// The suite that iceberg-go holds every catalog of its own to.
func TestConformance(t *testing.T) {
	for _, kind := range catalogs {
		t.Run(kind, func(t *testing.T) {
			catalogtest.RunCatalogTests(t, catalogtest.Config{SupportsNamespaceProperties: true,
				NewCatalog: func(t *testing.T) catalog.Catalog { return newEnv(t, kind).client }})
		})
	}
}

func TestWriteAndReadBack(t *testing.T) {
	for _, kind := range catalogs {
		t.Run(kind, func(t *testing.T) {
			ctx := context.Background()
			e := newEnv(t, kind)
			id := table.Identifier{"shop", "orders"}
			spec := iceberggo.NewPartitionSpec(iceberggo.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "b", Transform: iceberggo.BucketTransform{NumBuckets: 4}})
			tbl := e.create(id, catalog.WithPartitionSpec(&spec), catalog.WithProperties(iceberggo.Properties{"format-version": "3", "a": "b"}))
			if v := tbl.Metadata().Version(); v != 3 {
				t.Errorf("format version %d, want 3", v)
			}
			if got := tbl.Properties()["a"]; got != "b" {
				t.Errorf("property a is %q, want b", got)
			}
			if s := tbl.Spec(); s.NumFields() != 1 {
				t.Errorf("partition spec %v, want one field", tbl.Spec())
			}
			for i := range int64(3) {
				data := rows(t, 2*i, 2*i+1)
				var err error
				tbl, err = tbl.AppendTable(ctx, data, 1024, nil)
				data.Release()
				e.must(err)
			}
			want := map[int64]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true}
			if got := e.ids(e.load(id)); !maps.Equal(got, want) {
				t.Errorf("ids %v, want %v", got, want)
			}
			// Another client sees it too, under its new name.
			other := e.newClient()
			to := table.Identifier{"shop", "bought"}
			if _, err := other.RenameTable(ctx, id, to); err != nil {
				t.Fatal(err)
			}
			if _, err := e.client.LoadTable(ctx, id); !errors.Is(err, catalog.ErrNoSuchTable) {
				t.Errorf("load by the old name: %v, want no such table", err)
			}
			if got := e.ids(e.load(to)); !maps.Equal(got, want) {
				t.Errorf("renamed: ids %v, want %v", got, want)
			}
			e.create(id)
			if _, err := other.RenameTable(ctx, id, to); err == nil || !strings.Contains(err.Error(), "AlreadyExistsException") {
				t.Errorf("rename onto another table: %v, want already exists", err)
			}
			e.must(other.DropTable(ctx, to))
			if err := other.DropTable(ctx, to); !errors.Is(err, catalog.ErrNoSuchTable) {
				t.Errorf("second drop: %v, want no such table", err)
			}
		})
	}
}

func TestNestedNamespaces(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, "sqlite")
	deep := table.Identifier{"a", "b c", "d"}
	e.must(e.client.CreateNamespace(ctx, deep, iceberggo.Properties{"owner": "me"}))
	for _, c := range []struct{ parent, want table.Identifier }{
		{nil, table.Identifier{"a"}}, {table.Identifier{"a"}, table.Identifier{"a", "b c"}}, {table.Identifier{"a", "b c"}, deep},
	} {
		got, err := e.client.ListNamespaces(ctx, c.parent)
		e.must(err)
		if len(got) != 1 || !slices.Equal(got[0], c.want) {
			t.Errorf("below %v: %v, want %v", c.parent, got, c.want)
		}
	}
	if got, err := e.client.ListNamespaces(ctx, deep); err != nil || len(got) != 0 {
		t.Errorf("below %v: %v, %v, want nothing", deep, got, err)
	}
	if _, err := e.client.ListNamespaces(ctx, table.Identifier{"x"}); !errors.Is(err, catalog.ErrNoSuchNamespace) {
		t.Errorf("below a namespace that is not there: %v", err)
	}
	tbl := e.create(append(slices.Clone(deep), "t"))
	if !slices.Equal(e.load(append(slices.Clone(deep), "t")).Identifier(), tbl.Identifier()) {
		t.Error("a table in a nested namespace is not found")
	}
}

func TestPages(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, "sqlite")
	var want []string
	for i := range 7 {
		e.create(table.Identifier{"n", fmt.Sprint("t", i)})
		want = append(want, fmt.Sprint("t", i))
	}
	for size := 1; size <= 8; size++ {
		var got []string
		paged := e.client.SetPageSize(ctx, size)
		for id, err := range e.client.ListTables(paged, table.Identifier{"n"}) {
			e.must(err)
			got = append(got, id[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", size, got, want)
		}
	}
}

func TestStagedCreate(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, "sqlite")
	id := table.Identifier{"n", "staged"}
	e.must(e.client.CreateNamespace(ctx, id[:1], nil))
	tbl, err := e.client.CreateTable(ctx, id, testSchema, catalog.WithProperties(iceberggo.Properties{"format-version": "2"}),
		catalog.WithStagedUpdates(table.NewSetPropertiesUpdate(iceberggo.Properties{"x": "y"})))
	e.must(err)
	if got := e.load(id); got.Properties()["x"] != "y" || got.Metadata().TableUUID() != tbl.Metadata().TableUUID() || !got.Schema().Equals(tbl.Schema()) {
		t.Errorf("staged table is %v", got.Metadata())
	}
	_, err = e.client.CreateTable(ctx, id, testSchema, catalog.WithStagedUpdates(table.NewSetPropertiesUpdate(iceberggo.Properties{"x": "z"})))
	if err == nil || e.load(id).Properties()["x"] != "y" {
		t.Errorf("a second staged creation: %v, property %q", err, e.load(id).Properties()["x"])
	}
}

func TestStaleCommit(t *testing.T) {
	for _, kind := range catalogs {
		t.Run(kind, func(t *testing.T) {
			ctx := context.Background()
			e := newEnv(t, kind)
			id := table.Identifier{"n", "t"}
			old := e.create(id)
			_, _, err := e.client.CommitTable(ctx, id, expectHead(old), snapshot(old, 1))
			e.must(err)
			_, _, err = e.client.CommitTable(ctx, id, expectHead(old), snapshot(old, 2))
			if !errors.Is(err, table.ErrCommitFailed) {
				t.Errorf("stale commit: %v, want commit failed", err)
			}
			now := e.load(id)
			if head(now) != 1 {
				t.Errorf("head is %d, want 1", head(now))
			}
			// Without an assertion on main the sequence number gives it away; the client is told to try again.
			stale := snapshot(now, 3)
			_, _, err = e.client.CommitTable(ctx, id, expectHead(now), snapshot(now, 4))
			e.must(err)
			if _, _, err = e.client.CommitTable(ctx, id, nil, stale); !errors.Is(err, table.ErrCommitFailed) {
				t.Errorf("overtaken snapshot: %v, want commit failed", err)
			}
			if n := e.metadataFiles(now); n != 3 {
				t.Errorf("%d metadata files, want 3: lost races leave none", n)
			}
			_, _, err = e.client.CommitTable(ctx, table.Identifier{"n", "none"}, nil, snapshot(now, 9))
			if !errors.Is(err, catalog.ErrNoSuchTable) {
				t.Errorf("unknown table: %v", err)
			}
			if err := e.client.DropNamespace(ctx, table.Identifier{"n"}); !errors.Is(err, catalog.ErrNamespaceNotEmpty) {
				t.Errorf("drop a namespace with tables: %v", err)
			}
		})
	}
}

// A commit without assertions is the server's to try again.
func TestCommitsThatDoNotConflict(t *testing.T) {
	for _, kind := range catalogs {
		t.Run(kind, func(t *testing.T) {
			e := newEnv(t, kind)
			id := table.Identifier{"n", "t"}
			e.create(id)
			const writers = 6
			errs := make(chan error)
			for w := range writers {
				go func() {
					_, _, err := e.client.CommitTable(context.Background(), id, nil,
						[]table.Update{table.NewSetPropertiesUpdate(iceberggo.Properties{fmt.Sprint("w", w): "done"})})
					errs <- err
				}()
			}
			for range writers {
				e.must(<-errs)
			}
			p := e.load(id).Properties()
			for w := range writers {
				if p[fmt.Sprint("w", w)] != "done" {
					t.Errorf("writer %d's commit is lost: %v", w, p)
				}
			}
			if n := e.metadataFiles(e.load(id)); n != writers+1 {
				t.Errorf("%d metadata files, want %d", n, writers+1)
			}
		})
	}
}

func TestOldMetadataIsDeleted(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, "sqlite")
	id := table.Identifier{"n", "t"}
	e.create(id, catalog.WithProperties(iceberggo.Properties{"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "2"}))
	for i := range int64(6) {
		now := e.load(id)
		_, _, err := e.client.CommitTable(ctx, id, expectHead(now), snapshot(now, i+1))
		e.must(err)
	}
	now := e.load(id)
	if n := e.metadataFiles(now); n != 3 { // the current one, and the two of its log
		t.Errorf("%d metadata files, want 3", n)
	}
	for p := range now.Metadata().PreviousFiles() {
		if !exists(t, p.MetadataFile) {
			t.Errorf("%s stands in the log and is deleted", p.MetadataFile)
		}
	}
}

func TestNoViews(t *testing.T) {
	e := newEnv(t, "sqlite")
	for _, err := range e.client.ListViews(context.Background(), table.Identifier{"n"}) {
		if !errors.Is(err, restcat.ErrEndpointNotSupported) {
			t.Errorf("views: %v, want not supported", err)
		}
	}
}

// DuckDB makes a table with the current schema named last.
func TestCreateInAnyOrder(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, "sqlite")
	id := table.Identifier{"n", "d"}
	e.must(e.client.CreateNamespace(ctx, id[:1], nil))
	_, _, err := e.client.CommitTable(ctx, id, []table.Requirement{table.AssertCreate()}, []table.Update{
		table.NewUpgradeFormatVersionUpdate(2), table.NewAddSchemaUpdate(testSchema),
		table.NewAddPartitionSpecUpdate(iceberggo.UnpartitionedSpec, true), table.NewSetDefaultSpecUpdate(0),
		table.NewAddSortOrderUpdate(&table.UnsortedSortOrder), table.NewSetDefaultSortOrderUpdate(0),
		table.NewSetLocationUpdate(e.warehouse + "/n/d"), table.NewSetCurrentSchemaUpdate(0),
	})
	e.must(err)
	if got := e.load(id); !got.Schema().Equals(testSchema) || got.Location() != e.warehouse+"/n/d" {
		t.Errorf("made %v", got.Metadata())
	}
}

// Metadata goes through the one S3 client, whose credentials stay with the server.
func TestS3Warehouse(t *testing.T) {
	ctx := context.Background()
	b := testenv.NeedS3(t)
	objs, err := objstore.NewClient(objstore.Config{Endpoint: b.Endpoint, Region: b.Region, AccessKey: b.AccessKey, SecretKey: objstore.Secret(b.SecretKey)})
	if err != nil {
		t.Fatal(err)
	}
	defer objs.Close()
	e := &env{t: t, warehouse: "s3://" + b.Name + "/lake"}
	e.cat, err = iceberg.OpenServedCatalog(ctx, iceberg.CatalogConfig{Type: "sqlite", URI: filepath.Join(t.TempDir(), "c.db"), Warehouse: e.warehouse}, objs)
	e.must(err)
	defer e.cat.Close()
	e.srv = httptest.NewServer(New(Options{Catalog: e.cat}))
	defer e.srv.Close()
	e.client = e.newClient()
	id := table.Identifier{"n", "t"}
	tbl := e.create(id)
	_, loc, err := e.client.CommitTable(ctx, id, expectHead(tbl), snapshot(tbl, 1))
	e.must(err)
	if !strings.HasPrefix(loc, e.warehouse+"/n/t-") || head(e.load(id)) != 1 {
		t.Errorf("committed to %s, head %d", loc, head(e.load(id)))
	}
	if _, got := e.request("GET", "/v1/namespaces/n/tables/t", nil); bytes.Contains(got, []byte(b.SecretKey)) {
		t.Error("the answer holds credentials")
	}
}
