package iceberg

import "github.com/cdc2lake/cdc2lake/cdc"

// Codes of the write side.
var (
	codeColumnType = cdc.NewCode("COLUMN_TYPE", cdc.TablePaused, "a column of the Iceberg table cannot hold the source's values",
		"change the column's type in the table, or reload the table")
	codeKeyChanged = cdc.NewCode("KEY_CHANGED", cdc.TablePaused, "the key of a table was changed while it was followed",
		"nothing: it is emptied and loaded anew by itself; with reload: manual, do so with `cdc2lake reload TABLE`").Mended(cdc.MendReload)
	codePartition = cdc.NewCode("PARTITION_TRANSFORM", cdc.TablePaused, "the table is partitioned by something that cannot be computed",
		"change the table's partition spec to identity, bucket, truncate, year, month, day or hour of a column")
)
