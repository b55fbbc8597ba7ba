package binlog

import (
	"github.com/cdc2lake/cdc2lake/cdc"
)

// Table is a registered table.
type Table struct {
	// Skip makes the decoder pass over the table's rows; the source sets it for transactions that the table has already.
	Skip bool
	// Batches counts the batches handed on, Rows the rows.
	Batches, Rows uint64

	schema  *cdc.Schema
	source  SourceTable
	columns []column
	writer  *writer
	gone    bool // replaced, removed or failed
	// touched: the open transaction has rows here that Commit has not noted.
	touched bool
	noted   int   // rows of the open batch that Txns covers
	folded  int64 // of it, that FoldedMicros covers
}

// Schema returns the definition that the table's batches have.
func (t *Table) Schema() *cdc.Schema { return t.schema }

// Pool returns where the table's batches come from, to be shared with its RowDecoders.
func (t *Table) Pool() *cdc.BatchPool { return t.writer.pool }
