package mysql

import (
	"context"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// readMoment reads a table without a key as it was at one moment. The table is locked only until the view that is read, and the
// position that it stands for, are both settled; a table whose engine has no such views is locked until it has been read.
//
// It reads the server that the log comes from, also where other loads read a replica: the lock makes sure that the reader of the
// log knows the position before it meets a change that came after.
func (s *Source) readMoment(ctx context.Context, schema *cdc.Schema, emit func(*cdc.Batch) error) error {
	t := schema.Table
	at, err := s.delivered.snapshot(ctx, t) // waits until the log is followed
	if err != nil {
		return err
	}
	locker, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return err
	}
	defer locker.close() // which gives the lock back at the latest
	reader, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return err
	}
	defer reader.close()
	if err := s.lock(ctx, locker, t); err != nil {
		if n := serverError(err); n == erDBAccessDenied || n == erTableAccessDenied {
			return cdc.Errorf(codeLock, t, "%w", err)
		}
		return err
	}
	views, err := hasViews(locker, t)
	if err != nil {
		return err
	}
	if !views {
		reader = locker
	} else {
		for _, q := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
			"SELECT 1 FROM " + quoteTable(t) + " WHERE FALSE"} { // from here on its definition cannot change
			if _, err := reader.exec(q); err != nil {
				return chunkError(t, err)
			}
		}
	}
	p, err := s.currentPosition(locker, at.gtids)
	if err != nil {
		return err
	}
	if err := s.delivered.show(t, p); err != nil {
		return err
	}
	if err = s.readShown(ctx, schema, reader, locker, emit); err == nil || cdc.ClassOf(err) != cdc.Retryable {
		return err
	}
	return cdc.Errorf(cdc.CodeLoadBroken, t, "%w", err)
}

// readShown reads what was shown. reader and locker may be one.
func (s *Source) readShown(ctx context.Context, schema *cdc.Schema, reader, locker *conn, emit func(*cdc.Batch) error) error {
	if reader != locker {
		if _, err := locker.exec("UNLOCK TABLES"); err != nil {
			return err
		}
		locker.close()
	}
	if _, err := reader.exec(binlog.RowSession); err != nil {
		return err
	}
	return s.stream(ctx, reader, schema, "TRUE", "", "load:", func(b *cdc.Batch) error {
		b.Chunk = &cdc.ChunkRef{}
		n := b.N
		if err := emit(b); err != nil {
			return err
		}
		return s.rate.wait(ctx, n)
	})
}

// hasViews reports whether the table's engine shows a transaction the rows of one moment.
func hasViews(cn *conn, t cdc.TableID) (bool, error) {
	rows, err := cn.query("SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + stringLiteral(t.Database) + " AND TABLE_NAME = " + stringLiteral(t.Name))
	if err != nil {
		return false, err
	}
	return len(rows) == 1 && rows[0][0] == "InnoDB", nil
}
