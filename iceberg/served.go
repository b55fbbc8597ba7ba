package iceberg

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	"github.com/apache/iceberg-go/table"
)

// ServedCatalog is a SQL catalog as iceberg/restcatalog offers it to others. A commit swaps exactly the versions that it was
// decided on, of one table or of many in one transaction. Methods may be called concurrently.
type ServedCatalog struct {
	cfg   CatalogConfig
	fs    *storage
	sql   *sqlCatalog
	typed bool // the table has the column that tells views from tables

	mu    sync.Mutex // guards cache
	cache map[string]*ServedVersion
}

// ServedVersion is one version of a table's metadata. It is immutable.
type ServedVersion struct {
	Location string
	Meta     table.Metadata
}

// ServedChange replaces a version of a table by another.
type ServedChange struct {
	Ident table.Identifier
	Base  *ServedVersion // nil: the table does not exist
	Next  table.Metadata // Base.Meta itself: nothing changes, but Base must still be current
}

// ErrCommitUnknown: the commit may have happened.
var ErrCommitUnknown = errUnknown

// OpenServedCatalog connects to a SQL catalog.
func OpenServedCatalog(ctx context.Context, c CatalogConfig, r Resolver) (*ServedCatalog, error) {
	switch {
	case c.Type != "sqlite" && c.Type != "postgres":
		return nil, configError("a catalog of type %q cannot be served: only sqlite and postgres can", c.Type)
	case c.Warehouse == "":
		return nil, configError("the catalog to serve has no warehouse")
	}
	if c.Name == "" {
		c.Name = "cdc2lake" // as openCatalog
	}
	s := &ServedCatalog{cfg: c, fs: newStorage(r), cache: map[string]*ServedVersion{}}
	var err error
	if s.sql, err = openSQLCatalog(ctx, c, s.fs); err != nil {
		s.fs.close()
		return nil, err
	}
	// Older layouts lack the column; then all rows are tables.
	rows, err := s.sql.db.QueryContext(ctx, "SELECT iceberg_type FROM iceberg_tables WHERE 1 = 0")
	if err == nil {
		s.typed = true
		err = rows.Close()
	} else {
		err = s.sql.db.PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(catalogError("open the catalog: %w", err), s.Close())
	}
	return s, nil
}

// Close gives connections back.
func (s *ServedCatalog) Close() error {
	err := s.sql.close()
	s.fs.close()
	return err
}

// Name is the catalog's name, Warehouse the location under which its tables lie.
func (s *ServedCatalog) Name() string      { return s.cfg.Name }
func (s *ServedCatalog) Warehouse() string { return strings.TrimRight(s.cfg.Warehouse, "/") }

// SQL is the catalog for everything but loading, creating and committing tables.
func (s *ServedCatalog) SQL() *sqlcat.Catalog { return s.sql.cat }

// Load reads the current version of a table, or fails with catalog.ErrNoSuchTable.
func (s *ServedCatalog) Load(ctx context.Context, ident table.Identifier) (*ServedVersion, error) {
	q := "SELECT metadata_location FROM iceberg_tables WHERE " + s.where(1)
	if s.typed {
		q += " AND (iceberg_type IS NULL OR iceberg_type = 'TABLE')"
	}
	var loc sql.NullString
	err := s.sql.db.QueryRowContext(ctx, q, s.key(ident)...).Scan(&loc)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !loc.Valid:
		return nil, fmt.Errorf("%w: %s", catalog.ErrNoSuchTable, identString(ident))
	case err != nil:
		return nil, catalogError("look up %s: %w", identString(ident), err)
	}
	if v := s.cached(ident, loc.String); v != nil {
		return v, nil
	}
	t, err := table.NewFromLocation(ctx, ident, loc.String, s.sql.fsys, nil)
	if err != nil {
		return nil, catalogError("read the metadata of %s: %w", identString(ident), err)
	}
	v := &ServedVersion{loc.String, t.Metadata()}
	s.remember(ident, v)
	return v, nil
}

// where selects a table's row with placeholders from the n-th on; key are their values.
func (s *ServedCatalog) where(n int) string {
	return "catalog_name = " + s.sql.bind(n) + " AND table_namespace = " + s.sql.bind(n+1) + " AND table_name = " + s.sql.bind(n+2)
}

func (s *ServedCatalog) key(ident table.Identifier) []any {
	return []any{s.sql.name, namespaceKey(ident), ident[len(ident)-1]}
}

// maxServedVersions bounds the cache: the metadata of a busy table takes some hundred kilobytes.
const maxServedVersions = 64

func (s *ServedCatalog) cached(ident table.Identifier, loc string) *ServedVersion {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.cache[identString(ident)]; v != nil && v.Location == loc {
		return v
	}
	return nil
}

func (s *ServedCatalog) remember(ident table.Identifier, v *ServedVersion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.cache {
		if len(s.cache) < maxServedVersions {
			break
		}
		delete(s.cache, k)
	}
	s.cache[identString(ident)] = v
}

// NewLocation is a folder for a new table. It is never used twice: the files of a dropped table may still be there.
func (s *ServedCatalog) NewLocation(ident table.Identifier) string {
	var b [4]byte
	rand.Read(b[:]) //nolint:errcheck // it never fails
	return location(s.cfg.Warehouse, ident) + "-" + hex.EncodeToString(b[:])
}

// Within reports whether a location lies inside of the warehouse: clients make the server write there.
func (s *ServedCatalog) Within(loc string) bool {
	norm := func(l string) string {
		for _, p := range []string{"s3a://", "s3n://"} {
			if rest, ok := strings.CutPrefix(l, p); ok {
				return "s3://" + rest
			}
		}
		for _, p := range []string{"file://", "file:"} {
			if rest, ok := strings.CutPrefix(l, p); ok {
				return rest
			}
		}
		return l
	}
	for seg := range strings.SplitSeq(norm(loc), "/") {
		if seg == "." || seg == ".." {
			return false
		}
	}
	return strings.HasPrefix(norm(loc), norm(s.Warehouse())+"/")
}

// servedWriters bounds the metadata files of one commit that are written at the same time.
const servedWriters = 8

// swapTimeout bounds the transaction that decides: by then its client may be gone.
const swapTimeout = 30 * time.Second

// Commit does all of the changes or none. It fails with table.ErrCommitFailed where a base is no longer current,
// catalog.ErrTableAlreadyExists where a table to create is there, catalog.ErrNoSuchNamespace, or ErrCommitUnknown; any other
// error means that nothing has changed, too.
func (s *ServedCatalog) Commit(ctx context.Context, changes []ServedChange) ([]*ServedVersion, error) {
	next := make([]*ServedVersion, len(changes))
	var todo []int
	for i, c := range changes {
		if c.Base != nil && c.Next == c.Base.Meta {
			next[i] = c.Base
			continue
		}
		todo = append(todo, i)
	}
	err := each(ctx, servedWriters, todo, func(ctx context.Context, i int) error {
		var err error
		next[i], err = s.writeMetadata(ctx, changes[i])
		return err
	})
	if err == nil {
		// From here on it is decided whether the client is still there or not.
		dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), swapTimeout)
		err = s.swap(dctx, changes, next)
		cancel()
	}
	if err != nil {
		if !errors.Is(err, ErrCommitUnknown) {
			var orphans []string
			for _, i := range todo {
				if next[i] != nil {
					orphans = append(orphans, next[i].Location)
				}
			}
			_ = s.fs.remove(context.WithoutCancel(ctx), orphans...) // if this fails they are orphans for the cleaner
		}
		return nil, err
	}
	for _, i := range todo {
		s.remember(changes[i].Ident, next[i])
		if changes[i].Base != nil {
			_ = s.fs.remove(context.WithoutCancel(ctx), superseded(changes[i].Base, next[i])...)
		}
	}
	return next, nil
}

// superseded lists the metadata files that fell out of a table's log, if it wants them deleted.
func superseded(old, next *ServedVersion) []string {
	if !next.Meta.Properties().GetBool(table.MetadataDeleteAfterCommitEnabledKey, false) {
		return nil
	}
	kept := map[string]bool{next.Location: true, old.Location: true}
	for e := range next.Meta.PreviousFiles() {
		kept[e.MetadataFile] = true
	}
	var out []string
	for e := range old.Meta.PreviousFiles() {
		if !kept[e.MetadataFile] {
			out = append(out, e.MetadataFile)
		}
	}
	return out
}

func (s *ServedCatalog) writeMetadata(ctx context.Context, c ServedChange) (*ServedVersion, error) {
	provider, err := table.LoadLocationProvider(c.Next.Location(), c.Next.Properties())
	if err != nil {
		return nil, err
	}
	number := 0
	if c.Base != nil {
		number = metadataNumber(c.Base.Location) + 1
	}
	loc, err := provider.NewTableMetadataFileLocation(number)
	if err != nil {
		return nil, err
	}
	b, _, err := encodeMetadata(c.Next, loc, nil)
	if err != nil {
		return nil, err
	}
	if err := s.fs.write(ctx, loc, b); err != nil {
		return nil, catalogError("write the metadata of %s: %w", identString(c.Ident), err)
	}
	return &ServedVersion{loc, c.Next}, nil
}

// swap moves the pointers of all tables in one transaction.
func (s *ServedCatalog) swap(ctx context.Context, changes []ServedChange, next []*ServedVersion) error {
	// One order for everybody: two transactions never wait for each other.
	order := make([]int, len(changes))
	opts := &sql.TxOptions{}
	for i := range order {
		order[i] = i
		if changes[i].Base == nil {
			opts.Isolation = sql.LevelSerializable // against somebody who drops the namespace at the same moment
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(identString(changes[a].Ident), identString(changes[b].Ident))
	})
	tx, err := s.sql.db.BeginTx(ctx, opts)
	if err != nil {
		return catalogError("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, i := range order {
		c := changes[i]
		if c.Base == nil {
			err = s.insert(ctx, tx, c.Ident, next[i].Location)
		} else {
			err = s.update(ctx, tx, c.Ident, c.Base.Location, next[i].Location)
		}
		if err != nil {
			return retryableSQL(err, identString(c.Ident)) // rolled back
		}
	}
	if err := tx.Commit(); err != nil {
		if c := retryableSQL(err, "commit"); errors.Is(c, table.ErrCommitFailed) {
			return c
		}
		return fmt.Errorf("%w: commit: %w", ErrCommitUnknown, err)
	}
	return nil
}

func (s *ServedCatalog) update(ctx context.Context, tx *sql.Tx, ident table.Identifier, old, next string) error {
	var res sql.Result
	var err error
	if old == next { // a lock, and a look
		res, err = tx.ExecContext(ctx, "UPDATE iceberg_tables SET metadata_location = metadata_location WHERE "+s.where(1)+
			" AND metadata_location = "+s.sql.bind(4), append(s.key(ident), old)...)
	} else {
		args := append([]any{next, old}, s.key(ident)...)
		res, err = tx.ExecContext(ctx, "UPDATE iceberg_tables SET metadata_location = "+s.sql.bind(1)+", previous_metadata_location = "+s.sql.bind(2)+
			" WHERE "+s.where(3)+" AND metadata_location = "+s.sql.bind(6), append(args, old)...)
	}
	if err != nil {
		return catalogError("update %s: %w", identString(ident), err)
	}
	switch n, err := res.RowsAffected(); {
	case err != nil || n > 1:
		return catalogError("update %s: %d rows: %w", identString(ident), n, err)
	case n == 0:
		return fmt.Errorf("%w: %s was changed meanwhile", table.ErrCommitFailed, identString(ident))
	}
	return nil
}

func (s *ServedCatalog) insert(ctx context.Context, tx *sql.Tx, ident table.Identifier, loc string) error {
	var n int
	ns := namespaceKey(ident)
	err := tx.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM iceberg_namespace_properties WHERE catalog_name = "+s.sql.bind(1)+" AND namespace = "+s.sql.bind(2)+
		") + (SELECT COUNT(*) FROM iceberg_tables WHERE catalog_name = "+s.sql.bind(3)+" AND table_namespace = "+s.sql.bind(4)+")", s.sql.name, ns, s.sql.name, ns).Scan(&n)
	if err != nil {
		return catalogError("look up namespace %s: %w", ns, err)
	}
	if n == 0 {
		return fmt.Errorf("%w: %s", catalog.ErrNoSuchNamespace, ns)
	}
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM iceberg_tables WHERE "+s.where(1), s.key(ident)...).Scan(&n); err != nil {
		return catalogError("look up %s: %w", identString(ident), err)
	}
	if n > 0 {
		return fmt.Errorf("%w: %s", catalog.ErrTableAlreadyExists, identString(ident))
	}
	columns, values := "catalog_name, table_namespace, table_name, metadata_location", s.sql.bind(1)+", "+s.sql.bind(2)+", "+s.sql.bind(3)+", "+s.sql.bind(4)
	if s.typed {
		columns, values = columns+", iceberg_type", values+", 'TABLE'"
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO iceberg_tables ("+columns+") VALUES ("+values+")", append(s.key(ident), loc)...); err != nil {
		return catalogError("insert %s: %w", identString(ident), err)
	}
	return nil
}

// retryableSQL turns what PostgreSQL says to the loser of a race (serialization failure, deadlock, the same row inserted twice)
// into a conflict: the transaction is rolled back for certain.
func retryableSQL(err error, what string) error {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		switch state.SQLState() {
		case "40001", "40P01", "23505":
			return fmt.Errorf("%w: %s: %w", table.ErrCommitFailed, what, err)
		}
	}
	return err
}
