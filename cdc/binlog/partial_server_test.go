package binlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// partialMaker makes documents and updates that MySQL can log as partial ones.
type partialMaker struct{ *rand.Rand }

// partialKeys are few, so that paths meet them, and of all kinds: what has to be quoted, escaped, and several bytes long.
var partialKeys = []string{"a", "b", "key", "long key", "", `qu"ote`, `back\slash`, "tab\t", "nul\x01", "é", "€uro", "😀", "a.b", "[0]", "last", "$", "1", "_x", "naïve", "a*b"}

func (m partialMaker) pick(list ...string) string { return list[m.IntN(len(list))] }

func (m partialMaker) key() string { return m.pick(partialKeys...) }

// value is an SQL expression of a JSON value.
func (m partialMaker) value(depth int) string {
	kinds := 14
	if depth > 0 {
		kinds = 22
	}
	switch k := m.IntN(kinds); k {
	case 0:
		return m.pick("CAST('null' AS JSON)", "CAST('true' AS JSON)", "CAST('false' AS JSON)")
	case 1, 2:
		return strconv.Itoa(m.IntN(7) - 3)
	case 3:
		return m.pick("-32768", "32767", "32768", "65535", "65536", "-32769", "2147483647", "2147483648", "4294967295", "4294967296", "-2147483649", "9223372036854775807", "18446744073709551615")
	case 4:
		return m.pick("0e0", "-1.5e0", "1e15", "1e16", "1.2345678901234567e300", "5e-324")
	case 5:
		return fmt.Sprintf("CAST(%d.%02d AS DECIMAL(20,%d))", m.IntN(1000)-500, m.IntN(100), m.IntN(6))
	case 6:
		return m.pick("DATE'2024-02-29'", "TIMESTAMP'1999-12-31 23:59:59.123456'", "CAST('-838:59:58.5' AS TIME(6))", "CAST('12:00:01' AS TIME)")
	case 7:
		return fmt.Sprintf("CAST(REPEAT(X'%02x', %d) AS BINARY)", m.IntN(256), m.IntN(90))
	case 8:
		return m.pick("ST_GeomFromText('POINT(1 2)')", "b'101'", "CAST(X'00ff' AS BINARY)")
	case 9:
		return "REPEAT('x', " + strconv.Itoa(m.IntN(20)*m.IntN(40)) + ")"
	case 10, 11, 12, 13:
		return sqlString(m.pick("", "text", "é€😀", "\"\\\n\x1f", strings.Repeat("longer ", m.IntN(12))))
	case 14, 15, 16:
		parts := make([]string, m.IntN(6))
		for i := range parts {
			parts[i] = m.value(depth - 1)
		}
		return "JSON_ARRAY(" + strings.Join(parts, ", ") + ")"
	default:
		var parts []string
		for range m.IntN(7) {
			parts = append(parts, sqlString(m.key()), m.value(depth-1))
		}
		return "JSON_OBJECT(" + strings.Join(parts, ", ") + ")"
	}
}

// document is a value that is large enough for partial updates of it to pay.
func (m partialMaker) document() string {
	if m.IntN(12) == 0 {
		return m.pick("NULL", "CAST('null' AS JSON)", "CAST(1 AS JSON)", "JSON_ARRAY()", "JSON_OBJECT()", "JSON_ARRAY(REPEAT('y', 70000), JSON_OBJECT('a', JSON_ARRAY(1, 2, 3), 'b', 65536))")
	}
	padding := sqlString(m.key()) + ", REPEAT('p', 200)"
	if m.IntN(3) == 0 {
		return "JSON_ARRAY(" + m.value(3) + ", " + m.value(2) + ", JSON_OBJECT(" + padding + ", " + sqlString(m.key()) + ", " + m.value(2) + "))"
	}
	return "JSON_OBJECT(" + padding + ", " + sqlString(m.key()) + ", " + m.value(3) + ", " + sqlString(m.key()) + ", " + m.value(3) + ")"
}

func (m partialMaker) path() string {
	var b strings.Builder
	b.WriteByte('$')
	for range 1 + m.IntN(3) {
		switch m.IntN(5) {
		case 0:
			b.WriteString(m.pick("[0]", "[1]", "[2]", "[7]", "[last]", "[last-1]", "[last-4]"))
		case 1:
			b.WriteString("[" + strconv.Itoa(m.IntN(3)) + "]")
		default:
			b.WriteString("." + quoteKey(m.key()))
		}
	}
	return sqlString(b.String())
}

func quoteKey(s string) string {
	r := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\t", `\t`, "\x01", `\u0001`)
	return `"` + r.Replace(s) + `"`
}

// change is an expression that updates the column.
func (m partialMaker) change(column string) string {
	for range 1 + m.IntN(3) {
		var args []string
		function := m.pick("JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE")
		for range 1 + m.IntN(3) {
			if args = append(args, m.path()); function != "JSON_REMOVE" {
				args = append(args, m.value(2))
			}
		}
		column = function + "(" + column + ", " + strings.Join(args, ", ") + ")"
	}
	return column
}

// TestPartialJSON makes hundreds of random documents and partial updates of them, and compares what the log gives with what the server
// prints.
func TestPartialJSON(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rounds := 40
	if os.Getenv("CDC2LAKE_TEST_ALL") != "" {
		rounds = 500
	}
	m := partialMaker{rand.New(rand.NewPCG(seed, 1))}
	for _, c := range []struct {
		name, metadata, compression, table, filter string
		opts                                       TableOptions
	}{
		{"full", "FULL", "OFF", "id INT PRIMARY KEY, a JSON, t TEXT, b JSON NOT NULL, v INT, d JSON", "TRUE", TableOptions{}},
		{"minimal", "MINIMAL", "OFF", "a JSON, t TEXT, b JSON NOT NULL, v INT, id INT PRIMARY KEY, d JSON", "TRUE", TableOptions{}},
		{"compressed", "FULL", "ON", "id INT PRIMARY KEY, v INT, a JSON, t VARCHAR(2000), b JSON NOT NULL, g VARCHAR(100) AS (LEFT(JSON_UNQUOTE(b->'$.a'), 50)), h JSON AS (b->'$.b') VIRTUAL, d JSON", "id % 3 > 0", TableOptions{}},
		{"left out", "FULL", "OFF", "x1 JSON, x2 JSON, x3 JSON, x4 JSON, id INT PRIMARY KEY, x5 JSON, x6 JSON, x7 JSON, t TEXT, a JSON, v INT, b JSON NOT NULL, d JSON", "TRUE", TableOptions{Exclude: []string{"x1", "a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			setGlobal(t, db, "binlog_row_metadata", c.metadata)
			db.Exec("CREATE TABLE p (" + c.table + ")")
			r := follow(t, db, "p", c.opts)
			conn, err := db.Connect(context.Background(), db.Name)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			exec := func(sql string) {
				if _, err := conn.Execute(sql); err != nil && !strings.Contains(err.Error(), "(22032)") && !strings.Contains(err.Error(), "exceeds the maximum depth") {
					t.Fatalf("%v: %s", err, sql)
				}
			}
			exec("SET SESSION binlog_row_value_options = 'PARTIAL_JSON', binlog_transaction_compression = " + c.compression)
			for id := range 80 {
				b := m.document()
				if b == "NULL" {
					b = "JSON_ARRAY()"
				}
				exec(fmt.Sprintf("INSERT INTO p (id, v, t, a, b, d) VALUES (%d, 0, REPEAT('t', %d), %s, %s, %s)", id, m.IntN(1000), m.document(), b, m.document()))
			}
			for range rounds {
				sets := []string{"a = " + m.change("a"), "b = " + m.change("b"), "d = " + m.change("d"), "v = v + 1", "a = " + m.document(), "t = NULL"}
				if c.name == "left out" {
					sets = append(sets, "x1 = IFNULL("+m.change("x1")+", "+m.document()+")", "x7 = IFNULL("+m.change("x7")+", "+m.document()+")")
				}
				m.Shuffle(len(sets), func(i, j int) { sets[i], sets[j] = sets[j], sets[i] })
				seen := map[string]bool{}
				var list []string
				for _, s := range sets[:1+m.IntN(3)] {
					if column, _, _ := strings.Cut(s, " "); !seen[column] {
						seen[column] = true
						list = append(list, s)
					}
				}
				exec("UPDATE p SET " + strings.Join(list, ", ") + " WHERE " + c.filter + m.pick("", " AND id % 2 = 0", " AND id < 5", " AND id > 60"))
			}
			exec("UPDATE p SET id = id + 1000, b = JSON_SET(b, '$.moved', 1) WHERE id % 7 = 0 ORDER BY id")
			events, diffs := 0, 0
			d := NewDecoder(&collector{onEvent: func(e *Event) error {
				if e.Type == PartialUpdateRowsEvent {
					events++
					diffs += strings.Count(string(e.Body), "\x00\x00\x00\x02") // a removal, first of a column
				}
				return nil
			}}, 1)
			defer d.Close()
			for _, ev := range dump(t, db, r.file, r.pos) {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
				d.Hold(true)
			}
			if events < rounds/2 || diffs == 0 {
				t.Errorf("%d events of partial updates", events)
			}
			r.check()
			t.Logf("%d events of partial updates", events)
		})
	}
}
