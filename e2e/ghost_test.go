package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// migration makes a copy of a under another definition and puts it in its place, with the statements of a tool, while rows change.
type migration struct {
	tool, alter string
	crash       bool // the service is killed when the copy takes the table's place
	loaded      bool // only a load makes it right
	slow        bool // only with CDC2LAKE_TEST_ALL
}

// TestGhostMigrations: tables that tools put in the place of others are gone on with, and compared, instead of loaded; where that would not
// do they are loaded. Rows change all the while. In the end a reader of its own finds what MySQL has.
func TestGhostMigrations(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true, format: 3, include: "PLACE"})
	tr.edit("PLACE", tr.db+`.a", "`+tr.db+`.b`)
	tr.sql("SET SESSION cte_max_recursion_depth = 10000",
		"INSERT INTO a WITH RECURSIVE s (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM s WHERE i < 3100) SELECT i, CONCAT('r', i), i % 1000 FROM s")
	tr.well("a", "b")
	for i, m := range []migration{
		{tool: "gh-ost", alter: "ADD COLUMN state VARCHAR(10) NOT NULL DEFAULT 'open', ADD COLUMN c INT DEFAULT 5 AFTER id"},
		{tool: "pt-osc", alter: "ADD INDEX (n)", slow: true},
		{tool: "spirit", alter: "MODIFY n BIGINT, ADD COLUMN d DECIMAL(8,2) DEFAULT 1.5", crash: true},
		{tool: "gh-ost", alter: "DROP COLUMN c, MODIFY v VARCHAR(200)", crash: true, slow: true},
		{tool: "pt-osc", alter: "MODIFY n VARCHAR(30)", loaded: true},
		{tool: "spirit", alter: "ADD COLUMN g BIGINT AS (id * 2) STORED", loaded: true, slow: true},
		{tool: "spirit", alter: "ADD COLUMN u TIMESTAMP DEFAULT CURRENT_TIMESTAMP", loaded: true, slow: true},
	} {
		if m.slow && os.Getenv("CDC2LAKE_TEST_ALL") == "" {
			continue
		}
		compared, loaded := tr.count("was compared with the source"), tr.count("is loaded instead of compared")
		tr.migrate(i, m)
		tr.equal(tr.mysql, soon, "a", "b")
		tr.shows("a", "live", "")
		compared, loaded = tr.count("was compared with the source")-compared, tr.count("is loaded instead of compared")-loaded
		if m.loaded && loaded == 0 || !m.loaded && (loaded > 0 || compared == 0) {
			t.Errorf("%s, %s: compared %d times, loaded %d times", m.tool, m.alter, compared, loaded)
		}
	}
	if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
	if out, code := tr.tell("verify"); code != 0 {
		t.Errorf("verify: %d: %s", code, out)
	}
	tr.stops()
}

func (tr *trial) count(text string) int { return strings.Count(tr.logged(), text) }

// migrate makes a migration beside a writer.
func (tr *trial) migrate(n int, m migration) {
	tr.t.Helper()
	ctx, ghost, old := context.Background(), "_a_new", "_a_old"
	if m.tool == "gh-ost" {
		ghost, old = "_a_gho", "_a_del"
	}
	use := "USE `" + tr.db + "`"
	var mu sync.Mutex // what is written is carried over to the copy, except by triggers
	carry := false
	const columns = "id, v, n"
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			mu.Lock()
			ids := fmt.Sprintf("%d, %d, %d", 100+i*7%3000, 100+i*13%3000, 4000+i%50)
			do := []string{use, fmt.Sprintf("UPDATE a SET v = 'w%d-%d' WHERE id = %d", n, i, 100+i*7%3000), fmt.Sprintf("DELETE FROM a WHERE id = %d", 100+i*13%3000),
				fmt.Sprintf("REPLACE INTO a (id, v, n) VALUES (%d, 'new', %d)", 4000+i%50, i)}
			if carry {
				do = append(do, "REPLACE INTO "+ghost+" ("+columns+") SELECT "+columns+" FROM a WHERE id IN ("+ids+")",
					"DELETE FROM "+ghost+" WHERE id IN ("+ids+") AND id NOT IN (SELECT id FROM a)")
			}
			err := tr.mysql.Exec(ctx, do...)
			mu.Unlock()
			if err != nil {
				tr.t.Error(err)
				return
			}
		}
	})
	defer func() { close(stop); writer.Wait() }()

	tr.sql("CREATE TABLE "+ghost+" LIKE a", "ALTER TABLE "+ghost+" "+m.alter)
	switch m.tool {
	case "gh-ost":
		tr.sql("CREATE TABLE _a_ghc (id BIGINT AUTO_INCREMENT PRIMARY KEY, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, hint VARCHAR(64) NOT NULL, value VARCHAR(4096) NOT NULL, UNIQUE KEY (hint))",
			"INSERT INTO _a_ghc (hint, value) VALUES ('GhostTableMigrated', 'now')")
	case "pt-osc":
		replace := "REPLACE INTO " + ghost + " (" + columns + ") VALUES (NEW.id, NEW.v, NEW.n)"
		tr.sql("CREATE TRIGGER pt_osc_del AFTER DELETE ON a FOR EACH ROW DELETE IGNORE FROM "+ghost+" WHERE "+ghost+".id <=> OLD.id",
			"CREATE TRIGGER pt_osc_upd AFTER UPDATE ON a FOR EACH ROW BEGIN DELETE IGNORE FROM "+ghost+" WHERE !(OLD.id <=> NEW.id) AND "+ghost+".id <=> OLD.id; "+replace+"; END",
			"CREATE TRIGGER pt_osc_ins AFTER INSERT ON a FOR EACH ROW "+replace)
	}
	if m.tool != "pt-osc" {
		mu.Lock()
		carry = true
		mu.Unlock()
	}
	for at := 0; at < 5000; at += 500 {
		tr.sql(fmt.Sprintf("INSERT IGNORE INTO %s (%s) (SELECT %s FROM a FORCE INDEX (PRIMARY) WHERE id >= %d AND id < %d LOCK IN SHARE MODE)", ghost, columns, columns, at, at+500))
	}
	mu.Lock()
	// What somebody did to the copy is nowhere in the log of the table.
	tr.sql("UPDATE "+ghost+" SET v = 'other' WHERE id % 97 = 0", "DELETE FROM "+ghost+" WHERE id % 89 = 0", fmt.Sprintf("INSERT INTO %s (id, v) VALUES (%d, 'only there')", ghost, 9000+n))
	switch m.tool {
	case "gh-ost": // the atomic cut-over
		sentry := "CREATE TABLE " + old + " (id INT AUTO_INCREMENT PRIMARY KEY) COMMENT 'ghost-cut-over-sentry'"
		renamed := make(chan error, 1)
		tr.locked([]string{sentry, "LOCK TABLES a WRITE, " + old + " WRITE"}, func() {
			go func() { renamed <- tr.mysql.Exec(ctx, use, "RENAME TABLE a TO "+old+", "+ghost+" TO a") }()
			tr.await("RENAME TABLE")
		}, []string{"DROP TABLE " + old, "UNLOCK TABLES"})
		if err := <-renamed; err != nil {
			tr.t.Fatal(err)
		}
	case "spirit":
		tr.sql("LOCK TABLES a WRITE, "+ghost+" WRITE", "RENAME TABLE a TO "+old+", "+ghost+" TO a", "UNLOCK TABLES")
	default:
		tr.sql("RENAME TABLE a TO "+old+", "+ghost+" TO a", "DROP TABLE "+old) // and its triggers with it
	}
	carry = false
	mu.Unlock()
	for i := range 3 {
		if !m.crash {
			break
		}
		tr.logs("generation begins", soon)
		time.Sleep(time.Duration(i*150) * time.Millisecond) // a crash comes at any time
		tr.kill()
		tr.start()
	}
	tr.sql("DROP TABLE IF EXISTS _a_old, _a_del, _a_ghc")
	time.Sleep(300 * time.Millisecond) // the writer goes on for a while
}

// locked executes statements in one session around f.
func (tr *trial) locked(before []string, f func(), after []string) {
	tr.t.Helper()
	c, err := tr.mysql.Connect(tr.t.Context(), tr.db)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // a test's connection
	do := func(list []string) {
		for _, q := range list {
			if _, err := c.Execute(q); err != nil {
				tr.t.Fatalf("%s: %v", q, err)
			}
		}
	}
	do(before)
	f()
	do(after)
}

// await waits until a statement that begins so waits for a lock.
func (tr *trial) await(statement string) {
	tr.t.Helper()
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		rows, err := tr.mysql.Query(tr.t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '"+tr.db+"' AND STATE LIKE 'Waiting for%' AND INFO LIKE '"+statement+"%'")
		if err == nil && rows[0][0] == "1" {
			return
		}
	}
	tr.t.Fatalf("%s does not wait", statement)
}
