package binlog

import (
	"maps"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestKeyless: the images that the log has of rows without a key, before and after a change, have the keys that a SELECT gives the same
// rows, whatever their types; what is left of them is what the server has.
func TestKeyless(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("SET SESSION sql_mode = ''",
		`CREATE TABLE t (i TINYINT, u BIGINT UNSIGNED, d DECIMAL(9,2), e DECIMAL(38,10), h DECIMAL(65,30), f FLOAT, g DOUBLE, b BIT(1), c BIT(9), y YEAR, da DATE,
		tm TIME(3), dt DATETIME(6), ts TIMESTAMP(2) NULL, en ENUM('a','b'), se SET('x','y','z'), j JSON, bi BINARY(5), vb VARBINARY(5), ch CHAR(5), tx TEXT,
		la VARCHAR(9) CHARACTER SET latin1, ut VARCHAR(9) CHARACTER SET utf16, v INT AS (i + 1) VIRTUAL, st INT AS (i + 1) STORED, left_out INT) CHARACTER SET utf8mb4`)
	opts := TableOptions{Exclude: []string{"left_out"}, Hash: []string{"tx"}, Salt: "s", MetaOp: DefaultMetaOp, MetaTS: DefaultMetaTS, MetaPos: DefaultMetaPos}
	r := follow(t, db, "t", opts)
	columns := "i, u, d, e, h, f, g, b, c, y, da, tm, dt, ts, en, se, j, bi, vb, ch, tx, la, ut, left_out"
	db.Exec("SET SESSION sql_mode = ''",
		"INSERT INTO t ("+columns+`) VALUES (-1, 18446744073709551615, -1.5, 12345678901234567890.0123456789, 1.5, 0.1, -0e0, 1, 257, 2024, '2024-02-29', '-838:59:59', '1000-01-01 00:00:00.000001',
			'2001-01-01 00:00:00.25', 'a', 'x,z', '{"b": 1.50, "a": [1e3, null, "é"]}', 'ab', 'ab', 'ab ', 'ab ', 'é ', 'é😀', 1),
			(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, '0000-00-00', 0, '0000-00-00', 0, '', '', 'null', '', '', '', '', '', '', 2)`,
		"INSERT INTO t (i) VALUES (NULL), (NULL), (5)",
		"INSERT INTO t ("+columns+") SELECT "+columns+" FROM t",
		"INSERT INTO t ("+columns+") SELECT "+columns+" FROM t",
		"UPDATE t SET left_out = 7", // every row becomes itself
		"UPDATE t SET j = JSON_SET(j, '$.a[0]', 1.0), g = -g, ch = 'AB' WHERE i = -1 LIMIT 2",
		"UPDATE t SET i = i + 1 WHERE i > 0 LIMIT 3",
		"DELETE FROM t WHERE i IS NULL LIMIT 3", "DELETE FROM t WHERE i = -1 LIMIT 1")
	tally := func(counts map[cdc.Key]int, b *cdc.Batch) {
		checkBatch(t, b)
		for i := range b.N {
			k := b.Key(i)
			switch b.Ops[i] {
			case cdc.OpInsert, cdc.OpRead:
				counts[k]++
			case cdc.OpDelete:
				if counts[k]--; counts[k] < 0 {
					t.Errorf("a row was deleted that is not there: %q", rowText(b.Schema, b, i))
				} else if counts[k] == 0 {
					delete(counts, k)
				}
			default:
				t.Errorf("operation %d", b.Ops[i])
			}
		}
	}
	log, rows, n := map[cdc.Key]int{}, map[cdc.Key]int{}, 0
	for _, b := range r.decode() {
		tally(log, b)
	}
	for _, err := range r.c.failed {
		t.Error(err)
	}
	for _, b := range r.selected() {
		tally(rows, b)
		n += b.N
	}
	if n != 16 || len(rows) < 5 {
		t.Errorf("%d rows, %d different", n, len(rows))
	}
	if !maps.Equal(log, rows) {
		t.Errorf("the log leaves %v, the server has %v", log, rows)
	}
}

// TestKeylessOptions: options that make other values of the same type are noticed where rows are told apart by all values.
func TestKeylessOptions(t *testing.T) {
	for _, keyless := range []bool{true, false} {
		src := shopTable()
		column := -1
		for i := range src.Columns {
			if keyless {
				src.Columns[i].Key = 0
			}
			if src.Columns[i].DataType == "varchar" && src.Columns[i].Key == 0 {
				column = i
			}
		}
		if keyless {
			src.KeyName = ""
		}
		name := src.Columns[column].Name
		s, err := NewSchema(src, TableOptions{Hash: []string{name}, Salt: "one"})
		if err != nil {
			t.Fatal(err)
		}
		for what, opts := range map[string]TableOptions{"same": {Hash: []string{name}, Salt: "one"}, "salt": {Hash: []string{name}, Salt: "two"}, "plain": {}} {
			_, _, err := recompile(s, &opts)
			if noticed := err != nil; noticed != (keyless && what != "same") {
				t.Errorf("keyless %t, %s: %v", keyless, what, err)
			} else if noticed && err.Code != CodeColumnOption {
				t.Error(err)
			}
		}
	}
}
