package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// small is a database with two small tables, and a pipeline over it with checkpoints every 300 ms.
func small(t *testing.T, set settings) (*testenv.Database, *pipeline) {
	t.Helper()
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE a (id BIGINT PRIMARY KEY, v VARCHAR(50), n INT)", "CREATE TABLE b (id INT, k VARCHAR(10), v TEXT, PRIMARY KEY (id, k))")
	for i := range 20 {
		db.Exec(fmt.Sprintf("INSERT INTO a VALUES (%d, 'a%d', %d)", i, i, i), fmt.Sprintf("INSERT INTO b VALUES (%d, 'x', 'b%d')", i, i))
	}
	if set.interval == "" {
		set.interval = "300ms"
	}
	if set.format == 0 {
		set.format = 2
	}
	if set.rules == "" {
		set.rules = `{match: "none.none", zero_dates: refuse}`
	}
	set.parallelism, set.catalog = 2, "sqlite"
	return db, newPipeline(t, db.MySQLServer, db.Name, set)
}

const soon = 30 * time.Second

// TestColumnsComeAndGo: ADD and DROP COLUMN are followed in band, with rows written before, between and after, and across a
// restart in the middle of it.
func TestColumnsComeAndGo(t *testing.T) {
	for _, format := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", format), func(t *testing.T) {
			db, p := small(t, settings{format: format, file: true})
			p.start()
			p.equal(db.MySQLServer, soon, "a", "b")
			db.Exec("ALTER TABLE a ADD COLUMN extra DECIMAL(10,3) NULL AFTER v", "INSERT INTO a VALUES (100, 'new', 1.5, 7)", "UPDATE a SET extra = 2.25 WHERE id = 3",
				"ALTER TABLE a DROP COLUMN n, ADD COLUMN note TEXT", "INSERT INTO a VALUES (101, 'newer', NULL, 'hello')", "DELETE FROM a WHERE id = 100")
			p.equal(db.MySQLServer, soon, "a", "b")
			p.kill()
			db.Exec("ALTER TABLE a ADD COLUMN late BIGINT", "UPDATE a SET late = id WHERE id < 5", "ALTER TABLE a DROP COLUMN extra", "INSERT INTO a (id, v, late) VALUES (102, 'x', 1)")
			p.start()
			p.equal(db.MySQLServer, soon, "a", "b")
			if err := p.stop(); err != nil {
				t.Fatal(err)
			}
			if log := p.logged(); strings.Contains(log, "table paused") {
				t.Error("the table was paused on the way")
			}
		})
	}
}

// TestColumnWithDefault: ADD COLUMN with a default changes rows without an event. On v3 it is the field's initial default;
// on v2 the table is paused rather than read as NULL.
func TestColumnWithDefault(t *testing.T) {
	t.Run("v3", func(t *testing.T) {
		db, p := small(t, settings{format: 3, file: true})
		p.start()
		p.equal(db.MySQLServer, soon, "a", "b")
		db.Exec("ALTER TABLE a ADD COLUMN state VARCHAR(10) NOT NULL DEFAULT 'open', ADD COLUMN c INT DEFAULT 5", "UPDATE a SET state = 'done' WHERE id = 2")
		p.equal(db.MySQLServer, soon, "a", "b")
	})
	t.Run("v2", func(t *testing.T) {
		db, p := small(t, settings{format: 2, file: true})
		p.start()
		p.equal(db.MySQLServer, soon, "a", "b")
		db.Exec("ALTER TABLE a ADD COLUMN c INT DEFAULT 5", "INSERT INTO b VALUES (50, 'y', 'goes on')")
		p.logs("table paused", soon)
		p.equal(db.MySQLServer, soon, "b")
	})
}

// TestPauseAndReload: with reload: manual, DDL that only rows can tell pauses its table alone, with the reason in `tables`; the others
// go on, also over a restart; `reload` loads it anew and ends the pause.
func TestPauseAndReload(t *testing.T) {
	db, p := small(t, settings{reload: "manual"})
	p.start()
	p.equal(db.MySQLServer, soon, "a", "b")
	db.Exec("RENAME TABLE a TO old", "CREATE TABLE a LIKE old", "INSERT INTO a VALUES (1, 'after', 1)", "INSERT INTO b VALUES (60, 'z', 'goes on')")
	p.logs("table paused", soon)
	p.equal(db.MySQLServer, soon, "b")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	out, _ := p.command("tables")
	if !strings.Contains(out, "paused") || !strings.Contains(strings.ToUpper(out), "RENAME") {
		t.Errorf("`tables` does not say that and why the table is paused:\n%s", out)
	}
	p.start()
	db.Exec("INSERT INTO b VALUES (61, 'z', 'goes on')", "INSERT INTO a VALUES (2, 'unseen', 1)")
	p.equal(db.MySQLServer, soon, "b")
	out, code := p.command("reload", p.db+".a")
	if code != 0 {
		t.Fatalf("reload: exit %d:\n%s", code, out)
	}
	p.equal(db.MySQLServer, soon, "a", "b")
	db.Exec("UPDATE a SET v = 'live again' WHERE id = 2", "DELETE FROM a WHERE id = 1")
	p.equal(db.MySQLServer, soon, "a", "b")
	if n, err := p.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
}

// TestReloadsItself: whatever a statement does to a table, it becomes what MySQL has, without anybody's help, and the other table goes on.
func TestReloadsItself(t *testing.T) {
	for _, format := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", format), func(t *testing.T) {
			db, p := small(t, settings{format: format})
			p.start()
			p.equal(db.MySQLServer, soon, "a", "b")
			for i, sql := range [][]string{
				{"TRUNCATE TABLE a", "INSERT INTO a VALUES (1, 'one', 1), (2, 'two', 2)"},
				{"ALTER TABLE a RENAME COLUMN v TO n, RENAME COLUMN n TO v", "INSERT INTO a VALUES (3, 'three', 3)"},
				{"ALTER TABLE a MODIFY n VARCHAR(90) COMMENT 'wider' FIRST, CHANGE v w BIGINT", "INSERT INTO a (id, n, w) VALUES (4, 'four', 1 << 40)"},
				{"ALTER TABLE a MODIFY w VARCHAR(30)", "UPDATE a SET w = 'text' WHERE id = 4"},
				{"ALTER TABLE a ADD COLUMN d INT NOT NULL DEFAULT 7", "INSERT INTO a (id, n) VALUES (5, 'five')"},
				{"ALTER TABLE a ADD COLUMN g INT AS (id * 2) STORED"},
				{"ALTER TABLE a PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (3), PARTITION p1 VALUES LESS THAN (100))", "ALTER TABLE a DROP PARTITION p0"},
				{"ALTER TABLE a REMOVE PARTITIONING", "CREATE TABLE _a_gho LIKE a", "INSERT INTO _a_gho (id, n) SELECT id + 100, n FROM a", "RENAME TABLE a TO _a_del, _a_gho TO a", "INSERT INTO a (id, n) VALUES (6, 'six')"},
				{"ALTER TABLE a DROP PRIMARY KEY, ADD PRIMARY KEY (id, d)", "INSERT INTO a (id, n, d) VALUES (6, 'six', 8)"},
				{"DROP TABLE a", "CREATE TABLE a (id INT PRIMARY KEY, x JSON)", "INSERT INTO a VALUES (1, '[1]')"},
				{"DROP TABLE _a_del", "RENAME TABLE a TO c", "CREATE TABLE a (id VARCHAR(10) PRIMARY KEY)", "INSERT INTO a VALUES ('x')"},
			} {
				db.Exec(sql...)
				db.Exec(fmt.Sprintf("UPDATE b SET v = 'step %d' WHERE id < 10", i))
				p.equal(db.MySQLServer, soon, "a", "b")
			}
			p.equal(db.MySQLServer, soon, "c")
			if n, err := p.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
				t.Errorf("divergence alarm: %v, %v", n, err)
			}
		})
	}
}

// TestTablesJoinAndLeave: a table that is added to the configuration is loaded at the next start beside the running ones;
// one that is taken out is kept as it was.
func TestTablesJoinAndLeave(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db2, p := small(t, settings{include: db.Name + "x.none", file: true})
	p.set.include = db2.Name + ".a"
	p.configure()
	p.start()
	p.equal(db2.MySQLServer, soon, "a")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	db2.Exec("UPDATE a SET v = 'while stopped'", "UPDATE b SET v = 'while stopped' WHERE id > 3")
	p.set.include = db2.Name + ".*"
	p.configure()
	p.start()
	p.equal(db2.MySQLServer, soon, "a", "b")
	db2.Exec("DELETE FROM b WHERE id = 4", "UPDATE a SET n = n + 1")
	p.equal(db2.MySQLServer, soon, "a", "b")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p.set.include = db2.Name + ".b"
	p.configure()
	p.start()
	db2.Exec("UPDATE b SET v = 'alone'")
	p.equal(db2.MySQLServer, soon, "b")
}

// TestPersonalData: a column left out is nowhere in the files, a hashed one only as its hash, and metadata columns are there.
func TestPersonalData(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE p (id INT PRIMARY KEY, email VARCHAR(60), birthday DATE, city VARCHAR(30))",
		"INSERT INTO p VALUES (1, 'secret-mail-1@example.org', '1990-01-01', 'secret-city-1')")
	p := newPipeline(t, db.MySQLServer, db.Name, settings{interval: "300ms", parallelism: 1, format: 2, catalog: "sqlite", file: true,
		rules: `{match: "*.p", columns: {exclude: [city, birthday], hash: [email]}, metadata: [op, ts, pos]}`})
	p.start()
	p.logs("table is live", soon)
	db.Exec("INSERT INTO p VALUES (2, 'secret-mail-2@example.org', '1991-01-01', 'secret-city-2')", "UPDATE p SET city = 'secret-city-3' WHERE id = 1")
	cat, err := p.catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// SHA2 is MySQL's own; the salt comes first.
	want := map[string]string{}
	for _, r := range db.Query("SELECT id, SHA2(CONCAT('pepper', email), 256), IF(id = 1, 'u', 'c') FROM p") {
		want[r[0]] = strings.Join(r, "\x01")
	}
	var got map[string]string
	for deadline := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) {
		got, err = icebergRows(t.Context(), cat, table.Identifier{db.Name, "p"}, []column{{"id", "int", ""}, {"email", "varchar", ""}, {"_cdc_op", "varchar", ""}}, map[string]bool{"id": true})
		if err == nil && len(diff(want, got)) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v: %v", err, diff(want, got))
		}
	}
	meta, err := icebergRows(t.Context(), cat, table.Identifier{db.Name, "p"}, []column{{"_cdc_pos", "varchar", ""}, {"_cdc_ts", "datetime", ""}}, map[string]bool{"_cdc_pos": true})
	if err != nil || len(meta) == 0 {
		t.Fatalf("metadata columns: %v, %v", meta, err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(p.dir+"/warehouse", func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "secret-") {
			t.Errorf("%s holds personal data", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(p.logged(), "secret-") {
		t.Error("the log holds personal data")
	}
}

// TestNewerProcessWins: two processes of one pipeline make one history; the older one stops and says why.
func TestNewerProcessWins(t *testing.T) {
	db, p := small(t, settings{})
	w := make(chan struct{})
	defer close(w)
	p.start()
	p.equal(db.MySQLServer, soon, "a", "b")
	older, olderDone := p.cmd, p.done
	p.port = freePort(t)
	firstState := p.set
	p.set = firstState
	p.configure()
	cfg, err := os.ReadFile(p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.cfg, []byte(strings.ReplaceAll(string(cfg), p.dir+"/state", p.dir+"/state2")), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	rng := rand.New(rand.NewPCG(1, 2))
	var gone error
	deadline := time.After(60 * time.Second)
wait:
	for {
		db.Exec(fmt.Sprintf("REPLACE INTO a VALUES (%d, 'both', %d)", rng.IntN(100), rng.IntN(100)))
		select {
		case gone = <-olderDone:
			break wait
		case <-deadline:
			older.Process.Kill() //nolint:errcheck // the test fails anyway
			t.Fatal("the older process still runs after 60 s")
		default:
		}
	}
	if gone == nil || older.ProcessState.ExitCode() != 4 {
		t.Errorf("the older process ended with %v", gone)
	}
	p.logs("FENCED", soon)
	p.equal(db.MySQLServer, soon, "a", "b")
}

// TestLostThings: the local state, the checkpoint store, both: the tables alone are enough to go on.
func TestLostThings(t *testing.T) {
	db, p := small(t, settings{file: true})
	p.start()
	p.equal(db.MySQLServer, soon, "a", "b")
	records := p.dir + "/warehouse/_cdc2lake"
	for i, lose := range [][]string{{p.dir + "/state"}, {records}, {p.dir + "/state", records}} {
		p.kill()
		for _, d := range lose {
			if _, err := os.Stat(d); err != nil {
				t.Fatalf("nothing to lose: %v", err)
			}
			if err := os.RemoveAll(d); err != nil {
				t.Fatal(err)
			}
		}
		db.Exec(fmt.Sprintf("UPDATE a SET v = 'lost %d', n = n + 1", i), fmt.Sprintf("DELETE FROM b WHERE id = %d", i), fmt.Sprintf("INSERT INTO a VALUES (%d, 'x', 0)", 500+i))
		p.start()
		p.equal(db.MySQLServer, soon, "a", "b")
	}
	if n, err := p.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
}

// TestNewerProcessOnOneHost: with nothing to replicate, and with one state directory for both, the older process still
// learns that it is over and gives the directory up.
func TestNewerProcessOnOneHost(t *testing.T) {
	db, p := small(t, settings{file: true})
	p.start()
	p.equal(db.MySQLServer, soon, "a", "b")
	older, olderDone := p.cmd, p.done
	p.port = freePort(t)
	p.configure()
	p.start()
	select {
	case <-olderDone:
		if older.ProcessState.ExitCode() != 4 {
			t.Errorf("the older process ended with %v", older.ProcessState)
		}
	case <-time.After(60 * time.Second):
		older.Process.Kill() //nolint:errcheck // the test fails anyway
		t.Fatal("the older process still runs after 60 s")
	}
	db.Exec("UPDATE a SET v = 'newer'")
	p.equal(db.MySQLServer, soon, "a", "b")
}
