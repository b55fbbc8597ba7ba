package e2e

import (
	"strings"
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

const family = `CREATE TABLE parent (id INT PRIMARY KEY, v INT);
CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE orphan (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL);
CREATE TABLE strict (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id));
INSERT INTO parent VALUES (1,1),(2,2),(3,3),(4,4);
INSERT INTO child VALUES (10,1),(11,1),(20,2),(30,3);
INSERT INTO orphan VALUES (10,1),(20,2),(30,3);
INSERT INTO strict VALUES (40,4)`

// TestCascades: rows that foreign keys change. MySQL logs them since 9.6 unless innodb_native_foreign_keys is on; where it
// does not, the children are refused by name, since their changes would be lost without a trace.
func TestCascades(t *testing.T) {
	cascade := []string{"DELETE FROM parent WHERE id = 1", "UPDATE parent SET id = 22 WHERE id = 3", "DELETE FROM parent WHERE id = 2"}
	t.Run("logged", func(t *testing.T) {
		db := testenv.NeedMySQL(t)
		db.Exec(strings.Split(family, ";\n")...)
		p := newPipeline(t, db.MySQLServer, db.Name, settings{interval: "300ms", parallelism: 1, format: 2, catalog: "sqlite", file: true})
		p.start()
		p.equal(db.MySQLServer, soon, "parent", "child", "orphan", "strict")
		db.Exec(append([]string{"DELETE FROM orphan WHERE id = 30"}, cascade...)...)
		p.equal(db.MySQLServer, soon, "parent", "child", "orphan", "strict")
		if n, err := p.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
			t.Errorf("divergence alarm: %v, %v", n, err)
		}
		db.Exec("ALTER TABLE strict ADD FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE", "ALTER TABLE strict DROP FOREIGN KEY strict_ibfk_1",
			"DELETE FROM parent WHERE id = 4")
		p.equal(db.MySQLServer, soon, "parent", "child", "orphan", "strict")
	})
	t.Run("not logged", func(t *testing.T) {
		m, err := testenv.MySQL(t.Context(), testenv.MySQLOptions{Vars: map[string]string{"innodb_native_foreign_keys": "ON"}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Stop() //nolint:errcheck // its process ends with ours anyway
		if err := m.Exec(t.Context(), append([]string{"CREATE DATABASE fam", "USE fam"}, strings.Split(family, ";\n")...)...); err != nil {
			t.Fatal(err)
		}
		p := newPipeline(t, m, "fam", settings{interval: "300ms", parallelism: 1, format: 2, catalog: "sqlite", file: true})
		p.start()
		p.equal(m, soon, "parent", "strict")
		for _, name := range []string{"fam.child", "fam.orphan"} {
			if !strings.Contains(p.logged(), "MYSQL_CASCADE "+name) {
				t.Errorf("%s was not refused by name", name)
			}
		}
		if out, _ := p.command("check"); !strings.Contains(out, "fam.child") {
			t.Errorf("check does not name the child:\n%s", out)
		}
		// A foreign key that comes later pauses its table before it can change anything.
		if err := m.Exec(t.Context(), "USE fam", "ALTER TABLE strict ADD FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE"); err != nil {
			t.Fatal(err)
		}
		p.logs("MYSQL_CASCADE fam.strict", soon)
		if err := m.Exec(t.Context(), "USE fam", "INSERT INTO parent VALUES (5, 5)"); err != nil {
			t.Fatal(err)
		}
		p.equal(m, soon, "parent")
	})
}

// TestCascadesBeforeARestart: what the server logs now says nothing of the log that it wrote before its restart.
func TestCascadesBeforeARestart(t *testing.T) {
	off := map[string]string{"innodb_native_foreign_keys": "OFF"}
	m, err := testenv.MySQL(t.Context(), testenv.MySQLOptions{Vars: map[string]string{"innodb_native_foreign_keys": "ON"}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop() //nolint:errcheck // its process ends with ours anyway
	exec := func(q ...string) {
		t.Helper()
		if err := m.Exec(t.Context(), append([]string{"USE fam"}, q...)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Exec(t.Context(), "CREATE DATABASE fam"); err != nil {
		t.Fatal(err)
	}
	exec(strings.Split(family, ";\n")...)
	p := newPipeline(t, m, "fam", settings{interval: "300ms", parallelism: 1, format: 2, catalog: "sqlite", file: true})
	p.start()
	p.equal(m, soon, "parent", "strict")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	exec("ALTER TABLE strict DROP FOREIGN KEY strict_ibfk_1, ADD FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE", "DELETE FROM parent WHERE id = 4")
	if err := m.RestartWith(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.logs("MYSQL_CASCADE fam.strict", soon)
}
