package stream

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// fakeDB is a database with a log. Transactions reach the log before or after SELECTs see them. Transaction i of the log
// ends at position i+1.
type fakeDB struct {
	mu      sync.Mutex
	log     [][]change
	tables  map[cdc.TableID]*dbTable // as of the end of the log
	seen    map[cdc.TableID]*dbTable // what SELECTs see
	visible int                      // transactions that SELECTs see
	moved   chan struct{}
	silent  map[cdc.TableID]map[int64]bool // keys that were ever changed silently
}

// change is what a transaction does to a row, or to a table.
type change struct {
	table cdc.TableID
	op    cdc.Op
	key   int64
	val   int64
	ddl   ddl
	// silent: the log does not have it (SET sql_log_bin = 0).
	silent bool
}

type ddl uint8

const (
	// ddlAlter makes a new definition, and adds bump to every row without an event.
	ddlAlter ddl = iota + 1
	// ddlBreak empties the table in a way that cannot be followed.
	ddlBreak
	// ddlDrop drops the table, ddlCreate makes it.
	ddlDrop
	ddlCreate
	// ddlTruncate empties the table.
	ddlTruncate
	// ddlSilent changes rows and removes some without an event; the pipeline loads the table anew by itself.
	ddlSilent
)

const bump = 1 << 40

type dbTable struct {
	rows map[int64]int64
	def  int // version of the definition
}

func newFakeDB(tables ...cdc.TableID) *fakeDB {
	db := &fakeDB{tables: map[cdc.TableID]*dbTable{}, seen: map[cdc.TableID]*dbTable{}, silent: map[cdc.TableID]map[int64]bool{}, moved: make(chan struct{})}
	for _, t := range tables {
		db.exec(change{table: t, ddl: ddlCreate})
	}
	return db
}

func apply(to map[cdc.TableID]*dbTable, c change) {
	t := to[c.table]
	switch {
	case c.ddl == ddlCreate:
		to[c.table] = &dbTable{rows: map[int64]int64{}, def: 1}
	case c.ddl == ddlAlter:
		t.def++
		for k := range t.rows {
			t.rows[k] += bump
		}
	case c.ddl == ddlBreak, c.ddl == ddlTruncate:
		t.rows = map[int64]int64{}
	case c.ddl == ddlSilent:
		for k := range t.rows {
			if t.rows[k]++; k%5 == 0 {
				delete(t.rows, k)
			}
		}
	case c.ddl == ddlDrop:
		delete(to, c.table)
	case c.op == cdc.OpDelete:
		delete(t.rows, c.key)
	default:
		t.rows[c.key] = c.val
	}
}

// exec commits a transaction.
func (db *fakeDB) exec(tx ...change) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.log = append(db.log, tx)
	for _, c := range tx {
		apply(db.tables, c)
		if c.silent {
			if db.silent[c.table] == nil {
				db.silent[c.table] = map[int64]bool{}
			}
			db.silent[c.table][c.key] = true
		}
	}
	lag := rand.IntN(12)
	if tx[0].ddl == ddlCreate {
		lag = 0
	}
	db.show(len(db.log) - lag)
	close(db.moved)
	db.moved = make(chan struct{})
}

// show makes transactions up to n visible.
func (db *fakeDB) show(n int) {
	for ; db.visible < n; db.visible++ {
		for _, c := range db.log[db.visible] {
			apply(db.seen, c)
		}
	}
}

// at returns a table's rows as of a position.
func (db *fakeDB) at(id cdc.TableID, pos int) map[int64]int64 { return db.replay(id, pos, true) }

// allowed reports whether rows that differ from those at a position have an excuse: each is as the log alone would have it, and
// was changed silently.
func (db *fakeDB) allowed(id cdc.TableID, pos int, want, got map[int64]int64) bool {
	logged := db.replay(id, pos, false)
	db.mu.Lock()
	defer db.mu.Unlock()
	same := func(k int64, a, b map[int64]int64) bool {
		x, ok1 := a[k]
		y, ok2 := b[k]
		return ok1 == ok2 && x == y
	}
	for _, m := range []map[int64]int64{want, got} {
		for k := range m {
			if !same(k, want, got) && !(db.silent[id][k] && same(k, logged, got)) {
				return false
			}
		}
	}
	return true
}

func (db *fakeDB) replay(id cdc.TableID, pos int, silent bool) map[int64]int64 {
	db.mu.Lock()
	defer db.mu.Unlock()
	m := map[cdc.TableID]*dbTable{}
	for _, tx := range db.log[:pos] {
		for _, c := range tx {
			if c.table == id && (silent || !c.silent) {
				apply(m, c)
			}
		}
	}
	if m[id] == nil {
		return nil
	}
	return m[id].rows
}

func (db *fakeDB) end() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.log)
}

func fakeSchema(t cdc.TableID, version int) *cdc.Schema {
	return &cdc.Schema{Table: t, Version: version, Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.KindInt64}, Key: 1}, {Name: "v", Type: cdc.Type{Kind: cdc.KindInt64}}}}
}

func fakePos(n int) cdc.Position { return cdc.Position(strconv.Itoa(n)) }

func posOf(p cdc.Position) int {
	n, err := strconv.Atoi(string(p))
	if err != nil {
		panic(err)
	}
	return n
}

func sortedTables[V any](m map[cdc.TableID]V) []cdc.TableID {
	var out []cdc.TableID
	for t := range m {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b cdc.TableID) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	return out
}
