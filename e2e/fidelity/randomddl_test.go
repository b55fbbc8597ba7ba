package fidelity

import (
	"fmt"
	"slices"
	"strings"
)

// alteration is a part of an ALTER TABLE; apply changes the generator's table once MySQL has taken it.
type alteration struct {
	kind, sql string
	apply     func(*rtable)
}

// define executes some DDL.
func (g *generator) define(s int) error {
	free := g.free(s)
	if len(free) == 0 {
		return nil
	}
	t := pickOne(g.rng, free)
	if g.chance(75) {
		var parts []alteration
		for range []int{1, 1, 1, 2, 3}[g.rng.IntN(5)] {
			if a := g.alteration(s, t); a.sql != "" && (follows[a.kind] || !g.plain) {
				parts = append(parts, a)
			}
		}
		if g.plain {
			parts = together(parts)
		}
		return g.alter(s, t, parts)
	}
	return g.wholeTable(s, t)
}

// alter executes the parts as one ALTER TABLE.
func (g *generator) alter(s int, t *rtable, parts []alteration) error {
	if len(parts) == 0 {
		return nil
	}
	var texts []string
	for _, a := range parts {
		texts = append(texts, a.sql)
	}
	if g.chance(15) {
		texts = append(texts, pickOne(g.rng, []string{"ALGORITHM=INPLACE", "ALGORITHM=COPY", "ALGORITHM=INSTANT", "LOCK=SHARED"}))
	}
	for _, a := range parts {
		g.mayRefuse(a.kind, t.name)
	}
	verb := pickOne(g.rng, []string{"ALTER TABLE ", "ALTER TABLE ", "alter table ", "ALTER /* comment */ TABLE ", "/*!50000 ALTER */ TABLE "})
	ok, err := g.do(s, verb+t.q()+" "+strings.Join(texts, ", "))
	if !ok || err != nil {
		return err
	}
	next := t.clone()
	for _, a := range parts {
		g.ddl[a.kind]++
		if a.apply != nil {
			a.apply(next)
		}
	}
	*t = *next
	return nil
}

func (g *generator) mayRefuse(kind string, names ...string) {
	for _, n := range names {
		if retypes[kind] {
			g.retyped[n] = true
		}
	}
}

// place draws where a new column goes.
func (g *generator) place(t *rtable) (string, func(*rtable, *rcolumn)) {
	insert := func(t *rtable, i int, c *rcolumn) {
		t.cols = append(t.cols[:i:i], append([]*rcolumn{c}, t.cols[i:]...)...)
	}
	switch g.rng.IntN(4) {
	case 0:
		return " FIRST", func(t *rtable, c *rcolumn) { insert(t, 0, c) }
	case 1:
		after := pickOne(g.rng, t.cols).name
		return " AFTER " + quote(after), func(t *rtable, c *rcolumn) { insert(t, t.index(after)+1, c) }
	}
	return "", func(t *rtable, c *rcolumn) { insert(t, len(t.cols), c) }
}

func (g *generator) alteration(s int, t *rtable) alteration {
	values := t.values()
	n := g.rng.IntN(100)
	if len(values) == 0 && n >= 40 {
		n = 0
	}
	switch {
	case n < 30:
		c := g.newColumn(t, false)
		kind := "add"
		if g.chance(45) {
			g.setDefault(c)
		}
		if !c.null || c.deflt != "" && c.deflt != "NULL" {
			if kind = "add default"; g.format < 3 || !certain(c) {
				kind = "add default, not beyond doubt"
			}
		}
		if g.plain && !follows[kind] {
			kind, c.null, c.deflt = "add", true, ""
		}
		text, put := g.place(t)
		return alteration{kind, "ADD COLUMN " + quote(c.name) + " " + c.def() + text, func(t *rtable) { put(t, c) }}
	case n < 40:
		return g.indexAlteration(t)
	}
	c := pickOne(g.rng, values)
	if g.chance(15) {
		c = pickOne(g.rng, t.writable()) // a key column, too
	}
	name := c.name
	set := func(f func(*rcolumn)) func(*rtable) {
		return func(t *rtable) {
			if i := t.index(name); i >= 0 {
				f(t.cols[i])
			}
		}
	}
	modify := func(kind string, next rcolumn) alteration {
		text, move := "", func(*rtable) {}
		if g.chance(20) {
			var put func(*rtable, *rcolumn)
			if text, put = g.place(t); strings.HasSuffix(text, " "+quote(name)) {
				text = ""
			} else if text != "" {
				move = func(t *rtable) {
					i := t.index(name)
					if i < 0 {
						return
					}
					c := t.cols[i]
					t.cols = append(t.cols[:i:i], t.cols[i+1:]...)
					put(t, c)
				}
			}
		}
		return alteration{kind, "MODIFY COLUMN " + quote(name) + " " + next.def() + text, func(t *rtable) {
			set(func(c *rcolumn) { *c = next })(t)
			move(t)
		}}
	}
	next := *c
	switch {
	case n < 52:
		if c.key || len(values) < 2 {
			return alteration{}
		}
		return alteration{"drop", "DROP COLUMN " + quote(name), func(t *rtable) {
			if i := t.index(name); i >= 0 {
				t.cols = append(t.cols[:i:i], t.cols[i+1:]...)
			}
		}}
	case n < 62:
		g.columns++
		to := fmt.Sprintf("r%d", g.columns)
		if g.chance(20) { // another column's, or one that was there once
			to = pickOne(g.rng, columnNames)
			if t.index(to) >= 0 {
				return alteration{}
			}
		}
		return alteration{"rename column", "RENAME COLUMN " + quote(name) + " TO " + quote(to), set(func(c *rcolumn) { c.name = to })}
	case n < 70:
		if c.typ.wider == nil {
			return alteration{}
		}
		next.typ = c.typ.wider(g.rng)
		if next.typ.at == nil && (c.key || c.unique) || c.key && strings.Contains(next.typ.sql, "TEXT") {
			return alteration{}
		}
		if next.typ.noDefault {
			next.deflt = ""
		}
		return modify(either(widens(c.typ, next.typ, !g.lax[s]) && stays(t, c), "widen", "widen anew"), next)
	case n < 76:
		next.typ = randomType(g.rng, c.key || c.unique)
		next.deflt = ""
		return modify("modify", next)
	case n < 80:
		g.columns++
		next.name = fmt.Sprintf("h%d", g.columns)
		kind := either(stays(t, c), "rename column", "change")
		if c.typ.wider != nil && !c.key && !c.unique && !g.plain && g.chance(50) {
			kind, next.typ, next.deflt = "change", c.typ.wider(g.rng), ""
		}
		return alteration{kind, "CHANGE COLUMN " + quote(name) + " " + quote(next.name) + " " + next.def(), set(func(c *rcolumn) { *c = next })}
	case n < 84:
		next.comment = fmt.Sprintf("changed %d", g.rng.IntN(100))
		return modify(either(stays(t, c), "comment", "comment anew"), next)
	case n < 89:
		if next.null = !c.null; c.key || c.unique {
			return alteration{}
		}
		if c.deflt == "NULL" {
			next.deflt = ""
		}
		return modify(either((next.null || !g.lax[s]) && stays(t, c), "nullability", "nullability anew"), next)
	case n < 95:
		if g.setDefault(&next); next.deflt == c.deflt || next.deflt == "" || strings.HasPrefix(next.deflt, "b'") {
			return alteration{"index", "ALTER COLUMN " + quote(name) + " DROP DEFAULT", set(func(c *rcolumn) { c.deflt = "" })}
		}
		return alteration{"index", "ALTER COLUMN " + quote(name) + " SET DEFAULT " + next.deflt, set(func(c *rcolumn) { c.deflt = next.deflt })}
	}
	return alteration{"rebuild", pickOne(g.rng, []string{"ENGINE=InnoDB", "FORCE", "COMMENT='a table, changed'", "ROW_FORMAT=DYNAMIC", "STATS_PERSISTENT=0"}), nil}
}

// indexAlteration is one about an index that nothing depends on.
func (g *generator) indexAlteration(t *rtable) alteration {
	g.columns++
	name := fmt.Sprintf("i%d", g.columns)
	if len(t.indexes) == 0 || g.chance(40) {
		c := pickOne(g.rng, t.cols)
		part := quote(c.name)
		if strings.Contains(c.typ.sql, "TEXT") || strings.Contains(c.typ.sql, "BLOB") {
			part += "(5)"
		}
		return alteration{"index", "ADD INDEX " + name + " (" + part + ")", func(t *rtable) { t.indexes = append(t.indexes, name) }}
	}
	i := g.rng.IntN(len(t.indexes))
	old := t.indexes[i]
	at := func(t *rtable, do func(i int)) {
		if i := slices.Index(t.indexes, old); i >= 0 {
			do(i)
		}
	}
	switch g.rng.IntN(3) {
	case 0:
		return alteration{"index", "DROP INDEX " + old, func(t *rtable) { at(t, func(i int) { t.indexes = slices.Delete(t.indexes, i, i+1) }) }}
	case 1:
		return alteration{"index", "RENAME INDEX " + old + " TO " + name, func(t *rtable) { at(t, func(i int) { t.indexes[i] = name }) }}
	}
	return alteration{"index", "ALTER INDEX " + old + " " + pickOne(g.rng, []string{"INVISIBLE", "VISIBLE"}), nil}
}

// wholeTable is DDL about a table as one.
func (g *generator) wholeTable(s int, t *rtable) error {
	do := func(kind string, sql string, names ...string) (bool, error) {
		g.mayRefuse(kind, names...)
		ok, err := g.do(s, sql)
		if ok {
			g.ddl[kind]++
		}
		return ok, err
	}
	may := func(kind string) bool { return follows[kind] || !g.plain }
	loaded := t.loaded && len(t.keys()) > 0
	switch n := g.rng.IntN(100); {
	case n < 15:
		_, err := do("rebuild", pickOne(g.rng, []string{"OPTIMIZE TABLE ", "ANALYZE TABLE ", "FLUSH TABLES "})+t.q())
		return err
	case n < 30:
		if g.plain && !loaded {
			return nil
		}
		_, err := do("truncate", "TRUNCATE TABLE "+t.q(), t.name)
		return err
	case n < 45 && may("rename"):
		g.tables++
		to := fmt.Sprintf("n%d", g.tables)
		sql := "RENAME TABLE " + t.q() + " TO " + quote(to)
		if g.chance(30) {
			sql = "ALTER TABLE " + t.q() + " RENAME TO " + quote(to)
		}
		ok, err := do("rename", sql, t.name, to)
		if ok {
			g.retyped[to] = g.retyped[t.name]
			t.name = to
		}
		return err
	case n < 55 && may("swap"):
		free := g.free(s)
		o := pickOne(g.rng, free)
		if o == t {
			return nil
		}
		ok, err := do("swap", "RENAME TABLE "+t.q()+" TO swapping, "+o.q()+" TO "+t.q()+", swapping TO "+o.q(), t.name, o.name)
		if ok {
			g.retyped[t.name] = g.retyped[t.name] || g.retyped[o.name]
			g.retyped[o.name] = g.retyped[t.name]
			t.name, o.name = o.name, t.name
		}
		return err
	case n < 65 && may("convert"):
		_, err := do("convert", "ALTER TABLE "+t.q()+" CONVERT TO CHARACTER SET "+pickOne(g.rng, []string{"utf8mb4", "utf8mb4 COLLATE utf8mb4_bin", "utf16", "utf8mb3"}), t.name)
		return err
	case n < 72 && len(g.list) < 6:
		nt := g.newTable()
		ok, err := do("create", nt.create())
		if ok {
			g.list = append(g.list, nt)
		}
		return err
	case n < 78 && len(g.list) < 6:
		nt := t.clone()
		g.tables++
		nt.name, nt.loaded = fmt.Sprintf("l%d", g.tables), false
		g.retyped[nt.name] = g.retyped[t.name]
		ok, err := do("like", "CREATE TABLE "+nt.q()+" LIKE "+t.q())
		if ok {
			g.list = append(g.list, nt)
		}
		return err
	case n < 81 && len(g.list) < 6:
		nt := t.clone()
		g.tables++
		nt.name, nt.suffix, nt.uniqKey, nt.indexes, nt.loaded, nt.selected = fmt.Sprintf("c%d", g.tables), "", false, nil, false, true
		g.retyped[nt.name] = g.retyped[t.name]
		nt.cols = nt.pick(func(c *rcolumn) bool { return !c.invisible })
		var names []string
		for _, c := range nt.cols {
			c.generated, c.unique = "", false
			if c.key {
				names = append(names, quote(c.name))
			}
		}
		if len(names) == 0 || len(names) != len(t.keys()) {
			return nil
		}
		ok, err := do("select", "CREATE TABLE "+nt.q()+" (PRIMARY KEY ("+strings.Join(names, ", ")+")) SELECT * FROM "+t.q())
		if ok {
			g.list = append(g.list, nt)
		}
		return err
	case n < 84 && may("drop table") && len(g.list) > 1 && len(g.free(s)) == len(g.list):
		ok, err := do("drop table", "DROP TABLE "+t.q(), t.name)
		if !ok || err != nil {
			return err
		}
		if g.chance(50) { // and another one of its name
			nt := g.newTable()
			nt.name = t.name
			if ok, err = g.do(s, nt.create()); ok {
				*t = *nt
				return nil
			}
		}
		for i := range g.list {
			if g.list[i] == t {
				g.list = append(g.list[:i:i], g.list[i+1:]...)
				break
			}
		}
		return err
	case n < 92 && may("replace key") && !strings.Contains(t.suffix, "PARTITION"):
		keys := t.keys()
		if t.uniqKey || len(keys) < 2 {
			return nil
		}
		var names []string // the same columns in another order
		for i := range keys {
			names = append(names, quote(keys[len(keys)-1-i].name))
		}
		_, err := do("replace key", "ALTER TABLE "+t.q()+" DROP PRIMARY KEY, ADD PRIMARY KEY ("+strings.Join(names, ", ")+")", t.name)
		return err
	case n < 94 && may("ghost"):
		return g.ghost(s, t)
	case len(t.keys()) > 0 && !t.uniqKey && len(t.pick(func(c *rcolumn) bool { return c.unique })) == 0:
		if g.chance(20) && may("partition gone") {
			_, err := do("partition gone", "ALTER TABLE "+t.q()+" TRUNCATE PARTITION p0", t.name)
			return err
		}
		_, err := do("partition", "ALTER TABLE "+t.q()+" "+pickOne(g.rng, []string{"PARTITION BY KEY () PARTITIONS 4", "REMOVE PARTITIONING", "COALESCE PARTITION 1", "ADD PARTITION PARTITIONS 2"}), t.name)
		return err
	}
	return nil
}

// ghost alters a copy of a table, and puts it in the table's place, as tools for changes of a schema do.
func (g *generator) ghost(s int, t *rtable) error {
	part := g.alteration(s, t)
	if part.sql == "" || part.kind == "drop" || part.kind == "rename column" || part.kind == "change" {
		return nil // the copy has the columns of the table
	}
	was, now := quote("_"+t.name+"_del"), quote("_"+t.name+"_gho")
	g.mayRefuse(part.kind, t.name)
	var names []string
	for _, c := range t.writable() {
		names = append(names, quote(c.name))
	}
	list := strings.Join(names, ", ")
	for _, sql := range []string{"CREATE TABLE " + now + " LIKE " + t.q(), "ALTER TABLE " + now + " " + part.sql,
		"REPLACE INTO " + now + " (" + list + ") SELECT " + list + " FROM " + t.q(), "RENAME TABLE " + t.q() + " TO " + was + ", " + now + " TO " + t.q()} {
		if ok, err := g.do(s, sql); err != nil {
			return err
		} else if !ok {
			_, err := g.do(s, "DROP TABLE IF EXISTS "+now)
			return err
		}
	}
	g.ddl["ghost"]++
	if part.apply != nil {
		part.apply(t)
	}
	_, err := g.do(s, "DROP TABLE "+was)
	return err
}
