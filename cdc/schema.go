package cdc

import "encoding/json"

// Column is one column of a table as it appears in batches and in the Iceberg table.
type Column struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Nullable bool   `json:"null,omitempty"`
	// Key is the 1-based ordinal of the column within the table's key, 0 if it is not part of it.
	Key int `json:"key,omitempty"`
	// Meta marks a column that the pipeline adds (_cdc_…): it has no counterpart in the source and is not compared.
	Meta bool `json:"meta,omitempty"`
	// Initial is what rows written before the column existed read as: nil for NULL, otherwise the value as text in
	// the notation of Iceberg's JSON single-value serialization. Set only on a column added by DDL with a default.
	Initial *string `json:"initial,omitempty"`
	// Was is the column's name in the definition before, if this one renames it. It is said once, and not kept in markers.
	Was string `json:"-"`
	// Doc is the column's comment in the source.
	Doc string `json:"doc,omitempty"`
	// Source is the column's type as the source prints it ("int unsigned"), for people and for messages.
	Source string `json:"source,omitempty"`
	// LowCardinality is the source's advice to encode the column with a dictionary (ENUM, SET, boolean).
	LowCardinality bool `json:"lowcard,omitempty"`
}

// Schema is one immutable version of a table's columns. Share it by pointer; never change it.
type Schema struct {
	Table   TableID  `json:"table"`
	Columns []Column `json:"columns"`
	// Key holds indexes into Columns, in key order. It is empty for a table without a key.
	Key []int `json:"keycols"`
	// Source is the source's own description of this version (all columns, also those left out), opaque to
	// everybody else. It travels in the marker, so that a restart decodes old log events with the right definition.
	Source json.RawMessage `json:"def,omitempty"`
	// Version counts the definitions of this table that this run has seen: 1, 2, …
	Version int `json:"version"`
}

// KeyExact reports whether the table's keys are stored exactly in Key.Hi, with Key.Lo zero.
func (s *Schema) KeyExact() bool {
	return len(s.Key) == 1 && s.Columns[s.Key[0]].Type.KeyExact()
}

// Keyless reports whether the table has no key: it is a multiset of rows.
func (s *Schema) Keyless() bool { return len(s.Key) == 0 }

// Hashed returns the columns whose values make the key of a row: Key, or, without a key, all but Meta columns.
func (s *Schema) Hashed() []int {
	if !s.Keyless() {
		return s.Key
	}
	var out []int
	for i := range s.Columns {
		if !s.Columns[i].Meta {
			out = append(out, i)
		}
	}
	return out
}

// Column returns the index of the column with this name, or -1.
func (s *Schema) Column(name string) int {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return i
		}
	}
	return -1
}
