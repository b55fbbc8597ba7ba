package iceberg

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// sqliteCatalog is a catalog of n tables that lie nowhere in particular: table i at at(i, 0).
func sqliteCatalog(t *testing.T, n int) (c *sqlCatalog, ident func(int) table.Identifier, at func(i, version int) string) {
	t.Helper()
	fs := newStorage(nil)
	t.Cleanup(fs.close)
	c, err := openSQLCatalog(context.Background(), CatalogConfig{Type: "sqlite", Name: "c", URI: filepath.Join(t.TempDir(), "c.db"), Warehouse: "file:///nowhere"}, fs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.close() })
	ident = func(i int) table.Identifier { return table.Identifier{"db", fmt.Sprintf("t%04d", i)} }
	at = func(i, version int) string { return fmt.Sprintf("file:///nowhere/%d/%d", i, version) }
	for i := range n {
		if _, err := c.db.Exec("INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) VALUES ('c', 'db', ?, ?)", ident(i)[1], at(i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return c, ident, at
}

// TestLocate finds many tables with few statements, and leaves out what does not exist.
func TestLocate(t *testing.T) {
	const n = 2*locateNames + 7
	c, ident, at := sqliteCatalog(t, n)
	ids := []table.Identifier{{"db", "missing"}, {"elsewhere", "t0001"}, {"db", "T0001"}}
	for i := range n {
		ids = append(ids, ident(i))
	}
	got, err := c.locate(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != n {
		t.Errorf("%d tables, want %d", len(got), n)
	}
	for i := range n {
		if l := got[identString(ident(i))]; l != at(i, 0) {
			t.Errorf("table %d lies at %q", i, l)
		}
	}
	// A version that came after the look is not taken for an older one.
	have := &metaVersion{ident: ident(1), location: at(1, 0)}
	if v, err := c.load(context.Background(), ident(1), have, "file:///older"); err != nil || v != have {
		t.Errorf("%v, %v", v, err)
	}
}

// TestSwapGroup swaps many tables at once, again and again. Each swap has its own outcome: those of versions that are no longer current fail,
// and only they.
func TestSwapGroup(t *testing.T) {
	const tables, rounds = 24, 20
	c, ident, at := sqliteCatalog(t, tables)
	for round := range rounds {
		stale := func(i int) bool { return (i+round)%5 == 0 }
		errs := make([]error, tables)
		var wg sync.WaitGroup
		for i := range tables {
			wg.Go(func() {
				base := at(i, round)
				if stale(i) {
					base += "-stale"
				}
				ch := change{base: &metaVersion{ident: ident(i), location: base}}
				errs[i] = c.swap(context.Background(), []change{ch}, []*metaVersion{{ident: ident(i), location: at(i, round+1)}})
			})
		}
		wg.Wait()
		for i, err := range errs {
			if stale(i) != errors.Is(err, errConflict) || !stale(i) && err != nil {
				t.Fatalf("round %d, table %d: %v", round, i, err)
			}
			if stale(i) { // somebody brings it forward
				ch := change{base: &metaVersion{ident: ident(i), location: at(i, round)}}
				if err := c.swap(context.Background(), []change{ch}, []*metaVersion{{ident: ident(i), location: at(i, round+1)}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var wrong int
	if err := c.db.QueryRow("SELECT COUNT(*) FROM iceberg_tables WHERE metadata_location NOT LIKE '%/" + fmt.Sprint(rounds) + "'").Scan(&wrong); err != nil || wrong > 0 {
		t.Errorf("%d tables are not where they were moved: %v", wrong, err)
	}
}

// TestSwapGroupFails: a table that cannot be moved holds up no other.
func TestSwapGroupFails(t *testing.T) {
	c, ident, at := sqliteCatalog(t, 8)
	if _, err := c.db.Exec("CREATE TRIGGER refuse BEFORE UPDATE ON iceberg_tables WHEN NEW.table_name = 't0003' BEGIN SELECT RAISE(ABORT, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	var jobs []*swapJob
	for i := range 8 {
		jobs = append(jobs, &swapJob{c: change{base: &metaVersion{ident: ident(i), location: at(i, 0)}}, next: &metaVersion{ident: ident(i), location: at(i, 1)}})
	}
	c.swapJobs(context.Background(), jobs)
	for i, j := range jobs {
		version := 1
		if i == 3 {
			version = 0
			if e := cdc.AsError(j.err); e == nil || e.Code != CodeCatalog {
				t.Errorf("table %d: %v", i, j.err)
			}
		} else if j.err != nil {
			t.Errorf("table %d: %v", i, j.err)
		}
		got, err := c.locate(context.Background(), []table.Identifier{ident(i)})
		if err != nil || got[identString(ident(i))] != at(i, version) {
			t.Errorf("%v, %v", got, err)
		}
	}
	// A caller that has gone is told so, and nobody else is held up.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	back := change{base: jobs[0].next}
	if err := c.swap(ctx, []change{back}, []*metaVersion{jobs[0].c.base}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := c.swap(context.Background(), []change{back}, []*metaVersion{jobs[0].c.base}); err != nil {
		t.Error(err)
	}
}
