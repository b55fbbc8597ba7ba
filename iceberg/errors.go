package iceberg

import (
	"errors"
	"io/fs"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Codes of the commit side.
var (
	CodeCatalog = cdc.NewCode("CATALOG", cdc.Retryable, "the Iceberg catalog cannot be reached or answers with an error",
		"check that the catalog is up and that its URI and credentials are right; the commit is tried again until it succeeds")
	CodeCatalogAccess = cdc.NewCode("CATALOG_ACCESS", cdc.Fatal, "the catalog refuses the credentials",
		"correct token or credential in the section catalog, or grant the rights that the message names")
	CodeCatalogConfig = cdc.NewCode("CATALOG_CONFIG", cdc.Fatal, "the catalog's configuration cannot be used",
		"correct the section catalog of the configuration")
	CodeTableConfig = cdc.NewCode("TABLE_CONFIG", cdc.Fatal, "a table's destination cannot be configured as asked",
		"correct the table's options (format version, partition, properties, names)")
	CodeNameCollision = cdc.NewCode("NAME_COLLISION", cdc.TablePaused, "two source tables would be written to one Iceberg table",
		"change the naming template, or give one of them its own prefix")
	CodeForeignTable = cdc.NewCode("FOREIGN_TABLE", cdc.TablePaused, "an Iceberg table of this name exists that this pipeline did not make",
		"drop or rename the Iceberg table, or write to another namespace")
	CodeForeignRows = cdc.NewCode("FOREIGN_ROWS", cdc.TablePaused, "somebody else added rows to the table",
		"remove the rows and reload the table with: cdc2lake reload TABLE")
	CodeEqualityDeletes = cdc.NewCode("EQUALITY_DELETES", cdc.TablePaused, "the table holds equality deletes of another writer",
		"compact the table so that they are gone, or reload it with: cdc2lake reload TABLE")
	CodeTableDropped = cdc.NewCode("TABLE_DROPPED", cdc.TablePaused, "the Iceberg table is gone",
		"restore it, or load it anew with: cdc2lake reload TABLE")
	CodeMarkerLost = cdc.NewCode("MARKER_LOST", cdc.TablePaused, "no snapshot of the table says any more how far it had come",
		"keep more snapshots when expiring; reload the table with: cdc2lake reload TABLE")
	CodeSchemaChange = cdc.NewCode("SCHEMA_CHANGE", cdc.TablePaused, "the table's definition changed in a way that cannot be carried over to its rows",
		"nothing: the table is loaded anew by itself, and keeps its rows until they are replaced; with reload: manual, do so with: cdc2lake reload TABLE").Mended(cdc.MendReload)
	CodeForeignSchema = cdc.NewCode("FOREIGN_SCHEMA", cdc.TablePaused, "somebody else changed the columns of the Iceberg table",
		"undo that, or reload the table with: cdc2lake reload TABLE")
	CodePartUnreadable = cdc.NewCode("PART_VERSION", cdc.Fatal, "a checkpoint record holds a part that this version cannot read",
		"use the version of cdc2lake that wrote it, or a newer one")
	CodeDuplicateVector = cdc.NewCode("DUPLICATE_VECTOR", cdc.TablePaused, "a data file has two deletion vectors",
		"another writer damaged the table: roll it back, or reload it with: cdc2lake reload TABLE")
	CodeUnreadableFile = cdc.NewCode("UNREADABLE_FILE", cdc.TablePaused, "a file of the table cannot be read",
		"restore the file, or reload the table with: cdc2lake reload TABLE")
	CodeLostRecords = cdc.NewCode("RECORDS_LOST", cdc.Retryable, "the checkpoint store lost records while this process started",
		"nothing: it starts over, and goes on from the tables' markers")
	CodeFenced = cdc.NewCode("FENCED_TABLE", cdc.Fenced, "a newer process of this pipeline has committed to the table",
		"nothing, if that is what you want: the newer process goes on; otherwise stop it and start this one again")
)

var (
	// errConflict: the catalog refused the commit, since the table is not what we read. Nothing was changed.
	errConflict = errors.New("the table was changed meanwhile")
	// errUnknown: the commit may have happened, now or later.
	errUnknown = errors.New("outcome of the commit unknown")
	// errNoTable: the catalog has no such table.
	errNoTable error = noTable{}
	// errTableExists: a table of this name was made meanwhile.
	errTableExists = errors.New("table already exists")
)

// noTable is errNoTable's type: callers outside of the package ask for fs.ErrNotExist.
type noTable struct{}

func (noTable) Error() string        { return "no such table" }
func (noTable) Is(target error) bool { return target == fs.ErrNotExist }
