package mysql

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

var (
	sqlBegin  = []byte("BEGIN")
	sqlCommit = []byte("COMMIT")
)

// query handles statements: the frame of transactions, DDL, and changes that were logged as statements.
func (f *follower) query(e *binlog.Event) error {
	sql := e.Query.SQL
	if bytes.Equal(sql, sqlBegin) {
		if !f.txn.open {
			// Servers before 5.6 and some proxies send no GTID event; such a log is not one that was checked.
			return protocolError("a transaction without a GTID event, after %s", f.label())
		}
		f.txn.block = true
		return nil
	}
	if !f.txn.open {
		return protocolError("a statement outside a transaction, after %s", f.label())
	}
	if bytes.Equal(sql, sqlCommit) {
		return f.endTxn(e)
	}
	text := string(sql)
	words := firstWords(text)
	switch {
	case strings.HasPrefix(words, "XA START"), strings.HasPrefix(words, "XA BEGIN"):
		f.txn.xa = xaName(text)
		f.xaStart()
		return nil
	case strings.HasPrefix(words, "XA END"), strings.HasPrefix(words, "SAVEPOINT"), strings.HasPrefix(words, "RELEASE SAVEPOINT"):
		return nil
	case strings.HasPrefix(words, "XA COMMIT"), strings.HasPrefix(words, "XA ROLLBACK"):
		return f.xaDecided(e, xaName(text), strings.HasPrefix(words, "XA COMMIT"))
	case strings.HasPrefix(words, "ROLLBACK TO"):
		// Logged only if a table without transactions kept its rows: what is taken back cannot be told apart.
		return f.pauseTouched("ROLLBACK TO SAVEPOINT took back a part of a transaction that also changed tables without transactions")
	case words == "ROLLBACK":
		if err := f.pauseTouched("a transaction was rolled back that also changed tables without transactions"); err != nil {
			return err
		}
		return f.endTxn(e)
	}
	if !f.txn.skipAll && !f.txn.pending {
		if err := f.statement(e, text); err != nil {
			return err
		}
	}
	if f.txn.block {
		return nil
	}
	return f.endTxn(e)
}

// pauseTouched pauses the tables that the open transaction has changed.
func (f *follower) pauseTouched(why string) error {
	var ids []cdc.TableID
	for _, t := range f.dec.Touched() {
		ids = append(ids, t.Schema().Table)
	}
	if b := f.xa.open; b != nil {
		ids = slices.AppendSeq(ids, maps.Keys(b.changed))
	}
	for _, id := range ids {
		if err := f.pause(id, cdc.Errorf(codeRollback, id, "%s, after %s", why, f.label())); err != nil {
			return err
		}
	}
	return nil
}
