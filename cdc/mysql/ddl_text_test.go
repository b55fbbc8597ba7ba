package mysql

import (
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// TestStatementText: statements of clients in other character sets.
func TestStatementText(t *testing.T) {
	const utf8mb4, latin1, gbk, swe7, koi8r = 45, 8, 28, 10, 7
	for _, c := range []struct {
		client, conn uint16
		sql          string
		text         string
		charset      string
	}{
		{utf8mb4, utf8mb4, "é", "é", "utf8mb4"},
		{utf8mb4, latin1, "é", "é", "latin1"},
		{latin1, latin1, "a", "a", "latin1"},
		{latin1, latin1, "\xe9", "é", recoded},
		{latin1, utf8mb4, "\xe9", "é", recoded},
		{latin1, koi8r, "\xe9", "é", "koi8r"},
		{gbk, gbk, "\x81\x5c'", "乗'", recoded},
		{gbk, gbk, "\x81", "\x81", unreadable},
		{swe7, swe7, "a", "a", "swe7"},
		{swe7, swe7, "[", "[", unreadable},
	} {
		text, charset := statementText(&binlog.Query{ClientCollation: c.client, ConnectionCollation: c.conn}, c.sql)
		if text != c.text || charset != c.charset {
			t.Errorf("%q of %d, %d: %q in %s, want %q in %s", c.sql, c.client, c.conn, text, charset, c.text, c.charset)
		}
	}
}

func TestCommonComments(t *testing.T) {
	for sql, want := range map[string]string{
		"ALTER TABLE t DROP a": "ALTER TABLE t DROP a",
		"ALTER TABLE t ADD x INT /*M! , DROP b */ /*M!100000 , DROP a */":                      "ALTER TABLE t ADD x INT /*! , DROP b */ /*!100000 , DROP a */",
		"/*M!100500 ALTER TABLE t DROP a */":                                                   "/*!100500 ALTER TABLE t DROP a */",
		"ALTER TABLE t ADD x INT COMMENT 'it''s /*M! a */', /* /*M b */ ADD `/*M!` INT":        "ALTER TABLE t ADD x INT COMMENT 'it''s /*M! a */', /* /*M b */ ADD `/*M!` INT",
		`ALTER TABLE t ADD x INT COMMENT "\\" /*M! , DROP a */, COMMENT '\' /*M! b */' /*M!*/`: `ALTER TABLE t ADD x INT COMMENT "\\" /*! , DROP a */, COMMENT '\' /*M! b */' /*!*/`,
	} {
		if got := commonComments(sql, false); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}

func TestCreatedTable(t *testing.T) {
	for sql, want := range map[string]string{
		"CREATE TABLE t (u UUID)":                          "t",
		"create /* x */ or replace table d.`a b` (u UUID)": "d.a b",
		"CREATE TABLE IF NOT EXISTS \"q\" . t LIKE x":      "q.t maybe",
		"CREATE TABLE `a``b` (i INT)":                      "",
		"CREATE OR REPLACE UNIQUE INDEX i ON t (v)":        "",
		"CREATE TABLE 't' (i INT)":                         "",
		"ALTER TABLE t ADD u UUID":                         "",
		"CREATE":                                           "",
		"CREATE TABLE":                                     "",
		"CREATE TABLE d.":                                  "",
		"CREATE TABLE éa (u INET6)":                        "éa",
	} {
		got := ""
		if n, maybe, ok := createdTable(sql, true); ok {
			if got = n.Name.O; n.Schema.O != "" {
				got = n.Schema.O + "." + got
			}
			if maybe {
				got += " maybe"
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}
