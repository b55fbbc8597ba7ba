package mysql

import (
	"context"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// programs are what makes a statement change tables that it does not name: views, triggers, stored functions and foreign keys. They are
// asked of the server, which may be ahead of the log; later lists what has been redefined in between.
type programs struct {
	// blind are the privileges that the user lacks to see all of them, listed says that it sees at least which routines there are.
	blind    string
	listed   bool
	views    map[cdc.TableID]string   // definitions
	triggers map[cdc.TableID][]string // bodies, by the table that has them
	routines map[cdc.TableID][]string // bodies of functions and procedures
	children map[cdc.TableID][]cdc.TableID
	lower    bool // names are case-insensitive

	until logPos // where the log ended when they were asked for
	later []redefinition
}

// redefinition is a statement of the log that may have changed programs.
type redefinition struct {
	at   place
	db   string
	text string // lower case
}

// readPrograms asks the server, and reads what has been redefined since a place in the log.
func (s *Source) readPrograms(ctx context.Context, from place, lower bool) (*programs, error) {
	cn, err := s.cfg.connect(ctx, s.cfg.Address)
	if err != nil {
		return nil, err
	}
	defer cn.close()
	p := &programs{views: map[cdc.TableID]string{}, triggers: map[cdc.TableID][]string{}, routines: map[cdc.TableID][]string{}, children: map[cdc.TableID][]cdc.TableID{}, lower: lower}
	grants, err := cn.query("SHOW GRANTS")
	if err != nil {
		return nil, err
	}
	p.blind, p.listed = seesPrograms(grants)
	const others = " NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
	for _, q := range []struct {
		sql string
		add func(id cdc.TableID, r []string)
	}{
		{"SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA" + others, func(id cdc.TableID, r []string) { p.views[id] = r[2] }},
		{"SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA" + others,
			func(id cdc.TableID, r []string) { p.triggers[id] = append(p.triggers[id], r[2]) }},
		{"SELECT ROUTINE_SCHEMA, ROUTINE_NAME, COALESCE(ROUTINE_DEFINITION, '') FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA" + others,
			func(id cdc.TableID, r []string) {
				id.Name = strings.ToLower(id.Name)
				p.routines[id] = append(p.routines[id], r[2])
			}},
		{"SELECT UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS",
			func(id cdc.TableID, r []string) {
				if changesRows(r[4]) || changesRows(r[5]) {
					p.children[id] = append(p.children[id], p.fold(cdc.TableID{Database: r[2], Name: r[3]}))
				}
			}},
	} {
		rows, err := cn.query(q.sql)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			q.add(p.fold(cdc.TableID{Database: r[0], Name: r[1]}), r)
		}
	}
	end, err := filePosition(cn)
	if err != nil {
		return nil, err
	}
	p.until = logPos{file: end.File, pos: end.Pos}
	return p, s.scanLog(ctx, from, func(e *binlog.Event, at place) (bool, error) {
		if e.Type == binlog.QueryEvent && !e.Nested {
			p.redefined(e, at)
		}
		return p.covers(at), nil
	})
}

// seesPrograms returns the privileges that the user lacks to see all programs, of what SHOW GRANTS says.
func seesPrograms(grants [][]string) (blind string, listed bool) {
	has := map[string]bool{}
	for _, r := range grants {
		if privileges, level, ok := parseGrant(r[0]); ok && level == "*.*" {
			for _, p := range privileges {
				has[p] = true
			}
		}
	}
	var missing []string
	for _, p := range []string{"SELECT", "TRIGGER", "SHOW VIEW"} {
		if !has[p] && !has["ALL PRIVILEGES"] && !has["ALL"] {
			missing = append(missing, p)
		}
	}
	return strings.Join(missing, ", "), len(missing) == 0 || missing[0] != "SELECT"
}

func (p *programs) fold(id cdc.TableID) cdc.TableID {
	if p.lower {
		return cdc.TableID{Database: strings.ToLower(id.Database), Name: strings.ToLower(id.Name)}
	}
	return id
}

// covers reports whether the programs were read after the place, so that redefinitions up to there are among those that are known.
func (p *programs) covers(at place) bool {
	c, err := compareFiles(at.file, at.pos, p.until.file, p.until.pos)
	return err != nil || c < 0
}

// redefined notes a statement that may have changed a program, or taken one away.
func (p *programs) redefined(e *binlog.Event, at place) {
	switch sql := string(e.Query.SQL); verb(sql) {
	case "DROP", "ALTER", "RENAME", "CREATE":
		if w := firstWords(sql); !strings.HasPrefix(w, "DROP TEMPORARY") && !strings.HasPrefix(w, "CREATE TEMPORARY") && !strings.HasPrefix(w, "CREATE TABLE") {
			p.later = append(p.later, redefinition{at, string(e.Query.Database), strings.ToLower(sql)})
		}
	}
}

// effects are what a statement may touch.
type effects struct {
	p       *programs
	tables  map[cdc.TableID]bool // all of them, by their folded names
	targets map[cdc.TableID]bool // the followed ones, the same way
	seen    map[string]bool      // texts
	texts   []string             // lower case
	dbs     map[string]bool
}

func (p *programs) effectsOn(followed []cdc.TableID) *effects {
	r := &effects{p: p, tables: map[cdc.TableID]bool{}, targets: map[cdc.TableID]bool{}, seen: map[string]bool{}, dbs: map[string]bool{}}
	for _, t := range followed {
		r.targets[p.fold(t)] = true
	}
	return r
}

// table adds a table or view that rows of are changed.
func (r *effects) table(id cdc.TableID) {
	id = r.p.fold(id)
	if r.tables[id] {
		return
	}
	r.tables[id] = true
	r.dbs[strings.ToLower(id.Database)] = true
	if text, ok := r.p.views[id]; ok {
		r.text(id.Database, text)
	}
	for _, text := range r.p.triggers[id] {
		r.text(id.Database, text)
	}
	for _, c := range r.p.children[id] {
		r.table(c)
	}
}

// routine adds a function or procedure that is called, if there is one of this name.
func (r *effects) routine(id cdc.TableID) {
	id = r.p.fold(id)
	id.Name = strings.ToLower(id.Name)
	r.dbs[strings.ToLower(id.Database)] = true
	for _, text := range r.p.routines[id] {
		r.text(id.Database, text)
	}
}

// text adds all that is mentioned in SQL whose default database is db: some of it may only be read.
func (r *effects) text(db, sql string) {
	if r.seen[db+"\x00"+sql] {
		return
	}
	r.seen[db+"\x00"+sql] = true
	low := strings.ToLower(sql)
	r.texts = append(r.texts, low)
	r.dbs[strings.ToLower(db)] = true
	named := func(id cdc.TableID) bool {
		return mentions(low, id.Name) && (strings.EqualFold(id.Database, db) || mentions(low, id.Database))
	}
	for id := range r.targets {
		if named(id) {
			r.table(id)
		}
	}
	for id := range r.p.views {
		if named(id) {
			r.table(id)
		}
	}
	for id := range r.p.triggers {
		if named(id) {
			r.table(id)
		}
	}
	for id := range r.p.children {
		if named(id) {
			r.table(id)
		}
	}
	for id := range r.p.routines {
		if named(id) {
			r.routine(id)
		}
	}
}

// uncertain returns the statement after the place which makes it uncertain what was reached there.
func (r *effects) uncertain(at place) string {
	for _, d := range r.p.later {
		if c, err := compareFiles(d.at.file, d.at.pos, at.file, at.pos); err == nil && c < 0 {
			continue
		}
		if r.dbs[strings.ToLower(d.db)] {
			return d.text
		}
		for db := range r.dbs {
			if mentions(d.text, db) {
				return d.text
			}
		}
		for _, t := range r.texts {
			if d.db != "" && mentions(t, d.db) {
				return d.text
			}
		}
	}
	return ""
}
