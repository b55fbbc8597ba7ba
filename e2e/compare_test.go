package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

const null = "\x00NULL"

// column says how one column is put into the text that both sides are compared by.
type column struct{ name, dataType, columnType string }

// mysqlRows reads a table from MySQL as text, by the primary key's text; equal rows of a table without a key by the row and a number.
func mysqlRows(ctx context.Context, m *testenv.MySQLServer, db, tbl string) (map[string]string, []column, error) {
	info, err := m.Query(ctx, fmt.Sprintf(`SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLUMN_KEY FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA='%s' AND TABLE_NAME='%s' ORDER BY ORDINAL_POSITION`, db, tbl))
	if err != nil {
		return nil, nil, err
	}
	var cols []column
	var exprs []string
	var key []int
	for i, r := range info {
		c := column{r[0], r[1], r[2]}
		cols = append(cols, c)
		if r[3] == "PRI" {
			key = append(key, i)
		}
		q := "`" + c.name + "`"
		e := q
		switch c.dataType {
		case "binary", "varbinary", "blob":
			e = "HEX(" + q + ")"
		case "bit":
			e = q + "+0"
		case "float":
			e = "CAST(" + q + " AS DOUBLE)"
		}
		exprs = append(exprs, "IF("+q+" IS NULL, 'N', CONCAT('v', "+e+"))")
	}
	// GROUP by nothing: one statement is one consistent read.
	conn, err := m.Connect(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close() //nolint:errcheck // a test's connection
	for _, s := range []string{"SET time_zone = '+00:00'", "SET NAMES utf8mb4"} {
		if _, err := conn.Execute(s); err != nil {
			return nil, nil, err
		}
	}
	res, err := conn.Execute("SELECT " + strings.Join(exprs, ", ") + " FROM `" + tbl + "`")
	if err != nil {
		return nil, nil, err
	}
	out, times := map[string]string{}, map[string]int{}
	for r := range res.RowNumber() {
		vals := make([]string, len(cols))
		for i, c := range cols {
			s, err := res.GetString(r, i)
			if err != nil {
				return nil, nil, err
			}
			if s == "N" {
				vals[i] = null
				continue
			}
			vals[i] = mysqlText(c, s[1:])
		}
		out[rowKey(vals, key, times)] = strings.Join(vals, "\x01")
	}
	return out, cols, nil
}

// rowKey counts in times how often it has seen a row without a key.
func rowKey(vals []string, key []int, times map[string]int) string {
	if len(key) == 0 {
		row := strings.Join(vals, "\x01")
		times[row]++
		return fmt.Sprintf("%s\x01%d", row, times[row])
	}
	var k []string
	for _, i := range key {
		k = append(k, vals[i])
	}
	return strings.Join(k, "\x01")
}

func mysqlText(c column, s string) string {
	switch c.dataType {
	case "binary", "varbinary", "blob":
		return strings.ToLower(s)
	case "bit":
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return "bad bit " + s
		}
		if c.columnType == "bit(1)" {
			return strconv.FormatBool(n == 1)
		}
		var width int
		fmt.Sscanf(c.columnType, "bit(%d)", &width) //nolint:errcheck // as information_schema prints it
		return fmt.Sprintf("%0*x", 2*((width+7)/8), n)
	case "float", "double":
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "bad float " + s
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	case "datetime", "timestamp":
		if !strings.Contains(s, ".") {
			s += "."
		}
		return s + strings.Repeat("0", 26-len(s))
	}
	return s
}

// icebergRows reads a table through iceberg-go's scanner into the same text.
func icebergRows(ctx context.Context, cat catalog.Catalog, ident table.Identifier, cols []column, keyNames map[string]bool) (map[string]string, error) {
	tbl, err := cat.LoadTable(ctx, ident)
	if err != nil {
		return nil, err
	}
	_, it, err := tbl.Scan().ToArrowRecords(ctx)
	if err != nil {
		return nil, err
	}
	out, times := map[string]string{}, map[string]int{}
	for rec, err := range it {
		if err != nil {
			return nil, err
		}
		idx := make([]int, len(cols))
		var key []int
		for i, c := range cols {
			f := rec.Schema().FieldIndices(c.name)
			if len(f) != 1 {
				return nil, fmt.Errorf("column %s: %d fields in %s", c.name, len(f), rec.Schema())
			}
			idx[i] = f[0]
			if keyNames[c.name] {
				key = append(key, i)
			}
		}
		for r := range int(rec.NumRows()) {
			vals := make([]string, len(cols))
			for i := range cols {
				vals[i] = arrowText(rec.Column(idx[i]), r)
			}
			k := rowKey(vals, key, times)
			if _, ok := out[k]; ok {
				return nil, fmt.Errorf("%v: the row with key %q is there twice", ident, k)
			}
			out[k] = strings.Join(vals, "\x01")
		}
		rec.Release()
	}
	return out, nil
}

func arrowText(a arrow.Array, r int) string {
	if a.IsNull(r) {
		return null
	}
	switch a := a.(type) {
	case *array.Int32:
		return strconv.Itoa(int(a.Value(r)))
	case *array.Int64:
		return strconv.FormatInt(a.Value(r), 10)
	case *array.Boolean:
		return strconv.FormatBool(a.Value(r))
	case *array.Float32:
		return strconv.FormatFloat(float64(a.Value(r)), 'g', -1, 64)
	case *array.Float64:
		return strconv.FormatFloat(a.Value(r), 'g', -1, 64)
	case *array.Decimal128:
		return a.Value(r).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.String:
		return a.Value(r)
	case *array.LargeString:
		return a.Value(r)
	case *array.Binary:
		return hex.EncodeToString(a.Value(r))
	case *array.LargeBinary:
		return hex.EncodeToString(a.Value(r))
	case *array.Date32:
		return time.Unix(int64(a.Value(r))*86400, 0).UTC().Format("2006-01-02")
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(r))).UTC().Format("2006-01-02 15:04:05.000000")
	}
	return fmt.Sprintf("unexpected %T", a)
}

// diff describes up to five differences, in a stable order.
func diff(want, got map[string]string) []string {
	var out []string
	show := func(s string) string {
		if len(s) > 300 {
			s = s[:300] + "…"
		}
		return strings.ReplaceAll(strings.ReplaceAll(s, null, "NULL"), "\x01", " | ")
	}
	for k, w := range want {
		if g, ok := got[k]; !ok {
			out = append(out, "missing: "+show(w))
		} else if g != w {
			out = append(out, "differs: MySQL "+show(w)+"\n         table "+show(g))
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			out = append(out, "too much: "+show(g))
		}
	}
	sort.Strings(out)
	if len(out) > 5 {
		out = append(out[:5], fmt.Sprintf("… and %d more", len(out)-5))
	}
	return out
}
