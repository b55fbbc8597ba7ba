package fidelity

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

const null = "NULL"

// column is a column of MySQL, and how its values are compared: as texts with a letter before them that says which kind of
// Iceberg type holds them. i: integer, B: boolean, n: decimal, f: float or double by the bits of the double, d: date in days,
// t and z: timestamp without and with zone in microseconds, s: string, b: binary, both in hexadecimal.
type column struct {
	Name     string
	dataType string
	colType  string
	comment  string
	expr     string
	text     func(string) (string, error)
}

// table is what MySQL says of a table.
type table struct {
	db, name string
	columns  []column
	rows     []string // sorted
	failed   error    // the rows could not be asked for
}

// execute runs statements, in a new session at the start and where a case asks for it.
func execute(ctx context.Context, m *testenv.MySQLServer, db, tmp string, session, statements []string) error {
	var conn *client.Conn
	defer func() {
		if conn != nil {
			conn.Close() //nolint:errcheck // a test's connection
		}
	}()
	for _, s := range append([]string{newSession}, statements...) {
		todo := []string{s}
		if s == newSession {
			was := conn
			var err error
			if conn, err = m.Connect(ctx, db); err != nil {
				return err
			}
			if was != nil { // what it has prepared is not there for others before it has gone
				was.Close() //nolint:errcheck // a test's connection
				// The server knows the thread until then. (PROCESSLIST would fail where another session's statement is not utf8mb3.)
				for gone := false; !gone; {
					_, err := conn.Execute(fmt.Sprintf("KILL %d", was.GetConnectionID()))
					var unknown *mysql.MyError
					if gone = errors.As(err, &unknown) && unknown.Code == mysql.ER_NO_SUCH_THREAD; err != nil && !gone {
						return err
					}
				}
			}
			todo = append([]string{"SET NAMES utf8mb4"}, session...)
		}
		for _, q := range todo {
			q = strings.NewReplacer("{db}", db, "{tmp}", tmp).Replace(q)
			if _, err := conn.Execute(q); err != nil {
				if len(q) > 300 {
					q = q[:300] + "…"
				}
				return fmt.Errorf("%s: %w", q, err)
			}
		}
	}
	return nil
}

// reader connects for ask.
func reader(ctx context.Context, m *testenv.MySQLServer) (*client.Conn, error) {
	conn, err := m.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	statements := []string{"SET time_zone = '+00:00'", "SET NAMES utf8mb4", "SET sql_mode = ''"}
	if m.Flavor() == "mysql" {
		statements = append(statements, "SET SESSION information_schema_stats_expiry = 0")
	}
	for _, s := range statements {
		if _, err := conn.Execute(s); err != nil {
			return nil, err
		}
	}
	return conn, nil
}

// tablesOf returns the tables that the databases have, with their columns.
func tablesOf(conn *client.Conn, like string) (map[string][]*table, error) {
	res, err := conn.Execute(fmt.Sprintf(`SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLUMN_COMMENT, IFNULL(CHARACTER_SET_NAME, '')
		FROM information_schema.COLUMNS JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)
		WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA REGEXP '%s' ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`, like))
	if err != nil {
		return nil, err
	}
	out := map[string][]*table{}
	var last *table
	for r := range res.RowNumber() {
		var f [7]string
		for i := range f {
			if f[i], err = res.GetString(r, i); err != nil {
				return nil, err
			}
			f[i] = strings.Clone(f[i])
		}
		if last == nil || last.db != f[0] || last.name != f[1] {
			last = &table{db: f[0], name: f[1]}
			out[f[0]] = append(out[f[0]], last)
		}
		last.columns = append(last.columns, newColumn(f[2], f[3], f[4], f[5], f[6], strings.Contains(f[0], "_choice_")))
	}
	return out, nil
}

func quote(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// newColumn settles how a column is asked for. chosen: as the rule for cases called choice_ says.
func newColumn(name, dataType, colType, comment, charset string, chosen bool) column {
	q := quote(name)
	c := column{Name: name, dataType: dataType, colType: colType, comment: comment, expr: q}
	tagged := func(tag string) func(string) (string, error) {
		return func(s string) (string, error) { return tag + s, nil }
	}
	switch {
	case chosen && colType == "tinyint(1)":
		c.expr, c.text = q+"+0", tagged("B:")
		return c
	case chosen && dataType == "time":
		// MariaDB's TIME_TO_SEC has a fraction
		c.expr, c.text = fmt.Sprintf("CAST(IF(LEFT(%s, 1) = '-', -1, 1) * (FLOOR(ABS(TIME_TO_SEC(%s))) * 1000000 + MICROSECOND(%s)) AS SIGNED)", q, q, q), tagged("i:")
		return c
	}
	switch dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		c.expr, c.text = q+"+0", tagged("i:")
		if dataType == "bigint" && strings.Contains(colType, "unsigned") {
			c.text = tagged("n:")
		}
	case "decimal":
		var p, scale int
		fmt.Sscanf(colType, "decimal(%d,%d)", &p, &scale) //nolint:errcheck // as information_schema prints it
		if strings.Contains(colType, "zerofill") {
			c.expr = fmt.Sprintf("CAST(%s AS DECIMAL(%d,%d))", q, p, scale)
		}
		c.text = tagged("n:")
		if p > 38 {
			c.text = func(s string) (string, error) { return "s:" + hex.EncodeToString([]byte(s)), nil }
		}
	case "float", "double":
		c.expr = "CAST(" + q + " AS DOUBLE)"
		c.text = func(s string) (string, error) {
			f, err := strconv.ParseFloat(s, 64)
			return fmt.Sprintf("f:%016x", math.Float64bits(f)), err
		}
	case "bit":
		var n int
		fmt.Sscanf(colType, "bit(%d)", &n) //nolint:errcheck // as information_schema prints it
		c.expr = q + "+0"
		c.text = func(s string) (string, error) {
			u, err := strconv.ParseUint(s, 10, 64)
			return fmt.Sprintf("b:%0*x", 2*((n+7)/8), u), err
		}
		if n == 1 {
			c.text = tagged("B:")
		}
	case "date":
		c.text = func(s string) (string, error) {
			t, err := time.Parse(time.DateOnly, s)
			if err != nil {
				return null, nil // no calendar date: NULL where the column allows it (docs/configuration.md, zero_dates)
			}
			return fmt.Sprintf("d:%d", int(math.Floor(float64(t.Unix())/86400))), nil
		}
	case "datetime", "timestamp":
		tag := "t:"
		if dataType == "timestamp" {
			tag = "z:"
		}
		c.text = func(s string) (string, error) {
			t, err := time.Parse(time.DateTime, s)
			if err != nil {
				return null, nil // as above
			}
			return tag + strconv.FormatInt(t.UnixMicro(), 10), nil
		}
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		c.expr = "LOWER(HEX(" + q + "))"
		c.text = tagged("b:")
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		c.expr, c.text = "LOWER(HEX(CONVERT("+q+" USING utf8mb4)))", tagged("s:")
		if charset == "binary" {
			c.text = tagged("b:")
		}
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		// WKB, longitude first; under a reference system EWKB.
		wkb := "HEX(ST_AsBinary(" + q + axisOrder + "))"
		if chosen {
			c.expr, c.text = "LOWER("+wkb+")", tagged("b:")
			return c
		}
		c.expr = fmt.Sprintf("LOWER(IF(ST_SRID(%s) = 0, %s, CONCAT(LEFT(%s, 8), '20', HEX(REVERSE(UNHEX(LPAD(HEX(ST_SRID(%s)), 8, '0')))), SUBSTR(%s, 11))))", q, wkb, wkb, q, wkb)
		c.text = tagged("b:")
	case "vector": // what its text says, as the floats that it was printed from
		c.expr = "VECTOR_TO_STRING(" + q + ")"
		c.text = floats
	case "time", "json", "uuid", "inet4", "inet6":
		c.text = func(s string) (string, error) { return "s:" + hex.EncodeToString([]byte(s)), nil }
	default:
		c.expr = "'?'"
		c.text = func(string) (string, error) {
			return "", fmt.Errorf("the corpus does not know how %s is represented", dataType)
		}
	}
	return c
}

// axisOrder makes MySQL print the longitude first; MariaDB knows no other order, and no such argument.
var axisOrder = ", 'axis-order=long-lat'"

// floats turns a vector as MySQL prints it into a list of numbers.
func floats(s string) (string, error) {
	var list []string
	for _, f := range strings.Split(strings.Trim(s, "[]"), ",") {
		x, err := strconv.ParseFloat(f, 32)
		if err != nil {
			return "", err
		}
		list = append(list, fmt.Sprintf("f:%016x", math.Float64bits(x)))
	}
	return "[" + strings.Join(list, ",") + "]", nil
}

// ask reads a table's rows from MySQL.
func (t *table) ask(conn *client.Conn) error {
	var exprs []string
	for _, c := range t.columns {
		exprs = append(exprs, c.expr)
	}
	res, err := conn.Execute("SELECT " + strings.Join(exprs, ", ") + " FROM " + quote(t.db) + "." + quote(t.name))
	if err != nil {
		return err
	}
	defer res.Close()
	for r := range res.RowNumber() {
		cells := make([]string, len(t.columns))
		for i := range t.columns {
			if isNull, err := res.IsNull(r, i); err != nil {
				return err
			} else if isNull {
				cells[i] = null
				continue
			}
			s, err := res.GetString(r, i)
			if err == nil {
				cells[i], err = t.columns[i].text(strings.Clone(s))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", t.columns[i].Name, err)
			}
		}
		t.rows = append(t.rows, strings.Join(cells, " "))
	}
	sort.Strings(t.rows)
	return nil
}
