package fidelity

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// follows says of each kind of DDL whether docs/ddl.md lets a table go on after it in place: by metadata, or with nothing at all.
// Kinds that depend on the columns have a second word. After other kinds a table is loaded anew by itself. Runs that are plain have
// only the first ones, and no table of theirs may pause.
var follows = map[string]bool{
	"add": true, "add default": true, "drop": true, "rename column": true, "widen": true, "comment": true, "nullability": true, "index": true, "rebuild": true,
	"create": true, "like": true, "select": true, "truncate": true, "partition": true,
	"add default, not beyond doubt": false, "widen anew": false, "comment anew": false, "nullability anew": false, "change": false, "modify": false,
	"rename": false, "swap": false, "ghost": false, "convert": false, "drop table": false, "replace key": false, "partition gone": false,
}

// retypes are kinds of DDL that may make a table one that is refused.
var retypes = map[string]bool{"modify": true, "change": true, "widen": true, "widen anew": true, "convert": true, "nullability": true, "nullability anew": true}

// widens reports whether every value certainly stays what it is, and Iceberg has the promotion.
func widens(from, to rtype, strict bool) bool {
	switch from.family {
	case "int":
		return integerOf(from) == integerOf(to) || integerOf(from) == "int" && integerOf(to) == "long"
	case "decimal":
		return (precisionOf(from) > 38) == (precisionOf(to) > 38)
	case "text":
		return strict || !strings.Contains(to.sql, "TEXT") || strings.Contains(from.sql, "TEXT")
	case "bytes":
		return !strings.HasPrefix(from.sql, "BINARY") && (strict || !strings.Contains(to.sql, "BLOB") || strings.Contains(from.sql, "BLOB"))
	case "enum", "set":
		return true // members are added at the end
	}
	return false
}

// integerOf is the Iceberg type of an integer (docs/types.md).
func integerOf(t rtype) string {
	name, unsigned := strings.CutSuffix(t.sql, " UNSIGNED")
	switch {
	case name == "BIGINT" && unsigned:
		return "decimal"
	case name == "BIGINT", name == "INT" && unsigned:
		return "long"
	}
	return "int"
}

// either is a or b.
func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func precisionOf(t rtype) int {
	n, err := strconv.Atoi(strings.FieldsFunc(t.sql, func(r rune) bool { return r == '(' || r == ',' })[1])
	if err != nil {
		panic(err)
	}
	return n
}

// stays reports whether MODIFY with a column's own definition leaves its type as it is: the character set of a text that names none
// is the table's, which is not known of a table that was made by a SELECT.
func stays(t *rtable, c *rcolumn) bool {
	return c.typ.family != "text" || !t.selected || namesCharset(c)
}

func namesCharset(c *rcolumn) bool { return strings.Contains(c.typ.sql, "CHARACTER SET") }

var excess = regexp.MustCompile(`^-?\d+(\.\d*)?$`)

// certain reports whether what old rows read in an added column is beyond doubt: a constant of the type itself.
func certain(c *rcolumn) bool {
	switch c.typ.family {
	case "int", "text", "bytes", "enum", "bits", "year":
		return true
	case "set":
		return !strings.Contains(c.deflt, ",")
	case "float":
		return c.deflt == ""
	case "decimal":
		if c.deflt == "" {
			return true
		}
		_, digits, _ := strings.Cut(c.deflt, ".")
		_, scale, _ := strings.Cut(strings.TrimSuffix(c.typ.sql, ")"), ",")
		n, err := strconv.Atoi(scale)
		return err == nil && excess.MatchString(c.deflt) && !strings.HasSuffix(c.deflt, ".") && len(digits) <= n
	case "time":
		return strings.HasPrefix(c.typ.sql, "DATE") && c.deflt != "" && !strings.Contains(c.deflt, ".")
	}
	return false
}

// together returns which of the parts are executed in one statement: renames are metadata if nothing else is done with the columns.
func together(parts []alteration) []alteration {
	renames := slices.DeleteFunc(slices.Clone(parts), func(a alteration) bool { return a.kind != "rename column" })
	if len(renames) > 0 {
		return renames
	}
	return parts
}
