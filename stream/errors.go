package stream

import "github.com/cdc2lake/cdc2lake/cdc"

// Codes of the runtime.
var (
	CodeCheckpointTimeout = cdc.NewCode("CHECKPOINT_TIMEOUT", cdc.Retryable,
		"a checkpoint did not complete in time",
		"look for a slow or unreachable store or catalog in the log; raise checkpoints.timeout if it is just slow")
	CodeGone = cdc.NewCode("TABLE_GONE", cdc.TablePaused,
		"a table that was replicated is no longer in the source or no longer selected",
		"bring it back, and it is loaded anew; or drop the Iceberg table if it is not wanted any more").Mended(cdc.MendReload)
	CodeEmptied = cdc.NewCode("TABLE_EMPTIED", cdc.TablePaused,
		"the table was emptied in the source while it was being loaded",
		"nothing: it is loaded anew by itself; with reload: manual, do so with: cdc2lake reload TABLE").Mended(cdc.MendReplace)
	CodeMoved = cdc.NewCode("TABLE_MOVED", cdc.Retryable,
		"a table was changed by somebody else while a checkpoint was being committed",
		"nothing: cdc2lake catches up with the table and goes on")
)
