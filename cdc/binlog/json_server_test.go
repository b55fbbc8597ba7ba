package binlog

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
	"pgregory.net/rapid"
)

// sqlJSON draws an SQL expression of a JSON document: values that JSON text cannot express (decimals, times, binaries)
// come in as SQL values.
func sqlJSON(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kinds := 12
		if depth <= 0 {
			kinds = 10
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]string{"CAST('null' AS JSON)", "CAST('true' AS JSON)", "CAST('false' AS JSON)"}).Draw(t, "literal")
		case 1, 2:
			return strconv.FormatInt(rapid.Int64().Draw(t, "int"), 10)
		case 3:
			return strconv.FormatUint(rapid.Uint64().Draw(t, "uint"), 10)
		case 4:
			f := rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }).Draw(t, "double")
			if rapid.Bool().Draw(t, "plain") {
				f = math.Trunc(f*1000) / 1000
				if math.IsInf(f, 0) {
					f = 1.5
				}
			}
			return strconv.FormatFloat(f, 'e', -1, 64)
		case 5:
			scale := rapid.IntRange(0, 30).Draw(t, "scale")
			return fmt.Sprintf("CAST(%s%s.%s AS DECIMAL(65,%d))", rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign"),
				rapid.StringMatching(`[0-9]{1,30}`).Draw(t, "integral"), rapid.StringMatching(`[0-9]{1,30}`).Draw(t, "fraction"), scale)
		case 6:
			return "CAST(X'" + fmt.Sprintf("%x", rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "binary")) + "' AS BINARY)"
		case 7:
			return fmt.Sprintf("CAST('%04d-%02d-%02d %02d:%02d:%02d.%06d' AS %s)", rapid.IntRange(1, 9999).Draw(t, "y"), rapid.IntRange(1, 12).Draw(t, "mo"),
				rapid.IntRange(1, 28).Draw(t, "d"), rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "mi"), rapid.IntRange(0, 59).Draw(t, "s"),
				rapid.IntRange(0, 999999).Draw(t, "us"), rapid.SampledFrom([]string{"DATE", "DATETIME", "DATETIME(6)"}).Draw(t, "as"))
		case 8:
			return fmt.Sprintf("CAST('%s%d:%02d:%02d.%06d' AS TIME(6))", rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign"), rapid.IntRange(0, 837).Draw(t, "h"),
				rapid.IntRange(0, 59).Draw(t, "mi"), rapid.IntRange(0, 59).Draw(t, "s"), rapid.IntRange(0, 999999).Draw(t, "us"))
		case 9:
			return sqlString(rapid.StringOf(rapid.RuneFrom([]rune("ab\x00\x01\b\f\n\r\t\x1f\x7f\"\\/'é€😀"))).Draw(t, "string"))
		case 10:
			return "JSON_ARRAY(" + strings.Join(rapid.SliceOfN(sqlJSON(depth-1), 0, 12).Draw(t, "elements"), ", ") + ")"
		default:
			var parts []string
			for _, e := range rapid.SliceOfN(sqlJSON(depth-1), 0, 12).Draw(t, "members") {
				parts = append(parts, sqlString(rapid.StringN(0, 12, -1).Draw(t, "key")), e)
			}
			return "JSON_OBJECT(" + strings.Join(parts, ", ") + ")"
		}
	})
}

func sqlString(s string) string { return "CONVERT(X'" + fmt.Sprintf("%x", s) + "' USING utf8mb4)" }

// TestJSONRandom stores random documents and compares what the log's binary JSON prints as with the server's text.
func TestJSONRandom(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE j (id INT PRIMARY KEY, doc JSON)")
	r := follow(t, db, "j", TableOptions{})
	conn, err := db.Connect(context.Background(), db.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		var values []string
		for _, doc := range rapid.SliceOfN(sqlJSON(3), 20, 20).Draw(rt, "documents") {
			n++
			values = append(values, fmt.Sprintf("(%d, JSON_ARRAY(%s))", n, doc))
		}
		sql := "INSERT INTO j VALUES " + strings.Join(values, ", ")
		if _, err := conn.Execute(sql); err != nil {
			rt.Fatalf("%s: %v", sql, err)
		}
	})
	// Documents beyond 64 KiB take the large format, in the middle of which small containers stand.
	big := []string{"JSON_ARRAY(REPEAT('x', 70000), JSON_OBJECT('a', 1, 'b', 70000, 'c', 3000000000), 1, 65536, -40000, 4000000000, true)",
		"JSON_OBJECT('k', REPEAT('y', 100000), 'long', JSON_ARRAY(1.5, CAST('null' AS JSON)), REPEAT('key', 5000), 7)",
		"(SELECT JSON_ARRAYAGG(x) FROM (WITH RECURSIVE s AS (SELECT 1 x UNION ALL SELECT x+1 FROM s WHERE x < 1000) SELECT x*100 x FROM s) q)",
		"CAST(CONCAT(REPEAT('[',100),REPEAT(']',100)) AS JSON)"}
	// Decimals keep the digits of their literals, also leading zeros, and more than a DECIMAL column has.
	for digits := 1; digits <= 35; digits++ {
		for _, scale := range []int{0, 1, 9, 29, 30} {
			for _, d := range []string{strings.Repeat("9", digits), strings.Repeat("0", digits-1) + "7", "1" + strings.Repeat("0", digits-1)} {
				big = append(big, fmt.Sprintf("JSON_ARRAY(CAST(-%s.%s AS DECIMAL(65,%d)), CAST(%[1]s.5 AS DECIMAL(65,%[3]d)))", d, strings.Repeat("3", 30), scale))
			}
		}
	}
	for _, doc := range big {
		n++
		if _, err := conn.Execute(fmt.Sprintf("INSERT INTO j SELECT %d, %s", n, doc)); err != nil {
			t.Fatal(err)
		}
	}
	// Updates in place leave gaps and moved values in the binary form.
	for _, stmt := range []string{"UPDATE j SET doc=JSON_SET(doc, '$[0]', 'short')", "UPDATE j SET doc=JSON_REMOVE(doc, '$[1]') WHERE id%3=0",
		"UPDATE j SET doc=JSON_REPLACE(doc, '$[0]', REPEAT('longer',20)) WHERE id%5=0"} {
		if _, err := conn.Execute(stmt); err != nil {
			t.Fatal(err)
		}
	}
	db.Exec("INSERT INTO j SELECT id+1000000, doc FROM j")
	for _, b := range r.decode() {
		for i := range b.N {
			if s := b.Cols[1].Bytes(i); !b.Cols[1].IsNull(i) && !json.Valid(s) {
				t.Errorf("not JSON: %q", s)
			}
		}
	}
	r.c.batches = nil
	r.check()
	t.Logf("%d documents", n)
}

// TestJSONEmpty: MySQL logs an empty value where it had none for a NOT NULL column, and prints null.
func TestJSONEmpty(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE e (id INT PRIMARY KEY)", "INSERT INTO e VALUES (1),(2)", "ALTER TABLE e ADD COLUMN doc JSON NOT NULL, ADD COLUMN n INT")
	r := follow(t, db, "e", TableOptions{})
	db.Exec("UPDATE e SET n=1 WHERE id=1", "UPDATE e SET id=3 WHERE id=2")
	batches := r.decode()
	if len(batches) != 1 || batches[0].N != 3 {
		t.Fatalf("batches %v", batches)
	}
	printed := r.printed()
	for _, i := range []int{0, 2} {
		key := rowKey(r.schema, batches[0], i)
		if got, want := fmt.Sprint(rowText(r.schema, batches[0], i)), fmt.Sprint(printed[key]); got != want {
			t.Errorf("got %s, the server prints %s", got, want)
		}
	}
	r.compare("the rows", r.read(), printed)
}
