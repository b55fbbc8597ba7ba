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
	CodeDiffers = cdc.NewCode("TABLE_DIFFERS", cdc.TablePaused,
		"more rows of a table differ from the source's than are brought over one by one",
		"nothing: it is loaded anew by itself, and keeps its rows until they are replaced; with reload: manual, do so with: cdc2lake reload TABLE").Mended(cdc.MendReload)
	CodeByUser = cdc.NewCode("PAUSED_BY_USER", cdc.TablePaused,
		"somebody asked for the pause of the table",
		"cdc2lake resume TABLE, as long as the server's log goes back to the pause; after that cdc2lake reload TABLE")
	CodeNoResume = cdc.NewCode("RESUME_IMPOSSIBLE", cdc.TablePaused,
		"a paused table cannot go on from where it stands: the server's log does not go back that far, or is another one",
		"cdc2lake reload TABLE; pause tables for less time than the server keeps its log")
	CodeMoved = cdc.NewCode("TABLE_MOVED", cdc.Retryable,
		"a table was changed by somebody else while a checkpoint was being committed",
		"nothing: cdc2lake catches up with the table and goes on")
)
