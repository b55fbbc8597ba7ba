package mysql

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// A cdc.Bound of this source is a JSON array with one string per key column, each a kind and the value as the server gave it:
//
//	n-12  n3.50            a number (integers, decimals, years, and ENUM, SET and BIT as their numbers)
//	sText                  a text, in UTF-8
//	x00ff                  bytes in hexadecimal
//	f1.5e-07               a float or double
//	t2024-02-29 10:00:00   a date, time or both
//	a10.0.0.1              an address or a UUID of MariaDB
//
// The server's own order and collation decide what lies between two bounds. Ranges that share a bound share its
// text, so every row lies in exactly one of them, whatever the bound's value is.

// keyColumn is how a key column takes part in bounds.
type keyColumn struct {
	name string
	kind byte   // n, f, s, x, t, a
	expr string // what is selected as the value
}

// keyColumns returns the columns of the table's key in order.
func keyColumns(t *binlog.SourceTable) ([]keyColumn, error) {
	var out []keyColumn
	for n := 1; ; n++ {
		found := false
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Key != n {
				continue
			}
			found = true
			k := keyColumn{name: c.Name, expr: quoteName(c.Name)}
			switch c.DataType {
			case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year":
				k.kind = 'n'
			case "float", "double":
				// As a double, which is printed with all its digits; floats are printed with six.
				k.kind, k.expr = 'f', k.expr+" + 0e0"
			case "bit", "enum", "set":
				// These are ordered by number; compared with a text they would be ordered as texts.
				k.kind, k.expr = 'n', "CAST("+k.expr+" AS UNSIGNED)"
			case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
				// The session gets texts in their own character sets.
				k.kind, k.expr = 's', "CONVERT("+k.expr+" USING utf8mb4)"
				if c.Charset == "binary" {
					k.kind, k.expr = 'x', quoteName(c.Name)
				}
			case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
				k.kind = 'x'
			case "date", "time", "datetime", "timestamp":
				k.kind = 't'
			case "uuid", "inet4", "inet6":
				k.kind = 'a'
			default:
				return nil, cdc.Errorf(cdc.CodeKeyType, t.Table, "key column %s is %s: ranges of it cannot be read", c.Name, c.ColumnType)
			}
			out = append(out, k)
		}
		if !found {
			return out, nil
		}
	}
}

// encodeBound makes a bound of the values that the server gave for the key columns.
func encodeBound(keys []keyColumn, values []string) (cdc.Bound, error) {
	parts := make([]string, len(keys))
	for i, k := range keys {
		v := values[i]
		if k.kind == 'x' {
			v = hex.EncodeToString([]byte(v))
		} else if !utf8.ValidString(v) {
			return "", fmt.Errorf("key column %s has a value that is not UTF-8", k.name)
		}
		parts[i] = string(k.kind) + v
	}
	b, err := json.Marshal(parts)
	return cdc.Bound(b), err
}

var (
	numberText  = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	floatText   = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$`)
	hexText     = regexp.MustCompile(`^([0-9a-f]{2})*$`)
	addressText = regexp.MustCompile(`^[-0-9a-f:.]+$`)
	dateText    = regexp.MustCompile(`^[-0-9:. ]+$`)
)

// literals returns the bound's values as SQL literals, nil for the table's edge. Bounds come back from storage: nothing in
// them is trusted.
func literals(keys []keyColumn, b cdc.Bound) ([]string, error) {
	if b == "" {
		return nil, nil
	}
	var parts []string
	if err := json.Unmarshal([]byte(b), &parts); err != nil {
		return nil, fmt.Errorf("bound %.200q: %w", string(b), err)
	}
	if len(parts) != len(keys) {
		return nil, fmt.Errorf("bound %.200q has %d values for %d key columns", string(b), len(parts), len(keys))
	}
	out := make([]string, len(parts))
	for i, p := range parts {
		if p == "" || p[0] != keys[i].kind {
			return nil, fmt.Errorf("bound %.200q does not fit key column %s", string(b), keys[i].name)
		}
		v := p[1:]
		ok := true
		switch p[0] {
		case 'n':
			ok = numberText.MatchString(v)
			out[i] = v
		case 'f':
			ok = floatText.MatchString(v)
			if out[i] = v; !strings.Contains(v, "e") {
				out[i] += "e0" // a number without an exponent is a decimal
			}
		case 's':
			out[i] = stringLiteral(v)
		case 'x':
			ok = hexText.MatchString(v)
			out[i] = "X'" + v + "'"
		case 't':
			ok = dateText.MatchString(v)
			out[i] = "'" + v + "'"
		case 'a':
			ok = addressText.MatchString(v)
			out[i] = "'" + v + "'"
		}
		if !ok {
			return nil, fmt.Errorf("bound %.200q: %q is no value of key column %s", string(b), v, keys[i].name)
		}
	}
	return out, nil
}

// rangeCondition returns the condition for keys after from (exclusive) up to to (inclusive); nil is the table's edge. Row
// comparisons are written out: MySQL uses no index for (a, b) > (1, 2).
func rangeCondition(keys []keyColumn, from, to []string) string {
	var parts []string
	if from != nil {
		parts = append(parts, expand(keys, from, ">", ">"))
	}
	if to != nil {
		parts = append(parts, expand(keys, to, "<", "<="))
	}
	if len(parts) == 0 {
		return "TRUE"
	}
	return strings.Join(parts, " AND ")
}

// expand writes (k1, k2, k3) op (v1, v2, v3) as k1 op v1 OR k1 = v1 AND (k2 op v2 OR …). The leading k1 >= v1 gives the
// optimizer one plain range to start from.
func expand(keys []keyColumn, v []string, op, last string) string {
	n := len(keys)
	s := quoteName(keys[n-1].name) + " " + last + " " + v[n-1]
	for i := n - 2; i >= 0; i-- {
		k := quoteName(keys[i].name)
		s = k + " " + op + " " + v[i] + " OR " + k + " = " + v[i] + " AND (" + s + ")"
	}
	if n > 1 {
		return quoteName(keys[0].name) + " " + op + "= " + v[0] + " AND (" + s + ")"
	}
	return s
}

func orderBy(keys []keyColumn) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = quoteName(k.name)
	}
	return strings.Join(names, ", ")
}
