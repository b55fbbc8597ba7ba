package mysql

import (
	"encoding/hex"
	"math/big"
	"strings"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
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

// hexLiteral writes bytes; those of a BIT column as a number, as which it is compared.
func hexLiteral(src *binlog.SourceColumn, b []byte) string {
	if src.DataType == "bit" {
		return new(big.Int).SetBytes(b).String()
	}
	return "X'" + hex.EncodeToString(b) + "'"
}

// decimalLiteral writes a 128-bit two's complement with scale digits after the point.
func decimalLiteral(lo, hi int64, scale int) string {
	n := new(big.Int).Lsh(big.NewInt(hi), 64)
	n.Add(n, new(big.Int).SetUint64(uint64(lo)))
	neg := n.Sign() < 0
	s := n.Abs(n).String()
	for len(s) <= scale {
		s = "0" + s
	}
	if scale > 0 {
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// formatMicros writes a time as YYYY-MM-DD hh:mm:ss.ffffff.
func formatMicros(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000")
}
