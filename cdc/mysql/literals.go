package mysql

import (
	"encoding/hex"
	"sort"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// stringLiteral writes text so that neither sql_mode nor quoting can change it. The server converts it to the character
// set of the column that it is compared with.
func stringLiteral(s string) string {
	if s == "" {
		return "''"
	}
	return "_utf8mb4 X'" + hex.EncodeToString([]byte(s)) + "'"
}

// quoteName writes an identifier.
func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func quoteTable(t cdc.TableID) string { return quoteName(t.Database) + "." + quoteName(t.Name) }

// sorted joins names in order.
func sorted(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
