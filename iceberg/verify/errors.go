package verify

import "github.com/cdc2lake/cdc2lake/cdc"

// Codes of this package.
var (
	CodeNotComparable = cdc.NewCode("NOT_COMPARABLE", cdc.Fatal, "a table cannot be compared with its source now",
		"wait until the table is loaded and has taken over the last change of its definition; a paused table has to be reloaded first")
	CodeDifferent = cdc.NewCode("DIFFERENT", cdc.Fatal, "rows of an Iceberg table are not those of its source",
		"keep the output and report it; cdc2lake verify --repair brings these rows over, cdc2lake reload TABLE the whole table")
	CodeUndecided = cdc.NewCode("UNDECIDED", cdc.Retryable, "rows differ that changed while they were compared, or that the Iceberg table may still get",
		"start the service if it is not running, and compare again, best while few rows change")
)
