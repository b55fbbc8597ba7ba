package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// The tables of the equality tests. Between them they have every kind of key, and none, and every type that is supported.
const ddl = `
CREATE TABLE plain (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, amount DECIMAL(12,2), note TEXT, at DATETIME(6) NOT NULL, n INT);
CREATE TABLE comp (a INT NOT NULL, b VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL, v BIGINT UNSIGNED, PRIMARY KEY (a, b));
CREATE TABLE strkey (k VARCHAR(30) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v INT NOT NULL);
CREATE TABLE binkey (k BINARY(8) NOT NULL, d DATETIME(3) NOT NULL, v VARBINARY(20), PRIMARY KEY (k, d));
CREATE TABLE deckey (k DECIMAL(30,4) NOT NULL PRIMARY KEY, v VARCHAR(10));
CREATE TABLE nokey (a INT, b VARCHAR(20), f DOUBLE, at DATETIME(3) NULL, KEY (a));
CREATE TABLE types (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  i8 TINYINT, u8 TINYINT UNSIGNED, i16 SMALLINT, u16 SMALLINT UNSIGNED, i24 MEDIUMINT, u24 MEDIUMINT UNSIGNED,
  i32 INT, u32 INT UNSIGNED, i64 BIGINT, u64 BIGINT UNSIGNED,
  d1 DECIMAL(5,2), d2 DECIMAL(18,0), d3 DECIMAL(38,10), d4 DECIMAL(65,30), f FLOAT, g DOUBLE,
  c CHAR(10), vc VARCHAR(300), t TEXT, l1 VARCHAR(50) CHARACTER SET latin1, mt MEDIUMTEXT,
  b BINARY(6), vb VARBINARY(40), bl BLOB,
  dt DATE, ti TIME(3), dtm DATETIME, dtm6 DATETIME(6), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL, y YEAR,
  bit1 BIT(1), bit12 BIT(12), e ENUM('red','green','blue'), s SET('a','b','c','d'), j JSON);
`

var tables = []string{"plain", "comp", "strkey", "binkey", "deckey", "nokey", "types"}

// workload writes to a database from several connections at once.
type workload struct {
	t       *testing.T
	mysql   *testenv.MySQLServer
	db      string
	changes atomic.Int64
	stop    chan struct{}
	wg      sync.WaitGroup
}

// fill creates the tables with rows, before the pipeline starts.
func fill(t *testing.T, m *testenv.MySQLServer, db string, rng *rand.Rand, rows int) {
	t.Helper()
	stmts := []string{"DROP DATABASE IF EXISTS " + db, "CREATE DATABASE " + db + " DEFAULT CHARACTER SET utf8mb4", "USE " + db}
	for _, s := range strings.Split(ddl, ";") {
		if strings.TrimSpace(s) != "" {
			stmts = append(stmts, s)
		}
	}
	for _, table := range tables {
		n := rows
		if table == "types" {
			n = rows / 4
		}
		for n > 0 {
			k := min(n, 200)
			var vals []string
			for range k {
				vals = append(vals, tuple(table, rng, true))
			}
			stmts = append(stmts, "INSERT IGNORE INTO "+table+" VALUES "+strings.Join(vals, ","))
			n -= k
		}
	}
	if err := m.Exec(t.Context(), stmts...); err != nil {
		t.Fatal(err)
	}
}

// start begins writers; stopped by finish.
func startWorkload(t *testing.T, m *testenv.MySQLServer, db string, seed uint64, writers int) *workload {
	w := &workload{t: t, mysql: m, db: db, stop: make(chan struct{})}
	for i := range writers {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+100))
		w.wg.Go(func() {
			if err := w.write(rng); err != nil {
				t.Errorf("writer: %v", err)
			}
		})
	}
	return w
}

func (w *workload) finish() {
	close(w.stop)
	w.wg.Wait()
}

func (w *workload) write(rng *rand.Rand) error {
	conn, err := w.mysql.Connect(context.Background(), w.db)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // a test's connection
	if _, err := conn.Execute("SET innodb_lock_wait_timeout = 2"); err != nil {
		return err
	}
	for {
		select {
		case <-w.stop:
			return nil
		default:
		}
		if err := conn.Begin(); err != nil {
			return err
		}
		failed := false
		n := 1 + rng.IntN(5)
		if rng.IntN(40) == 0 {
			n = 60
		}
		for range n {
			res, err := conn.Execute(statement(rng))
			if err != nil {
				// Duplicate keys, dead locks and lock time-outs belong to the load; anything else does not.
				if s := err.Error(); !strings.Contains(s, "1062") && !strings.Contains(s, "1213") && !strings.Contains(s, "1205") {
					return err
				}
				failed = true
				break
			}
			w.changes.Add(int64(res.AffectedRows))
		}
		if failed || rng.IntN(20) == 0 {
			err = conn.Rollback()
		} else {
			err = conn.Commit()
		}
		if err != nil {
			return err
		}
	}
}

// statement is one random change. Keys collide often: the same row is inserted, changed, deleted and inserted again.
func statement(rng *rand.Rand) string {
	table := tables[rng.IntN(len(tables))]
	switch rng.IntN(8) {
	case 0, 1, 2:
		return "INSERT INTO " + table + " VALUES " + tuple(table, rng, false)
	case 3:
		return "REPLACE INTO " + table + " VALUES " + tuple(table, rng, false)
	case 4:
		return "DELETE FROM " + table + " WHERE " + where(table, rng)
	case 5: // several rows at once
		switch table {
		case "plain":
			return fmt.Sprintf("UPDATE plain SET n = %d WHERE id BETWEEN %d AND %d", rng.IntN(1000), rng.IntN(4000), rng.IntN(4000))
		case "comp":
			return fmt.Sprintf("DELETE FROM comp WHERE a = %d AND b < 'c'", rng.IntN(300))
		case "nokey":
			return fmt.Sprintf("INSERT INTO nokey SELECT a, b, -f, at FROM nokey WHERE a = %d LIMIT 10", rng.IntN(200))
		}
		return "INSERT IGNORE INTO " + table + " VALUES " + tuple(table, rng, false) + "," + tuple(table, rng, false)
	case 6: // the key changes
		switch table {
		case "plain":
			return fmt.Sprintf("UPDATE plain SET id = %d WHERE id = %d", rng.IntN(4000), rng.IntN(4000))
		case "comp":
			return fmt.Sprintf("UPDATE comp SET b = UPPER(b) WHERE a = %d", rng.IntN(300))
		case "strkey":
			return fmt.Sprintf("UPDATE strkey SET k = %s WHERE %s", latin(rng), where("strkey", rng))
		case "deckey":
			return fmt.Sprintf("UPDATE deckey SET k = -k WHERE %s", where("deckey", rng))
		case "nokey":
			return fmt.Sprintf("UPDATE nokey SET a = %s WHERE %s", orNull(rng, fmt.Sprint(rng.IntN(200))), where("nokey", rng))
		}
		return "DELETE FROM " + table + " WHERE " + where(table, rng)
	default:
		switch table {
		case "plain":
			return fmt.Sprintf("UPDATE plain SET name = %s, amount = %s, note = %s WHERE id = %d", text(rng, 40), dec(rng, 10, 2), orNull(rng, text(rng, 200)), rng.IntN(4000))
		case "comp":
			return fmt.Sprintf("UPDATE comp SET v = %s WHERE a = %d", orNull(rng, fmt.Sprint(rng.Uint64())), rng.IntN(300))
		case "strkey":
			return fmt.Sprintf("UPDATE strkey SET v = v + 1 WHERE %s", where("strkey", rng))
		case "binkey":
			return fmt.Sprintf("UPDATE binkey SET v = %s WHERE %s", orNull(rng, bin(rng, 20)), where("binkey", rng))
		case "deckey":
			return fmt.Sprintf("UPDATE deckey SET v = %s WHERE %s", text(rng, 10), where("deckey", rng))
		case "nokey":
			return fmt.Sprintf("UPDATE nokey SET b = UPPER(b) WHERE %s", where("nokey", rng))
		}
		return "REPLACE INTO types VALUES " + tuple("types", rng, false)
	}
}

func where(table string, rng *rand.Rand) string {
	switch table {
	case "plain":
		return fmt.Sprintf("id = %d", rng.IntN(4000))
	case "comp":
		return fmt.Sprintf("a = %d AND b = '%c'", rng.IntN(300), 'a'+rune(rng.IntN(6)))
	case "strkey":
		return "k = " + latin(rng)
	case "binkey":
		return fmt.Sprintf("k = UNHEX('%02x')", rng.IntN(200))
	case "deckey":
		return fmt.Sprintf("k = %d.25", rng.IntN(500))
	case "nokey": // any of those that are equal
		if rng.IntN(10) == 0 {
			return fmt.Sprintf("a = %d", rng.IntN(200))
		}
		return fmt.Sprintf("a = %d LIMIT %d", rng.IntN(200), 1+rng.IntN(3))
	}
	return fmt.Sprintf("id = %d", rng.IntN(800))
}

func tuple(table string, rng *rand.Rand, fill bool) string {
	span := 4000
	switch table {
	case "plain":
		if fill {
			span = 20000
		}
		return fmt.Sprintf("(%d,%s,%s,%s,%s,%s)", rng.IntN(span), text(rng, 40), orNull(rng, dec(rng, 10, 2)), orNull(rng, text(rng, 200)), datetime(rng, 6), orNull(rng, fmt.Sprint(rng.Int32())))
	case "comp":
		return fmt.Sprintf("(%d,'%c',%s)", rng.IntN(300), []rune("aAbBcCäÄdeéf")[rng.IntN(12)], orNull(rng, fmt.Sprint(rng.Uint64())))
	case "strkey":
		return fmt.Sprintf("(%s,%d)", latin(rng), rng.IntN(1000))
	case "binkey":
		return fmt.Sprintf("(UNHEX('%02x'),'2024-01-01 00:00:00.%03d',%s)", rng.IntN(200), rng.IntN(3)*100, orNull(rng, bin(rng, 20)))
	case "deckey":
		sign := ""
		if rng.IntN(2) == 0 {
			sign = "-"
		}
		return fmt.Sprintf("(%s%d.25,%s)", sign, rng.IntN(500), orNull(rng, text(rng, 10)))
	case "nokey":
		return fmt.Sprintf("(%s,%s,%d,%s)", orNull(rng, fmt.Sprint(rng.IntN(200))), orNull(rng, fmt.Sprintf("'%c'", []rune("aAäb ")[rng.IntN(5)])), rng.IntN(2), orNull(rng, "'2024-01-01'"))
	}
	n := func(bits int, signed bool) string {
		v := rng.Uint64() >> (64 - bits)
		switch rng.IntN(6) { // edges
		case 0:
			v = 0
		case 1:
			v = 1<<bits - 1
		}
		if signed {
			return fmt.Sprint(int64(v<<(64-bits)) >> (64 - bits))
		}
		return fmt.Sprint(v)
	}
	vals := []string{fmt.Sprint(rng.IntN(800))}
	for _, bits := range []int{8, 16, 24, 32, 64} {
		vals = append(vals, n(bits, true), n(bits, false))
	}
	vals = append(vals, dec(rng, 3, 2), dec(rng, 18, 0), dec(rng, 28, 10), dec(rng, 35, 30),
		fmt.Sprintf("%g", float32(rng.NormFloat64()*1e3)), fmt.Sprintf("%g", rng.NormFloat64()*1e100),
		text(rng, 10), text(rng, 300), text(rng, 1000), latin(rng), text(rng, 3000),
		bin(rng, 6), bin(rng, 40), bin(rng, 500),
		datetime(rng, -1), fmt.Sprintf("'%s%d:%02d:%02d.%03d'", []string{"", "-"}[rng.IntN(2)], rng.IntN(839), rng.IntN(60), rng.IntN(59), rng.IntN(1000)),
		datetime(rng, 0), datetime(rng, 6), timestamp(rng, 0), timestamp(rng, 6), fmt.Sprint(1901+rng.IntN(255)),
		fmt.Sprintf("b'%b'", rng.IntN(2)), fmt.Sprintf("b'%b'", rng.IntN(4096)),
		[]string{"'red'", "'green'", "'blue'"}[rng.IntN(3)], []string{"''", "'a'", "'b,d'", "'a,b,c,d'"}[rng.IntN(4)], jsonDoc(rng))
	for i := 1; i < len(vals); i++ {
		vals[i] = orNull(rng, vals[i])
	}
	return "(" + strings.Join(vals, ",") + ")"
}

func orNull(rng *rand.Rand, s string) string {
	if rng.IntN(8) == 0 {
		return "NULL"
	}
	return s
}

var alphabet = []rune("abcdefghijklmnopqrstuvwxyz ABCDEF 0123456789 äöüßéñ 漢字 😀 _-%")

func text(rng *rand.Rand, most int) string {
	n := rng.IntN(most + 1)
	r := make([]rune, n)
	for i := range r {
		r[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return "'" + string(r) + "'"
}

func latin(rng *rand.Rand) string {
	return fmt.Sprintf("'%cÄé€%d'", 'a'+rune(rng.IntN(20)), rng.IntN(30))
}

func bin(rng *rand.Rand, most int) string {
	b := make([]byte, rng.IntN(most+1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	if len(b) > 2 && rng.IntN(3) == 0 {
		b[len(b)-1] = 0
	}
	return fmt.Sprintf("UNHEX('%x')", b)
}

func dec(rng *rand.Rand, whole, frac int) string {
	var b strings.Builder
	if rng.IntN(2) == 0 {
		b.WriteByte('-')
	}
	for range 1 + rng.IntN(whole) {
		b.WriteByte(byte('0' + rng.IntN(10)))
	}
	if frac > 0 {
		b.WriteByte('.')
		for range frac {
			b.WriteByte(byte('0' + rng.IntN(10)))
		}
	}
	return b.String()
}

// datetime is a literal with fsp digits of fraction; -1 is a date.
func datetime(rng *rand.Rand, fsp int) string {
	d := fmt.Sprintf("%04d-%02d-%02d", 1000+rng.IntN(9000), 1+rng.IntN(12), 1+rng.IntN(28))
	if fsp < 0 {
		return "'" + d + "'"
	}
	d += fmt.Sprintf(" %02d:%02d:%02d", rng.IntN(24), rng.IntN(60), rng.IntN(60))
	if fsp > 0 {
		d += fmt.Sprintf(".%06d", rng.IntN(1000000))
	}
	return "'" + d + "'"
}

func timestamp(rng *rand.Rand, fsp int) string {
	d := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", 1971+rng.IntN(66), 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60))
	if fsp > 0 {
		d += fmt.Sprintf(".%06d", rng.IntN(1000000))
	}
	return "'" + d + "+00:00'"
}

func jsonDoc(rng *rand.Rand) string {
	switch rng.IntN(4) {
	case 0:
		return fmt.Sprintf(`'{"id": %d, "tags": ["x", "ä%d"], "deep": {"b": null, "a": %t}}'`, rng.Int64(), rng.IntN(10), rng.IntN(2) == 0)
	case 1:
		return fmt.Sprintf(`'[%d, %g, "%s", -1]'`, rng.Uint64(), rng.NormFloat64(), strings.Repeat("z", rng.IntN(300)))
	case 2:
		return `'"just text with \\"quotes\\" and \\n"'`
	}
	return fmt.Sprintf(`'{"k%d": %g}'`, rng.IntN(5), rng.NormFloat64()*1e20)
}
