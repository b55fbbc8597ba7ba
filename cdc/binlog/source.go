package binlog

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// SourceColumn is a column as MySQL defines it. Fill Name, ColumnType, Charset, Collation and the flags from
// information_schema.COLUMNS (or from DDL); ParseType derives the rest from ColumnType.
type SourceColumn struct {
	Name       string `json:"name"`
	ColumnType string `json:"type"`                // COLUMN_TYPE: "int unsigned", "enum('a','b')"
	Charset    string `json:"charset,omitempty"`   // CHARACTER_SET_NAME; empty for columns without one
	Collation  string `json:"collation,omitempty"` // COLLATION_NAME
	Nullable   bool   `json:"null,omitempty"`
	// Generated is "virtual" or "stored" for generated columns. Row events contain both.
	Generated string `json:"generated,omitempty"`
	Invisible bool   `json:"invisible,omitempty"`
	// AutoIncrement: rows that leave it out, or have 0 in it, get the next number.
	AutoIncrement bool `json:"auto,omitempty"`
	// Key is the 1-based ordinal within the key that identifies rows, 0 outside it.
	Key     int     `json:"key,omitempty"`
	Default *string `json:"default,omitempty"` // COLUMN_DEFAULT; nil for none
	// Computed: Default is an expression.
	Computed bool   `json:"computed,omitempty"`
	Comment  string `json:"comment,omitempty"`

	// The following are parsed from ColumnType.

	DataType string `json:"data_type"`          // DATA_TYPE: "int"
	Unsigned bool   `json:"unsigned,omitempty"` // also of ZEROFILL
	// Compressed columns of MariaDB are compressed in the log, too.
	Compressed bool     `json:"compressed,omitempty"`
	Length     int      `json:"length,omitempty"`    // characters; bytes of BINARY and VARBINARY; bits of BIT
	Precision  int      `json:"precision,omitempty"` // DECIMAL
	Scale      int      `json:"scale,omitempty"`     // DECIMAL
	FSP        int      `json:"fsp,omitempty"`       // digits of fractional seconds
	Values     []string `json:"values,omitempty"`    // members of ENUM and SET
}

// SourceTable is a table as MySQL defines it: all columns, also invisible, generated and excluded ones, in ordinal order.
type SourceTable struct {
	Table   cdc.TableID    `json:"table"`
	Columns []SourceColumn `json:"columns"`
	// KeyName is the name of the index whose columns have Key set: PRIMARY, or a unique index over columns that are not null.
	KeyName string `json:"key,omitempty"`
	// Collation is the table's default collation (TABLE_COLLATION): it gives columns that DDL adds their character set.
	Collation string `json:"collation,omitempty"`
	// AsOf is a place in the log beyond which no statement can be that is in the definition already, as the source writes places;
	// empty: it is not known.
	AsOf cdc.Position `json:"asof,omitempty"`
}

// ParseType sets DataType and the fields below it from ColumnType.
func (c *SourceColumn) ParseType() error {
	text := c.ColumnType
	name, rest := text, ""
	if i := strings.IndexAny(text, "( "); i >= 0 {
		name, rest = text[:i], text[i:]
	}
	c.DataType = strings.ToLower(name)
	c.Unsigned, c.Compressed, c.Length, c.Precision, c.Scale, c.FSP, c.Values = false, false, 0, 0, 0, 0, nil
	var args []string
	if strings.HasPrefix(rest, "(") {
		var err error
		if args, rest, err = parseArgs(rest[1:]); err != nil {
			return fmt.Errorf("column %s: type %q: %w", c.Name, text, err)
		}
	}
	for _, word := range strings.Fields(strings.ToLower(rest)) {
		switch word {
		case "unsigned", "zerofill":
			c.Unsigned = true
		case "compressed*/", "compressed":
			c.Compressed = true
		}
	}
	number := func(i, otherwise int) (int, error) {
		if i >= len(args) {
			return otherwise, nil
		}
		return strconv.Atoi(strings.TrimSpace(args[i]))
	}
	var err error
	switch c.DataType {
	case "enum", "set":
		c.Values = args
	case "decimal":
		if c.Precision, err = number(0, 10); err == nil {
			c.Scale, err = number(1, 0)
		}
	case "time", "datetime", "timestamp":
		c.FSP, err = number(0, 0)
	case "char", "binary", "bit":
		c.Length, err = number(0, 1)
	case "varchar", "varbinary":
		c.Length, err = number(0, 0)
	}
	if err != nil {
		return fmt.Errorf("column %s: type %q: %w", c.Name, text, err)
	}
	return nil
}

// parseArgs splits "1,2) unsigned" or "'a','b”c')" at the closing parenthesis. Quotes inside members are doubled, and
// backslashes escape as in MySQL's string literals.
func parseArgs(s string) (args []string, rest string, err error) {
	for {
		s = strings.TrimLeft(s, " ")
		if !strings.HasPrefix(s, "'") {
			i := strings.IndexAny(s, ",)")
			if i < 0 {
				return nil, "", fmt.Errorf("no closing parenthesis")
			}
			args = append(args, s[:i])
			s = s[i:]
		} else {
			var b strings.Builder
			i := 1
			for ; ; i++ {
				if i >= len(s) {
					return nil, "", fmt.Errorf("unterminated member")
				}
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' {
						i++
					} else {
						break
					}
				} else if s[i] == '\\' && i+1 < len(s) {
					i++
					if r, ok := escapes[s[i]]; ok {
						b.WriteByte(r)
						continue
					}
				}
				b.WriteByte(s[i])
			}
			args = append(args, b.String())
			s = s[i+1:]
		}
		switch {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, ")"):
			return args, s[1:], nil
		default:
			return nil, "", fmt.Errorf("unexpected %q", s)
		}
	}
}

var escapes = map[byte]byte{'0': 0, 'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'Z': 0x1a}
