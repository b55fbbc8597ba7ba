package cdc

import "strings"

// TableID names a source table.
type TableID struct {
	Database string `json:"db"`
	Name     string `json:"table"`
}

func (t TableID) String() string { return t.Database + "." + t.Name }

// Less orders tables by database, then name.
func (t TableID) Less(o TableID) bool {
	if c := strings.Compare(t.Database, o.Database); c != 0 {
		return c < 0
	}
	return t.Name < o.Name
}

// MarshalText makes a TableID usable as the key of a JSON object. Dots and percent signs inside names are escaped.
func (t TableID) MarshalText() ([]byte, error) {
	return []byte(tableEscaper.Replace(t.Database) + "." + tableEscaper.Replace(t.Name)), nil
}

// UnmarshalText is the inverse of MarshalText.
func (t *TableID) UnmarshalText(b []byte) error {
	db, name, ok := strings.Cut(string(b), ".")
	if !ok {
		return &Error{Code: CodeCorrupt, Msg: "table name without a database: " + string(b)}
	}
	t.Database, t.Name = tableUnescaper.Replace(db), tableUnescaper.Replace(name)
	return nil
}

var (
	tableEscaper   = strings.NewReplacer("%", "%25", ".", "%2E")
	tableUnescaper = strings.NewReplacer("%2E", ".", "%25", "%")
)
