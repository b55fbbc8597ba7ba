package fidelity

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// rcolumn is a column of a random table.
type rcolumn struct {
	name      string
	typ       rtype
	null      bool
	deflt     string // a literal or expression; empty: none
	comment   string
	invisible bool
	generated string // GENERATED ALWAYS AS …
	key       bool
	unique    bool // has a unique index of its own
}

func (c *rcolumn) def() string {
	s := c.typ.sql
	switch {
	case c.generated != "":
		s += " " + c.generated
	case c.null:
		s += " NULL"
	default:
		s += " NOT NULL"
	}
	if c.deflt != "" {
		s += " DEFAULT " + c.deflt
	}
	if c.comment != "" {
		s += " COMMENT '" + c.comment + "'"
	}
	if c.invisible {
		s += " INVISIBLE"
	}
	return s
}

// rtable is a random table as the generator knows it.
type rtable struct {
	name    string
	cols    []*rcolumn
	span    int  // keys are drawn from so many
	uniqKey bool // the key is a UNIQUE index, not the PRIMARY
	suffix  string
	indexes []string
	// loaded says that the table was followed by the stream at some time, so that it is not being loaded unless something made it so.
	loaded   bool
	selected bool // made by CREATE TABLE … SELECT
}

func (t *rtable) clone() *rtable {
	c := *t
	c.cols = nil
	for _, col := range t.cols {
		dup := *col
		c.cols = append(c.cols, &dup)
	}
	c.indexes = append([]string(nil), t.indexes...)
	return &c
}

// q is a name in quotes.
func (t *rtable) q() string { return quote(t.name) }

func (t *rtable) pick(want func(*rcolumn) bool) []*rcolumn {
	var out []*rcolumn
	for _, c := range t.cols {
		if want(c) {
			out = append(out, c)
		}
	}
	return out
}

func (t *rtable) keys() []*rcolumn { return t.pick(func(c *rcolumn) bool { return c.key }) }
func (t *rtable) values() []*rcolumn {
	return t.pick(func(c *rcolumn) bool { return !c.key && c.generated == "" })
}
func (t *rtable) writable() []*rcolumn {
	return t.pick(func(c *rcolumn) bool { return c.generated == "" })
}

func (t *rtable) index(name string) int {
	for i, c := range t.cols {
		if strings.EqualFold(c.name, name) {
			return i
		}
	}
	return -1
}

// create is the statement that makes the table.
func (t *rtable) create() string {
	var parts, key []string
	for _, c := range t.cols {
		parts = append(parts, quote(c.name)+" "+c.def())
		if c.key {
			key = append(key, quote(c.name))
		}
		if c.unique {
			parts = append(parts, "UNIQUE KEY "+quote("u_"+c.name)+" ("+quote(c.name)+")")
		}
	}
	if len(key) > 0 {
		kind := "PRIMARY KEY"
		if t.uniqKey {
			kind = "UNIQUE KEY the_key"
		}
		parts = append(parts, kind+" ("+strings.Join(key, ", ")+")")
	}
	return "CREATE TABLE " + t.q() + " (" + strings.Join(parts, ", ") + ")" + t.suffix
}

var columnNames = []string{"a", "b", "name", "value", "Mixed", "select", "größe", "漢字", "with space", "k$", "order", "x_y"}

// newColumn draws a column without a default.
func (g *generator) newColumn(t *rtable, key bool) *rcolumn {
	c := &rcolumn{typ: randomType(g.rng, key), null: !key && g.chance(65), key: key}
	g.columns++
	c.name = columnNames[g.rng.IntN(len(columnNames))]
	if t.index(c.name) >= 0 || g.rng.IntN(3) > 0 {
		c.name = fmt.Sprintf("c%d", g.columns)
	}
	if g.chance(10) {
		c.comment = fmt.Sprintf("comment %d, äöü", g.columns)
	}
	return c
}

// newTable draws a table.
func (g *generator) newTable() *rtable {
	g.tables++
	t := &rtable{name: fmt.Sprintf("t%d", g.tables), span: []int{5, 20, 60, 300, 900}[g.rng.IntN(5)]}
	switch g.rng.IntN(8) {
	case 0:
		t.name = fmt.Sprintf("Big_T%d", g.tables)
	case 1:
		t.name = fmt.Sprintf("t$%d_ä", g.tables)
	}
	for range []int{1, 1, 1, 2, 2, 3}[g.rng.IntN(6)] {
		if features["keyless"] && len(t.cols) == 0 && g.chance(10) {
			break
		}
		t.cols = append(t.cols, g.newColumn(t, true))
	}
	for range 1 + g.rng.IntN(9) {
		c := g.newColumn(t, false)
		if g.chance(30) {
			g.setDefault(c)
		}
		if c.typ.at != nil && c.null && g.chance(12) {
			c.unique = true
		}
		if g.chance(5) && !c.unique {
			c.invisible = true
		}
		t.cols = append(t.cols, c)
	}
	if g.chance(25) {
		if from := t.pick(func(c *rcolumn) bool { return c.typ.family == "int" || c.typ.family == "text" && !c.key }); len(from) > 0 {
			g.columns++
			f := from[g.rng.IntN(len(from))]
			c := &rcolumn{name: fmt.Sprintf("g%d", g.columns), typ: rtype{sql: "INT", family: "int", at: number, any: func(rng *rand.Rand) string { return number(rng.IntN(1000)) }}, null: true}
			expr := "CHAR_LENGTH(" + quote(f.name) + ")"
			if f.typ.family == "int" {
				expr = quote(f.name) + " % 97"
			}
			c.generated = "GENERATED ALWAYS AS (" + expr + ") " + []string{"VIRTUAL", "STORED"}[g.rng.IntN(2)]
			t.cols = append(t.cols, c)
		}
	}
	g.rng.Shuffle(len(t.cols), func(i, j int) { t.cols[i], t.cols[j] = t.cols[j], t.cols[i] })
	visible := false
	for _, c := range t.cols {
		visible = visible || !c.invisible
	}
	if !visible {
		t.cols[0].invisible = false
	}
	t.uniqKey = g.chance(15) && len(t.keys()) > 0
	t.suffix = []string{"", "", " DEFAULT CHARSET latin1", " DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin", " DEFAULT CHARSET ascii", " DEFAULT CHARSET utf8mb3"}[g.rng.IntN(6)]
	if g.chance(10) {
		t.suffix += " ROW_FORMAT=COMPRESSED"
	}
	if g.chance(10) && !t.uniqKey && len(t.keys()) > 0 && len(t.pick(func(c *rcolumn) bool { return c.unique })) == 0 {
		t.suffix += " PARTITION BY KEY () PARTITIONS 3"
	}
	return t
}

// setDefault gives a column a default, if its type can have one.
func (g *generator) setDefault(c *rcolumn) {
	switch {
	case c.typ.noDefault && c.typ.family != "time":
	case c.typ.noDefault:
		c.deflt = "'2020-02-02 02:02:02'"
	case c.null && g.chance(10):
		c.deflt = "NULL"
	case c.typ.at != nil && g.chance(50):
		c.deflt = c.typ.at(g.rng.IntN(40))
	default:
		if d := c.typ.any(g.rng); len(d) < 60 {
			c.deflt = d
		}
	}
	if strings.HasPrefix(c.deflt, "_utf8mb4") {
		c.deflt = "'x'"
	}
}
