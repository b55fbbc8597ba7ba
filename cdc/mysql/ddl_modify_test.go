package mysql

import (
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// TestYearStaysAYear: MariaDB shows YEAR with a width that no statement has.
func TestYearStaysAYear(t *testing.T) {
	old, now := binlog.SourceColumn{DataType: "year", ColumnType: "year(4)"}, binlog.SourceColumn{DataType: "year", ColumnType: "year", Comment: "new"}
	if !keepsValues(&old, &now, true) {
		t.Error("a comment of a YEAR column changes its values")
	}
	if now.DataType, now.ColumnType = "int", "int(11)"; keepsValues(&old, &now, true) {
		t.Error("a YEAR becomes an INT")
	}
}
