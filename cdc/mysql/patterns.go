package mysql

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// systemDatabases are never replicated.
var systemDatabases = map[string]bool{"mysql": true, "information_schema": true, "performance_schema": true, "sys": true}

// patterns selects tables: those that an include pattern matches and no exclude pattern does.
type patterns struct {
	include, exclude []pattern
}

type pattern struct {
	text string
	re   *regexp.Regexp
}

// compilePatterns reads table patterns: db.table with * and ? on either side, or /regular expression/ over "db.table".
func compilePatterns(include, exclude []string) (*patterns, error) {
	if len(include) == 0 {
		return nil, configError("no tables are selected: tables.include is empty")
	}
	p := &patterns{}
	for _, list := range []struct {
		from []string
		to   *[]pattern
	}{{include, &p.include}, {exclude, &p.exclude}} {
		for _, s := range list.from {
			re, err := compilePattern(s)
			if err != nil {
				return nil, configError("table pattern %q: %w", s, err)
			}
			*list.to = append(*list.to, pattern{s, re})
		}
	}
	return p, nil
}

func compilePattern(s string) (*regexp.Regexp, error) {
	if len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' {
		return regexp.Compile("^(?:" + s[1:len(s)-1] + ")$")
	}
	if db, table, ok := strings.Cut(s, "."); !ok || db == "" || table == "" {
		return nil, fmt.Errorf("expected database.table (with * and ?) or /regular expression/")
	}
	db, table, _ := strings.Cut(s, ".")
	glob := func(g, any string) string {
		q := regexp.QuoteMeta(g)
		q = strings.ReplaceAll(q, `\*`, any+"*")
		return strings.ReplaceAll(q, `\?`, any)
	}
	return regexp.Compile("(?s)^" + glob(db, "[^.]") + `\.` + glob(table, ".") + "$")
}

// match reports whether the table is selected.
func (p *patterns) match(t cdc.TableID) bool {
	if systemDatabases[strings.ToLower(t.Database)] {
		return false
	}
	name := t.String()
	for _, x := range p.exclude {
		if x.re.MatchString(name) {
			return false
		}
	}
	for _, x := range p.include {
		if x.re.MatchString(name) {
			return true
		}
	}
	return false
}
