package mysql

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// The parser refuses character sets that TiDB lacks.
func init() {
	for _, name := range binlog.Charsets() {
		if _, ok := charset.CharacterSetInfos[name]; !ok && name != "utf8mb3" {
			charset.AddCharset(&charset.Charset{Name: name, DefaultCollation: name + "_bin", Collations: map[string]*charset.Collation{}})
		}
	}
}

// What the text of a statement may be instead of being in a character set, see statementText.
const (
	recoded    = "recoded"
	unreadable = "unreadable"
)

// statementText returns a statement as UTF-8, and the character set of its string literals: that of the client and of the connection if
// these are the same or both UTF-8; recoded if the text and with it the literals were converted; otherwise one in which
// literals are not read unless they are ASCII.
func statementText(q *binlog.Query, sql string) (text, charset string) {
	client, conn := binlog.CollationCharset(uint64(q.ClientCollation)), binlog.CollationCharset(uint64(q.ConnectionCollation))
	switch {
	case isUTF8(client) && isUTF8(conn):
		return sql, client
	case isUTF8(client):
		return sql, conn
	case client == "swe7" && strings.ContainsAny(sql, "@[\\]^`{|}~"):
		return sql, unreadable
	case isASCII(sql):
		return sql, client
	}
	b, err := binlog.ToUTF8(client, []byte(sql))
	switch {
	case err != nil:
		return sql, unreadable
	case conn == client || isUTF8(conn):
		return string(b), recoded
	}
	return string(b), conn
}

// token is a word, a string or quoted name, or a single other character of a statement.
type token struct{ from, to int }

// tokens parts a statement. The text is UTF-8. Comments are left out, but those that only TiDB executes are a token, and those that
// MySQL executes are code.
func tokens(sql string, noBackslash bool) []token {
	var out []token
	for i := 0; i < len(sql); {
		from, b := i, sql[i]
		rest := sql[i:]
		switch {
		case b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == '\v' || b == '\f':
			i++
			continue
		case b == '\'' || b == '"' || b == '`':
			for i++; i < len(sql) && sql[i] != b; i++ {
				if sql[i] == '\\' && b != '`' && !noBackslash {
					i++
				}
			}
			i = min(i+1, len(sql)) // a doubled quote is two tokens, which does no harm
		case b == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				i += n
			} else {
				i = len(sql)
			}
			continue
		case strings.HasPrefix(rest, "/*!"):
			i += 3
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return out
			}
			if i += n + 4; rest[2] != 'T' {
				continue
			}
		case wordByte(b) || b >= 'A' && b <= 'Z':
			for i < len(sql) && (wordByte(sql[i]) || sql[i] >= 'A' && sql[i] <= 'Z') {
				i++
			}
		default:
			i++
		}
		out = append(out, token{from, i})
	}
	return out
}

// commonComments turns the comments that only MariaDB executes into those that all servers do, and the parser. In a log are only such as the server has
// executed: it makes common comments of the others.
func commonComments(sql string, noBackslash bool) string {
	if !strings.Contains(sql, "/*M!") {
		return sql
	}
	var b strings.Builder
	at := 0
	code := func(to int) { // what is between two tokens: white space and comments
		b.WriteString(strings.ReplaceAll(sql[at:to], "/*M!", "/*!"))
		at = to
	}
	for _, t := range tokens(strings.ReplaceAll(sql, "/*M!", "/*M "), noBackslash) {
		code(t.from)
		b.WriteString(sql[t.from:t.to])
		at = t.to
	}
	code(len(sql))
	return b.String()
}

// ignores reports whether an ALTER TABLE is MariaDB's ALTER IGNORE TABLE: the parser reads the word, and does not tell.
func ignores(sql string) bool {
	for _, t := range tokens(sql, false) {
		switch strings.ToUpper(sql[t.from:t.to]) {
		case "IGNORE":
			return true
		case "TABLE":
			return false
		}
	}
	return false
}

// createdTable returns the name in a CREATE TABLE that the parser cannot read, such as one with types of MariaDB's; maybe: IF NOT EXISTS.
func createdTable(sql string, ansiQuotes bool) (name *ast.TableName, maybe, ok bool) {
	all := tokens(sql, false)
	next := func(words ...string) bool {
		for i, w := range words {
			if i >= len(all) || !strings.EqualFold(sql[all[i].from:all[i].to], w) {
				return false
			}
		}
		all = all[len(words):]
		return true
	}
	if !next("CREATE") {
		return nil, false, false
	}
	next("OR", "REPLACE")
	if !next("TABLE") {
		return nil, false, false
	}
	maybe = next("IF", "NOT", "EXISTS")
	identifier := func() (ast.CIStr, bool) {
		if len(all) == 0 {
			return ast.CIStr{}, false
		}
		t := all[0]
		w := sql[t.from:t.to]
		all = all[1:]
		switch {
		case w[0] == '`' || w[0] == '"' && ansiQuotes:
			if len(w) < 3 || w[len(w)-1] != w[0] || len(all) > 0 && all[0].from == t.to && sql[t.to] == w[0] { // a quote in the name
				return ast.CIStr{}, false
			}
			w = w[1 : len(w)-1]
		case !wordByte(w[0]) && (w[0] < 'A' || w[0] > 'Z'):
			return ast.CIStr{}, false
		}
		return ast.NewCIStr(w), true
	}
	name = &ast.TableName{}
	if name.Name, ok = identifier(); ok && next(".") {
		name.Schema = name.Name
		name.Name, ok = identifier()
	}
	return name, maybe, ok
}

// forParser finds statements that may need rewriting.
var forParser = regexp.MustCompile(`(?i)/\*T!|\b(nchar|national|nvarchar|spatial|geometry|point|linestring|polygon|multipoint|multilinestring|multipolygon|geometrycollection|geomcollection|visible|invisible)\b`)

// geometries are the names of geometric types in statements, and as information_schema shows them.
var geometries = map[string]string{
	"geometry": "geometry", "point": "point", "linestring": "linestring", "polygon": "polygon", "multipoint": "multipoint", "multilinestring": "multilinestring",
	"multipolygon": "multipolygon", "geometrycollection": "geomcollection", "geomcollection": "geomcollection",
}

// geometryMark is the member of the ENUM as which the parser sees a geometric type.
const geometryMark = "\x01geometry "

// rewrite says a statement in words that the parser knows: national types with their character set, geometric types as an ENUM
// with geometryMark, spatial indexes as indexes, columns and indexes whether visible or not, and no comments of TiDB. What it takes wrongly for a type cannot be
// parsed afterwards, since the words it writes are reserved.
func rewrite(sql string, ansiQuotes, noBackslash bool) string {
	if !forParser.MatchString(sql) {
		return sql
	}
	var b strings.Builder
	done := 0
	put := func(to int, text string, next int) {
		b.WriteString(sql[done:to])
		b.WriteString(text)
		done = next
	}
	toks := tokens(sql, noBackslash)
	word := func(i int) string {
		if i < 0 || i >= len(toks) {
			return ""
		}
		return strings.ToLower(sql[toks[i].from:toks[i].to])
	}
	// named reports that a column's name stands before the token, so that the token is a type.
	named := func(i int) bool {
		w := word(i - 1)
		if w == "" || beforeNames[w] {
			return false
		}
		return w[0] == '`' || w[0] == '"' && ansiQuotes || wordByte(w[0])
	}
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		w := word(i)
		switch {
		case strings.HasPrefix(w, "/*t"):
			put(t.from, " ", t.to)
		case (w == "visible" || w == "invisible") && (word(i-3) != "alter" || word(i-2) != "index") && !beforeNames[word(i-1)] && !slices.Contains([]string{"", ",", "(", ".", "set"}, word(i-1)):
			put(t.from, "", t.to)
		case w == "spatial" && (word(i+1) == "index" || word(i+1) == "key"):
			put(t.from, "", t.to)
		case w == "spatial" && word(i-1) == "add":
			put(t.from, "INDEX", t.to)
		case geometries[w] != "" && named(i):
			put(t.from, "ENUM('"+geometryMark+geometries[w]+"')", t.to)
		case w == "srid" && isASCII(word(i+1)) && word(i+1) >= "0" && word(i+1) <= "99999999999" && named(i):
			put(t.from, "", toks[i+1].to)
		case (w == "nchar" || w == "national" || w == "nvarchar") && named(i):
			typ, j := "CHAR", i+1
			if w == "nvarchar" {
				typ = "VARCHAR"
			}
			for ; slices.Contains([]string{"char", "character", "varchar", "varcharacter", "varying"}, word(j)); j++ {
				if strings.HasPrefix(word(j), "var") {
					typ = "VARCHAR"
				}
			}
			put(t.from, typ, toks[j-1].to)
			if word(j) == "(" && word(j+2) == ")" {
				j += 3
				b.WriteString(sql[done:toks[j-1].to])
				done = toks[j-1].to
			}
			b.WriteString(" CHARACTER SET utf8mb3")
			i = j - 1
		}
	}
	b.WriteString(sql[done:])
	return b.String()
}

// beforeNames are the words after which a name stands, and no type.
var beforeNames = map[string]bool{"table": true, "add": true, "column": true, "exists": true, "modify": true, "change": true, "drop": true, "alter": true, "after": true,
	"to": true, "as": true, "by": true, "rename": true, "index": true, "key": true, "constraint": true, "default": true, "like": true, "on": true, "from": true, "into": true, "update": true}
