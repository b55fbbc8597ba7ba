package state

import (
	"fmt"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Codes of the keyed state.
var (
	CodeDisk = cdc.NewCode("STATE_DISK", cdc.Retryable, "the local state directory cannot be read or written",
		"make room on the disk and check the directory's permissions; the state may be deleted while cdc2lake is stopped, it is rebuilt from the tables")
	CodeLocked = cdc.NewCode("STATE_LOCKED", cdc.Retryable, "the local state directory is used by another process",
		"give every process its own state directory, or stop the other process")
	CodeDuplicateKey = cdc.NewCode("DUPLICATE_KEY", cdc.TablePaused, "a key is live twice in an Iceberg table",
		"something other than cdc2lake has added rows to the table: remove them, or load the table anew with cdc2lake reload")
)

// DuplicateKeyError says that two rows with the same key are live. It is wrapped in a cdc.Error with CodeDuplicateKey.
type DuplicateKeyError struct {
	Key  cdc.Key
	A, B Loc
}

func (e *DuplicateKeyError) Error() string {
	return fmt.Sprintf("key %016x%016x is live at %v and at %v", e.Key.Hi, e.Key.Lo, e.A, e.B)
}

func diskError(err error, format string, args ...any) error {
	return &cdc.Error{Code: CodeDisk, Msg: fmt.Sprintf(format, args...), Err: err}
}

func internal(t cdc.TableID, format string, args ...any) error {
	return cdc.Errorf(cdc.CodeInternal, t, format, args...)
}

func lockedError(dir string) error {
	return &cdc.Error{Code: CodeLocked, Msg: "state directory " + dir}
}
