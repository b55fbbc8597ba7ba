package binlog

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// typesPage returns the rows of the table that follows a heading of docs/types.md: of each cell what stands in back quotes.
func typesPage(t *testing.T, heading string) [][][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/types.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var out [][][]string
	for _, line := range strings.Split(section, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		var row [][]string
		for _, cell := range strings.Split(strings.Trim(line, "| "), " | ") {
			var quoted []string
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
				quoted = append(quoted, m[1])
			}
			row = append(row, quoted)
		}
		out = append(out, row)
	}
	if len(out) == 0 {
		t.Fatalf("no table in section %s", heading)
	}
	return out
}

// pageColumn makes a table with a column c of the type, and returns its definition.
func pageColumn(t *testing.T, db *testenv.Database, typ, key string) SourceTable {
	t.Helper()
	db.Exec("DROP TABLE IF EXISTS page", fmt.Sprintf("CREATE TABLE page (id INT NOT NULL, c %s NOT NULL, PRIMARY KEY (%s))", typ, key))
	return describe(t, db, "page")
}

// TestTypesPage: docs/types.md says what the program does with the types that a server makes of the page's names.
func TestTypesPage(t *testing.T) {
	db := testenv.NeedMySQL(t)
	seen := map[family]bool{}
	for _, row := range typesPage(t, "Columns") {
		for i, typ := range row[0] {
			src := pageColumn(t, db, typ, "id")
			f, _ := src.Columns[1].family()
			seen[f] = true
			s, err := NewSchema(src, TableOptions{})
			if err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			if got, want := s.Columns[1].Type.String(), row[1][i%len(row[1])]; got != want {
				t.Errorf("%s (%s) becomes %s, the page says %s", typ, src.Columns[1].ColumnType, got, want)
			}
		}
	}
	for name, f := range families {
		if mariaDB := f == famUUID || f == famINET4 || f == famINET6; !seen[f] && !mariaDB { // those are not MySQL's
			t.Errorf("the page does not have %s", name)
		}
	}
	for _, row := range typesPage(t, "Choices") {
		for _, typ := range row[0] {
			for _, name := range []string{"c", "*"} {
				opts := map[string]TableOptions{"boolean": {Boolean: []string{name}}, "microseconds": {Microseconds: []string{name}}, "wkb": {WKB: []string{name}}}[row[1][0]]
				s, err := NewSchema(pageColumn(t, db, typ, "id"), opts)
				if want := row[2][0]; err != nil || s.Columns[1].Type.String() != want && (typ != "TINYINT" || name == "c") {
					t.Errorf("%s with %s: %v, the page says %s", typ, row[1][0], err, want)
				}
			}
		}
	}
	for _, row := range typesPage(t, "Keys") {
		for _, typ := range row[0] {
			if _, err := NewSchema(pageColumn(t, db, typ, "c"), TableOptions{}); err == nil || err.Code.Name != row[1][0] {
				t.Errorf("%s as a key: %v, the page says %s", typ, err, row[1][0])
			}
		}
	}
	b, err := os.ReadFile("../../docs/types.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(b), "per column:\n\n")
	list, _, _ = strings.Cut(list, "\n\n")
	page := strings.Split(strings.ReplaceAll(list, "\n", " "), ", ")
	var server []string
	for _, r := range query(t, db, "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY 1") {
		server = append(server, r[0])
		if lookupCharset(r[0]) == nil {
			t.Errorf("%s is not supported", r[0])
		}
	}
	if !slices.Equal(page, server) {
		t.Errorf("the page has %v, the server %v", page, server)
	}
}
