package mysql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// addedColumns are additions whose value in old rows MySQL decides.
var addedColumns = []string{
	"INT", "INT NOT NULL", "INT DEFAULT 7", "BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615", "TINYINT(1) NOT NULL DEFAULT TRUE",
	"SMALLINT UNSIGNED DEFAULT '12'", "DECIMAL(10,3) NOT NULL", "DECIMAL(10,3) NOT NULL DEFAULT -1.5", "DECIMAL(30,2) DEFAULT 12345678901234567890.1",
	"DOUBLE DEFAULT 1.5", "DOUBLE NOT NULL", "VARCHAR(20)", "VARCHAR(20) NOT NULL DEFAULT 'it''s — x'", "CHAR(5) NOT NULL DEFAULT 'ab'",
	"VARCHAR(10) CHARACTER SET latin1 NOT NULL DEFAULT 'é'", "TEXT NOT NULL", "VARBINARY(8) DEFAULT X'00FF'", "BINARY(4) NOT NULL DEFAULT 'ab'",
	"BINARY(3) NOT NULL", "BLOB NOT NULL", "ENUM('x','it''s','c') NOT NULL", "ENUM('x','y') DEFAULT 'Y'", "SET('p','q') NOT NULL", "SET('p','q') DEFAULT 'q'",
	"DATE DEFAULT '2024-02-29'", "DATETIME DEFAULT '2024-02-29 10:11:12'", "DATETIME(6) NOT NULL DEFAULT '2024-02-29 10:11:12.123456'", "TIMESTAMP NULL",
	"TIME DEFAULT '-12:34:56'", "TIME(3) NOT NULL", "YEAR DEFAULT 2024", "BIT(1) NOT NULL DEFAULT b'1'", "BIT(12) DEFAULT b'101'", "JSON",
	"MEDIUMINT ZEROFILL NOT NULL DEFAULT 3", "BOOL", "NUMERIC(6) DEFAULT 4", "VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'note; here'",
}

// TestAddColumnDefaults: what old rows read in an added column is what MySQL answers, and the tracked definition is
// what MySQL shows.
func TestAddColumnDefaults(t *testing.T) {
	s := testenv.NeedMySQL(t)
	ctx := timeout(t, 2*time.Minute)
	exec := func(q string) {
		t.Helper()
		if err := s.MySQLServer.Exec(ctx, "USE "+s.Name, "SET sql_mode = ''", q); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE t (id INT PRIMARY KEY, a INT) CHARACTER SET latin1")
	exec("INSERT INTO t VALUES (1, 1), (2, 2)")
	src := newSource(t, config(s.MySQLServer, s.Name))
	p, ds := startAll(t, src, true)
	id := ds[0].Table
	must(t, p.load(ctx, id, 1))
	for i, def := range addedColumns {
		where := [...]string{"", " FIRST", " AFTER id"}[i%3]
		exec(fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d %s%s", i, def, where))
		exec(fmt.Sprintf("INSERT INTO t (id, a) VALUES (%d, 0)", 100+i))
		if i%5 == 4 {
			exec(fmt.Sprintf("ALTER TABLE t DROP COLUMN c%d, ADD COLUMN d%d INT NOT NULL DEFAULT 9, ALGORITHM=COPY", i-1, i))
		}
	}
	exec("/* no change */ ALTER TABLE t ADD INDEX x (a), COMMENT = 'new', AUTO_INCREMENT = 5, ENGINE = InnoDB")
	exec("ANALYZE TABLE t")
	exec("UPDATE t SET a = a + 1 WHERE id > 1")
	p.catchUp(ctx)
	sink := p.sink
	sink.mu.Lock()
	if e := sink.tables[id].paused; e != nil {
		sink.mu.Unlock()
		t.Fatal(e)
	}
	// The sink keeps initial values in Iceberg's notation; these types differ from how the test prints MySQL's answers.
	tab := sink.tables[id]
	for key, row := range tab.rows {
		vals := strings.Split(row, "\x1f")
		for i, c := range tab.schema.Columns {
			if c.Initial == nil || vals[i] != *c.Initial {
				continue
			}
			switch c.Type.Kind {
			case cdc.KindBinary:
				vals[i] = strings.ToUpper(vals[i])
			case cdc.KindBool:
				vals[i] = map[string]string{"true": "1", "false": "0"}[vals[i]]
			case cdc.KindTimestamp:
				vals[i] = strings.Replace(vals[i], "T", " ", 1)
			}
		}
		tab.rows[key] = strings.Join(vals, "\x1f")
	}
	sink.mu.Unlock()
	// ZEROFILL pads what is printed.
	exec(fmt.Sprintf("ALTER TABLE t DROP COLUMN c%d", indexOf(addedColumns, "MEDIUMINT ZEROFILL NOT NULL DEFAULT 3")))
	p.catchUp(ctx)
	sink.equal(s.MySQLServer, id)
	schema := sink.tables[id].schema
	now, err := src.Discover(ctx)
	must(t, err)
	tracked, cerr := binlog.ParseSource(schema)
	if cerr != nil {
		t.Fatal(cerr)
	}
	shown, cerr := binlog.ParseSource(now[0].Schema)
	if cerr != nil {
		t.Fatal(cerr)
	}
	for i := range shown.Columns {
		a, b := tracked.Columns[i], shown.Columns[i]
		if a.Name != b.Name || a.ColumnType != b.ColumnType || a.Charset != b.Charset || a.Nullable != b.Nullable || a.Comment != b.Comment {
			t.Errorf("tracked %+v\nMySQL   %+v", a, b)
		}
	}
	p.stop()
}

func indexOf(l []string, s string) int {
	for i := range l {
		if l[i] == s {
			return i
		}
	}
	return -1
}

// TestDDLUnderLoad adds and drops columns while writers and chunk readers work.
func TestDDLUnderLoad(t *testing.T) {
	for name, vars := range map[string]map[string]string{"full": nil, "minimal": {"binlog_row_metadata": "MINIMAL"}} {
		t.Run(name, func(t *testing.T) {
			if name == "full" {
				testenv.Slow(t) // minimal is harder: nothing but the DDL tells what rows mean
			}
			noLeaks(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			s := server(t, vars)
			ctx := timeout(t, time.Minute)
			must(t, s.Exec(ctx, "CREATE DATABASE d"))
			ids := createShapes(t, func(q ...string) { t.Helper(); must(t, s.Exec(ctx, q...)) }, "d")
			writeRandomly(ctx, t, s, "d", rand.New(rand.NewPCG(seed, 5)), 300)
			writers, stop := context.WithCancel(ctx)
			defer stop()
			wrote, changed := make(chan struct{}, 2), make(chan struct{})
			for i := range uint64(2) {
				go func() {
					defer func() { wrote <- struct{}{} }()
					ddlWriter(writers, t, s, rand.New(rand.NewPCG(seed, i)))
				}()
			}
			p, _ := startAll(t, newSource(t, config(s, "d")), true)
			go func() {
				defer close(changed)
				for n := 0; n < 40 && writers.Err() == nil; n++ {
					table := keyShapes[n%len(keyShapes)].name
					must(t, s.Exec(ctx, fmt.Sprintf("ALTER TABLE d.%s ADD COLUMN n%d INT NOT NULL DEFAULT %d", table, n, n)))
					if n%3 == 0 {
						must(t, s.Exec(ctx, fmt.Sprintf("ALTER TABLE d.%s DROP COLUMN n%d", table, n)))
					}
				}
			}()
			for _, id := range ids {
				must(t, p.load(ctx, id, 2))
			}
			<-changed // some more changes come beside the log alone
			stop()
			for range 2 {
				<-wrote
			}
			p.catchUp(ctx)
			for _, id := range ids {
				p.sink.equal(s, id)
			}
			t.Logf("%d changes of definition, stale chunks: %t", len(p.sink.ddl), p.sink.stale)
			p.stop()
		})
	}
}

// ddlWriter changes rows by statements that do not depend on the tables' columns.
func ddlWriter(ctx context.Context, t testing.TB, s *testenv.MySQLServer, rng *rand.Rand) {
	conn, err := s.Connect(context.Background(), "d")
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	for ctx.Err() == nil {
		sh := keyShapes[rng.IntN(len(keyShapes))]
		var names []string
		for _, c := range strings.Split(sh.columns, ", ") {
			if n, _, _ := strings.Cut(c, " "); n != "UNIQUE" && n != "" && !strings.HasPrefix(c, "'") {
				names = append(names, n)
			}
		}
		q := fmt.Sprintf("INSERT IGNORE INTO `%s` (%s) VALUES (%s)", sh.name, strings.Join(names, ", "), sh.gen(rng))
		switch rng.IntN(4) {
		case 0:
			q = fmt.Sprintf("UPDATE `%s` SET v = COALESCE(v, 0) + 1 ORDER BY RAND() LIMIT 3", sh.name)
		case 1:
			q = fmt.Sprintf("DELETE FROM `%s` ORDER BY RAND() LIMIT 2", sh.name)
		}
		if _, err := conn.Execute(q); err != nil && !harmless(err) {
			t.Errorf("%s: %v", q, err)
			return
		}
	}
}

func TestDDLReader(t *testing.T) {
	id := cdc.TableID{Database: "d", Name: "t"}
	def := binlog.SourceTable{Table: id, KeyName: "PRIMARY", Collation: "utf8mb4_0900_ai_ci", Columns: []binlog.SourceColumn{{Name: "id", ColumnType: "int", Key: 1}, {Name: "v", ColumnType: "int", DataType: "int", Nullable: true}}}
	d := newDDLReader(func(t cdc.TableID) *binlog.SourceTable {
		if t == id {
			return &def
		}
		return nil
	}, func() []cdc.TableID { return []cdc.TableID{id} })
	for _, c := range []struct {
		db, sql string
		mode    uint64
		want    string // nothing, pause, or the columns
	}{
		{"d", "CREATE INDEX i ON t (v)", 0, ""},
		{"d", "ALTER TABLE t AUTO_INCREMENT = 10", 0, ""},
		{"e", "ALTER TABLE t DROP COLUMN v", 0, ""},
		{"e", "ALTER TABLE `d` . `t` DROP v", 0, "id"},
		{"d", `ALTER TABLE "t" ADD COLUMN "w" INT`, binlog.ModeANSIQuotes, "id,v,w"},
		{"d", "ALTER TABLE t ADD (w INT, x INT)", 0, "id,v,w,x"},
		{"d", "/*!50001 ALTER TABLE t ADD w INT FIRST */", 0, "w,id,v"},
		{"d", "ALTER TABLE t ADD v BIGINT", 0, "pause"},
		{"d", "ALTER TABLE t RENAME COLUMN v TO w", 0, "id,w<v"},
		{"d", "ALTER TABLE t RENAME COLUMN v TO id, RENAME COLUMN id TO v", 0, "v<id,id<v"},
		{"d", "ALTER TABLE t RENAME COLUMN v TO V", 0, "id,V<v"},
		{"d", "ALTER TABLE t RENAME COLUMN v TO w, ADD COLUMN x INT", 0, "id,w<v,x"},
		{"d", "ALTER TABLE t RENAME COLUMN v TO w, ADD COLUMN v INT", 0, "pause"},
		{"d", "ALTER TABLE t RENAME COLUMN v TO w, ADD COLUMN x INT AFTER w", 0, "pause"},
		{"d", "ALTER TABLE t CHANGE v w INT FIRST, RENAME COLUMN id TO k", 0, "w<v,k<id"},
		{"d", "ALTER TABLE t CHANGE v w INT AFTER id, RENAME COLUMN id TO k", 0, "pause"},
		{"d", "ALTER TABLE t CHANGE v w BIGINT", 0, "id,w<v"},
		{"d", "ALTER TABLE t CHANGE v w SMALLINT", 0, "pause"},
		{"d", "ALTER TABLE t MODIFY v INT FIRST", 0, "v,id"},
		{"d", "ALTER TABLE t MODIFY v INT UNSIGNED", 0, "pause"},
		{"d", "ALTER TABLE t MODIFY v INT NOT NULL", 0, "pause"},
		{"d", "ALTER TABLE t MODIFY v INT NOT NULL", binlog.ModeStrict, "id,v"},
		{"d", "ALTER TABLE t MODIFY v INT AUTO_INCREMENT", 0, "pause"},
		{"d", "ALTER TABLE t MODIFY v INT AS (id)", 0, "pause"},
		{"d", "ALTER TABLE t MODIFY x INT", 0, "pause"},
		{"d", "ALTER TABLE t DROP PARTITION p0", 0, "pause"},
		{"d", "ALTER /* a comment */ ignore TABLE t ADD UNIQUE KEY (v)", 0, "pause"},
		{"d", "/*!50000 ALTER IGNORE */ TABLE t ADD COLUMN w INT", 0, "pause"},
		{"d", "ALTER TABLE t ADD COLUMN `ignore` INT", 0, "id,v,ignore"},
		{"d", "ALTER TABLE t CONVERT TO CHARACTER SET latin1", 0, "pause"},
		{"d", "ALTER TABLE other RENAME TO t", 0, "pause"},
		{"d", "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE t", 0, "pause"},
		{"", "DROP DATABASE d", 0, "pause"},
		{"d", "CREATE OR REPLACE TABLE t (u UUID)", 0, "pause"},
		{"d", "CREATE TABLE IF NOT EXISTS t (u UUID)", 0, ""},
		{"d", "CREATE TABLE u (u UUID, k INT REFERENCES t (id))", 0, "created u"},
		{"d", "CREATE OR REPLACE TABLE u LIKE other", 0, "created u"},
		{"d", "DROP VIEW t", 0, ""},
		{"d", "DROP TEMPORARY TABLE IF EXISTS t", 0, ""},
		{"d", "GRANT SELECT ON d.t TO x", 0, ""},
		{"d", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 1", 0, ""},
		{"d", "FROBNICATE t", 0, "pause"},
		{"d", "FROBNICATE u", 0, ""},
		{"d", "INSERT INTO t SELECT * FROM u", 0, "pause"},
		{"d", "LOAD DATA INFILE 'x' INTO TABLE t", 0, "pause"},
		{"d", "TRUNCATE t", 0, "emptied"},
		{"d", "ALTER TABLE t ADD COLUMN w INT INVISIBLE, ADD INDEX i (v) INVISIBLE, ALGORITHM=COPY", 0, "id,v,w"},
		{"d", "ALTER TABLE t ADD visible INT /*!80023 INVISIBLE */ FIRST, ADD (`invisible` INT VISIBLE NOT NULL COMMENT 'invisible')", 0, "visible,id,v,invisible"},
		{"d", "ALTER TABLE t ALTER INDEX i INVISIBLE", 0, ""},
		{"d", "ALTER TABLE t ADD COLUMN w INT AFTER visible", 0, "pause"},
		{"d", "ALTER TABLE t ADD COLUMN w GEOMETRY", 0, "id,v,w"},
		{"d", "ALTER TABLE t ADD COLUMN point POINT /*!80003 SRID 4326 */ AFTER id, ADD SPATIAL INDEX (point), ADD SPATIAL KEY k (point)", 0, "id,point,v"},
		{"d", "ALTER TABLE t ADD geometry INT, ADD national NATIONAL CHAR(3), ADD nchar NCHAR VARYING (4) NOT NULL, ADD x NVARCHAR(5)", 0, "id,v,geometry,national,nchar,x"},
		{"d", "ALTER TABLE t ADD national CHAR(3), ADD `a nchar(3)` INT COMMENT 'x nchar(3)' -- y nchar(3)", 0, "id,v,national,a nchar(3)"},
		{"d", "ALTER TABLE t CHANGE v national CHAR(3)", 0, "pause"},
		{"d", "ALTER TABLE t ADD w INT /*T! , DROP COLUMN v */ /*T![x] FIRST */", 0, "id,v,w"},
		{"d", "ALTER TABLE t ADD w VARCHAR(3) CHARACTER SET koi8r, CHARACTER SET cp1251", 0, "id,v,w"},
		{"d", "ALTER TABLE t DROP COLUMN id", 0, "pause"},
		{"d", "ALTER TABLE t DROP COLUMN v, ADD COLUMN v INT", 0, "pause"},
		{"d", "ALTER TABLE t ADD COLUMN (w INT, V INT), DROP v", 0, "pause"},
		{"d", "ALTER TABLE t DROP v, ADD w INT", 0, "id,w"},
		{"d", "ALTER TABLE t ENGINE = Blackhole", 0, "pause"},
		{"d", "ALTER TABLE t ENGINE MRG_MyISAM UNION = (u)", 0, "pause"},
		{"d", "ALTER TABLE t COMMENT 'x', ENGINE = 'MERGE'", 0, "pause"},
		{"d", "ALTER TABLE t ENGINE = MyISAM", 0, ""},
	} {
		got := ""
		for _, e := range d.read(c.db, c.sql, c.mode, "utf8mb4") {
			switch {
			case e.pause != nil:
				got = "pause"
			case e.emptied:
				got = "emptied"
			case e.created && strings.Contains(c.sql, "CREATE"):
				got = "created " + e.table.Name
			case e.def != nil:
				var names []string
				for _, col := range e.def.Columns {
					name := col.Name
					if was := e.renamed[strings.ToLower(name)]; was != "" {
						name += "<" + was
					}
					names = append(names, name)
				}
				got = strings.Join(names, ",")
			}
		}
		if got != c.want {
			t.Errorf("%s in %s: got %q, want %q", c.sql, c.db, got, c.want)
		}
	}
}

// TestAddedDefault: what old rows read in an added column, or that the table is paused where it is not certain.
func TestAddedDefault(t *testing.T) {
	id := cdc.TableID{Database: "d", Name: "t"}
	def := binlog.SourceTable{Table: id, KeyName: "PRIMARY", Collation: "utf8mb4_0900_ai_ci", Columns: []binlog.SourceColumn{{Name: "id", ColumnType: "int", Key: 1}}}
	d := newDDLReader(func(cdc.TableID) *binlog.SourceTable { return &def }, func() []cdc.TableID { return []cdc.TableID{id} })
	for _, c := range []struct {
		col, charset string
		mode         uint64
		want         string
	}{
		{"VARCHAR(30) DEFAULT 1e20", "utf8mb4", 0, "pause"},
		{"VARCHAR(30) DEFAULT 1e15", "utf8mb4", 0, "pause"},
		{"VARCHAR(30) DEFAULT 1e-10", "utf8mb4", 0, "pause"},
		{"VARCHAR(30) DEFAULT -0.0", "utf8mb4", 0, "pause"},
		{"VARCHAR(30) DEFAULT -0", "utf8mb4", 0, "pause"},
		{"VARCHAR(30) DEFAULT -5", "utf8mb4", 0, "-5"},
		{"VARCHAR(30) DEFAULT TRUE", "utf8mb4", 0, "1"},
		{"VARCHAR(3) DEFAULT 'ab   '", "utf8mb4", 0, "pause"},
		{"CHAR(3) DEFAULT 'ab   '", "utf8mb4", 0, "ab"},
		{"DOUBLE DEFAULT -0.0", "utf8mb4", 0, "pause"},
		{"TIME DEFAULT '-00:00:00'", "utf8mb4", 0, "pause"},
		{"TIME DEFAULT '010:00:00'", "utf8mb4", 0, "pause"},
		{"TIME DEFAULT '839:00:00'", "utf8mb4", 0, "pause"},
		{"TIME DEFAULT '838:59:59'", "utf8mb4", 0, "838:59:59"},
		{"TIME(1) DEFAULT '-00:00:01'", "utf8mb4", 0, "-00:00:01.0"},
		{"ENUM('a','A') COLLATE utf8mb4_bin DEFAULT 'A'", "utf8mb4", 0, "A"},
		{"ENUM('a','A') COLLATE utf8mb4_0900_as_cs DEFAULT 'A'", "utf8mb4", 0, "A"},
		{"SET('a','A') COLLATE utf8mb4_bin DEFAULT 'A'", "utf8mb4", 0, "A"},
		{"ENUM('a','b') COLLATE utf8mb4_bin DEFAULT 'A'", "utf8mb4", 0, "pause"},
		{"ENUM('a','A') DEFAULT 'A'", "utf8mb4", 0, "pause"},
		{"ENUM('a','b') DEFAULT 'B'", "utf8mb4", 0, "b"},
		{"ENUM('e','é') DEFAULT 'é'", "utf8mb4", 0, "pause"},
		{"ENUM('ü','é') DEFAULT 'é'", "utf8mb4", binlog.ModeStrict, "é"},
		{"SET('a','b') DEFAULT ''", "utf8mb4", 0, ""},
		{"VARCHAR(9) DEFAULT 'é'", "utf8mb4", 0, "é"},
		{"VARCHAR(9) DEFAULT 'é'", "utf8mb3", 0, "é"},
		{"VARCHAR(9) DEFAULT 'é'", "latin1", 0, "pause"},
		{"VARCHAR(9) DEFAULT 'é'", "gbk", 0, "pause"},
		{"VARCHAR(9) DEFAULT 'é'", "", 0, "pause"},
		{"VARBINARY(9) DEFAULT 'é'", "latin1", 0, "pause"},
		{"VARCHAR(9) DEFAULT 'e'", "latin1", 0, "e"},
		{"VARCHAR(9) DEFAULT 'e'", "gbk", 0, "e"},
		{"VARCHAR(9) DEFAULT '{'", "swe7", 0, "pause"},
		{"VARCHAR(9) DEFAULT _latin1'é'", "utf8mb4", 0, "pause"},
		{"VARCHAR(9) DEFAULT _utf8mb4'é'", "utf8mb4", 0, "é"},
		{"ENUM('é','b') NOT NULL", "latin1", 0, "pause"},
	} {
		got := "none"
		for _, e := range d.read("d", "ALTER TABLE t ADD COLUMN n "+c.col, c.mode, c.charset) {
			if got = e.initials["n"].text; e.pause != nil {
				got = "pause"
			}
		}
		if got != c.want {
			t.Errorf("%s (%s): got %q, want %q", c.col, c.charset, got, c.want)
		}
	}
}

// TestRenamedOptions: what is configured for a column goes by its name. Where names change between columns that are treated in different
// ways, old rows are not what a load would bring.
func TestRenamedOptions(t *testing.T) {
	for _, c := range []struct {
		name, ddl string
		opts      binlog.TableOptions
		pauses    bool
	}{
		{"hashed swaps", "RENAME COLUMN email TO city, RENAME COLUMN city TO email", binlog.TableOptions{Hash: []string{"email"}, Salt: "s"}, true},
		{"excluded swaps", "RENAME COLUMN email TO city, RENAME COLUMN city TO email", binlog.TableOptions{Exclude: []string{"EMAIL"}}, true},
		{"hashed goes, another takes its name", "DROP COLUMN email, RENAME COLUMN city TO email", binlog.TableOptions{Hash: []string{"email"}, Salt: "s"}, true},
		{"boolean swaps", "RENAME COLUMN a TO b, RENAME COLUMN b TO a", binlog.TableOptions{Boolean: []string{"a"}}, true},
		{"both hashed", "RENAME COLUMN email TO city, RENAME COLUMN city TO email", binlog.TableOptions{Hash: []string{"email", "city"}, Salt: "s"}, false},
		{"case", "RENAME COLUMN email TO EMail", binlog.TableOptions{Hash: []string{"email"}, Salt: "s"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			ctx := timeout(t, time.Minute)
			db.Exec("CREATE TABLE t (id INT PRIMARY KEY, email VARCHAR(20), city VARCHAR(20), a TINYINT, b TINYINT)", "INSERT INTO t VALUES (1, 'e', 'c', 1, 0)")
			cfg := config(db.MySQLServer, db.Name)
			cfg.TableOptions = func(cdc.TableID) binlog.TableOptions { return c.opts }
			p, ds := startAll(t, newSource(t, cfg), true)
			must(t, p.load(ctx, ds[0].Table, 1))
			p.catchUp(ctx)
			db.Exec("ALTER TABLE t "+c.ddl, "INSERT INTO t (id) VALUES (2)")
			p.catchUp(ctx)
			p.sink.mu.Lock()
			e := p.sink.tables[ds[0].Table].paused
			p.sink.mu.Unlock()
			if !c.pauses && e != nil || c.pauses && (e == nil || e.Code != codeDDL) {
				t.Errorf("pause: %v", e)
			}
			p.stop()
		})
	}
}
