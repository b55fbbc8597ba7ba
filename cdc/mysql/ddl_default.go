package mysql

import (
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"
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
	// charset is what an introducer names, as in _latin1'x'.
	charset string
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
			v := literal{text: e.GetString(), quoted: true}
			if e.GetType().GetFlag()&pmysql.UnderScoreCharsetFlag != 0 {
				v.charset = normalCharset(strings.ToLower(e.GetType().GetCharset()))
			}
			return v, true
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
func (d *ddlReader) newInitial(c *binlog.SourceColumn, deflt ast.ExprNode) (initial, string) {
	if deflt == nil {
		if c.Nullable {
			return initial{null: true}, ""
		}
		if c.DataType == "enum" && !d.readable(c.Values[0], "") {
			return initial{}, notExact
		}
		return implicitInitial(c)
	}
	v, ok := literalOf(deflt)
	if !ok {
		return initial{}, "its default is an expression, whose value in existing rows is not known"
	}
	return d.literalInitial(c, v)
}

// literalInitial is newInitial with a default that is a constant.
func (d *ddlReader) literalInitial(c *binlog.SourceColumn, v literal) (initial, string) {
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
	if v.quoted && (!d.readable(v.text, v.charset) || d.charset == recoded && !isText(c.DataType) && !isASCII(v.text)) {
		return initial{}, "the server reads its default in another character set than utf8mb4; reload the table"
	}
	if c.DataType == "enum" || c.DataType == "set" {
		var ok bool
		if v.text, ok = d.member(c, v); !ok {
			return initial{}, notExact
		}
	}
	s, ok := convertDefault(c, v)
	if !ok {
		return initial{}, notExact
	}
	return initial{text: s}, ""
}

func isUTF8(charset string) bool { return charset == "utf8mb4" || charset == "utf8mb3" }

// readable reports whether a string literal surely means what its bytes mean in UTF-8. introducer is the character set that is
// written before it, if any.
func (d *ddlReader) readable(text, introducer string) bool {
	return plain(text, d.charset) && (introducer == "" || plain(text, introducer) && (d.charset != recoded || isASCII(text)))
}

// plain reports whether bytes are the same text in a character set as in UTF-8.
func plain(text, charset string) bool {
	switch charset {
	case "utf8mb4", "utf8mb3", recoded:
		return true
	case "swe7", "ucs2", "utf16", "utf16le", "utf32":
		return text == "" // even ASCII's bytes are other letters
	}
	return isASCII(text)
}

// member returns the member of an ENUM or SET that MySQL takes for a default: the first that the collation does not tell from it.
func (d *ddlReader) member(c *binlog.SourceColumn, v literal) (string, bool) {
	if !v.quoted || v.text == "" && c.DataType == "set" {
		return v.text, v.quoted
	}
	if strings.HasSuffix(c.Collation, "_bin") || strings.Contains(c.Collation, "_cs") {
		return v.text, slices.Contains(c.Values, v.text)
	}
	for i, m := range c.Values {
		if !strings.EqualFold(m, v.text) {
			continue
		}
		if m != v.text && slices.Contains(c.Values, v.text) {
			return "", false // the collation is not known well enough
		}
		// What is the same but for accents is an error in strict mode only.
		return m, d.strict || isASCII(strings.Join(c.Values[:i+1], ""))
	}
	return "", false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// implicitInitial is what ADD COLUMN … NOT NULL without a default puts into existing rows.
func implicitInitial(c *binlog.SourceColumn) (initial, string) {
	switch c.DataType {
	case "date", "datetime", "timestamp":
		return initial{}, "existing rows got a zero date, which cannot be represented"
	case "json", "vector", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection":
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
	// numberAsText are the numbers that MySQL writes into a text as they stand in the statement.
	numberAsText = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)
	timeText     = regexp.MustCompile(`^-?([0-9]{2}|[1-7][0-9]{2}|8[0-2][0-9]|83[0-8]):[0-5][0-9]:[0-5][0-9]$`)
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
		if f == 0 && math.Signbit(f) {
			return "", false // whether the sign is kept depends on how the number is written
		}
		return strconv.FormatFloat(f, 'g', -1, bits), err == nil
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		if v.bytes || !v.quoted && !numberAsText.MatchString(v.text) {
			return "", false
		}
		s := v.text
		if c.DataType == "char" {
			s = strings.TrimRight(s, " ")
		}
		// Blanks that are too many are cut off.
		return s, strings.HasSuffix(c.DataType, "text") || utf8.RuneCountInString(s) <= c.Length
	case "enum", "set": // see member
		return v.text, v.quoted
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
		if !v.quoted || !timeText.MatchString(v.text) || v.text == "-00:00:00" {
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
