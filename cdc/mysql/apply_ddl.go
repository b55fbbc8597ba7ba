package mysql

import (
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// statement acts on DDL, and on changes that were logged as statements.
func (f *follower) statement(e *binlog.Event, sql string) error {
	db := string(e.Query.Database)
	sql, charset := statementText(&e.Query, sql)
	if f.ddl.mariadb {
		sql = commonComments(sql, e.Query.SQLMode&binlog.ModeNoBackslashEscapes != 0)
	}
	at := f.describe(db, sql, e.Query.SQLMode)
	f.out.Statement(at)
	defer f.out.Statement(nil)
	if isChange(sql) {
		return f.change(db, sql, e.Query.SQLMode, charset)
	}
	if err := f.defines(e, db, sql, charset); err != nil {
		return err
	}
	f.ddl.cascadesLogged, f.ddl.explicitTimestamps = f.cascades.holds(e), e.Query.ExplicitTimestamps
	for _, x := range f.ddl.read(db, sql, e.Query.SQLMode, charset) {
		if x.unfollowed {
			if f.s.patterns.Load().match(x.table) {
				none := *at
				none.Table, none.Action = x.table, cdc.ActionNone
				f.out.Statement(&none)
				f.out.Statement(at)
			}
			continue
		}
		if x.created {
			if x.table.Name != "" && f.s.patterns.Load().match(x.table) {
				if f.tables[x.table] == nil {
					f.log.Info("a table came into being that the configuration selects", "table", x.table.String())
				}
				f.out.Appeared(x.table)
			}
			continue
		}
		t := f.tables[x.table]
		if t == nil || t.paused {
			continue
		}
		if t.before {
			continue // its definition was read after this statement
		}
		if x.pause != nil {
			if err := f.pause(t.id, x.pause); err != nil {
				return err
			}
			continue
		}
		if x.emptied {
			if err := f.truncate(t, sql); err != nil {
				return err
			}
			continue
		}
		if err := f.redefine(t, x, sql); err != nil {
			return err
		}
	}
	return nil
}

// truncate empties a table, in order with its rows.
func (f *follower) truncate(t *followed, sql string) error {
	if err := f.dec.Flush(); err != nil {
		return err
	}
	if t.paused { // the rows handed on had a fault
		return nil
	}
	f.log.Info("the table was emptied", "table", t.id.String(), "statement", abbreviate(sql))
	f.seq++
	f.publish()
	return downstream(f.out.Truncate(f.ctx, t.id))
}

// mayHave reports whether a definition may contain what the statement at hand does: two columns would swap their names back.
func (f *follower) mayHave(def *binlog.SourceTable) bool {
	p, err := decodePosition(def.AsOf)
	if err != nil || p.Server != f.server {
		return false
	}
	c, err := compareFiles(f.at.file, f.txn.start, p.File, p.Pos)
	return err == nil && c < 0
}

// redefine switches a table to a new definition, in order with its rows.
func (f *follower) redefine(t *followed, x ddlEffect, sql string) error {
	if f.mayHave(t.def) {
		return f.pause(t.id, cdc.Errorf(codeDDL, t.id, "the definition was read about when this was executed, and may contain it already: %q", abbreviate(sql)))
	}
	s, cerr := binlog.NewSchema(*x.def, t.opts)
	if cerr != nil {
		return f.pause(t.id, cdc.Errorf(codeDDL, t.id, "after %q the table cannot be replicated as configured: %w", abbreviate(sql), cerr))
	}
	if t.schema.Keyless() {
		return f.pause(t.id, cdc.Errorf(codeDDL, t.id, "the table has no key, so that a row is told from others by all its columns: %q", abbreviate(sql)))
	}
	for to, from := range x.renamed {
		if !t.opts.Alike(from, to) {
			return f.pause(t.id, cdc.Errorf(codeDDL, t.id, "the column %s was renamed to %s, and the configuration treats these names differently: %q", from, to, abbreviate(sql)))
		}
	}
	s.Version = t.schema.Version + 1
	for i := range s.Columns {
		c := &s.Columns[i]
		name := c.Name
		if old, ok := x.renamed[strings.ToLower(name)]; ok {
			name, c.Was = old, old
		}
		if j := t.schema.Column(name); j >= 0 {
			c.Initial = t.schema.Columns[j].Initial
			continue
		}
		if init, ok := x.initials[strings.ToLower(c.Name)]; ok && !init.null {
			text, err := binlog.Initial(c.Type, &x.def.Columns[findColumn(x.def, c.Name)], init.text)
			if err != nil {
				return f.pause(t.id, cdc.Errorf(codeDDL, t.id, "after %q: column %s: %w", abbreviate(sql), c.Name, err))
			}
			c.Initial = &text
		}
	}
	table, err := f.dec.Register(s, t.opts)
	if err != nil {
		if cerr := cdc.AsError(err); cerr != nil && cerr.Code.Class == cdc.TablePaused {
			return f.pause(t.id, cerr)
		}
		return err
	}
	table.Skip = t.table.Skip
	if t.paused { // the old rows that Register handed on had a fault
		return f.dec.Unregister(t.id)
	}
	t.table, t.schema, t.def = table, s, x.def
	f.log.Info("the table's definition changed", "table", t.id.String(), "statement", abbreviate(sql))
	f.seq++
	f.publish()
	return downstream(f.out.Schema(f.ctx, cdc.SchemaChange{Schema: s, Seq: f.seq, DDL: sql}))
}
