package binlog

import "strings"

// ZeroDates says what becomes of dates that are no calendar dates: '0000-00-00', zero months and days, and what
// ALLOW_INVALID_DATES lets in ('2023-02-31').
type ZeroDates string

const (
	// ZeroDatesAuto: NULL where the column is nullable, otherwise the table is paused. The default.
	ZeroDatesAuto ZeroDates = ""
	// ZeroDatesNull: NULL; date columns that are NOT NULL become nullable in the destination, except in keys.
	ZeroDatesNull ZeroDates = "null"
	// ZeroDatesRefuse: the table is paused.
	ZeroDatesRefuse ZeroDates = "refuse"
)

// TableOptions change how a table appears in the destination.
type TableOptions struct {
	// Exclude names columns that are left out. A name that the table does not have is an error, here and in Hash: a
	// misspelt or renamed column would let personal data through.
	Exclude []string
	// Hash names columns of personal data: the destination gets the SHA-256 of salt and value, as 64 hexadecimal digits.
	// The value is the UTF-8 text, the bytes of a binary column, or an integer in decimal digits.
	Hash []string
	Salt string
	// Boolean names TINYINT columns that become booleans, Microseconds TIME columns that become longs, and WKB geometric
	// columns whose reference system is left out. "*" stands for all TINYINT(1), TIME or geometric columns outside the key.
	Boolean, Microseconds, WKB []string
	// Names of columns that are added; empty for none. Op is a string: "c" (insert), "u" (update), "d" (a delete; such
	// rows are seen only by consumers of batches), "r" (initial load). TS is a timestamptz, the source's commit time, or for
	// "r" the time of the read. Pos is a string, the position in the log as people write it.
	MetaOp, MetaTS, MetaPos string
	ZeroDates               ZeroDates
}

// The usual names of metadata columns.
const (
	DefaultMetaOp  = "_cdc_op"
	DefaultMetaTS  = "_cdc_ts"
	DefaultMetaPos = "_cdc_pos"
)

// everything in a list of columns stands for all that it can mean.
const everything = "*"

// Alike reports whether what is configured for two columns is the same.
func (o *TableOptions) Alike(a, b string) bool {
	for _, list := range [][]string{o.Exclude, o.Hash, o.Boolean, o.Microseconds, o.WKB} {
		if contains(list, a) != contains(list, b) {
			return false
		}
	}
	return true
}

// contains reports whether the list names the column; MySQL's column names are case-insensitive.
func contains(list []string, name string) bool {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}
