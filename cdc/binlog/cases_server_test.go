package binlog

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestCharsets compares the conversion of every byte in every 8-bit character set with the server's.
func TestCharsets(t *testing.T) {
	db := testenv.NeedMySQL(t)
	for name, cs := range charsets {
		if cs.kind != charsetTable {
			continue
		}
		var exprs []string
		for b := range 256 {
			exprs = append(exprs, fmt.Sprintf("HEX(CONVERT(_%s X'%02x' USING utf8mb4))", name, b))
		}
		for b, want := range query(t, db, "SELECT "+strings.Join(exprs, ","))[0] {
			got, err := cs.append(nil, []byte{byte(b)})
			text := fmt.Sprintf("%X", got)
			if err != nil {
				text = "3F" // the server's question mark for what is not defined
			}
			if text != want || err == nil && !utf8.Valid(got) {
				t.Errorf("%s byte %#x: %s %v, the server converts to %s", name, b, text, err, want)
			}
		}
	}
	for _, r := range query(t, db, "SELECT id, character_set_name FROM information_schema.collations") {
		var id uint64
		fmt.Sscan(r[0], &id)
		if got := CollationCharset(id); got != r[1] {
			t.Errorf("collation %d: %q, the server says %q", id, got, r[1])
		}
	}
}

// TestSpecialColumns: generated columns, invisible ones, functional indexes, generated invisible keys, composite and string keys.
func TestSpecialColumns(t *testing.T) {
	for _, metadata := range []string{"FULL", "MINIMAL"} {
		t.Run(metadata, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			setGlobal(t, db, "binlog_row_metadata", metadata)
			for i, c := range []struct {
				name, create string
				stmts        []string
			}{
				{"generated", "(id INT PRIMARY KEY, a INT, v INT GENERATED ALWAYS AS (a*2) VIRTUAL, s VARCHAR(20) AS (CONCAT('x',a)) STORED, z INT)",
					[]string{"INSERT INTO %s(id,a,z) VALUES (1,10,1),(2,NULL,2),(3,30,3)", "UPDATE %s SET a=11 WHERE id=1", "UPDATE %s SET z=9 WHERE id=2", "DELETE FROM %s WHERE id=3"}},
				{"generated with index", "(id INT PRIMARY KEY, a INT, v INT GENERATED ALWAYS AS (a*2) VIRTUAL, KEY(v), z INT)",
					[]string{"INSERT INTO %s(id,a,z) VALUES (1,10,1),(2,NULL,2)", "UPDATE %s SET a=11 WHERE id=1"}},
				{"functional index", "(id INT PRIMARY KEY, a VARCHAR(20), KEY((UPPER(a))), j JSON, KEY((CAST(j->'$.x' AS UNSIGNED ARRAY))))",
					[]string{`INSERT INTO %s VALUES (1,'abc','{"x":[1,2]}'),(2,NULL,NULL)`, "UPDATE %s SET a='def' WHERE id=2"}},
				{"invisible", "(id INT PRIMARY KEY, a INT INVISIBLE, b INT)", []string{"INSERT INTO %s(id,a,b) VALUES (1,2,3)"}},
				{"composite key", "(a VARCHAR(10) CHARACTER SET latin1, b INT, c DATETIME(3), d INT, PRIMARY KEY (c,a,b))",
					[]string{"INSERT INTO %s VALUES ('é',1,'2020-01-01 00:00:00.125',1),('ü',2,'2020-01-01',2)", "UPDATE %s SET a='E' WHERE b=1", "UPDATE %s SET d=5",
						"UPDATE %s SET b=7 WHERE b=2", "DELETE FROM %s WHERE b=1"}},
				{"key at the end", "(v TEXT, n INT, k BINARY(8), PRIMARY KEY (k))", []string{"INSERT INTO %s VALUES ('a',1,X'00'),('b',NULL,X'0100')", "UPDATE %s SET v=REPEAT('x',300) WHERE n=1",
					"UPDATE %s SET k=X'05',v=NULL WHERE n=1", "DELETE FROM %s WHERE k=X'0100000000000000'"}},
				{"string key", "(k VARCHAR(300) PRIMARY KEY, n INT)", []string{"INSERT INTO %s VALUES ('a',1),('b ',2),('😀',3)", "UPDATE %s SET k='A' WHERE k='a'", "DELETE FROM %s WHERE n=2"}},
				{"enum key", "(k ENUM('x','y') , n SET('p','q'), PRIMARY KEY(k,n), d DECIMAL(20,3))", []string{"INSERT INTO %s VALUES ('x','p,q',1.5),('y','',2)", "UPDATE %s SET n='q' WHERE k='y'"}},
				{"bigint unsigned key", "(k BIGINT UNSIGNED PRIMARY KEY, n YEAR)", []string{"INSERT INTO %s VALUES (18446744073709551615,2000),(0,1999)", "UPDATE %s SET k=1 WHERE k=0"}},
				{"nine columns", "(id INT PRIMARY KEY, a INT, b INT, c INT, d INT, e INT, f INT, g INT, h INT NOT NULL, i INT)",
					[]string{"INSERT INTO %s VALUES (1,NULL,1,NULL,1,NULL,1,NULL,1,NULL),(2,1,NULL,1,NULL,1,NULL,1,1,1)", "UPDATE %s SET i=2"}},
			} {
				t.Run(c.name, func(t *testing.T) {
					table := fmt.Sprintf("special%d", i)
					db.Exec("CREATE TABLE " + table + " " + c.create + " CHARACTER SET utf8mb4")
					r := follow(t, db, table, TableOptions{})
					for _, s := range c.stmts {
						db.Exec(fmt.Sprintf(s, table))
					}
					r.check()
				})
			}
			t.Run("generated invisible key", func(t *testing.T) {
				db.Exec("SET SESSION sql_generate_invisible_primary_key=ON", "CREATE TABLE gipk (a INT, b VARCHAR(10))")
				r := follow(t, db, "gipk", TableOptions{})
				db.Exec("INSERT INTO gipk VALUES (1,'x'),(2,'y')", "UPDATE gipk SET a=3 WHERE b='y'")
				r.check()
			})
		})
	}
}

// TestEnumBeyondBMP: the catalog prints members in utf8mb3, the log in full.
func TestEnumBeyondBMP(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE e (id INT PRIMARY KEY, e ENUM('x','a😀b','?') CHARACTER SET utf8mb4, s SET('😀','y') CHARACTER SET utf8mb4)")
	setGlobal(t, db, "binlog_row_metadata", "FULL")
	r := follow(t, db, "e", TableOptions{})
	db.Exec("INSERT INTO e VALUES (1,'a😀b','😀,y'),(2,'?','y'),(3,NULL,'')")
	r.check()

	db.Exec("SET GLOBAL binlog_row_metadata='MINIMAL'")
	r = follow(t, db, "e", TableOptions{})
	db.Exec("UPDATE e SET e='x'")
	if b := r.decode(); len(b) != 0 || len(r.c.failed) != 1 || r.c.failed[0].Code != CodeMismatch {
		t.Errorf("without the log's list of members: %d batches, %v", len(b), r.c.failed)
	}
}

// TestZeroDates covers what is no calendar date under each option.
func TestZeroDates(t *testing.T) {
	db := testenv.NeedMySQL(t)
	create := "(id INT PRIMARY KEY, d DATE %[1]s, dt DATETIME(3) %[1]s, ts TIMESTAMP(6) %[1]s)"
	db.Exec("SET SESSION sql_mode='ALLOW_INVALID_DATES'",
		"CREATE TABLE yes "+fmt.Sprintf(create, "NULL"), "CREATE TABLE no "+fmt.Sprintf(create, "NOT NULL"))
	insert := func(table string) {
		db.Exec("SET SESSION time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES'",
			"INSERT INTO "+table+" VALUES (1,'0000-00-00','0000-00-00 00:00:00','0000-00-00 00:00:00'),(2,'2020-00-00','2020-05-00 10:11:12','2020-05-01 10:11:12.5'),"+
				"(3,'2020-00-10','2023-02-31 01:02:03.25','1970-01-01 00:00:01'),(4,'2024-02-29','2024-02-29 23:59:59.999','2024-02-29 23:59:59.999999'),(5,'2021-02-30','0000-01-01 00:00:00','2038-01-19 03:14:07')")
	}
	want := map[string][]string{
		"1\x00": {"1", "NULL", "NULL", "NULL"}, "2\x00": {"2", "NULL", "NULL", "2020-05-01 10:11:12.500000"},
		"3\x00": {"3", "NULL", "NULL", "1970-01-01 00:00:01.000000"}, "4\x00": {"4", "2024-02-29", "2024-02-29 23:59:59.999000", "2024-02-29 23:59:59.999999"},
		"5\x00": {"5", "NULL", "0000-01-01 00:00:00.000000", "2038-01-19 03:14:07.000000"},
	}
	for _, c := range []struct {
		table string
		mode  ZeroDates
		fails bool
	}{{"yes", ZeroDatesAuto, false}, {"yes", ZeroDatesNull, false}, {"yes", ZeroDatesRefuse, true},
		{"no", ZeroDatesAuto, true}, {"no", ZeroDatesNull, false}, {"no", ZeroDatesRefuse, true}} {
		t.Run(c.table+" "+string(c.mode), func(t *testing.T) {
			db.Exec("DELETE FROM " + c.table)
			r := follow(t, db, c.table, TableOptions{ZeroDates: c.mode})
			insert(c.table)
			batches := r.decode()
			if c.fails {
				if len(batches) != 0 || len(r.c.failed) != 1 || r.c.failed[0].Code != CodeZeroDate || !strings.Contains(r.c.failed[0].Error(), "column d:") {
					t.Fatalf("%d batches, %v", len(batches), r.c.failed)
				}
				return
			}
			r.compare("the log", apply(t, r.schema, batches), want)
			r.compare("the rows", r.read(), want)
		})
	}
}

// TestOptions: excluded and hashed columns, metadata columns.
func TestOptions(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE o (id INT PRIMARY KEY, secret GEOMETRY, name VARCHAR(50) CHARACTER SET latin1, phone BIGINT, small TINYINT UNSIGNED, bin BINARY(4), note TEXT)")
	opts := TableOptions{Exclude: []string{"SECRET"}, Hash: []string{"name", "phone", "small", "bin"}, Salt: "pepper",
		MetaOp: DefaultMetaOp, MetaTS: DefaultMetaTS, MetaPos: DefaultMetaPos}
	r := follow(t, db, "o", opts)
	db.Exec("INSERT INTO o VALUES (1, POINT(1,2), 'Jörg', -5, 200, X'01', 'n'), (2, NULL, NULL, 7, NULL, NULL, NULL)", "UPDATE o SET note='m' WHERE id=1", "DELETE FROM o WHERE id=2")
	sums := query(t, db, "SELECT SHA2(CONCAT('pepper', CONVERT('Jörg' USING utf8mb4)),256), SHA2('pepper-5',256), SHA2('pepper200',256), SHA2(CONCAT(CAST('pepper' AS BINARY), X'01000000'),256)")[0]
	want := map[string][]string{"1\x00": append(append([]string{"1"}, sums...), "m")}
	batches := r.decode()
	r.compare("the log", apply(t, r.schema, batches), want)
	r.compare("the rows", r.read(), want)
	if len(batches) != 1 || batches[0].N != 4 || len(batches[0].Txns) != 3 {
		t.Fatalf("%d batches", len(batches))
	}
	b := batches[0]
	ops := ""
	for i := range b.N {
		ops += string(b.Cols[6].Bytes(i))
		if b.Cols[7].I64[i] < 1.7e15 || b.Cols[7].I64[i] != b.Txns[max(i-1, 0)].CommitMicros || !strings.Contains(string(b.Cols[8].Bytes(i)), ":") {
			t.Errorf("row %d: time %d, position %q, transactions %v", i, b.Cols[7].I64[i], b.Cols[8].Bytes(i), b.Txns)
		}
	}
	if ops != "ccud" {
		t.Errorf("operations %q", ops)
	}
	for _, bad := range []TableOptions{{Exclude: []string{"nam"}}, {Hash: []string{"x"}}, {Exclude: []string{"id"}}, {MetaOp: "NAME", Exclude: []string{"secret"}}} {
		if _, err := NewSchema(r.src, bad); err == nil || err.Code != CodeColumnOption {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestRefused: rows that do not contain what is needed stop their table, and only that.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, session, stmt string
		code                *cdc.Code
	}{
		{"minimal", "SET SESSION binlog_row_image=MINIMAL", "UPDATE r SET n=2", CodeRowImage},
		{"noblob", "SET SESSION binlog_row_image=NOBLOB", "UPDATE r SET n=2", CodeRowImage},
		{"minimal delete", "SET SESSION binlog_row_image=MINIMAL", "DELETE FROM r", CodeRowImage},
		{"partial json, minimal", "SET SESSION binlog_row_image=MINIMAL, binlog_row_value_options=PARTIAL_JSON", "UPDATE r SET j=JSON_SET(j,'$.a',2)", CodeRowImage},
		{"partial json, noblob", "SET SESSION binlog_row_image=NOBLOB, binlog_row_value_options=PARTIAL_JSON", "UPDATE r SET n=7,j=JSON_SET(j,'$.a',2)", CodeRowImage},
		{"other definition", "SELECT 1", "ALTER TABLE r MODIFY n BIGINT|UPDATE r SET n=3", CodeMismatch},
		{"unsigned", "SELECT 1", "ALTER TABLE r MODIFY n INT UNSIGNED|UPDATE r SET n=3", CodeMismatch},
		{"renamed", "SELECT 1", "ALTER TABLE r RENAME COLUMN n TO m|UPDATE r SET m=3", CodeMismatch},
		{"charset", "SELECT 1", "ALTER TABLE r MODIFY v VARCHAR(20) CHARACTER SET latin1|UPDATE r SET n=3", CodeMismatch},
		{"column", "SELECT 1", "ALTER TABLE r ADD x INT|UPDATE r SET n=3", CodeMismatch},
		{"null", "SELECT 1", "ALTER TABLE r MODIFY n INT NOT NULL|UPDATE r SET n=3", CodeMismatch},
		{"key", "SELECT 1", "ALTER TABLE r DROP PRIMARY KEY, ADD PRIMARY KEY (id, k2)|UPDATE r SET n=3", CodeMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			setGlobal(t, db, "binlog_row_metadata", "FULL")
			db.Exec("CREATE TABLE r (id INT PRIMARY KEY, n INT, j JSON, b TEXT, v VARCHAR(20), k2 INT NOT NULL) CHARACTER SET utf8mb4", "CREATE TABLE other (id INT PRIMARY KEY)",
				`INSERT INTO r VALUES (1,1,'{"a": 1, "b": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}','text','v',0)`)
			r := follow(t, db, "r", TableOptions{})
			db.Exec("UPDATE r SET n=5")
			db.Exec(append([]string{c.session}, strings.Split(c.stmt, "|")...)...)
			db.Exec("INSERT INTO other VALUES (1)", "ANALYZE TABLE other")

			d := NewDecoder(r.c, 1)
			defer d.Close()
			other, cerr := NewSchema(describe(t, db, "other"), TableOptions{})
			if cerr != nil {
				t.Fatal(cerr)
			}
			for _, s := range []*cdc.Schema{r.schema, other} {
				if _, err := d.Register(s, TableOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			for _, ev := range dump(t, db, r.file, r.pos) {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			if len(r.c.failed) != 1 || r.c.failed[0].Code != c.code || r.c.failed[0].Table != r.schema.Table {
				t.Errorf("failed: %v", r.c.failed)
			}
			if len(r.c.batches) != 1 || r.c.batches[0].Schema != other {
				t.Errorf("batches: %d", len(r.c.batches))
			}
		})
	}
}

// TestManyRows: a transaction of many batches, interleaved tables, skipped tables, all kinds of transaction ends.
func TestManyRows(t *testing.T) {
	for _, compression := range []string{"OFF", "ON"} {
		t.Run(compression, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			db.Exec("CREATE TABLE m (id INT PRIMARY KEY, v VARCHAR(100), t TEXT)")
			r := follow(t, db, "m", TableOptions{})
			db.Exec("SET SESSION cte_max_recursion_depth=100000, binlog_transaction_compression="+compression,
				"INSERT INTO m WITH RECURSIVE s AS (SELECT 1 x UNION ALL SELECT x+1 FROM s WHERE x < 50000) SELECT x, CONCAT('v',x), IF(x%3=0,NULL,REPEAT('é',x%50)) FROM s",
				"UPDATE m SET v=CONCAT(v,'!') WHERE id%2=0", "UPDATE m SET id=id+100000 WHERE id%1000=0", "DELETE FROM m WHERE id%5=0", "INSERT INTO m VALUES (7000000,REPEAT('x',100),REPEAT('y',60000))")
			r.check()
			txns, rows := 0, 0
			for _, b := range r.c.batches {
				txns += len(b.Txns)
				rows += b.N
			}
			if txns < 5 || len(r.c.batches) < 4 {
				t.Errorf("%d ends of transactions in %d batches", txns, len(r.c.batches))
			}
			r.c = &collector{}
			d := NewDecoder(r.c, 1)
			defer d.Close()
			table, err := d.Register(r.schema, r.opts)
			if err != nil {
				t.Fatal(err)
			}
			table.Skip = true
			n := 0
			for _, ev := range dump(t, db, r.file, r.pos) {
				if err := d.Event(ev); err != nil {
					t.Fatal(err)
				}
				n++
			}
			if err := d.Flush(); err != nil || len(r.c.batches) != 0 {
				t.Errorf("skipped: %d batches, %v", len(r.c.batches), err)
			}
		})
	}
}

// TestEvents compares what the decoder says of transactions with what the server says.
func TestEvents(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE g (id INT PRIMARY KEY)")
	r := follow(t, db, "g", TableOptions{})
	db.Exec("SET SESSION sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES', gtid_next='AUTOMATIC:some_tag'", "INSERT INTO g VALUES (1)",
		`CREATE TABLE "latin" (a INT) COMMENT 'ü'`, "SET gtid_next='AUTOMATIC'", "INSERT INTO g VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO g VALUES (3)")
	_, executed, err := db.BinlogEnd(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r.decode()
	var gtids, ddl []string
	var tagged, rotated, xids int
	for _, e := range r.c.events {
		switch e.Type {
		case GTIDTaggedEvent, GTIDEvent:
			gtids = append(gtids, fmt.Sprintf("%x:%s:%d", e.GTID.UUID, e.GTID.Tag, e.GTID.GNO))
			if string(e.GTID.Tag) == "some_tag" {
				tagged++
			}
			if e.GTID.ImmediateMicros < 1.7e15 || e.GTID.OriginalMicros != e.GTID.ImmediateMicros || e.GTID.Length < 100 {
				t.Errorf("times of %+v", e.GTID)
			}
		case RotateEvent:
			if e.Flags&FlagArtificial == 0 {
				rotated++
			}
		case XidEvent:
			xids++
		case QueryEvent:
			if s := string(e.Query.SQL); strings.HasPrefix(s, "CREATE") {
				ddl = append(ddl, s)
				if e.Query.SQLMode&ModeANSIQuotes == 0 || e.Query.SQLMode&ModeNoBackslashEscapes == 0 || CollationCharset(uint64(e.Query.ClientCollation)) != "utf8mb4" || string(e.Query.Database) != db.Name {
					t.Errorf("statement %+v", e.Query)
				}
			}
		}
	}
	if len(gtids) != 4 || tagged != 2 || rotated != 1 || xids != 3 || len(ddl) != 1 {
		t.Errorf("gtids %v, tagged %d, rotated %d, xids %d, ddl %v", gtids, tagged, rotated, xids, ddl)
	}
	plain := strings.ReplaceAll(executed, "-", "")
	for _, g := range gtids {
		if !strings.Contains(plain, strings.Split(g, ":")[0]) {
			t.Errorf("%s is not in %s", g, executed)
		}
	}
}
