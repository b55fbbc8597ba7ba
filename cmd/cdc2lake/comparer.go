package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/iceberg/verify"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/stream"
)

// comparer compares tables for the service with the machinery of verify. It reads tables through a sink of its own, since the service's
// knows them as of its commits. Compare is called by one goroutine.
type comparer struct {
	cfg  *config.Config
	src  *mysql.Source
	objs *objstore.Client
	dir  string
	sink *iceberg.Sink // nil until it is needed
}

const (
	// repairLimit is how many rows of a table are brought over one by one; more are loaded faster.
	repairLimit = 100_000
	// comparePatience is longer than any checkpoint takes: one that takes longer ends the generation.
	comparePatience = 15 * time.Minute
	comparePoll     = 500 * time.Millisecond
	// compareRounds is how often rows are looked at that change whenever they are. The log brings these.
	compareRounds = 3
)

func newComparer(cfg *config.Config, src *mysql.Source, objs *objstore.Client) (*comparer, error) {
	c := &comparer{cfg: cfg, src: src, objs: objs, dir: filepath.Join(cfg.State.Dir, "compare")}
	if err := os.RemoveAll(c.dir); err != nil { // of a process that was killed
		return nil, fmt.Errorf("clear %s: %w", c.dir, err)
	}
	return c, nil
}

func (c *comparer) close() {
	if c.sink != nil {
		_ = c.sink.Close() // it was only read
	}
}

// Compare implements stream.Comparer.
func (c *comparer) Compare(ctx context.Context, s *cdc.Schema, keys [][]byte, position func() cdc.Position) (out stream.Differences, err error) {
	if c.sink == nil {
		if c.sink, err = openSink(ctx, c.cfg, c.objs, budget{slots: 1}, nil, slog.New(slog.DiscardHandler)); err != nil {
			return out, err
		}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return out, err
	}
	o := verify.Options{Source: deliveredSource{c.src}, Target: c.sink, Dir: c.dir, Patience: comparePatience, Poll: comparePoll, Rounds: compareRounds, Confirmations: 1,
		MaxKeys: 2 * repairLimit, GiveUp: true, MaxShown: 1,
		State: func(ctx context.Context, id cdc.TableID) (verify.State, error) {
			at := position() // first: what is committed up to here is seen below
			info, err := c.sink.Info(ctx, id)
			if err != nil {
				return verify.State{}, err
			}
			return verify.State{Snapshot: info.Snapshot, Position: at, Loaded: true, Rows: info.Records - info.Deleted}, nil
		}}
	var r *verify.Result
	if keys == nil {
		r, err = verify.Table(ctx, o, s)
	} else {
		r, err = verify.Keys(ctx, o, s, keys)
	}
	if err != nil {
		return out, err
	}
	// What changes whenever it is looked at comes with the log.
	return stream.Differences{Rows: r.Rows, Present: r.Present, Gone: r.Gone, TooMany: r.More || r.Different > repairLimit,
		Late: !r.More && (r.Ahead || r.Undecided > r.Changing)}, nil
}

// deliveredSource reads what shows at least what the log has delivered, also where a replica is read.
type deliveredSource struct{ *mysql.Source }

func (s deliveredSource) ReadRange(ctx context.Context, schema *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	return s.Read(ctx, schema, c, emit)
}

func (s deliveredSource) ReadKeys(ctx context.Context, schema *cdc.Schema, keys *cdc.Batch, rows []int32, emit func(*cdc.Batch) error) error {
	return s.ReadRows(ctx, schema, keys, rows, emit)
}

var (
	_ stream.Comparer = (*comparer)(nil)
	_ verify.Source   = deliveredSource{}
)
