package binlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// typeCase is a column type and literals of edge values.
type typeCase struct {
	typ    string
	values []string
}

var typeCases = []typeCase{
	{"TINYINT", []string{"-128", "-1", "0", "127"}},
	{"TINYINT UNSIGNED", []string{"0", "128", "255"}},
	{"SMALLINT", []string{"-32768", "0", "32767"}},
	{"SMALLINT UNSIGNED", []string{"0", "32768", "65535"}},
	{"MEDIUMINT", []string{"-8388608", "-1", "0", "8388607"}},
	{"MEDIUMINT UNSIGNED", []string{"0", "8388608", "16777215"}},
	{"INT", []string{"-2147483648", "0", "2147483647"}},
	{"INT UNSIGNED", []string{"0", "2147483648", "4294967295"}},
	{"BIGINT", []string{"-9223372036854775808", "0", "9223372036854775807"}},
	{"BIGINT UNSIGNED", []string{"0", "9223372036854775808", "18446744073709551615"}},
	{"DECIMAL(12,2)", []string{"0", "-0.01", "9999999999.99", "-9999999999.99", "123.45"}},
	{"DECIMAL(1,0)", []string{"0", "9", "-9"}},
	{"DECIMAL(4,4)", []string{"0.9999", "-0.9999", "0.0001", "0"}},
	{"DECIMAL(18,9)", []string{"999999999.999999999", "-999999999.999999999", "0.000000001"}},
	{"DECIMAL(19,0)", []string{"9999999999999999999", "-9999999999999999999", "0"}},
	{"DECIMAL(38,10)", []string{"9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "-1", "0.0000000001"}},
	{"DECIMAL(38,30)", []string{"99999999.999999999999999999999999999999", "-0.000000000000000000000000000001"}},
	{"DECIMAL(20,0) UNSIGNED", []string{"18446744073709551616", "0"}},
	{"DECIMAL(65,0)", []string{strings.Repeat("9", 65), "-" + strings.Repeat("9", 65), "0", "-1"}},
	{"DECIMAL(65,30)", []string{strings.Repeat("9", 35) + "." + strings.Repeat("9", 30), "-0.000000000000000000000000000001", "0", "12.5"}},
	{"DECIMAL(39,30)", []string{"0.5", "-0.5", "123456789.000000000000000000000000000001"}},
	{"FLOAT", []string{"0", "-1.5", "3.4028234e38", "1.17549435e-38", "0.1", "16777217"}},
	{"FLOAT(7,3)", []string{"1234.567", "-0.001"}},
	{"DOUBLE", []string{"0", "-1.5", "1.7976931348623157e308", "2.2250738585072014e-308", "0.1", "5e-324", "-1e100"}},
	{"DOUBLE UNSIGNED", []string{"0", "1.25"}},
	{"CHAR(10)", []string{"''", "'abc'", "'  lead'", "'trail  '", "'üöä€😀'", "REPEAT('é',10)"}},
	{"CHAR(255)", []string{"''", "REPEAT('😀',255)", "'x'"}},
	{"VARCHAR(20)", []string{"''", "'abc  '", "'€😀'", "'a\\\\b\\'c\"d\\n'"}},
	{"VARCHAR(500)", []string{"''", "REPEAT('x',500)", "REPEAT('😀',300)"}},
	{"TINYTEXT", []string{"''", "REPEAT('y',255)"}},
	{"TEXT", []string{"''", "REPEAT('é',30000)"}},
	{"MEDIUMTEXT", []string{"REPEAT('z',70000)"}},
	{"LONGTEXT", []string{"'long'"}},
	{"VARCHAR(50) CHARACTER SET utf8mb3", []string{"'é€'", "''"}},
	{"VARCHAR(50) CHARACTER SET ascii", []string{"'plain'", "''"}},
	{"VARCHAR(300) CHARACTER SET latin1", []string{"'plain'", "'é€'", "CONVERT(X'8081828d8f909da0ff' USING latin1)"}},
	{"CHAR(20) CHARACTER SET latin1", []string{"'ü  '", "''"}},
	{"TEXT CHARACTER SET latin1", []string{"REPEAT('ß',100)"}},
	{"CHAR(5) CHARACTER SET ucs2", []string{"'aé€'", "''"}},
	{"VARCHAR(50) CHARACTER SET utf16", []string{"'aé€😀'", "''"}},
	{"VARCHAR(50) CHARACTER SET utf16le", []string{"'aé€😀'", "''"}},
	{"VARCHAR(50) CHARACTER SET sjis", []string{"'日本語 ｱ\\\\ab'", "''"}},
	{"CHAR(20) CHARACTER SET cp932", []string{"'①日本 '", "'x'"}},
	{"TEXT CHARACTER SET gbk", []string{"'中文abc'", "REPEAT('漢',300)"}},
	{"VARCHAR(50) CHARACTER SET gb2312", []string{"'中文'", "''"}},
	{"VARCHAR(50) CHARACTER SET euckr", []string{"'한국어 x'", "'뷁'"}},
	{"VARCHAR(50) CHARACTER SET swe7", []string{"'ÄÖÅ äöå é'", "'plain'"}},
	{"ENUM('中','文') CHARACTER SET gbk", []string{"'中'", "'文'"}},
	{"CHAR(8) CHARACTER SET utf32", []string{"'aé€😀'", "'x '"}},
	{"BINARY(4)", []string{"X'00000000'", "X'01'", "X'01020300'", "X'ff00ff00'", "''"}},
	{"BINARY(255)", []string{"X'01'", "REPEAT(X'ff',255)"}},
	{"VARBINARY(10)", []string{"X''", "X'0100'", "X'00ff00'"}},
	{"VARBINARY(1000)", []string{"REPEAT(X'0001',500)"}},
	{"TINYBLOB", []string{"X'00'", "''"}},
	{"BLOB", []string{"X'c328'", "REPEAT(X'00',1000)"}},
	{"MEDIUMBLOB", []string{"REPEAT(X'ab',70000)"}},
	{"LONGBLOB", []string{"X'01'"}},
	{"VARCHAR(10) CHARACTER SET binary", []string{"X'ff00'"}},
	{"DATE", []string{"'1000-01-01'", "'9999-12-31'", "'1970-01-01'", "'1969-12-31'", "'2024-02-29'", "'0001-01-01'"}},
	{"TIME", []string{"'00:00:00'", "'-838:59:59'", "'838:59:59'", "'23:59:59'", "'-00:00:01'", "'100:00:00'"}},
	{"TIME(1)", []string{"'-00:00:00.1'", "'12:34:56.7'"}},
	{"TIME(2)", []string{"'-00:00:00.01'", "'12:34:56.78'", "'-838:59:58.99'"}},
	{"TIME(3)", []string{"'-00:00:01.001'", "'99:59:59.999'"}},
	{"TIME(4)", []string{"'-00:00:01.0001'", "'99:59:59.9999'"}},
	{"TIME(6)", []string{"'-838:59:59.000000'", "'-00:00:00.000001'", "'00:00:00.000001'", "'838:59:59.000000'", "'-12:00:00.5'"}},
	{"DATETIME", []string{"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'1969-12-31 23:59:59'"}},
	{"DATETIME(1)", []string{"'2001-02-03 04:05:06.7'"}},
	{"DATETIME(3)", []string{"'2001-02-03 04:05:06.789'", "'1960-02-03 04:05:06.789'"}},
	{"DATETIME(5)", []string{"'2001-02-03 04:05:06.78912'"}},
	{"DATETIME(6)", []string{"'9999-12-31 23:59:59.999999'", "'1000-01-01 00:00:00.000001'", "'2000-02-29 00:00:00'"}},
	{"TIMESTAMP NULL", []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"}},
	{"TIMESTAMP(2) NULL", []string{"'2001-02-03 04:05:06.78'"}},
	{"TIMESTAMP(6) NULL", []string{"'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07.499999'"}},
	{"YEAR", []string{"1901", "2155", "0", "1970"}},
	{"BIT(1)", []string{"b'0'", "b'1'"}},
	{"BIT(2)", []string{"b'0'", "b'11'"}},
	{"BIT(8)", []string{"b'0'", "b'10000001'"}},
	{"BIT(9)", []string{"b'0'", "b'100000001'"}},
	{"BIT(64)", []string{"b'0'", "X'8000000000000001'", "X'ffffffffffffffff'"}},
	{"ENUM('a','b','it''s','','back\\\\slash','ü€','a,b')", []string{"'a'", "'it\\'s'", "''", "'back\\\\slash'", "'ü€'", "'a,b'"}},
	{"ENUM('x','ö') CHARACTER SET latin1", []string{"'x'", "'ö'"}},
	{"SET('a','b','c')", []string{"''", "'a'", "'a,c'", "'a,b,c'"}},
	{"SET('ä','ö') CHARACTER SET latin1", []string{"'ä,ö'", "'ö'"}},
	{"JSON", []string{"'{}'", "'[]'", "'null'", "'\"x\"'", "'{\"b\":1,\"aa\":[true,false,null],\"a\":{\"c\":-1.5}}'", "'\"\\\\u0001\\\\n\\\\\"\\\\\\\\/é😀\"'"}},
}

// bigEnum has more than 255 members, and a SET of 64.
func bigEnum() []typeCase {
	var members, bits []string
	for i := range 300 {
		members = append(members, fmt.Sprintf("'m%d'", i))
	}
	for i := range 64 {
		bits = append(bits, fmt.Sprintf("'b%d'", i))
	}
	out := []typeCase{
		{"ENUM(" + strings.Join(members, ",") + ")", []string{"'m0'", "'m255'", "'m299'"}},
		{"SET(" + strings.Join(bits, ",") + ")", []string{"'b0'", "'b63'", "'b0,b63'", "18446744073709551615"}},
	}
	for _, n := range []int{8, 9, 16, 17, 24, 25, 32, 33} {
		out = append(out, typeCase{"SET(" + strings.Join(bits[:n], ",") + ")", []string{"''", fmt.Sprintf("'b%d'", n-1), "'b0,b1'"}})
	}
	return out
}

// setGlobal sets a server variable for the test.
func setGlobal(t *testing.T, db *testenv.Database, name, value string) {
	old := query(t, db, "SELECT @@global."+name)[0][0]
	db.Exec("SET GLOBAL " + name + "='" + value + "'")
	t.Cleanup(func() { db.Exec("SET GLOBAL " + name + "='" + old + "'") })
}

// TestTypes compares every type in the log, in the rows of a SELECT and as the server prints it, with both kinds of
// row metadata, compressed and not, nullable and not.
func TestTypes(t *testing.T) {
	cases := append(append([]typeCase(nil), typeCases...), bigEnum()...)
	for _, metadata := range []string{"FULL", "MINIMAL"} {
		for _, compression := range []string{"OFF", "ON"} {
			t.Run(metadata+"/compression="+compression, func(t *testing.T) {
				db := testenv.NeedMySQL(t)
				setGlobal(t, db, "binlog_row_metadata", metadata)
				table := "types_" + strings.ToLower(metadata+compression)
				var cols, all []string
				for i, c := range cases {
					null := ""
					if i%2 == 0 && !strings.Contains(c.typ, "NULL") && !strings.Contains(c.typ, "TIMESTAMP") {
						null = " NOT NULL"
					}
					cols = append(cols, fmt.Sprintf("c%d %s%s", i, c.typ, null))
					all = append(all, fmt.Sprintf("c%d", i))
				}
				session := []string{"SET SESSION sql_mode='', time_zone='+00:00', binlog_transaction_compression=" + compression,
					"CREATE TABLE " + table + " (id INT NOT NULL, " + strings.Join(cols, ", ") + ", PRIMARY KEY (id)) CHARACTER SET utf8mb4"}
				db.Exec(session...)
				r := follow(t, db, table, TableOptions{})
				rows := 0
				for _, c := range cases {
					rows = max(rows, len(c.values))
				}
				stmts := []string{session[0], "BEGIN"}
				for i := range rows {
					var values []string
					for _, c := range cases {
						values = append(values, c.values[i%len(c.values)])
					}
					stmts = append(stmts, fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", table, i, strings.Join(values, ", ")))
				}
				var nulls []string
				for i, c := range cases {
					if i%2 == 1 && !strings.Contains(c.typ, "NULL") {
						nulls = append(nulls, all[i]+"=NULL")
					}
				}
				stmts = append(stmts, "COMMIT", "BEGIN",
					fmt.Sprintf("INSERT INTO %s SELECT id+100, %s FROM %s", table, strings.Join(all, ", "), table),
					fmt.Sprintf("UPDATE %s SET %s WHERE id >= 104", table, strings.Join(nulls, ", ")),
					fmt.Sprintf("UPDATE %s SET id=id+1000 WHERE id IN (101,102,105)", table),
					fmt.Sprintf("DELETE FROM %s WHERE id IN (100, 1101)", table), "COMMIT")
				db.Exec(stmts...)
				r.check()
			})
		}
	}
}
