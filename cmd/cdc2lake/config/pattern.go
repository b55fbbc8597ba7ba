package config

import (
	"errors"
	"regexp"
	"strings"
)

// Pattern matches tables: database.table with * and ? on either side, or /regular expression/ over database.table.
type Pattern struct{ re *regexp.Regexp }

// CompilePattern reads a pattern.
func CompilePattern(s string) (Pattern, error) {
	if len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' {
		re, err := regexp.Compile("^(?:" + s[1:len(s)-1] + ")$")
		return Pattern{re}, err
	}
	db, table, ok := strings.Cut(s, ".")
	if !ok || db == "" || table == "" {
		return Pattern{}, errors.New("expected database.table (with * and ?) or /regular expression/")
	}
	glob := func(g, any string) string {
		q := strings.ReplaceAll(regexp.QuoteMeta(g), `\*`, any+"*")
		return strings.ReplaceAll(q, `\?`, any)
	}
	re, err := regexp.Compile("(?s)^" + glob(db, "[^.]") + `\.` + glob(table, ".") + "$")
	return Pattern{re}, err
}

// Match reports whether the table, as database.table, matches.
func (p Pattern) Match(table string) bool { return p.re.MatchString(table) }

// Rule returns the first rule that matches the table, as database.table, or nil.
func (c *Config) Rule(table string) *Rule {
	rules := c.rules.Load()
	if rules == nil {
		rules = &c.Tables.Rules
	}
	for i := range *rules {
		p, err := CompilePattern((*rules)[i].Match)
		if err == nil && p.Match(table) {
			return &(*rules)[i]
		}
	}
	return nil
}
