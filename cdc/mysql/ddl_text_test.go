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
