package binlog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// NewSchema maps a table to the types of DESIGN 6. Schema.Source is t as JSON; Version is 1.
func NewSchema(t SourceTable, opts TableOptions) (*cdc.Schema, *cdc.Error) {
	s, _, err := compile(&t, &opts)
	return s, err
}

// compile makes the schema and, per column of the table, the plan that both decoders share.
func compile(t *SourceTable, opts *TableOptions) (*cdc.Schema, []column, *cdc.Error) {
	s := &cdc.Schema{Table: t.Table, Version: 1}
	for _, list := range [][]string{opts.Exclude, opts.Hash, opts.Boolean, opts.Microseconds, opts.WKB} {
		for _, name := range list {
			if t.find(name) < 0 && name != everything {
				return nil, nil, cdc.Errorf(CodeColumnOption, t.Table, "there is no column %s", name)
			}
		}
	}
	cols := make([]column, len(t.Columns))
	keys := map[int]int{}
	for i := range t.Columns {
		src := &t.Columns[i]
		c := &cols[i]
		c.src, c.table, c.out, c.salt = src, t.Table, -1, opts.Salt
		if contains(opts.Exclude, src.Name) {
			if src.Key > 0 {
				return nil, nil, cdc.Errorf(CodeColumnOption, t.Table, "column %s belongs to the key and cannot be left out", src.Name)
			}
			// Its family is needed to step over it; an unknown one is stepped over by its log type.
			c.fam, _ = src.family()
			continue
		}
		if src.Key > 0 && contains(opts.Hash, src.Name) {
			// Under another salt every row would be a new one beside the old one.
			return nil, nil, cdc.Errorf(CodeColumnOption, t.Table, "column %s belongs to the key and cannot be hashed", src.Name)
		}
		typ, err := c.resolve(opts)
		if err != nil {
			return nil, nil, err
		}
		out := cdc.Column{Name: src.Name, Type: typ, Nullable: c.nullable, Key: src.Key, Doc: src.Comment, Source: src.ColumnType,
			LowCardinality: !c.hash && (c.fam == famEnum || c.fam == famSet || typ.Kind == cdc.KindBool)}
		if c.hash {
			out.Source = "sha256 of " + src.ColumnType
			c.salt = opts.Salt
		}
		c.out = len(s.Columns)
		if src.Key > 0 {
			keys[src.Key] = c.out
		}
		s.Columns = append(s.Columns, out)
	}
	for n := 1; n <= len(keys); n++ {
		i, ok := keys[n]
		if !ok {
			return nil, nil, cdc.Errorf(cdc.CodeInternal, t.Table, "the key has no column number %d", n)
		}
		s.Key = append(s.Key, i)
	}
	if len(s.Columns) == 0 {
		return nil, nil, cdc.Errorf(CodeColumnOption, t.Table, "all %d columns are left out", len(t.Columns))
	}
	if s.Keyless() {
		// A row is told from others by what its columns become: the definition says it, so that a change is noticed.
		for i := range cols {
			if c := &cols[i]; c.hash {
				sum := sha256.Sum256([]byte("cdc2lake: which salt? " + c.salt))
				s.Columns[c.out].Source += ", salt " + hex.EncodeToString(sum[:4])
			} else if c.choice == choiceWKB {
				s.Columns[c.out].Source += " as wkb"
			}
		}
	}
	for _, m := range []struct {
		name string
		kind cdc.Kind
		low  bool
	}{{opts.MetaOp, cdc.KindString, true}, {opts.MetaTS, cdc.KindTimestampTZ, false}, {opts.MetaPos, cdc.KindString, true}} {
		if m.name == "" {
			continue
		}
		for i := range s.Columns {
			if strings.EqualFold(s.Columns[i].Name, m.name) {
				return nil, nil, cdc.Errorf(CodeColumnOption, t.Table, "the table has a column %s already: name the metadata column differently", m.name)
			}
		}
		s.Columns = append(s.Columns, cdc.Column{Name: m.name, Type: cdc.Type{Kind: m.kind}, Meta: true, LowCardinality: m.low})
	}
	def, err := json.Marshal(t)
	if err != nil {
		return nil, nil, cdc.Errorf(cdc.CodeInternal, t.Table, "definition: %w", err)
	}
	s.Source = def
	return s, cols, nil
}

// ParseSource is the inverse of what NewSchema puts into Schema.Source.
func ParseSource(s *cdc.Schema) (SourceTable, *cdc.Error) {
	var t SourceTable
	if err := json.Unmarshal(s.Source, &t); err != nil {
		return t, cdc.Errorf(cdc.CodeCorrupt, s.Table, "table definition: %w", err)
	}
	return t, nil
}

// recompile makes the column plans of a schema that NewSchema made with the same options.
func recompile(s *cdc.Schema, opts *TableOptions) (*SourceTable, []column, *cdc.Error) {
	src, err := ParseSource(s)
	if err != nil {
		return nil, nil, err
	}
	want, cols, err := compile(&src, opts)
	if err != nil {
		return nil, nil, err
	}
	if want.Table != s.Table || len(want.Columns) != len(s.Columns) || len(want.Key) != len(s.Key) {
		return nil, nil, changedOptions(s.Table, "the number of its columns is another")
	}
	for i := range want.Columns {
		a, b := &want.Columns[i], &s.Columns[i]
		if a.Name != b.Name || a.Type != b.Type || a.Nullable != b.Nullable || a.Key != b.Key || a.Meta != b.Meta {
			return nil, nil, changedOptions(s.Table, fmt.Sprintf("column %s was %s, and would become %s %s", b.Name, b.Type, a.Name, a.Type))
		}
		if s.Keyless() && a.Source != b.Source {
			return nil, nil, changedOptions(s.Table, fmt.Sprintf("column %s was %s, and would become %s; the table has no key, so that its rows would not be found", b.Name, b.Source, a.Source))
		}
	}
	return &src, cols, nil
}

func changedOptions(t cdc.TableID, what string) *cdc.Error {
	return &cdc.Error{Code: CodeColumnOption, Table: t, Msg: "the options for its columns are not those that it was loaded with: " + what,
		Fix: "reload the table, or set the options back"}
}

func (t *SourceTable) find(name string) int {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// resolve settles the column's family, character set and type.
func (c *column) resolve(opts *TableOptions) (cdc.Type, *cdc.Error) {
	src := c.src
	refuse := func(format string, args ...any) (cdc.Type, *cdc.Error) {
		return cdc.Type{}, cdc.Errorf(cdc.CodeUnsupported, c.table, "column %s is %s: %s", src.Name, src.ColumnType, fmt.Sprintf(format, args...))
	}
	var ok bool
	if c.fam, ok = src.family(); !ok {
		return refuse("this type is not supported yet")
	}
	c.nullable = src.Nullable
	if c.fam.text() {
		if c.cs = lookupCharset(src.Charset); c.cs == nil {
			return refuse("character set %q is not supported", src.Charset)
		}
		if src.Key > 0 && !c.cs.oneToOne() {
			return refuse("as a key, its character set %s has several bytes for one character", src.Charset)
		}
	}
	if (c.fam == famFloat || c.fam == famDouble) && src.Key > 0 && strings.Contains(src.ColumnType, "(") {
		// WHERE c = 1e6 does not find 1e6 in FLOAT(8,2), whose largest number 999999.99 is stored as just that.
		return cdc.Type{}, cdc.Errorf(cdc.CodeKeyType, c.table, "key column %s is %s: MySQL rounds what it compares with such numbers, and does not find all of them", src.Name, src.ColumnType)
	}
	if c.fam == famEnum || c.fam == famSet {
		if len(src.Values) == 0 || c.fam == famSet && len(src.Values) > 64 || len(src.Values) > 65535 {
			return refuse("its members are not known")
		}
		if src.Key > 0 && contains(src.Values, "") {
			return refuse("as a key, its empty member cannot be told from the empty value")
		}
	}
	if c.fam.temporal() {
		switch {
		case opts.ZeroDates == ZeroDatesNull && src.Key == 0:
			c.nullable, c.zeroNull = true, true
		case opts.ZeroDates == ZeroDatesAuto:
			c.zeroNull = src.Nullable
		}
	}
	if src.Key > 0 && c.nullable {
		return cdc.Type{}, cdc.Errorf(cdc.CodeInternal, c.table, "key column %s is nullable", src.Name)
	}
	typ := c.fam.cdcType(src)
	if typ.Kind == cdc.KindInvalid {
		return refuse("precision %d and scale %d are not understood", src.Precision, src.Scale)
	}
	if c.hash = contains(opts.Hash, src.Name); c.hash {
		if !c.fam.text() && !c.fam.binary() && !c.fam.integer() {
			return refuse("only text, binary and integer columns can be hashed")
		}
		c.hashKind = typ
		typ = cdc.Type{Kind: cdc.KindString}
	}
	if err := c.choose(opts); err != nil {
		return cdc.Type{}, err
	}
	if c.choice != choiceUsual {
		typ, _, _ = c.chosen()
	}
	c.typ = typ
	return typ, nil
}
