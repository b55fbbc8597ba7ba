package fidelity

import (
	"fmt"
	"math/rand/v2"
)

// generator writes a random script while it is executed. The same seed makes the same script: whatever is random comes from
// its seed, and nobody else writes to its database.
type generator struct {
	*player
	rng             *rand.Rand
	list            []*rtable
	open            [2]*transaction // of the two sessions
	columns, tables int
	format          int
	plain           bool            // only DDL that is followed
	unfollowed      map[string]bool // tables by name that saw DDL which may pause them
	ddl             map[string]int  // executed, by kind
}

// transaction is one that is open, with the tables it has touched: no other session goes near them, as it would wait.
type transaction struct {
	tables     map[*rtable]bool
	savepoints int
}

func newGenerator(p *player, seed uint64) *generator {
	g := &generator{player: p, rng: rand.New(rand.NewPCG(seed, 1)), unfollowed: map[string]bool{}, ddl: map[string]int{}}
	g.format = 2 + g.rng.IntN(2)
	g.plain = g.chance(60)
	return g
}

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

func pickOne[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// setup makes the tables with rows.
func (g *generator) setup() error {
	for range 1 + g.rng.IntN(3) {
		t := g.newTable()
		ok, err := g.do(0, t.create())
		if err != nil {
			return err
		}
		if !ok {
			continue // too long a key, say
		}
		g.list = append(g.list, t)
		for range g.rng.IntN(4) {
			if _, err := g.do(0, g.insert(t, "INSERT IGNORE", 1+g.rng.IntN(t.span))); err != nil {
				return err
			}
		}
	}
	if len(g.list) == 0 {
		return g.setup()
	}
	return nil
}

// segment executes n statements, about. At the end of the last one nothing is left open.
func (g *generator) segment(n int, last bool) error {
	g.part()
	for range n {
		if err := g.step(); err != nil {
			return err
		}
	}
	for s := range g.open {
		if last && g.open[s] != nil {
			if err := g.end(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *generator) step() error {
	s := g.rng.IntN(2)
	tx := g.open[s]
	if tx == nil {
		switch n := g.rng.IntN(100); {
		case n < 30:
			g.open[s] = &transaction{tables: map[*rtable]bool{}}
			_, err := g.do(s, "BEGIN")
			return err
		case n < 48:
			return g.define(s)
		case n < 53:
			return g.variable(s)
		}
		return g.change(s)
	}
	switch n := g.rng.IntN(100); {
	case n < 20:
		return g.end(s)
	case n < 26:
		tx.savepoints++
		_, err := g.do(s, fmt.Sprintf("SAVEPOINT s%d", tx.savepoints))
		return err
	case n < 31 && tx.savepoints > 0:
		_, err := g.do(s, fmt.Sprintf("ROLLBACK TO s%d", 1+g.rng.IntN(tx.savepoints)))
		return err
	}
	return g.change(s)
}

func (g *generator) end(s int) error {
	g.open[s] = nil
	_, err := g.do(s, pickOne(g.rng, []string{"COMMIT", "COMMIT", "COMMIT", "ROLLBACK"}))
	return err
}

// free returns the tables that a session can use.
func (g *generator) free(s int) []*rtable {
	var out []*rtable
	for _, t := range g.list {
		if other := g.open[1-s]; other == nil || !other.tables[t] {
			out = append(out, t)
		}
	}
	return out
}

// variable changes something about the session.
func (g *generator) variable(s int) error {
	_, err := g.do(s, pickOne(g.rng, []string{
		"SET SESSION binlog_transaction_compression = ON", "SET SESSION binlog_transaction_compression = OFF", "SET SESSION binlog_rows_query_log_events = ON",
		"SET SESSION time_zone = '+05:30'", "SET SESSION time_zone = '-11:00'", "SET SESSION sql_mode = ''", "SET SESSION sql_mode = DEFAULT",
		"SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'", "SET SESSION sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'",
		"SET SESSION foreign_key_checks = 0", "SET SESSION unique_checks = 0", "SET SESSION sql_mode = 'NO_ZERO_DATE,ALLOW_INVALID_DATES'", "FLUSH BINARY LOGS",
	}))
	return err
}
