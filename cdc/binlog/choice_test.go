package binlog

import (
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

func TestChoices(t *testing.T) {
	src := SourceTable{Table: cdc.TableID{Database: "d", Name: "t"}, KeyName: "PRIMARY"}
	for _, c := range []SourceColumn{{Name: "id", ColumnType: "tinyint(1)", Key: 1}, {Name: "b", ColumnType: "tinyint(1)"}, {Name: "i", ColumnType: "tinyint unsigned"},
		{Name: "n", ColumnType: "int"}, {Name: "t", ColumnType: "time(3)"}, {Name: "g", ColumnType: "point"}} {
		if err := c.ParseType(); err != nil {
			t.Fatal(err)
		}
		src.Columns = append(src.Columns, c)
	}
	for _, c := range []struct {
		opts TableOptions
		want string // types, or a word of the error
	}{
		{TableOptions{}, "int int int int string binary"},
		{TableOptions{Boolean: []string{"*"}, Microseconds: []string{"*"}, WKB: []string{"*"}}, "int boolean int int long binary"},
		{TableOptions{Boolean: []string{"I"}, Microseconds: []string{"t"}}, "int int boolean int long binary"},
		{TableOptions{Boolean: []string{"*"}, Hash: []string{"b"}}, "int string int int string binary"},
		{TableOptions{Boolean: []string{"n"}}, "column n is int"},
		{TableOptions{Boolean: []string{"id"}}, "belongs to the key"},
		{TableOptions{Boolean: []string{"b"}, Hash: []string{"b"}}, "is hashed"},
		{TableOptions{Microseconds: []string{"b"}}, "column b is tinyint(1)"},
		{TableOptions{WKB: []string{"x"}}, "no column x"},
	} {
		s, err := NewSchema(src, c.opts)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			for _, col := range s.Columns {
				got += col.Type.String() + " "
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s, want %s", c.opts, got, c.want)
		}
	}
	boolean, long := cdc.Type{Kind: cdc.KindBool}, cdc.Type{Kind: cdc.KindInt64}
	for _, c := range []struct {
		typ        cdc.Type
		src        *SourceColumn
		text, want string
	}{
		{boolean, &src.Columns[1], "1", "true"}, {boolean, &src.Columns[1], "0", "false"}, {boolean, &src.Columns[1], "2", ""}, {boolean, &SourceColumn{DataType: "bit"}, "true", "true"},
		{long, &src.Columns[4], "-838:59:59.000", "-3020399000000"}, {long, &src.Columns[4], "00:00:00.250", "250000"}, {long, &src.Columns[4], "1:60:00", ""}, {long, &src.Columns[3], "7", "7"},
		{cdc.Type{Kind: cdc.KindString}, &src.Columns[4], "00:00:00", "00:00:00"},
	} {
		if got, err := Initial(c.typ, c.src, c.text); err == nil != (c.want != "") || err == nil && got != c.want {
			t.Errorf("%s of %s as %s: %q %v, want %q", c.text, c.src.DataType, c.typ, got, err, c.want)
		}
	}
}
