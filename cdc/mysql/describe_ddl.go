package mysql

import (
	"regexp"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// describe tells of the statement at hand what a history of it should say.
func (f *follower) describe(db, sql string, sqlMode uint64) *cdc.Statement {
	t := &f.txn
	s := &cdc.Statement{Position: string(t.appendLabel(nil, f.gtids != nil, f.at.file)), Ordinal: t.statements, Micros: t.micros, Database: db}
	t.statements++
	if !isChange(sql) {
		s.SQL = strings.ToValidUTF8(withoutSecrets(sql, sqlMode), "\uFFFD")
	}
	return s
}

// secretOption matches a table option that holds a password (CONNECTION of the engine FEDERATED has it in a URL) with the option's name
// as its group, or what may hold such words and is something else: literals, quoted names, comments.
func secretOption(backslashes bool) *regexp.Regexp {
	single, double := `'(?:[^']|'')*'`, `"(?:[^"]|"")*"`
	if backslashes {
		single, double = `'(?:[^'\\]|\\.|'')*'`, `"(?:[^"\\]|\\.|"")*"`
	}
	return regexp.MustCompile("(?is)" + single + "|" + double + "|`[^`]*`" + `|/\*[^!M].*?\*/|--\s[^\n]*|#[^\n]*|(\b(?:connection|password)\s*=?\s*)(?:` + single + "|" + double + ")")
}

var secretOptions = [2]*regexp.Regexp{secretOption(false), secretOption(true)}

// withoutSecrets takes passwords out of a statement that defines tables. (Statements about users are none of these.)
func withoutSecrets(sql string, sqlMode uint64) string {
	low := strings.ToLower(sql)
	if !strings.Contains(low, "connection") && !strings.Contains(low, "password") {
		return sql
	}
	re := secretOptions[1]
	if sqlMode&binlog.ModeNoBackslashEscapes != 0 {
		re = secretOptions[0]
	}
	var b strings.Builder
	at := 0
	for _, m := range re.FindAllStringSubmatchIndex(sql, -1) {
		if m[2] >= 0 {
			b.WriteString(sql[at:m[3]] + "'…'")
			at = m[1]
		}
	}
	return b.String() + sql[at:]
}
