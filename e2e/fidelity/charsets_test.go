package fidelity

import (
	"context"
	"regexp"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// characters makes the table of characters that charsetCases takes its values from: the Basic Multilingual Plane, and some
// beyond it.
func characters(ctx context.Context, m *testenv.MySQLServer) error {
	return m.Exec(ctx, "CREATE DATABASE helper",
		"CREATE TABLE helper.chars (cp INT PRIMARY KEY, ch CHAR(1) CHARACTER SET utf32 COLLATE utf32_bin)",
		"INSERT INTO helper.chars WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 66560) "+
			"SELECT i, CONVERT(UNHEX(LPAD(HEX(i), 8, '0')) USING utf32) FROM n WHERE i NOT BETWEEN 0xD800 AND 0xDFFF",
		"INSERT INTO helper.chars SELECT cp + 61952, CONVERT(UNHEX(LPAD(HEX(cp + 61952), 8, '0')) USING utf32) FROM helper.chars WHERE cp + 61952 BETWEEN 127744 AND 128511")
}

// charsetCases makes a case for each character set of the server: every character that it has, in each kind of text column.
func charsetCases(ctx context.Context, m *testenv.MySQLServer, filter *regexp.Regexp) ([]*fcase, error) {
	rows, err := m.Query(ctx, "SELECT CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME, MAXLEN FROM information_schema.CHARACTER_SETS ORDER BY 1")
	if err != nil {
		return nil, err
	}
	if err := characters(ctx, m); err != nil {
		return nil, err
	}
	var out []*fcase
	for _, r := range rows {
		cs := r[0]
		if cs == "binary" {
			continue
		}
		// Characters that come back from the character set as they were, 32 neighbours in a row.
		there := "CONVERT(GROUP_CONCAT(ch ORDER BY cp SEPARATOR '') USING " + cs + ")"
		chars := " FROM helper.chars WHERE CONVERT(CONVERT(ch USING " + cs + ") USING utf32) COLLATE utf32_bin = ch GROUP BY cp DIV 32"
		c := &fcase{name: "charset_" + cs, about: "all characters of " + cs, file: "charsets_test.go",
			session: []string{"SET sql_mode = ''"},
			setup: []string{
				"CREATE TABLE t (id INT PRIMARY KEY, c CHAR(10), v VARCHAR(100), x TEXT, e ENUM('a', 'b') NOT NULL, s SET('x', 'y')) CHARACTER SET " + cs,
				"INSERT INTO t (id, c, v, x, e, s) SELECT MIN(cp), LEFT(" + there + ", 10), CONCAT('<', " + there + ", '>'), " + there + ", 'b', 'x,y'" + chars,
			},
			then: []string{
				"UPDATE t SET v = CONCAT(x, v), c = 'x ', x = NULL WHERE id % 3 = 0",
				"DELETE FROM t WHERE id % 3 = 1",
				"INSERT INTO t VALUES (0, '', '', '', '', '')",
			}, split: 1}
		if filter.MatchString(c.name) {
			out = append(out, c)
		}
	}
	return out, nil
}
