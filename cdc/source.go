package cdc

import "context"

// Discovered is a selected table as a source finds it.
type Discovered struct {
	Table TableID
	// Schema is the definition now. Nil if Err is set.
	Schema *Schema
	// Position was read before the definition: a log followed from here brings every later change of it.
	Position Position
	// Rows is the source's estimate.
	Rows int64
	// Err says why the table cannot be replicated (no key, a type that cannot be represented).
	Err *Error
}

// Start tells a source from where to follow a table.
type Start struct {
	Schema   *Schema  // the definition as of Position
	Position Position // transactions up to here are not delivered for this table
	// Truncates counts the times that the stream has emptied the table in this run.
	Truncates int
	// Unread: the table has no key, and its load has not begun. Nothing of it is delivered from before the moment that its load shows.
	Unread bool
}

// SchemaChange announces a new definition of a table, in order with its batches.
type SchemaChange struct {
	Schema *Schema // the new definition
	Seq    uint64
	DDL    string // the statement, for logs
}

// LogEmitter is what a source writes the log to. It is called from one goroutine. Every call may block for flow control
// until the context ends.
type LogEmitter interface {
	// Batch hands a batch on, with its reference.
	Batch(ctx context.Context, b *Batch) error
	// Schema hands a new definition on; all batches under the old one were handed on before.
	Schema(ctx context.Context, c SchemaChange) error
	// Pause says that a table cannot be followed beyond the last boundary; the source delivers nothing more of it.
	Pause(ctx context.Context, t TableID, reason *Error) error
	// Truncate says that a table was emptied; all batches from before were handed on.
	Truncate(ctx context.Context, t TableID) error
	// Appeared says that Discover may find a table that it did not find before.
	Appeared(t TableID)
	// Statement says that the calls that follow are what a statement means for tables, until it is called with nil. With ActionNone it tells
	// of a table for which there is no call. A statement may come again after a restart, also for tables that have it already.
	Statement(s *Statement)
	// Due delivers the number of a checkpoint whose barrier is wanted. At the next transaction boundary (at once, when
	// the log is idle) the source hands on all open batches and calls Barrier.
	Due() <-chan uint64
	// Barrier ends checkpoint k at the boundary.
	Barrier(ctx context.Context, k uint64, at Boundary) error
	// Progress reports boundaries between barriers, about once a second, also while idle.
	Progress(at Boundary)
}

// Source is a database whose tables are replicated.
type Source interface {
	// Discover lists the selected tables.
	Discover(ctx context.Context) ([]Discovered, error)
	// Compare orders two positions of this source's log: -1, 0, 1. It fails if they come from different histories.
	Compare(a, b Position) (int, error)
	// Evolve returns the definition now as one to which a table that has another one can be taken by its metadata alone, with
	// Column.Initial where columns were added. What its rows then read need not be right for every row. It fails if there is no such way.
	Evolve(has, now *Schema) (*Schema, error)
	// Holds fails, with a code that no other attempt mends, if the log cannot be followed from the position any more: of class TablePaused
	// if another position will do.
	Holds(ctx context.Context, p Position) error
	// Follow delivers the log from the earliest of the starts on until ctx ends or something fails. A lost connection is
	// retried inside between transactions; in the middle of one, Follow fails, since half of it was handed on.
	Follow(ctx context.Context, starts []Start, out LogEmitter) error
	// Loader returns the reader of initial loads that belongs to the running Follow.
	Loader() Loader
	// Close ends all connections.
	Close() error
}

// Loader reads tables in chunks beside the log (DESIGN, section 4). Methods may be called concurrently.
type Loader interface {
	// Next returns the chunk that follows the bound, of at most some ten thousand rows, and whether it is the last one.
	Next(ctx context.Context, s *Schema, after Bound) (c Chunk, last bool, err error)
	// Read waits until everything the log has delivered so far is visible, then reads the chunk and hands its rows on as
	// OpRead batches whose Chunk has StartSeq and Truncates set.
	//
	// A table without a key is one chunk, which shows one moment of the table; the log brings what happened later. An attempt to read it
	// that fails after the log was told of the moment has code LOAD_BROKEN: the chunk cannot be read again in this Follow.
	Read(ctx context.Context, s *Schema, c Chunk, emit func(*Batch) error) error
	// Keys makes a batch of deletes, with their hashes, of keys as Batch.AppendKey wrote them.
	Keys(s *Schema, keys [][]byte) (*Batch, error)
	// ReadRows waits as Read does, and hands on the rows with the keys in rows of a batch, as OpRead batches; rows whose keys
	// are equal only under a collation may be among them.
	ReadRows(ctx context.Context, s *Schema, keys *Batch, rows []int32, emit func(*Batch) error) error
	// End returns the log's current end: a table is consistent once the stream has passed the End read after its last chunk.
	End(ctx context.Context) (Position, error)
}
