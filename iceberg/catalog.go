package iceberg

import (
	"context"
	"fmt"
	"strings"
	"sync"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// CatalogConfig names the catalog.
type CatalogConfig struct {
	// Type is "sqlite", "postgres" or "rest".
	Type string
	// Name partitions the tables of a SQL catalog; several catalogs can share a database. Default "cdc2lake".
	Name string
	// URI is a file path (sqlite), a connection string (postgres), or the base URL (rest).
	URI string
	// Warehouse is the location under which tables are made: s3://bucket/prefix or file:///dir. For REST it is the name
	// or location that the server knows its warehouse by, and may be empty.
	Warehouse string
	// Token, Credential and Properties are for REST.
	Token      string
	Credential string
	Properties map[string]string
}

// metaVersion is one version of a table's metadata as it was read: what a commit compares and swaps. It is immutable.
type metaVersion struct {
	ident    table.Identifier
	location string // of the metadata file
	meta     table.Metadata
	texts    snapshotTexts // of meta, as far as they are known

	marked   sync.Once // guards the marker of the table's property, which is decoded once
	marker   *cdc.Marker
	unmarked error
}

// change asks for a new version of a table on top of base.
type change struct {
	base    *metaVersion
	updates []table.Update
}

// catalogue is what the committer needs of a catalog. Errors are errNoTable, errTableExists, errConflict (certain that
// nothing happened) and errUnknown (it may have happened); anything else means that nothing was changed, too.
type catalogue interface {
	// load reads the current version. have is a version that was read before, or nil: it is returned itself if it is
	// still current and the catalog can tell cheaply. at is what locate has said, or "": it spares looking where have is nil or lies there.
	load(ctx context.Context, ident table.Identifier, have *metaVersion, at string) (*metaVersion, error)
	// locate looks up where the current metadata of tables lies, by identString, with few requests for many tables. It leaves out those
	// that do not exist, and all of them where only load can tell.
	locate(ctx context.Context, idents []table.Identifier) (map[string]string, error)
	// create makes a table, and its namespace if need be.
	create(ctx context.Context, ident table.Identifier, c newTable) (*metaVersion, error)
	// commit replaces base by a version with the updates applied, if base is still current.
	commit(ctx context.Context, c change) (*metaVersion, error)
	// commitAll does all or nothing of several changes; only where atomic says so.
	commitAll(ctx context.Context, cs []change) ([]*metaVersion, error)
	atomic() bool
	// trimsMetadata: old metadata files are ours to delete, since no server does it.
	trimsMetadata() bool
	close() error
}

// newTable describes a table to create.
type newTable struct {
	schema   *iceberggo.Schema
	spec     *iceberggo.PartitionSpec
	location string // "": by the catalog
	props    iceberggo.Properties
}

func identString(id table.Identifier) string { return strings.Join(id, ".") }

// openCatalog connects to the configured catalog.
func openCatalog(ctx context.Context, c CatalogConfig, fs *storage) (catalogue, error) {
	if c.Name == "" {
		c.Name = "cdc2lake"
	}
	switch c.Type {
	case "sqlite", "postgres":
		return openSQLCatalog(ctx, c, fs)
	case "rest":
		return openRESTCatalog(ctx, c, fs)
	default:
		return nil, configError("catalog type %q is not one of sqlite, postgres, rest", c.Type)
	}
}

// applyUpdates computes the version that follows base, without its location.
func applyUpdates(c change) (table.Metadata, error) {
	m, err := table.UpdateTableMetadata(c.base.meta, c.updates, c.base.location)
	if err != nil {
		return nil, fmt.Errorf("%s: new metadata: %w", identString(c.base.ident), err)
	}
	return m, nil
}
