package fidelity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator writes a random script while it is executed. The same seed makes the same script: whatever is random comes from
// its seed, and nobody else writes to its database.
type generator struct {
	*player
	rng             *rand.Rand
	list            []*rtable
	open            [2]*transaction // of the two sessions
	prepared        []*transaction  // XA transactions that no session has any more
	xids            int
	columns, tables int
	format          int
	related         bool            // has parent and child
	plain           bool            // only DDL that is followed in place
	lax             [2]bool         // sessions whose sql_mode is not strict
	mixed           bool            // some changes are logged as statements
	retyped         map[string]bool // tables by name that saw DDL after which they may be refused
	ddl             map[string]int  // executed, by kind
}

// transaction is one that is open, with the tables it has touched: no other session goes near them, as it would wait.
type transaction struct {
	tables     map[*rtable]bool
	savepoints int
	xid        string // of an XA transaction, in quotes
}

func newGenerator(p *player, seed uint64) *generator {
	g := &generator{player: p, rng: rand.New(rand.NewPCG(seed, 1)), retyped: map[string]bool{}, ddl: map[string]int{}}
	g.format = 2 + g.rng.IntN(2)
	g.plain = g.chance(35)
	g.mixed = !g.plain && g.chance(6)
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
	return g.extras()
}

// accounts is the number of rows in the table account, which always add up to nothing between transactions.
const accounts = 8

// extras are tables with a purpose: accounts, rows that a trigger writes, and a foreign key with what it changes by itself.
func (g *generator) extras() error {
	steps := []string{"CREATE TABLE account (id INT PRIMARY KEY, amount BIGINT NOT NULL, note VARCHAR(50))"}
	for i := range accounts {
		steps = append(steps, fmt.Sprintf("INSERT INTO account VALUES (%d, 0, '')", i+1))
	}
	if g.related = g.chance(25) && g.m.Flavor() == "mysql"; g.related { // MariaDB does not log what foreign keys do
		steps = append(steps, "CREATE TABLE parent (id INT PRIMARY KEY, v INT)",
			"CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE "+pickOne(g.rng, []string{"CASCADE", "SET NULL"})+" ON UPDATE CASCADE)")
		for i := range 10 {
			steps = append(steps, fmt.Sprintf("INSERT INTO parent VALUES (%d, 0)", i), fmt.Sprintf("INSERT INTO child (p) VALUES (%d), (%d)", i, g.rng.IntN(i+1)))
		}
	}
	if g.chance(25) {
		t := pickOne(g.rng, g.list)
		steps = append(steps, "CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20))")
		for i, when := range []string{"AFTER INSERT", "BEFORE UPDATE", "AFTER DELETE"} {
			steps = append(steps, fmt.Sprintf("CREATE TRIGGER watch%d %s ON %s FOR EACH ROW INSERT INTO audit (what) VALUES ('%s')", i, when, t.q(), when))
		}
	}
	for _, s := range steps {
		if ok, err := g.do(0, s); err != nil {
			return err
		} else if !ok {
			return fmt.Errorf("refused: %s", s)
		}
	}
	return nil
}

// The tables of extras, for transactions to say that they use them.
var accountTable, familyTables = &rtable{}, &rtable{}

// special changes tables of extras.
func (g *generator) special(s int) error {
	t := accountTable
	if g.related && g.chance(50) {
		t = familyTables
	}
	if g.taken(s, t) {
		return nil
	}
	if g.open[s] != nil {
		g.open[s].tables[t] = true
	}
	var steps []string
	if t == familyTables {
		a := g.rng.IntN(20)
		steps = []string{pickOne(g.rng, []string{
			fmt.Sprintf("DELETE FROM parent WHERE id = %d", a), fmt.Sprintf("UPDATE IGNORE parent SET id = %d WHERE id = %d", g.rng.IntN(20), a),
			fmt.Sprintf("REPLACE INTO parent VALUES (%d, 1)", a), fmt.Sprintf("INSERT IGNORE INTO child (p) VALUES (%d), (%d)", a, g.rng.IntN(20)),
			fmt.Sprintf("UPDATE parent, child SET parent.v = 5, child.p = NULL WHERE parent.id = %d AND child.p = parent.id", a),
		})}
	} else {
		a, b, n := 1+g.rng.IntN(accounts), 1+g.rng.IntN(accounts), 1+g.rng.IntN(1000)
		if a == b {
			return nil
		}
		steps = []string{
			fmt.Sprintf("UPDATE account SET amount = amount - %d, id = -id WHERE ABS(id) = %d", n, a),
			fmt.Sprintf("UPDATE account SET amount = amount + %d, note = '%d' WHERE ABS(id) = %d", n, n, b),
		}
		// The row goes, and comes again. MariaDB logs a transaction that is rolled back if it made a temporary table.
		if g.chance(30) && (g.open[s] == nil || g.open[s].xid == "") && g.m.Flavor() == "mysql" {
			steps = append(steps, fmt.Sprintf("CREATE TEMPORARY TABLE moved%d SELECT * FROM account WHERE ABS(id) = %d", n, a), fmt.Sprintf("DELETE FROM account WHERE ABS(id) = %d", a),
				fmt.Sprintf("INSERT INTO account SELECT * FROM moved%d", n), fmt.Sprintf("DROP TEMPORARY TABLE moved%d", n))
		}
		if g.open[s] == nil {
			steps = append(append([]string{"BEGIN"}, steps...), "COMMIT")
		}
	}
	for _, q := range steps {
		if _, err := g.do(s, q); err != nil {
			return err
		}
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
	for last && len(g.prepared) > 0 {
		if err := g.decide(0); err != nil {
			return err
		}
	}
	return nil
}

// decide ends a prepared XA transaction, whoever began it.
func (g *generator) decide(s int) error {
	tx := g.prepared[0]
	g.prepared = g.prepared[1:]
	_, err := g.do(s, pickOne(g.rng, []string{"XA COMMIT ", "XA COMMIT ", "XA ROLLBACK "})+tx.xid)
	return err
}

func (g *generator) step() error {
	s := g.rng.IntN(2)
	tx := g.open[s]
	if tx == nil {
		switch n := g.rng.IntN(100); {
		case n < 26:
			g.open[s] = &transaction{tables: map[*rtable]bool{}}
			_, err := g.do(s, "BEGIN")
			return err
		case n < 30 && features["xa"]:
			g.xids++
			tx := &transaction{tables: map[*rtable]bool{}, xid: fmt.Sprintf("'{db}-%d'", g.xids)}
			ok, err := g.do(s, "XA START "+tx.xid)
			if ok {
				g.open[s] = tx
			}
			return err
		case n < 36 && len(g.prepared) > 0:
			return g.decide(s)
		case n < 48:
			return g.define(s)
		case n < 53:
			return g.variable(s)
		case n < 55 && g.mixed:
			return g.unlogged(s)
		case n < 62:
			return g.special(s)
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
	case n < 33 && tx.xid == "": // DDL ends the transaction
		g.open[s] = nil
		before := g.script.len()
		err := g.define(s)
		if g.script.len() == before {
			g.open[s] = tx
		}
		return err
	case n < 35:
		g.open[s], g.lax[s] = nil, false
		_, err := g.do(s, goneSession)
		return err
	case n < 43:
		return g.special(s)
	}
	return g.change(s)
}

func (g *generator) end(s int) error {
	tx := g.open[s]
	g.open[s] = nil
	if tx.xid != "" {
		if ok, err := g.do(s, "XA END "+tx.xid); !ok || err != nil {
			return err
		}
		if g.chance(20) {
			_, err := g.do(s, pickOne(g.rng, []string{"XA COMMIT " + tx.xid + " ONE PHASE", "XA ROLLBACK " + tx.xid}))
			return err
		}
		ok, err := g.do(s, "XA PREPARE "+tx.xid)
		if ok {
			g.prepared = append(g.prepared, tx)
			if g.m.Flavor() == "mariadb" { // nobody else can decide before the session is gone
				g.lax[s] = false
				_, err = g.do(s, goneSession)
			}
		}
		return err
	}
	_, err := g.do(s, pickOne(g.rng, []string{"COMMIT", "COMMIT", "COMMIT", "ROLLBACK"}))
	return err
}

// free returns the tables that a session can use.
func (g *generator) free(s int) []*rtable {
	var out []*rtable
	for _, t := range g.list {
		if !g.taken(s, t) {
			out = append(out, t)
		}
	}
	return out
}

// taken reports whether a transaction that is not the session's has touched the table.
func (g *generator) taken(s int, t *rtable) bool {
	if other := g.open[1-s]; other != nil && other.tables[t] {
		return true
	}
	return slices.ContainsFunc(g.prepared, func(tx *transaction) bool { return tx.tables[t] })
}

// features are what the pipeline follows; others are not generated.
var features = map[string]bool{"xa": true, "keyless": true}

// variable changes something about the session.
func (g *generator) variable(s int) error {
	sql := pickOne(g.rng, []string{
		"SET SESSION binlog_row_value_options = PARTIAL_JSON", "SET SESSION binlog_row_value_options = ''", "SET SESSION binlog_transaction_compression = ON", "SET SESSION binlog_transaction_compression = OFF", "SET SESSION binlog_rows_query_log_events = ON",
		"SET SESSION time_zone = '+05:30'", "SET SESSION time_zone = '-11:00'", "SET SESSION sql_mode = ''", "SET SESSION sql_mode = DEFAULT",
		"SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'", "SET SESSION sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'",
		"SET SESSION foreign_key_checks = 0", "SET SESSION unique_checks = 0", "SET SESSION sql_mode = 'NO_ZERO_DATE,ALLOW_INVALID_DATES'", "FLUSH BINARY LOGS",
	})
	ok, err := g.do(s, sql)
	if mode, is := strings.CutPrefix(sql, "SET SESSION sql_mode = "); ok && is {
		g.lax[s] = mode != "DEFAULT" && !strings.Contains(mode, "STRICT")
	}
	return err
}

// unlogged makes changes that the log has as statements, or may have. Tables pause then, and are loaded anew when that is asked for.
func (g *generator) unlogged(s int) error {
	ok, err := g.do(s, "SET SESSION binlog_format = "+pickOne(g.rng, []string{"STATEMENT", "STATEMENT", "MIXED"}))
	for range 1 + g.rng.IntN(3) {
		if ok && err == nil {
			err = g.change(s)
		}
	}
	if ok && err == nil {
		_, err = g.do(s, "SET SESSION binlog_format = ROW")
	}
	return err
}
