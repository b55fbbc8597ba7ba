package binlog

import (
	"errors"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// choice says how a column appears whose type could become several.
type choice uint8

const (
	choiceUsual        choice = iota
	choiceBoolean             // TINYINT
	choiceMicroseconds        // TIME
	choiceWKB                 // geometry without its reference system
)

var errBoolean = errors.New("a number other than 0 and 1 in a column that becomes a boolean")

// choose settles the column's choice from the options.
func (c *column) choose(opts *TableOptions) *cdc.Error {
	for _, o := range []struct {
		list   []string
		choice choice
		is     bool // the column can be so
		all    bool // "*" means it
		name   string
	}{
		{opts.Boolean, choiceBoolean, c.fam == famTiny, c.src.ColumnType == "tinyint(1)", "boolean"},
		{opts.Microseconds, choiceMicroseconds, c.fam == famTime, true, "microseconds"},
		{opts.WKB, choiceWKB, c.fam == famGeometry, true, "wkb"},
	} {
		named := contains(o.list, c.src.Name)
		switch {
		case named && !o.is:
			return cdc.Errorf(CodeColumnOption, c.table, "columns.%s: column %s is %s", o.name, c.src.Name, c.src.ColumnType)
		case named && c.src.Key > 0:
			return cdc.Errorf(CodeColumnOption, c.table, "columns.%s: column %s belongs to the key", o.name, c.src.Name)
		case named && contains(opts.Hash, c.src.Name):
			return cdc.Errorf(CodeColumnOption, c.table, "columns.%s: column %s is hashed", o.name, c.src.Name)
		case named, o.is && o.all && c.src.Key == 0 && contains(o.list, everything) && !contains(opts.Hash, c.src.Name):
			c.choice = o.choice
		}
	}
	return nil
}

// chosen returns the type and the operations of the column's choice, in the log and in rows of the binary protocol.
func (c *column) chosen() (typ cdc.Type, log, row opcode) {
	switch c.choice {
	case choiceBoolean:
		return cdc.Type{Kind: cdc.KindBool}, opBoolean, opBoolean
	case choiceMicroseconds:
		return cdc.Type{Kind: cdc.KindInt64}, opMicros, opRowMicros
	default:
		return cdc.Type{Kind: cdc.KindBinary}, opWKB, opWKB
	}
}

// decode decodes a value of the column's choice.
func (o *op) chosen(v *cdc.Vec, r int, raw []byte) error {
	switch o.code {
	case opBoolean:
		if raw[0] > 1 {
			return errBoolean
		}
		v.U8[r] = raw[0]
		return nil
	case opMicros:
		t, err := logTime(raw)
		v.I64[r] = t.total()
		return err
	case opRowMicros:
		t, err := rowTime(raw)
		v.I64[r] = t.total()
		return err
	default:
		if err := checkGeometry(raw); err != nil {
			return err
		}
		v.Data = append(v.Data, raw[4:]...)
		return end(v, r)
	}
}

// Initial turns the text of what rows read in a new column (see cdc.Column) into that of the type that was chosen for it.
func Initial(typ cdc.Type, src *SourceColumn, text string) (string, error) {
	switch {
	case typ.Kind == cdc.KindBool && src.DataType == "tinyint":
		if text != "0" && text != "1" {
			return "", errBoolean
		}
		return strconv.FormatBool(text == "1"), nil
	case typ.Kind == cdc.KindInt64 && src.DataType == "time":
		t, err := parseTime(text)
		return strconv.FormatInt(t.total(), 10), err
	}
	return text, nil
}

// parseTime reads a TIME as MySQL prints it.
func parseTime(s string) (t clock, err error) {
	s, t.negative = strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(s, ".")
	part := strings.Split(whole, ":")
	if len(part) != 3 || len(fraction) > 6 {
		return t, errTime
	}
	for i, to := range []*int64{&t.h, &t.m, &t.s, &t.micros} {
		text := (fraction + "000000")[:6]
		if i < len(part) {
			text = part[i]
		}
		if *to, err = strconv.ParseInt(text, 10, 64); err != nil || *to < 0 {
			return t, errTime
		}
	}
	return t, t.check()
}
