package binlog

import (
	"errors"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Codes of this package.
var (
	CodeDamaged = cdc.NewCode("BINLOG_DAMAGED", cdc.Retryable, "an event of the binary log is damaged",
		"it is asked for again; if it keeps failing, the server's log file is broken (mysqlbinlog --verify-binlog-checksum): reload the tables")
	CodeEvent = cdc.NewCode("BINLOG_EVENT", cdc.Fatal, "the binary log contains an event that changes rows in a form cdc2lake does not read",
		"set binlog_format=ROW on the server and in all sessions, then reload the tables concerned")
	CodeMismatch = cdc.NewCode("SCHEMA_MISMATCH", cdc.TablePaused, "the log's rows do not fit the table definition that is being followed",
		"reload the table; set binlog_row_metadata=FULL so that events describe themselves")
	CodeRowImage = cdc.NewCode("ROW_IMAGE", cdc.TablePaused, "a row event does not contain all columns",
		"set binlog_row_image=FULL on the server and in all sessions, then reload the table")
	CodePartialJSON = cdc.NewCode("PARTIAL_JSON", cdc.TablePaused, "a partial update of a JSON column does not fit the document that it changes",
		"reload the table; if it comes again, set binlog_row_value_options='' on the server and in all sessions before that")
	CodeZeroDate = cdc.NewCode("ZERO_DATE", cdc.TablePaused, "a date that is no calendar date stands in a column that cannot be null",
		"correct the rows, or set zero_dates: null for the table, then reload it")
	CodeValue = cdc.NewCode("INVALID_VALUE", cdc.TablePaused, "a value cannot be represented exactly",
		"correct the rows in MySQL, or leave the column out with columns.exclude, then reload the table")
	CodeText = cdc.NewCode("INVALID_TEXT", cdc.TablePaused, "a text contains bytes that its character set does not define",
		"correct the rows in MySQL, or leave the column out with columns.exclude, then reload the table")
	CodeColumnOption = cdc.NewCode("COLUMN_OPTION", cdc.TablePaused, "a column option does not fit the table",
		"correct the columns section or the metadata columns of the table's rule; after a change of them, reload the table")
)

// Causes that value decoders return; the row loop adds table, column and code.
var (
	errShort    = errors.New("the row ends too early")
	errZeroDate = errors.New("no calendar date")
	errText     = errors.New("bytes that the character set does not define")
	errTooLong  = errors.New("the value exceeds 2 GiB")
)

// valueError makes the error of a value of a column.
func valueError(t cdc.TableID, column string, cause error) *cdc.Error {
	code := CodeValue
	switch {
	case errors.Is(cause, errZeroDate):
		code = CodeZeroDate
	case errors.Is(cause, errText):
		code = CodeText
	case errors.Is(cause, errPartial), errors.Is(cause, errPartialOptions):
		code = CodePartialJSON
	}
	return cdc.Errorf(code, t, "column %s: %w", column, cause)
}
