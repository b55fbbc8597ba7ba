package mysql

import (
	"math/big"
	"slices"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// Evolve finds the way from one definition to another that tools take which make a new table and put it in the place of the old one:
// columns are told apart by their names, and rows of the old table read a new column's default. Whether that is what MySQL has is for a
// comparison to say; what is certainly not the same is refused. Types are the sink's to judge.
func (s *Source) Evolve(has, now *cdc.Schema) (*cdc.Schema, error) {
	t := now.Table
	if now.Keyless() || !slices.Equal(keyOf(has), keyOf(now)) {
		return nil, cdc.Errorf(codeDDL, t, "its key is not what it was")
	}
	def, err := binlog.ParseSource(now)
	if err != nil {
		return nil, err
	}
	out := *now
	out.Version = has.Version + 1
	out.Columns = slices.Clone(now.Columns)
	for i := range out.Columns {
		c := &out.Columns[i]
		if j := has.Column(c.Name); j >= 0 {
			c.Initial = has.Columns[j].Initial
			continue
		}
		if c.Meta {
			continue
		}
		src := def.Columns[findColumn(&def, c.Name)]
		init, why := madeInitial(&src)
		if why == "" && !init.null {
			var text string
			var err error
			if text, err = binlog.Initial(c.Type, &src, init.text); err != nil {
				why = err.Error()
			}
			c.Initial = &text
		}
		if why != "" {
			return nil, cdc.Errorf(codeDDL, t, "column %s is new: %s", c.Name, why)
		}
	}
	return &out, nil
}

// keyOf describes the key of a definition.
func keyOf(s *cdc.Schema) []string {
	out := make([]string, len(s.Key))
	for n, i := range s.Key {
		out[n] = s.Columns[i].Name + " " + s.Columns[i].Type.String()
	}
	return out
}

// madeInitial is what rows read in a new column that were copied into a table with it.
func madeInitial(c *binlog.SourceColumn) (initial, string) {
	d := &ddlReader{charset: "utf8mb4", strict: true}
	switch {
	case c.Generated != "":
		return initial{}, "it is generated, so each row has its own value"
	case c.AutoIncrement:
		return initial{}, "AUTO_INCREMENT gives each row its own value"
	case c.Computed:
		return initial{}, "its default is an expression, whose value in existing rows is not known"
	case c.Default == nil:
		return d.newInitial(c, nil)
	}
	// As information_schema shows it.
	v := literal{text: *c.Default, quoted: true}
	switch c.DataType {
	case "bit":
		n, ok := new(big.Int).SetString(strings.TrimSuffix(strings.TrimPrefix(v.text, "b'"), "'"), 2)
		if !ok {
			return initial{}, notExact
		}
		v = literal{text: n.String()}
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return initial{}, notExact // they are shown as text, or as hexadecimal digits
	}
	return d.literalInitial(c, v)
}

// mariaDefault reads COLUMN_DEFAULT of MariaDB, which has an expression.
func mariaDefault(text string) (deflt *string, computed bool) {
	switch inner, quoted := strings.CutPrefix(text, "'"); {
	case text == "NULL":
		return nil, false
	case quoted && strings.HasSuffix(inner, "'") && !strings.ContainsAny(inner[:len(inner)-1], `'\\`):
		inner = inner[:len(inner)-1]
		return &inner, false
	case decimalText.MatchString(text), strings.HasPrefix(text, "b'"):
		return &text, false
	}
	return &text, true
}
