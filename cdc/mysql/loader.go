package mysql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// Next returns the chunk of at most Load.ChunkRows rows that follows a bound. The last one is open towards the table's end.
func (s *Source) Next(ctx context.Context, schema *cdc.Schema, after cdc.Bound) (c cdc.Chunk, last bool, err error) {
	if schema.Keyless() {
		return c, true, nil
	}
	def, cerr := binlog.ParseSource(schema)
	if cerr != nil {
		return c, false, cerr
	}
	keys, err := keyColumns(&def)
	if err != nil {
		return c, false, err
	}
	from, err := literals(keys, after)
	if err != nil {
		return c, false, cdc.Errorf(cdc.CodeCorrupt, schema.Table, "%w", err)
	}
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = k.expr
	}
	q := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d", strings.Join(values, ", "), quoteTable(schema.Table),
		rangeCondition(keys, from, nil), orderBy(keys), s.cfg.Load.ChunkRows-1)
	c.From = after
	err = s.pool.with(ctx, func(cn *conn) error {
		rows, err := cn.query(q)
		if err != nil {
			return chunkError(schema.Table, err)
		}
		if len(rows) == 0 {
			last = true
			return nil
		}
		if c.To, err = encodeBound(keys, rows[0]); err != nil {
			return cdc.Errorf(cdc.CodeKeyType, schema.Table, "%w", err)
		}
		if c.To == after {
			return cdc.Errorf(cdc.CodeKeyType, schema.Table, "its key has values that the server does not tell apart: the chunk after %s ends at the same key", after)
		}
		return nil
	})
	return c, last, err
}

// Read reads a chunk (DESIGN 4, rule 1): it waits until everything that the log has delivered is visible on the connection,
// and then reads the rows in one consistent SELECT. An error of emit is returned as it is.
func (s *Source) Read(ctx context.Context, schema *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	if schema.Keyless() {
		return s.readMoment(ctx, schema, emit)
	}
	where, err := chunkCondition(schema, c)
	if err != nil {
		return err
	}
	return s.pool.with(ctx, func(cn *conn) error {
		snap, err := s.delivered.snapshot(ctx, schema.Table)
		if err != nil {
			return err
		}
		if err := s.waitVisible(ctx, cn, schema.Table, snap); err != nil {
			return err
		}
		label := "load:" + string(c.From)
		ref := cdc.ChunkRef{StartSeq: snap.seq, Truncates: snap.truncates}
		return s.stream(ctx, cn, schema, where, "", label, func(b *cdc.Batch) error {
			r := ref
			b.Chunk = &r
			n := b.N
			if err := emit(b); err != nil {
				return err
			}
			return s.rate.wait(ctx, n)
		})
	})
}

// chunkCondition is the condition for the rows of a chunk.
func chunkCondition(schema *cdc.Schema, c cdc.Chunk) (string, error) {
	def, cerr := binlog.ParseSource(schema)
	if cerr != nil {
		return "", cerr
	}
	keys, err := keyColumns(&def)
	if err != nil {
		return "", err
	}
	from, err := literals(keys, c.From)
	if err != nil {
		return "", cdc.Errorf(cdc.CodeCorrupt, schema.Table, "%w", err)
	}
	to, err := literals(keys, c.To)
	if err != nil {
		return "", cdc.Errorf(cdc.CodeCorrupt, schema.Table, "%w", err)
	}
	return rangeCondition(keys, from, to), nil
}

// waitVisible returns when the connection's next statement sees all that was delivered.
func (s *Source) waitVisible(ctx context.Context, cn *conn, t cdc.TableID, snap snapshot) error {
	if snap.gtids && cn.dialect.waitsFor(s) {
		if snap.set == "" {
			return nil
		}
		row, err := cn.queryRow(fmt.Sprintf(cn.dialect.waitGTIDs, snap.set, s.cfg.Load.WaitTimeout.Seconds()))
		if err != nil {
			return chunkError(t, err)
		}
		if row[0] != "0" {
			return cdc.Errorf(codeWait, t, "%s did not have the delivered transactions after %s", s.pool.addr, s.cfg.Load.WaitTimeout)
		}
		return nil
	}
	// A transaction keeps its lock on the table's definition until it is visible; LOCK TABLES waits for those.
	if err := s.lock(ctx, cn, t); err != nil {
		return err
	}
	_, err := cn.exec("UNLOCK TABLES")
	return chunkError(t, err)
}

// lock locks a table for reading. An attempt gives up soon, since writers queue up behind it, and is made again.
func (s *Source) lock(ctx context.Context, cn *conn, t cdc.TableID) error {
	deadline := time.Now().Add(s.cfg.Load.WaitTimeout)
	wait := backoff{}
	if _, err := cn.exec("SET SESSION lock_wait_timeout = 1"); err != nil {
		return err
	}
	for {
		_, err := cn.exec("LOCK TABLES " + quoteTable(t) + " READ")
		if err == nil {
			return nil
		}
		if serverError(err) != erLockWaitTimeout {
			return chunkError(t, err)
		}
		if time.Now().After(deadline) {
			return cdc.Errorf(codeWait, t, "a lock of the table was not given within %s: a transaction or statement holds it that does not end", s.cfg.Load.WaitTimeout)
		}
		if err := wait.wait(ctx); err != nil {
			return err
		}
	}
}

// chunkError classifies the error of a chunk's statement.
func chunkError(t cdc.TableID, err error) error {
	n, e := serverError(err), cdc.AsError(err)
	switch {
	case n == erNoSuchTable, n == erBadDB:
		return cdc.Errorf(codeGone, t, "%w", err)
	case n == erUnknownColumn, n == erTableDefChanged, e != nil && e.Code == binlog.CodeMismatch:
		// The definition changed, and the stream will say so; until then the chunk cannot be read.
		return cdc.Errorf(codeChunk, t, "%w", err)
	}
	return err
}
