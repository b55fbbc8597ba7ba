package iceberg

import "github.com/cdc2lake/cdc2lake/cdc"

// Codes of the write side.
var (
	codeColumnType = cdc.NewCode("COLUMN_TYPE", cdc.TablePaused, "a column of the Iceberg table cannot hold the source's values",
		"change the column's type in the table, or reload the table")
	codeKeyChanged = cdc.NewCode("KEY_CHANGED", cdc.TablePaused, "the key of a table was changed while it was followed",
		"`cdc2lake reload TABLE` loads it anew under its new key")
	codePartition = cdc.NewCode("PARTITION_TRANSFORM", cdc.TablePaused, "the table is partitioned by something that cannot be computed",
		"change the table's partition spec to identity, bucket, truncate, year, month, day or hour of a column")
)
