package fidelity

import (
	"fmt"
	"strings"
)

// keyValue is a literal of a key or unique column.
func (g *generator) keyValue(t *rtable, c *rcolumn) string {
	span := t.span
	if n := len(t.keys()); n > 1 && c.key {
		span = min(span, []int{0, 0, 17, 7}[n])
	}
	return c.typ.at(g.rng.IntN(span))
}

func (g *generator) value(t *rtable, c *rcolumn) string {
	switch {
	case c.null && g.chance(15):
		return "NULL"
	case c.key || c.unique:
		return g.keyValue(t, c)
	}
	return c.typ.any(g.rng)
}

// insert is an INSERT or REPLACE of some rows.
func (g *generator) insert(t *rtable, verb string, rows int) string {
	var cols []*rcolumn
	leave := g.chance(40)
	for _, c := range t.writable() {
		optional := c.null || c.deflt != ""
		if !leave || !optional || c.key || g.chance(70) {
			cols = append(cols, c)
		}
	}
	var names, tuples []string
	for _, c := range cols {
		names = append(names, quote(c.name))
	}
	for range rows {
		var vals []string
		for _, c := range cols {
			v := g.value(t, c)
			if c.deflt != "" && g.chance(15) {
				v = "DEFAULT"
			}
			vals = append(vals, v)
		}
		tuples = append(tuples, "("+strings.Join(vals, ", ")+")")
	}
	return verb + " INTO " + t.q() + " (" + strings.Join(names, ", ") + ") VALUES " + strings.Join(tuples, ", ")
}

// one is a condition that holds for one row at most.
func (g *generator) one(t *rtable) string {
	var parts []string
	for _, c := range t.keys() {
		parts = append(parts, t.q()+"."+quote(c.name)+" = "+g.keyValue(t, c))
	}
	return strings.Join(parts, " AND ")
}

// some is a condition and an order that choose rows.
func (g *generator) some(t *rtable) string {
	keys := t.keys()
	if len(keys) == 0 {
		return " LIMIT " + number(1+g.rng.IntN(3))
	}
	k := pickOne(g.rng, keys)
	switch g.rng.IntN(6) {
	case 0, 1, 2:
		return " WHERE " + g.one(t)
	case 3:
		return fmt.Sprintf(" WHERE %s IN (%s, %s, %s)", quote(k.name), g.keyValue(t, k), g.keyValue(t, k), g.keyValue(t, k))
	case 4:
		if c := pickOne(g.rng, t.cols); c.null && len(keys) > 0 {
			return " WHERE " + quote(c.name) + " IS NULL" + g.order(t)
		}
	}
	return g.order(t)
}

// order limits to some rows, always the same.
func (g *generator) order(t *rtable) string {
	var names []string
	for _, c := range t.keys() {
		names = append(names, quote(c.name))
	}
	if len(names) == 0 {
		return " LIMIT " + number(1+g.rng.IntN(5))
	}
	return " ORDER BY " + strings.Join(names, ", ") + pickOne(g.rng, []string{"", " DESC"}) + " LIMIT " + number(1+g.rng.IntN(30))
}

// sets is what an UPDATE changes, besides the key.
func (g *generator) sets(t *rtable, prefix string) []string {
	cols := t.values()
	if len(cols) == 0 {
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for range 1 + g.rng.IntN(3) {
		c := pickOne(g.rng, cols)
		if seen[c.name] {
			continue
		}
		seen[c.name] = true
		q := prefix + quote(c.name)
		v := g.value(t, c)
		switch n := g.rng.IntN(100); {
		case n < 10:
			v = q // nothing changes
		case n < 25 && c.typ.family == "int":
			v = q + " + 1"
		case n < 25 && c.typ.family == "text":
			v = "CONCAT(" + q + ", 'x')"
		case n < 30 && c.deflt != "":
			v = "DEFAULT"
		case n < 30 && c.typ.family == "json":
			v = "JSON_SET(" + q + ", '$.k', 'changed', '$.more', 5)"
		}
		out = append(out, q+" = "+v)
	}
	return out
}

// change executes one change, or a group of them.
func (g *generator) change(s int) error {
	free := g.free(s)
	if len(free) == 0 {
		return nil
	}
	t := pickOne(g.rng, free)
	touch := func(t *rtable) {
		if g.open[s] != nil {
			g.open[s].tables[t] = true
		}
	}
	touch(t)
	for _, sql := range g.changes(t, func() *rtable {
		o := pickOne(g.rng, free)
		touch(o)
		return o
	}) {
		if _, err := g.do(s, sql); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) changes(t *rtable, another func() *rtable) []string {
	sets := g.sets(t, "")
	keys := t.keys()
	n := g.rng.IntN(100)
	if len(sets) == 0 && n >= 30 && n < 90 {
		n = 0
	}
	if len(keys) == 0 {
		n = pickOne(g.rng, []int{0, 0, 19, 26, 40, 40, 88})
	}
	switch {
	case n < 18:
		return []string{g.insert(t, pickOne(g.rng, []string{"INSERT", "INSERT IGNORE"}), 1+g.rng.IntN(3))}
	case n < 20:
		return []string{g.insert(t, "INSERT IGNORE", 20+g.rng.IntN(200))}
	case n < 26:
		return []string{g.insert(t, "REPLACE", 1+g.rng.IntN(4))}
	case n < 30:
		return []string{"DELETE FROM " + t.q() + g.some(t)}
	case n < 36:
		return []string{g.insert(t, "INSERT", 1+g.rng.IntN(3)) + " ON DUPLICATE KEY UPDATE " + strings.Join(sets, ", ")}
	case n < 39: // the key too
		k := pickOne(g.rng, keys)
		return []string{g.insert(t, "INSERT", 1) + " ON DUPLICATE KEY UPDATE " + quote(k.name) + " = " + g.keyValue(t, k)}
	case n < 60:
		return []string{"UPDATE " + t.q() + " SET " + strings.Join(sets, ", ") + g.some(t)}
	case n < 70: // another key
		k := pickOne(g.rng, keys)
		return []string{"UPDATE IGNORE " + t.q() + " SET " + strings.Join(append(sets, quote(k.name)+" = "+g.keyValue(t, k)), ", ") + g.some(t)}
	case n < 74:
		if k := keys[0]; len(keys) == 1 && k.typ.family == "int" {
			return []string{"UPDATE " + t.q() + " SET " + quote(k.name) + " = " + quote(k.name) + " + 1 ORDER BY " + quote(k.name) + " DESC"}
		}
		return []string{"DELETE FROM " + t.q() + " WHERE " + g.one(t), g.insert(t, "INSERT IGNORE", 2)}
	case n < 80:
		return g.swap(t)
	case n < 84:
		o := another()
		if o == t {
			return nil
		}
		if more := g.sets(o, o.q()+"."); len(more) > 0 && len(o.keys()) > 0 {
			return []string{"UPDATE " + t.q() + ", " + o.q() + " SET " + strings.Join(append(g.sets(t, t.q()+"."), more...), ", ") + " WHERE " + g.one(t) + " AND " + g.one(o)}
		}
	case n < 86:
		o := another()
		if o == t || len(o.keys()) == 0 {
			return nil
		}
		return []string{"DELETE " + t.q() + ", " + o.q() + " FROM " + t.q() + " JOIN " + o.q() + " WHERE " + g.one(t) + " AND " + g.one(o)}
	case n < 90: // rows made of rows
		var names, from []string
		for _, c := range t.writable() {
			names = append(names, quote(c.name))
			if c.key && g.chance(60) {
				from = append(from, g.keyValue(t, c))
			} else {
				from = append(from, quote(c.name))
			}
		}
		verb := pickOne(g.rng, []string{"INSERT IGNORE", "REPLACE"})
		return []string{verb + " INTO " + t.q() + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(from, ", ") + " FROM " + t.q() + g.order(t)}
	case n < 96 && len(keys) > 0: // the same key goes and comes back in one transaction, or twice
		where := " WHERE " + g.one(t)
		return []string{"DELETE FROM " + t.q() + where, g.insert(t, "INSERT IGNORE", 1), "DELETE FROM " + t.q() + where}
	case n < 97:
		return []string{"DELETE FROM " + t.q()}
	}
	return []string{g.insert(t, "INSERT", 1)}
}

// swap exchanges the keys, or the unique values, of two rows by way of a third one.
func (g *generator) swap(t *rtable) []string {
	cols := t.pick(func(c *rcolumn) bool { return c.unique })
	if len(cols) == 0 || g.chance(60) {
		cols = t.keys()[:1]
	}
	c := pickOne(g.rng, cols)
	q := quote(c.name)
	a, b := g.keyValue(t, c), g.keyValue(t, c)
	free := c.typ.at(t.span + 1)
	if c.null {
		free = "NULL"
	}
	set := func(from, to string) string {
		return "UPDATE IGNORE " + t.q() + " SET " + q + " = " + to + " WHERE " + q + " = " + from
	}
	last := set(free, b)
	if c.null {
		last = "UPDATE IGNORE " + t.q() + " SET " + q + " = " + b + " WHERE " + q + " IS NULL" + g.order(t)
	}
	return []string{set(a, free), set(b, a), last}
}
