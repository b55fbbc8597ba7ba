package iceberg

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	"github.com/apache/iceberg-go/table"
	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
	_ "modernc.org/sqlite"             // database/sql driver "sqlite"

	icebergio "github.com/apache/iceberg-go/io"
)

// sqlCatalog is iceberg-go's SQL catalog (the JDBC layout that Java, Python and Go share), with a commit of its own: the
// library's CommitTable reads the table once more and swaps the version that it read itself, and not the one on which we
// decided. Ours swaps exactly that one, and reads nothing.
type sqlCatalog struct {
	db   *sql.DB
	cat  *sqlcat.Catalog
	name string
	fs   *storage
	bind func(int) string // the n-th placeholder
	// look finds a table's metadata location, move swaps it. They are not prepared: a pooler before PostgreSQL may give every transaction
	// another session, and where that is no concern the driver remembers statements by itself.
	look, move string
	group      *swapGroup // nil: writers need not wait for each other
}

func openSQLCatalog(ctx context.Context, c CatalogConfig, fs *storage) (*sqlCatalog, error) {
	var (
		db      *sql.DB
		err     error
		dialect sqlcat.SupportedDialect
		bind    func(int) string
	)
	switch c.Type {
	case "sqlite":
		p, err2 := filepath.Abs(c.URI)
		if c.URI == "" || err2 != nil {
			return nil, configError("the sqlite catalog needs a file path as its uri")
		}
		// synchronous=FULL: in WAL mode NORMAL may lose the last commits on power loss, and a lost commit is a rollback.
		dsn := "file:" + strings.NewReplacer("?", "%3f", "#", "%23").Replace(p) +
			"?_pragma=busy_timeout(15000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil { // SQLite makes the file, and not the folder of a new warehouse
			return nil, configError("catalog uri: %w", err)
		}
		db, err = sql.Open("sqlite", dsn)
		dialect, bind = sqlcat.SQLite, func(int) string { return "?" }
		if err == nil {
			db.SetMaxOpenConns(4)
		}
	default:
		db, err = sql.Open("pgx", c.URI)
		dialect, bind = sqlcat.Postgres, func(i int) string { return "$" + strconv.Itoa(i) }
		if err == nil {
			db.SetMaxOpenConns(16)
		}
	}
	if err != nil {
		return nil, configError("catalog uri: %w", redactURI(err, c.URI))
	}
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, catalogError("connect to the %s catalog: %w", c.Type, redactURI(err, c.URI))
	}
	cat, err := sqlcat.NewCatalog(c.Name, db, dialect, iceberggo.Properties{
		"warehouse": strings.TrimSuffix(c.Warehouse, "/"), ioProperty: fs.id})
	if err != nil {
		_ = db.Close()
		return nil, catalogError("open the %s catalog: %w", c.Type, redactURI(err, c.URI))
	}
	out := &sqlCatalog{db: db, cat: cat, name: c.Name, fs: fs, bind: bind,
		look: "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = " + bind(1) + " AND table_namespace = " + bind(2) + " AND table_name = " + bind(3),
		move: "UPDATE iceberg_tables SET metadata_location = " + bind(1) + ", previous_metadata_location = " + bind(2) +
			" WHERE catalog_name = " + bind(3) + " AND table_namespace = " + bind(4) + " AND table_name = " + bind(5) + " AND metadata_location = " + bind(6)}
	if c.Type == "sqlite" {
		out.group = new(swapGroup)
	}
	return out, nil
}

// redactURI keeps a connection string, which may hold a password, out of an error.
func redactURI(err error, uri string) error {
	if uri == "" || !strings.Contains(err.Error(), uri) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), uri, "***"))
}

// namespaceKey is the namespace as the catalog stores it; our namespaces have no dots inside their parts (see Naming).
func namespaceKey(id table.Identifier) string { return strings.Join(id[:len(id)-1], ".") }

func (c *sqlCatalog) load(ctx context.Context, ident table.Identifier, have *metaVersion, at string) (*metaVersion, error) {
	if at == "" || have != nil && have.location != at { // a version may have been made meanwhile, by us too
		var loc sql.NullString
		err := c.db.QueryRowContext(ctx, c.look, c.name, namespaceKey(ident), ident[len(ident)-1]).Scan(&loc)
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && !loc.Valid:
			return nil, fmt.Errorf("%w: %s", errNoTable, identString(ident))
		case err != nil:
			return nil, catalogError("look up %s: %w", identString(ident), err)
		}
		at = loc.String
	}
	if have != nil && have.location == at {
		return have, nil
	}
	t, err := table.NewFromLocation(ctx, ident, at, c.fsys, nil)
	if err != nil {
		return nil, catalogError("read the metadata of %s: %w", identString(ident), err)
	}
	return &metaVersion{ident: ident, location: at, meta: t.Metadata()}, nil
}

// locateNames bounds the names in one statement.
const locateNames = 100

func (c *sqlCatalog) locate(ctx context.Context, idents []table.Identifier) (map[string]string, error) {
	byNamespace := map[string][]table.Identifier{}
	for _, id := range idents {
		byNamespace[namespaceKey(id)] = append(byNamespace[namespaceKey(id)], id)
	}
	out := make(map[string]string, len(idents))
	for ns, ids := range byNamespace {
		for some := range slices.Chunk(ids, locateNames) {
			if err := c.locateSome(ctx, ns, some, out); err != nil {
				return nil, catalogError("look up %d tables of %s: %w", len(some), ns, err)
			}
		}
	}
	return out, nil
}

// locateSome looks up tables of one namespace.
func (c *sqlCatalog) locateSome(ctx context.Context, ns string, ids []table.Identifier, out map[string]string) error {
	byName := make(map[string]table.Identifier, len(ids))
	args, marks := []any{c.name, ns}, make([]string, len(ids))
	for i, id := range ids {
		name := id[len(id)-1]
		byName[name] = id
		args, marks[i] = append(args, name), c.bind(i+3)
	}
	rows, err := c.db.QueryContext(ctx, "SELECT table_name, metadata_location FROM iceberg_tables WHERE catalog_name = "+c.bind(1)+
		" AND table_namespace = "+c.bind(2)+" AND table_name IN ("+strings.Join(marks, ", ")+")", args...) // #nosec G202 -- placeholders
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var loc sql.NullString
		if err := rows.Scan(&name, &loc); err != nil {
			return err
		}
		// A collation that ignores case may find others.
		if id, ok := byName[name]; ok && loc.Valid {
			out[identString(id)] = loc.String
		}
	}
	return rows.Err()
}

func (c *sqlCatalog) fsys(ctx context.Context) (icebergio.IO, error) { return c.fs.bind(ctx), nil }

func (c *sqlCatalog) create(ctx context.Context, ident table.Identifier, n newTable) (*metaVersion, error) {
	err := c.cat.CreateNamespace(ctx, ident[:len(ident)-1], nil)
	if err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		// Two processes may make it at once; what counts is that it is there.
		if ok, e := c.cat.CheckNamespaceExists(ctx, ident[:len(ident)-1]); e != nil || !ok {
			return nil, catalogError("create namespace of %s: %w", identString(ident), err)
		}
	}
	opts := []catalog.CreateTableOpt{catalog.WithPartitionSpec(n.spec), catalog.WithProperties(n.props)}
	if n.location != "" {
		opts = append(opts, catalog.WithLocation(n.location))
	}
	_, err = c.cat.CreateTable(ctx, ident, n.schema, opts...)
	if errors.Is(err, catalog.ErrTableAlreadyExists) {
		return nil, fmt.Errorf("%w: %s", errTableExists, identString(ident))
	}
	if err != nil {
		return nil, catalogError("create %s: %w", identString(ident), err)
	}
	return c.load(ctx, ident, nil, "")
}

func (c *sqlCatalog) commit(ctx context.Context, ch change) (*metaVersion, error) {
	vs, err := c.commitAll(ctx, []change{ch})
	if err != nil {
		return nil, err
	}
	return vs[0], nil
}

func (c *sqlCatalog) atomic() bool        { return false }
func (c *sqlCatalog) trimsMetadata() bool { return true }

// commitAll writes the new metadata files and moves the tables' pointers in one transaction.
func (c *sqlCatalog) commitAll(ctx context.Context, cs []change) ([]*metaVersion, error) {
	out := make([]*metaVersion, len(cs))
	for i, ch := range cs {
		meta, err := applyUpdates(ch)
		if err != nil {
			return nil, err
		}
		provider, err := table.LoadLocationProvider(meta.Location(), meta.Properties())
		if err != nil {
			return nil, err
		}
		loc, err := provider.NewTableMetadataFileLocation(metadataNumber(ch.base.location) + 1)
		if err != nil {
			return nil, err
		}
		b, texts, err := encodeMetadata(meta, loc, ch.base.texts)
		if err != nil {
			return nil, err
		}
		if err := c.fs.write(ctx, loc, b); err != nil {
			return nil, fmt.Errorf("write metadata: %w", err)
		}
		out[i] = &metaVersion{ident: ch.base.ident, location: loc, meta: meta, texts: texts}
	}
	err := c.swap(ctx, cs, out)
	if errors.Is(err, errConflict) {
		for _, v := range out {
			_ = c.fs.remove(ctx, v.location) // never referenced; if this fails, it is an orphan for the cleaner
		}
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *sqlCatalog) swap(ctx context.Context, cs []change, next []*metaVersion) error {
	if len(cs) == 1 && c.group != nil {
		return c.group.swap(ctx, c, cs[0], next[0])
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return catalogError("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for i, ch := range cs {
		if err := c.moveOne(ctx, tx, ch, next[i]); err != nil {
			return err // not committed: the transaction is rolled back
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: commit: %w", errUnknown, err)
	}
	return nil
}

func (c *sqlCatalog) close() error { return errors.Join(c.cat.Close(), c.db.Close()) }

// metadataNumber is the version number in a metadata file's name (00012-uuid.metadata.json, v12.metadata.json), or -1.
func metadataNumber(loc string) int {
	name := strings.TrimPrefix(path.Base(loc), "v")
	end := strings.IndexFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	if end <= 0 {
		return -1
	}
	n, err := strconv.Atoi(name[:end])
	if err != nil {
		return -1
	}
	return n
}

// encodeMetadata is the metadata file's content, compressed if the location's name says so. known are texts of snapshots, and the texts of
// the snapshots in m are returned.
func encodeMetadata(m table.Metadata, loc string, known snapshotTexts) ([]byte, snapshotTexts, error) {
	b, texts, err := metadataJSON(m, known)
	if err != nil {
		return nil, nil, fmt.Errorf("encode metadata: %w", err)
	}
	switch {
	case strings.HasSuffix(loc, ".gz.metadata.json"):
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			return nil, nil, err
		}
		if err := w.Close(); err != nil {
			return nil, nil, err
		}
		return z.Bytes(), texts, nil
	case strings.HasSuffix(loc, ".zstd.metadata.json"):
		return compress(b), texts, nil
	}
	return b, texts, nil
}

func configError(format string, args ...any) error {
	return cdcErrorf(CodeCatalogConfig, format, args...)
}

func catalogError(format string, args ...any) error { return cdcErrorf(CodeCatalog, format, args...) }
