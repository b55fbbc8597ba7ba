package checkpoint

import "github.com/cdc2lake/cdc2lake/cdc"

// Codes of the checkpoint store.
var (
	CodeFenced = cdc.NewCode("FENCED", cdc.Fenced,
		"a newer process of the same pipeline has taken over",
		"nothing, if that was intended; otherwise stop one of the two: a pipeline runs in one process")
	CodeRecordVersion = cdc.NewCode("RECORD_VERSION", cdc.Fatal,
		"a checkpoint record was written by a newer version of cdc2lake",
		"run the version that wrote it, or a newer one")
	CodeForeignRecord = cdc.NewCode("FOREIGN_RECORD", cdc.Fatal,
		"the checkpoint store holds records of another pipeline",
		"give each pipeline its own checkpoints.store, or use the name under which the records were written")
	CodeStore = cdc.NewCode("CHECKPOINT_STORE", cdc.Retryable,
		"the checkpoint store cannot be reached or does not answer",
		"check the store's address and credentials; cdc2lake goes on by itself when it is back")
)
