package mysql

import (
	"encoding/hex"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
	"github.com/pingcap/tidb/pkg/parser/test_driver"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// initial is what rows that existed before a column read in it. The text is that of Iceberg's single-value serialization.
type initial struct {
	null bool
	text string
}

// literal is a constant of a DDL statement.
type literal struct {
	null   bool
	text   string
	quoted bool // a string
	bytes  bool // a hexadecimal or bit literal; text holds the bytes
}

// literalOf returns the constant that an expression is.
func literalOf(e ast.ExprNode) (literal, bool) {
	switch e := e.(type) {
	case nil:
		return literal{}, false
	case *ast.ParenthesesExpr:
		return literal{}, false // DEFAULT (expression) is evaluated per row
	case *ast.UnaryOperationExpr:
		v, ok := literalOf(e.V)
		if !ok || v.quoted || v.bytes || v.null {
			return literal{}, false
		}
		switch e.Op {
		case opcode.Minus:
			v.text = "-" + v.text
			return v, true
		case opcode.Plus:
			return v, true
		}
		return literal{}, false
	case *test_driver.ValueExpr:
		switch e.Kind() {
		case test_driver.KindNull:
			return literal{null: true}, true
		case test_driver.KindInt64:
			return literal{text: strconv.FormatInt(e.GetInt64(), 10)}, true
		case test_driver.KindUint64:
			return literal{text: strconv.FormatUint(e.GetUint64(), 10)}, true
		case test_driver.KindString:
			return literal{text: e.GetString(), quoted: true}, true
		case test_driver.KindMysqlDecimal:
			return literal{text: e.GetMysqlDecimal().String()}, true
		case test_driver.KindFloat64:
			return literal{text: strconv.FormatFloat(e.GetFloat64(), 'g', -1, 64)}, true
		case test_driver.KindBinaryLiteral:
			return literal{text: string(e.GetBinaryLiteral()), bytes: true}, true
		}
	}
	return literal{}, false
}

const notExact = "existing rows got a default value that cannot be followed exactly; reload the table"

// newInitial works out what existing rows read in a new column: its default, or for NOT NULL columns the type's
// implicit one. It accepts only defaults whose conversion to the column's type is beyond doubt.
func newInitial(c *binlog.SourceColumn, deflt ast.ExprNode) (initial, string) {
	if deflt == nil {
		if c.Nullable {
			return initial{null: true}, ""
		}
		return implicitInitial(c)
	}
	v, ok := literalOf(deflt)
	if !ok {
		return initial{}, "its default is an expression, whose value in existing rows is not known"
	}
	if v.null {
		if c.Nullable {
			return initial{null: true}, ""
		}
		return initial{}, notExact
	}
	if c.DataType != "bit" || !v.bytes {
		text := v.text
		c.Default = &text
	}
	s, ok := convertDefault(c, v)
	if !ok {
		return initial{}, notExact
	}
	return initial{text: s}, ""
}

// implicitInitial is what ADD COLUMN … NOT NULL without a default puts into existing rows.
func implicitInitial(c *binlog.SourceColumn) (initial, string) {
	switch c.DataType {
	case "date", "datetime", "timestamp":
		return initial{}, "existing rows got a zero date, which cannot be represented"
	case "json":
		return initial{}, notExact
	case "enum":
		return initial{text: c.Values[0]}, ""
	case "bit":
		s, _ := convertDefault(c, literal{text: "0"})
		return initial{text: s}, ""
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		s, ok := convertDefault(c, literal{quoted: true})
		return initial{text: s}, pick(ok, "", notExact)
	case "time":
		s, ok := convertDefault(c, literal{text: "00:00:00", quoted: true})
		return initial{text: s}, pick(ok, "", notExact)
	default:
		s, ok := convertDefault(c, literal{text: "0"})
		return initial{text: s}, pick(ok, "", notExact)
	}
}

var (
	integerText = regexp.MustCompile(`^-?[0-9]+$`)
	decimalText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	timeText    = regexp.MustCompile(`^-?[0-9]{2,3}:[0-5][0-9]:[0-5][0-9]$`)
)

// convertDefault converts a constant to the column's type; ok is false wherever MySQL might do something clever.
func convertDefault(c *binlog.SourceColumn, v literal) (string, bool) {
	switch c.DataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		if v.bytes || !integerText.MatchString(v.text) {
			return "", false
		}
		n, ok := new(big.Int).SetString(v.text, 10)
		return n.String(), ok && (n.Sign() >= 0 || !c.Unsigned)
	case "year":
		if v.text == "0" && !v.quoted {
			return "0", true
		}
		n, err := strconv.Atoi(v.text)
		return v.text, err == nil && len(v.text) == 4 && n >= 1901 && n <= 2155
	case "decimal":
		if v.bytes || !decimalText.MatchString(v.text) {
			return "", false
		}
		return decimalDefault(v.text, c.Scale)
	case "float", "double":
		if v.bytes || strings.Contains(c.ColumnType, "(") {
			return "", false
		}
		bits := 64
		if c.DataType == "float" {
			bits = 32
		}
		f, err := strconv.ParseFloat(v.text, bits)
		return strconv.FormatFloat(f, 'g', -1, bits), err == nil
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		if v.bytes {
			return "", false
		}
		s := v.text
		if c.DataType == "char" {
			s = strings.TrimRight(s, " ")
		}
		return s, true
	case "enum":
		for _, m := range c.Values {
			if v.quoted && strings.EqualFold(m, v.text) {
				return m, true
			}
		}
		return "", false
	case "set":
		if v.quoted && v.text == "" {
			return "", true
		}
		for _, m := range c.Values {
			if v.quoted && strings.EqualFold(m, v.text) {
				return m, true
			}
		}
		return "", false
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		if !v.quoted && !v.bytes {
			return "", false
		}
		b := []byte(v.text)
		for c.DataType == "binary" && len(b) < c.Length {
			b = append(b, 0)
		}
		return hex.EncodeToString(b), true
	case "bit":
		return bitDefault(c, v)
	case "date":
		t, err := time.Parse("2006-01-02", v.text)
		return v.text, v.quoted && err == nil && t.Year() > 0
	case "datetime":
		return datetimeDefault(c, v)
	case "time":
		if !v.quoted || !timeText.MatchString(v.text) {
			return "", false
		}
		if c.FSP > 0 {
			return v.text + "." + strings.Repeat("0", c.FSP), true
		}
		return v.text, true
	default: // timestamp: its literal is in the session's time zone
		return "", false
	}
}

// decimalDefault writes a decimal with exactly scale digits after the point; it does not round.
func decimalDefault(s string, scale int) (string, bool) {
	neg := strings.HasPrefix(s, "-")
	whole, frac, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if len(frac) > scale {
		if strings.Trim(frac[scale:], "0") != "" {
			return "", false
		}
		frac = frac[:scale]
	}
	frac += strings.Repeat("0", scale-len(frac))
	if neg && strings.Trim(whole+frac, "0") != "" {
		whole = "-" + whole
	}
	if scale > 0 {
		return whole + "." + frac, true
	}
	return whole, true
}

func bitDefault(c *binlog.SourceColumn, v literal) (string, bool) {
	n := new(big.Int)
	switch {
	case v.bytes:
		n.SetBytes([]byte(v.text))
	case v.quoted:
		return "", false
	default:
		if _, ok := n.SetString(v.text, 10); !ok || n.Sign() < 0 {
			return "", false
		}
	}
	if n.BitLen() > c.Length {
		return "", false
	}
	if c.Length == 1 {
		return strconv.FormatBool(n.Sign() != 0), true
	}
	return hex.EncodeToString(n.FillBytes(make([]byte, (c.Length+7)/8))), true
}

func datetimeDefault(c *binlog.SourceColumn, v literal) (string, bool) {
	if !v.quoted {
		return "", false
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999", "2006-01-02"} {
		t, err := time.Parse(layout, v.text)
		if err != nil || t.Year() == 0 {
			continue
		}
		if _, frac, ok := strings.Cut(v.text, "."); ok && len(frac) > c.FSP {
			return "", false
		}
		return t.Format("2006-01-02T15:04:05.000000"), true
	}
	return "", false
}
