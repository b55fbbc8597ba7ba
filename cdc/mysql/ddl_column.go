package mysql

import (
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// column turns a column that a DDL statement adds into a definition as information_schema would show it, and what the rows that
// exist already read in it. why says why the column cannot be followed.
func (d *ddlReader) column(c *ast.ColumnDef, tableCollation string) (col binlog.SourceColumn, init initial, why string) {
	col, deflt, why := d.definition(c, tableCollation)
	if why == "" && col.AutoIncrement {
		why = "AUTO_INCREMENT gives each row its own value"
	}
	if why != "" {
		return col, init, why
	}
	init, why = d.newInitial(&col, deflt)
	return col, init, why
}

// definition turns a column of a DDL statement into a definition as information_schema would show it, without its default.
func (d *ddlReader) definition(c *ast.ColumnDef, tableCollation string) (col binlog.SourceColumn, deflt ast.ExprNode, why string) {
	col = binlog.SourceColumn{Name: c.Name.Name.O, Nullable: true}
	explicitNull := false
	collate := c.Tp.GetCollate()
	for _, o := range c.Options {
		switch o.Tp {
		case ast.ColumnOptionNotNull:
			col.Nullable, explicitNull = false, true
		case ast.ColumnOptionNull:
			explicitNull = true
		case ast.ColumnOptionPrimaryKey:
			return col, nil, "it is a new primary key"
		case ast.ColumnOptionAutoIncrement:
			col.AutoIncrement, col.Nullable, explicitNull = true, false, true
		case ast.ColumnOptionGenerated:
			return col, nil, "it is generated, so each row has its own value"
		case ast.ColumnOptionDefaultValue:
			deflt = o.Expr
		case ast.ColumnOptionCollate:
			collate = o.StrValue
		case ast.ColumnOptionComment:
			if v, ok := literalOf(o.Expr); ok {
				col.Comment = v.text
			}
		}
	}
	if c.Tp.GetType() == pmysql.TypeTimestamp && !explicitNull && !d.explicitTimestamps {
		return col, nil, "whether a TIMESTAMP is nullable depends on explicit_defaults_for_timestamp, which was off or is not in the log; write NULL or NOT NULL"
	}
	if col.ColumnType, why = columnType(c.Tp); why != "" {
		return col, nil, why
	}
	if d.mariadb && col.ColumnType == "json" { // a text, there
		col.ColumnType, collate = "longtext", "utf8mb4_bin"
	}
	if err := col.ParseType(); err != nil {
		return col, nil, err.Error()
	}
	if isText(col.DataType) {
		switch {
		case collate != "":
			col.Collation = strings.ToLower(collate)
			col.Charset = collationCharset(col.Collation)
		case c.Tp.GetCharset() != "":
			col.Charset = normalCharset(strings.ToLower(c.Tp.GetCharset()))
		case tableCollation != "":
			col.Collation, col.Charset = tableCollation, collationCharset(tableCollation)
		default:
			return col, nil, "the table's default character set is not known"
		}
		if col.Charset == "binary" {
			return col, nil, "its character set is binary"
		}
	}
	return col, deflt, ""
}

func isText(dataType string) bool {
	switch dataType {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		return true
	}
	return false
}

// collationCharset returns a collation's character set: what stands before the first underscore.
func collationCharset(collation string) string {
	cs, _, _ := strings.Cut(collation, "_")
	return normalCharset(cs)
}

func normalCharset(cs string) string {
	if cs == "utf8" {
		return "utf8mb3"
	}
	return cs
}

// columnType writes a type as COLUMN_TYPE does.
func columnType(t *types.FieldType) (s, why string) {
	bin := t.GetCharset() == "binary"
	flen, dec := t.GetFlen(), t.GetDecimal()
	fsp := func(name string) string {
		if dec > 0 {
			return fmt.Sprintf("%s(%d)", name, dec)
		}
		return name
	}
	switch t.GetType() {
	case pmysql.TypeTiny:
		s = "tinyint"
		if flen == 1 && t.GetFlag()&pmysql.UnsignedFlag == 0 {
			s = "tinyint(1)"
		}
	case pmysql.TypeShort:
		s = "smallint"
	case pmysql.TypeInt24:
		s = "mediumint"
	case pmysql.TypeLong:
		s = "int"
	case pmysql.TypeLonglong:
		s = "bigint"
	case pmysql.TypeNewDecimal:
		if flen < 0 {
			flen = 10
		}
		s = fmt.Sprintf("decimal(%d,%d)", flen, max(dec, 0))
	case pmysql.TypeFloat, pmysql.TypeDouble:
		s = "float"
		if t.GetType() == pmysql.TypeDouble {
			s = "double"
		}
		if dec >= 0 {
			s = fmt.Sprintf("%s(%d,%d)", s, flen, dec)
		}
	case pmysql.TypeString:
		s = fmt.Sprintf("%s(%d)", pick(bin, "binary", "char"), max(flen, 1))
		if flen == 0 {
			s = pick(bin, "binary(0)", "char(0)")
		}
	case pmysql.TypeVarchar, pmysql.TypeVarString:
		s = fmt.Sprintf("%s(%d)", pick(bin, "varbinary", "varchar"), flen)
	case pmysql.TypeTinyBlob:
		s = pick(bin, "tinyblob", "tinytext")
	case pmysql.TypeMediumBlob:
		s = pick(bin, "mediumblob", "mediumtext")
	case pmysql.TypeLongBlob:
		s = pick(bin, "longblob", "longtext")
	case pmysql.TypeBlob:
		if flen > 0 {
			return "", "its storage size depends on the length given; write it as TINYTEXT, TEXT, MEDIUMTEXT, …"
		}
		s = pick(bin, "blob", "text")
	case pmysql.TypeDate, pmysql.TypeNewDate:
		s = "date"
	case pmysql.TypeDuration:
		s = fsp("time")
	case pmysql.TypeDatetime:
		s = fsp("datetime")
	case pmysql.TypeTimestamp:
		s = fsp("timestamp")
	case pmysql.TypeYear:
		s = "year"
	case pmysql.TypeBit:
		s = fmt.Sprintf("bit(%d)", max(flen, 1))
	case pmysql.TypeJSON:
		s = "json"
	case pmysql.TypeTiDBVectorFloat32:
		if flen < 1 {
			flen = 2048
		}
		s = fmt.Sprintf("vector(%d)", flen)
	case pmysql.TypeEnum, pmysql.TypeSet:
		if geo, ok := strings.CutPrefix(t.GetElems()[0], geometryMark); ok {
			return geo, ""
		}
		s = pick(t.GetType() == pmysql.TypeEnum, "enum", "set")
		var q []string
		for _, e := range t.GetElems() {
			// MySQL strips trailing spaces of members.
			q = append(q, "'"+memberEscaper.Replace(strings.TrimRight(e, " "))+"'")
		}
		s += "(" + strings.Join(q, ",") + ")"
	default:
		return "", "its type is not supported yet"
	}
	if t.GetFlag()&pmysql.UnsignedFlag != 0 && t.GetType() != pmysql.TypeYear {
		s += " unsigned"
	}
	if t.GetFlag()&pmysql.ZerofillFlag != 0 && t.GetType() != pmysql.TypeYear {
		s += " zerofill"
	}
	return s, ""
}

var memberEscaper = strings.NewReplacer("'", "''", `\`, `\\`)

func pick(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
