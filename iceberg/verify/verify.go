// Package verify compares the tables of a source with their Iceberg tables while both are being written.
//
// Two states of a table can only be compared if they are of the same moment, and there is no such moment: the source goes on, and
// Iceberg follows some seconds later. So the comparison narrows down:
//
//  1. All rows of both sides are reduced to (key, hash of the row) and compared. Most rows are equal, and done with: a row
//     that is equal in both was replicated right.
//  2. The keys that differ are read from the source; when the Iceberg table has covered the position that the source had then, they are
//     read from Iceberg, and from the source once more. Keys whose Iceberg row is that of either reading are done with.
//  3. A key whose row in the source was the same before and after, and another in Iceberg, differs. It must do so several times in a
//     row, with a newly covered position each time, since a row can change there and back between two readings.
//
// What the source changes in every round is reported as undecided, never as equal. So are differences where the Iceberg table does not
// move on: the source is ahead, and the rows may still come.
//
// The rows of a table without a key are told apart by all their columns, and differ if one side has more of them. They cannot be looked up:
// each look reads the whole table.
//
// Memory is bounded by spilling to disk in buckets of the key's hash, and by a limit on the keys that are looked at again.
package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/iceberg"
)

// Source reads a table of the source; *mysql.Source is one.
type Source interface {
	// Next returns the range of the table's key that follows a bound, and whether it is the last one.
	Next(ctx context.Context, s *cdc.Schema, after cdc.Bound) (c cdc.Chunk, last bool, err error)
	// ReadRange hands on the rows of a range in one consistent read.
	ReadRange(ctx context.Context, s *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error
	// ReadKeys hands on the rows with the keys in rows of a batch of the key columns; others that are equal to them under a
	// collation may be among them.
	ReadKeys(ctx context.Context, s *cdc.Schema, keys *cdc.Batch, rows []int32, emit func(*cdc.Batch) error) error
	// End returns the log's end as written, which no visible row is ahead of.
	End(ctx context.Context) (cdc.Position, error)
	// CurrentPosition returns the log's end as published.
	CurrentPosition(ctx context.Context) (cdc.Position, error)
	Compare(a, b cdc.Position) (int, error)
}

// Target reads Iceberg tables; *iceberg.Sink is one.
type Target interface {
	// Scan hands on the live rows of a snapshot, from several goroutines.
	Scan(ctx context.Context, id cdc.TableID, snapshot *int64, f func(*iceberg.Rows) error) error
}

// State is how far an Iceberg table has come.
type State struct {
	Snapshot *int64       // nil: the table is empty and has none
	Position cdc.Position // of the source's log, that the snapshot covers
	Loaded   bool         // the initial load is complete
	Paused   *cdc.Pause
	Rows     int64
}

// Options configure a comparison.
type Options struct {
	Source Source
	Target Target
	// State reads how far a table has come, as of now.
	State func(ctx context.Context, id cdc.TableID) (State, error)
	// Dir is where rows are spilled to, some 50 bytes a row. Empty: the system's temporary directory.
	Dir string
	// Keep, if set, is where they are spilled to instead, and kept until a table's comparison is done: an interrupted one goes on
	// from there.
	Keep string
	// Patience is how long an Iceberg table may stand still before it is taken for one that nobody writes to; default 30 s. It
	// must be longer than the checkpoint interval.
	Patience time.Duration
	// Poll is how often State is asked while waiting, and the least time between two looks at a key; default 250 ms.
	Poll time.Duration
	// Rounds bounds how often keys that differ are looked at again; default 20.
	Rounds int
	// MaxShown bounds Result.Differences; default 10.
	MaxShown int
	// MaxKeys bounds the keys that are looked at again; default 1,000,000.
	MaxKeys int
	// Confirmations is how often in a row a row must differ; default 4. One will do if it does no harm to take a row for different that
	// is not.
	Confirmations int
	// GiveUp: if more than MaxKeys differ, none is looked at again.
	GiveUp bool
	// Progress is told what is being done, and with how many rows so far; nil: nobody.
	Progress func(Progress)

	saveEvery time.Duration // in tests less
}

// Progress is what a comparison is doing.
type Progress struct {
	Table cdc.TableID
	Stage string // "source", "wait", "iceberg", "again"
	Rows  int64  // rows read, or keys to look at again
}

// Difference is a row that is not the same on both sides. Source and Iceberg are the rows as text; empty: there is none. In a table
// without a key, Key is the row, and Source and Iceberg say how many there are.
type Difference struct {
	Key, Source, Iceberg string
}

// Result is the outcome of comparing one table.
type Result struct {
	Table cdc.TableID
	Rows  int64 // in the source
	// Different counts rows that are certainly not the same; Differences shows the first of them.
	Different   int64
	Differences []Difference
	// Present and Gone are the keys of all rows that differ, as cdc.Batch.AppendKey writes them: of those that the source has, and of
	// those that it does not have.
	Present, Gone [][]byte
	// Undecided counts rows that differed whenever they were looked at, but changed in the source meanwhile, or may still come.
	Undecided int64
	// Changing of these differed from one reading of the source to the next, in every round.
	Changing int64
	// More: there are keys beyond Options.MaxKeys that differed at first; counted as one of Undecided.
	More bool
	// Ahead: the source has changes that the Iceberg table does not cover, and it does not move.
	Ahead bool
}

// Equal reports whether nothing was found.
func (r *Result) Equal() bool { return r.Different == 0 && r.Undecided == 0 }

func (r *Result) String() string {
	s := fmt.Sprintf("%s: %d rows, %d differences", r.Table, r.Rows, r.Different)
	if r.Undecided > 0 {
		s += fmt.Sprintf(", %d undecided", r.Undecided)
	}
	if r.Changing > 0 {
		s += fmt.Sprintf(" (%d changed whenever they were looked at)", r.Changing)
	}
	return s
}

// Table compares one table. schema is its definition in the source.
func Table(ctx context.Context, o Options, schema *cdc.Schema) (*Result, error) {
	return compare(ctx, o, schema, (*comparison).run)
}

// Keys compares the rows with some keys only, as cdc.Batch.AppendKey writes them.
func Keys(ctx context.Context, o Options, schema *cdc.Schema, keys [][]byte) (*Result, error) {
	return compare(ctx, o, schema, func(c *comparison, ctx context.Context) error {
		list := make([]string, len(keys))
		for i, k := range keys {
			list[i] = string(k)
		}
		c.res.Rows = int64(len(keys))
		return c.settle(ctx, list, false)
	})
}

func compare(ctx context.Context, o Options, schema *cdc.Schema, run func(*comparison, context.Context) error) (*Result, error) {
	if o.Patience <= 0 {
		o.Patience = 30 * time.Second
	}
	if o.Poll <= 0 {
		o.Poll = 250 * time.Millisecond
	}
	if o.Rounds <= 0 {
		o.Rounds = 20
	}
	if o.MaxShown <= 0 {
		o.MaxShown = 10
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = 1_000_000
	}
	if o.Confirmations <= 0 {
		o.Confirmations = confirmations
	}
	if o.saveEvery == 0 {
		o.saveEvery = saveEvery
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	c := &comparison{o: o, id: schema.Table, schema: schema, enc: newEncoder(schema), res: &Result{Table: schema.Table}}
	if err := run(c, ctx); err != nil {
		return nil, err
	}
	return c.res, nil
}
