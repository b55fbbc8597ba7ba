package iceberg_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/iceberg/restcatalog"
)

// The REST catalog server imports this package, so that tests inside of it reach the server only from out here.
func init() {
	iceberg.ServeREST = func(t testing.TB, c iceberg.CatalogConfig, r iceberg.Resolver) string {
		cat, err := iceberg.OpenServedCatalog(context.Background(), c, r)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(restcatalog.New(restcatalog.Options{Catalog: cat}))
		t.Cleanup(func() {
			srv.Close()
			if err := cat.Close(); err != nil {
				t.Error(err)
			}
		})
		return srv.URL
	}
}
