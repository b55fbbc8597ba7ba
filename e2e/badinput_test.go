package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestBadConfiguration: what cannot be meant is refused with its line before anything is connected to.
func TestBadConfiguration(t *testing.T) {
	needServers(t)
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	const good = `version: 1
pipeline: shop
mysql:
  host: 127.0.0.1
  port: 1
  user: u
  password: pw-geheim
tables:
  include: ["shop.*"]
  hash_salt: pepper
iceberg:
  warehouse: file:///tmp/cdc2lake-never-made
checkpoints:
  interval: 1s
`
	for _, c := range []struct{ name, old, text, want, fix string }{
		{"unknown key", "password:", "pasword:", ":7: mysql.pasword: unknown key", "did you mean mysql.password?"},
		{"key of another section", "pipeline: shop", "pipeline: shop\nwarehouse: x", ":3: warehouse: unknown key", "iceberg.warehouse"},
		{"twice", "  user: u\n", "  user: u\n  user: v\n", `:7: not valid YAML: mapping key "user" already defined`, ""},
		{"no number", "port: 1", "port: one", ":5: mysql.port", ""},
		{"out of range", "interval: 1s", "interval: 1ms", ":14: checkpoints.interval: 1ms is not from 100ms to 1h", ""},
		{"url and host", "  port: 1\n", "  port: 1\n  url: mysql://u:pw-geheim@h\n", ":6: mysql.url: contradicts", "use either"},
		{"token of no REST catalog", "checkpoints:", "  catalog: {type: sqlite, token: pw-geheim}\ncheckpoints:", ":13: iceberg.catalog.token: is for a REST catalog", "leave it out"},
		{"included and excluded", "  hash_salt", "  exclude: [\"shop.*\"]\n  hash_salt", ":10: tables.exclude: \"shop.*\" is in tables.include too", ""},
		{"excluded and hashed", "  hash_salt: pepper", "  hash_salt: pepper\n  rules: [{match: shop.c, columns: {exclude: [x], hash: [x]}}]", ":11: tables.rules[0].columns.hash", ""},
		{"hash without salt", "  hash_salt: pepper", "  rules: [{match: shop.c, columns: {hash: [x]}}]", ":10: tables.rules[0].columns.hash", "set tables.hash_salt"},
		{"S3 without use", "checkpoints:", "s3: {access_key: k, secret_key: pw-geheim}\ncheckpoints:", ":13: s3: settings of S3, but nothing is stored there", "remove the section"},
		{"half a key", "checkpoints:", "s3:\n  access_key: k\ncheckpoints:", ":14: s3.secret_key", "set both"},
		{"no warehouse", "  warehouse: file:///tmp/cdc2lake-never-made", "  format_version: 2", "iceberg.warehouse: missing", "s3://bucket/prefix"},
		{"newer format of the file", "version: 1", "version: 7", ":1: version: 7 is not supported", "release"},
		{"unset variable", "password: pw-geheim", "password: ${CDC2LAKE_NEVER_SET}", ":7: mysql.password", "CDC2LAKE_NEVER_SET"},
		{"one name for all tables", "checkpoints:", "  table: all\ncheckpoints:", ":13: iceberg.table", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.text, 1)
			if text == good {
				t.Fatal("nothing was changed")
			}
			file := filepath.Join(t.TempDir(), "p.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for i, command := range []string{"check", "run"} {
				if i > 0 && c.name != "unknown key" {
					break // all commands read it in the same way
				}
				out, code := tell(t, bin, command, "--config", file)
				if code != 1 || !strings.Contains(out, "error CONFIG: "+file) || !strings.Contains(out, c.want) || !strings.Contains(out, "fix: ") || !strings.Contains(out, c.fix) {
					t.Errorf("%s: status %d, want 1, %q and %q:\n%s", command, code, c.want, c.fix, out)
				}
				if strings.Contains(out, "pw-geheim") || strings.Contains(out, "pepper") {
					t.Errorf("%s shows a secret:\n%s", command, out)
				}
			}
		})
	}
	if _, err := os.Stat("/tmp/cdc2lake-never-made"); err == nil {
		t.Error("a refused configuration made its warehouse")
	}
}

var grant = regexp.MustCompile(`GRANT .* TO '[^']+'@'[^']+'`)

// TestGrants: what the user lacks is named, and the statement that `check` prints is the remedy.
func TestGrants(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	for _, lack := range []string{"REPLICATION SLAVE", "REPLICATION CLIENT", "SELECT"} {
		tr.sql("REVOKE " + lack + " ON *.* FROM '" + tr.user + "'@'%'")
		tr.refuses(1, "MYSQL_ACCESS", "lacks "+lack, "GRANT "+lack)
		fix := grant.FindString(tr.checks(1))
		if fix == "" {
			t.Fatalf("check does not say how to grant %s", lack)
		}
		tr.sql(fix)
		if bad := tr.checks(0); bad != "" {
			t.Errorf("after %s: %s", fix, bad)
		}
	}
	for _, lack := range []string{"TRIGGER", "SHOW VIEW"} { // it can run without
		tr.sql("REVOKE " + lack + " ON *.* FROM '" + tr.user + "'@'%'")
		bad := tr.checks(0)
		tr.contains("check", bad, "lacks "+lack+" ON *.*", "all tables are loaded anew")
		tr.sql(grant.FindString(bad))
		if bad := tr.checks(0); bad != "" {
			t.Errorf("with %s again: %s", lack, bad)
		}
	}
	tr.edit("password: "+tr.password, "password: pw-geheim-wrong")
	tr.refuses(1, "MYSQL_ACCESS", "Access denied", tr.user, "check user and password")
	tr.contains("check", tr.checks(1), "MYSQL_ACCESS", "Access denied", tr.user)
	tr.edit("password: pw-geheim-wrong", "password: file:"+tr.dir+"/none")
	tr.refuses(1, "CONFIG", "mysql.password", tr.dir+"/none")
	if err := os.WriteFile(tr.dir+"/password.yaml", []byte(tr.password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.edit("file:"+tr.dir+"/none", "file:"+tr.dir+"/password.yaml")
	tr.well("a", "b")
}

// TestOwnServer stops, spoils and breaks a MySQL server of its own.
func TestOwnServer(t *testing.T) {
	needServers(t)
	m, err := testenv.MySQL(t.Context(), testenv.MySQLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop() }) //nolint:errcheck // its process ends with ours anyway
	t.Run("settings", func(t *testing.T) { serverSettings(t, m) })
	t.Run("sessions", func(t *testing.T) { sessionSettings(t, m) })
	t.Run("purged", func(t *testing.T) { purged(t, m) })
	t.Run("crash", func(t *testing.T) { mysqlCrashes(t, m) })
	t.Run("restored", func(t *testing.T) { restored(t, m) })
}

var setPersist = regexp.MustCompile(`SET PERSIST [^;\n]+`)

// serverSettings: each setting that would lose changes is refused, and what `check` prints corrects it.
func serverSettings(t *testing.T, m *testenv.MySQLServer) {
	tr := newTrial(t, m, "settings", settings{file: true})
	for _, s := range [][2]string{{"binlog_format", "STATEMENT"}, {"binlog_format", "MIXED"}, {"binlog_row_image", "MINIMAL"}, {"binlog_row_image", "NOBLOB"}} {
		tr.sql("SET GLOBAL " + s[0] + " = '" + s[1] + "'")
		tr.refuses(1, "MYSQL_PREFLIGHT", s[0]+" is "+s[1], "SET PERSIST "+s[0])
		bad := tr.checks(1)
		tr.contains("check", bad, s[0]+" is "+s[1])
		fix := setPersist.FindString(bad)
		if fix == "" {
			t.Fatalf("check does not say how to correct %s", s[0])
		}
		tr.sql(fix)
		if bad := tr.checks(0); bad != "" {
			t.Errorf("after %s: %s", fix, bad)
		}
	}
	tr.well("a", "b")
}

// sessionSettings: a session can log without what is needed whatever the server's settings are. That pauses its table alone;
// a reload ends the pause.
func sessionSettings(t *testing.T, m *testenv.MySQLServer) {
	tr := newTrial(t, m, "sessions", settings{file: true})
	tr.sql("CREATE TABLE j (id INT PRIMARY KEY, doc JSON)", `INSERT INTO j VALUES (1, '{"a": "long enough to be changed in place", "b": 1}'), (2, '{}')`, "CREATE TABLE c LIKE a")
	tr.well("a", "b", "c", "j")
	tr.sql("SET SESSION binlog_row_image = MINIMAL", "UPDATE a SET n = 100 WHERE id = 3")
	tr.sql("SET SESSION binlog_row_value_options = PARTIAL_JSON", "UPDATE j SET doc = JSON_SET(doc, '$.b', 2)", "UPDATE j SET doc = JSON_REPLACE(doc, '$.a', 'x') WHERE id = 1")
	tr.sql("SET SESSION binlog_format = STATEMENT", "UPDATE b SET n = 7 WHERE id > 5")
	tr.sql("INSERT INTO c VALUES (1, 'goes on', 1)")
	tr.equal(m, soon, "c", "j")
	tr.shows("a", "paused", "ROW_IMAGE")
	tr.shows("b", "paused", "MYSQL_STATEMENT_FORMAT")
	tr.logs("code=ROW_IMAGE", soon)
	tr.sql("UPDATE c SET n = 2", "UPDATE a SET n = n + 1", "UPDATE j SET doc = '[]' WHERE id = 2")
	tr.equal(m, soon, "c", "j")
	for _, name := range []string{"a", "b"} {
		if out, code := tr.tell("reload", tr.db+"."+name, "--no-wait"); code != 0 {
			t.Errorf("reload %s: %d: %s", name, code, out)
		}
	}
	tr.equal(m, soon, "a", "b", "c", "j")
	tr.sql("DELETE FROM a WHERE id < 4", "UPDATE b SET n = -n")
	tr.equal(m, soon, "a", "b", "c", "j")
}

// purged: the server has thrown away log that tables need. Each table that does pauses, or goes on and is compared; the others go on.
// Rows that vanished and changed meanwhile are right in the end, and no reader ever finds a table empty.
func purged(t *testing.T, m *testenv.MySQLServer) {
	tr := newTrial(t, m, "purged", settings{file: true, rules: `{match: "*.b", reload: manual}`})
	tr.sql("CREATE TABLE c LIKE a", "INSERT INTO c SELECT * FROM a")
	tr.well("a", "b", "c")
	if out, code := tr.tell("pause", "purged.c"); code != 0 {
		t.Fatalf("pause: %d: %s", code, out)
	}
	// Only c needs the log from here on.
	tr.sql("UPDATE c SET n = -n WHERE id < 5", "DELETE FROM c WHERE id > 10", "INSERT INTO c VALUES (100, 'x', 1)")
	gone := tr.purge()
	tr.sql("UPDATE a SET n = 1000")
	tr.equal(m, soon, "a", "b")
	full := tr.full("a", "b", "c")
	if out, code := tr.tell("resume", "purged.c", "--no-wait"); code != 0 {
		t.Fatalf("resume: %d: %s", code, out)
	}
	tr.equal(m, soon, "a", "b", "c")
	tr.shows("c", "live", "")
	if n := tr.count("the table goes on from here"); n != 1 {
		t.Errorf("%d tables had no place in the log, not c alone", n)
	}
	tr.stops()
	// Now all do.
	tr.sql("UPDATE a SET n = n + 1 WHERE id < 7", "DELETE FROM a WHERE id = 8", "INSERT INTO a VALUES (100, 'new', 1)", "DELETE FROM b WHERE id = 3", "UPDATE c SET v = 'c'")
	if now := tr.purge(); now == gone {
		t.Fatal("nothing was purged")
	}
	tr.sql("UPDATE a SET n = n + 1 WHERE id = 9")
	tr.well("a", "c")
	tr.shows("b", "paused", "MYSQL_PURGED")
	tr.sql("UPDATE a SET n = 0 WHERE id = 2", "UPDATE b SET n = 0", "UPDATE c SET n = 3")
	tr.equal(m, soon, "a", "c")
	if out, code := tr.tell("reload", "purged.b"); code != 0 {
		t.Fatalf("reload: %d: %s", code, out)
	}
	tr.equal(m, soon, "a", "b", "c")
	full()
	if n := tr.count("was compared with the source"); n != 3 {
		t.Errorf("%d comparisons: c, then a and c", n)
	}
	tr.stops()
}

// restored: after the server has lost what the tables hold, nothing is taken from it until all tables are asked to be loaded anew; what it
// has lost is gone then.
func restored(t *testing.T, m *testenv.MySQLServer) {
	testenv.Slow(t)
	tr := newTrial(t, m, "restored", settings{file: true})
	tr.well("a", "b")
	tr.sql("INSERT INTO a VALUES (900, 'lost', 1)", "UPDATE b SET n = 77 WHERE id = 2")
	tr.equal(m, soon, "a", "b")
	tr.stops()
	// As a backup of before has it: the rows, and a log without these transactions.
	tr.sql("DELETE FROM a WHERE id = 900", "UPDATE b SET n = 1 WHERE id = 2", "RESET BINARY LOGS AND GTIDS")
	tr.refuses(1, "MYSQL_HISTORY", "cdc2lake reload TABLE")
	tr.sql("INSERT INTO a VALUES (901, 'new', 1)", "DELETE FROM b WHERE id = 3")
	tr.refuses(1, "MYSQL_HISTORY", "cdc2lake reload TABLE")
	if out, code := tr.tell("reload", "restored.a", "--no-wait"); code != 0 {
		t.Fatalf("reload: %d: %s", code, out)
	}
	tr.refuses(1, "MYSQL_HISTORY", "cdc2lake reload TABLE") // b still stands on what is lost
	if out, code := tr.tell("reload", "restored.b", "--no-wait"); code != 0 {
		t.Fatalf("reload: %d: %s", code, out)
	}
	tr.well("a", "b")
	tr.sql("INSERT INTO a VALUES (902, 'later', 1)", "UPDATE b SET n = n + 1")
	tr.equal(m, soon, "a", "b")
	tr.stops()
}

// full returns what makes sure that no snapshot of the tables that was made meanwhile is empty.
func (tr *trial) full(names ...string) func() {
	tr.t.Helper()
	snapshots := func(name string) []table.Snapshot {
		cat, err := tr.catalog(tr.t.Context())
		if err != nil {
			tr.t.Fatal(err)
		}
		tab, err := cat.LoadTable(tr.t.Context(), table.Identifier{tr.db, name})
		if err != nil {
			tr.t.Fatal(err)
		}
		return tab.Metadata().Snapshots()
	}
	seen := map[int64]bool{}
	for _, name := range names {
		for _, s := range snapshots(name) {
			seen[s.SnapshotID] = true
		}
	}
	return func() {
		tr.t.Helper()
		for _, name := range names {
			fresh := 0
			for _, s := range snapshots(name) {
				if seen[s.SnapshotID] {
					continue
				}
				fresh++
				rows, err := strconv.Atoi(s.Summary.Properties["total-records"])
				gone, err2 := strconv.Atoi(s.Summary.Properties["total-position-deletes"])
				if err != nil || err2 != nil || rows-gone < 1 {
					tr.t.Errorf("a reader found %s empty: %v", name, s.Summary)
				}
			}
			if fresh == 0 {
				tr.t.Errorf("%s has no new snapshot", name)
			}
		}
	}
}

// purge removes all but the newest file of the server's log, and returns its name.
func (tr *trial) purge() string {
	tr.t.Helper()
	tr.sql("FLUSH BINARY LOGS")
	end, _, err := tr.mysql.BinlogEnd(tr.t.Context())
	if err != nil {
		tr.t.Fatal(err)
	}
	for deadline := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) { // the server keeps what a connection reads
		tr.sql("PURGE BINARY LOGS TO '" + end.Name + "'")
		logs, err := tr.mysql.Query(tr.t.Context(), "SHOW BINARY LOGS")
		if err == nil && logs[0][0] == end.Name {
			return end.Name
		}
		if time.Now().After(deadline) {
			tr.t.Fatalf("not purged: %v %v", logs, err)
		}
	}
}

// TestBinlogOff: without a binary log there is nothing to follow.
func TestBinlogOff(t *testing.T) {
	needServers(t)
	m, err := testenv.MySQL(t.Context(), testenv.MySQLOptions{Vars: map[string]string{"disable-log-bin": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop() }) //nolint:errcheck // its process ends with ours anyway
	tr := newTrial(t, m, "off", settings{file: true})
	tr.refuses(1, "MYSQL_PREFLIGHT", "log_bin is OFF", "--log-bin")
	tr.contains("check", tr.checks(1), "log_bin is OFF", "--log-bin")
}

// TestRefusedTables: each table that cannot be replicated is refused by name and reason, the others go on, and what the
// reason says mends it.
func TestRefusedTables(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true, rules: `{match: "*.badrule", columns: {exclude: [k]}}, {match: "*.badhash", columns: {hash: [k]}}, {match: "*.badcolumn", columns: {exclude: [none]}}`})
	tr.sql("CREATE TABLE twice (id INT, g VARCHAR(5) CHARACTER SET sjis, PRIMARY KEY (id, g))", "INSERT INTO twice VALUES (1, 'x')",
		"CREATE TABLE badrule (k INT PRIMARY KEY, v INT)", "CREATE TABLE badhash (k VARCHAR(10) PRIMARY KEY, v INT)", "CREATE TABLE badcolumn (k INT PRIMARY KEY, v INT)",
		"CREATE TABLE taken (id INT PRIMARY KEY, v INT)", "INSERT INTO taken VALUES (1, 1)")
	// An Iceberg table of somebody else, in the same catalog.
	tr.start()
	tr.equal(tr.mysql, soon, "a")
	tr.stops()
	tr.sql("CREATE TABLE theirs (id INT PRIMARY KEY, v INT)", "INSERT INTO theirs VALUES (1, 1)", "UPDATE a SET n = 50")
	schema := iceberggo.NewSchema(0, iceberggo.NestedField{ID: 1, Name: "id", Type: iceberggo.PrimitiveTypes.Int32, Required: true}, iceberggo.NestedField{ID: 2, Name: "v", Type: iceberggo.PrimitiveTypes.Int32})
	cat, err := tr.writableCatalog()
	if err != nil {
		t.Fatal(err)
	}
	theirs := table.Identifier{tr.db, "theirs"}
	if _, err := cat.CreateTable(t.Context(), theirs, schema); err != nil {
		t.Fatal(err)
	}
	before, err := cat.LoadTable(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}

	bad := tr.checks(0)
	for _, name := range []string{"twice", "badrule", "badhash", "badcolumn"} {
		tr.contains("check", bad, tr.db+"."+name)
	}
	tr.well("a", "b", "taken")
	for name, code := range map[string]string{"twice": "UNSUPPORTED_TYPE", "badrule": "COLUMN_OPTION", "badhash": "COLUMN_OPTION", "badcolumn": "COLUMN_OPTION", "theirs": "FOREIGN_TABLE"} {
		tr.shows(name, "paused", code)
		tr.logs("table="+tr.db+"."+name+" code="+code, soon)
	}
	if s := tr.states()[tr.db+".twice"]; !strings.Contains(s.Paused.Msg, "sjis") || !strings.Contains(s.Paused.Msg, "g") {
		t.Errorf("the reason does not name column and type: %s", s.Paused.Msg)
	}
	out, code := tr.tell("tables")
	if code != 0 {
		t.Errorf("tables ended with %d", code)
	}
	tr.contains("tables", out, tr.db+".twice is paused", "sjis")
	tr.sql("UPDATE a SET n = 51", "INSERT INTO taken VALUES (2, 2)", "INSERT INTO twice VALUES (3, 'z')")
	tr.equal(tr.mysql, soon, "a", "b", "taken")
	if after, err := cat.LoadTable(t.Context(), theirs); err != nil || after.MetadataLocation() != before.MetadataLocation() {
		t.Errorf("the table of somebody else was changed: %v", err)
	}
	for name, code := range map[string]string{"twice": "UNSUPPORTED_TYPE", "theirs": "FOREIGN_TABLE"} {
		out, status := tr.tell("reload", tr.db+"."+name)
		if status != 3 || !strings.Contains(out, code) || !strings.Contains(out, "\nfix: ") {
			t.Errorf("reload of %s, which still cannot be, ended with %d:\n%s", name, status, out)
		}
	}
	tr.equal(tr.mysql, soon, "a", "b", "taken")
	tr.kill()

	// Mended as the reasons say. The log from before, which is read again, has rows of the old definitions.
	tr.sql("INSERT INTO twice VALUES (2, 'y')")
	tr.sql("ALTER TABLE twice DROP PRIMARY KEY, DROP COLUMN g, ADD PRIMARY KEY (id)")
	tr.edit("exclude: [k]", "exclude: []")
	tr.edit("hash: [k]", "hash: []")
	tr.edit("exclude: [none]", "exclude: []")
	if err := cat.DropTable(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	tr.start()
	if out, code := tr.tell("reload", tr.db+".theirs", "--no-wait"); code != 0 {
		t.Errorf("reload: %d: %s", code, out)
	}
	tr.equal(tr.mysql, soon, "a", "b", "taken", "twice", "badrule", "badhash", "badcolumn", "theirs")
	for name, s := range tr.states() {
		if s.State != "live" {
			t.Errorf("%s is %s: %+v", name, s.State, s.Paused)
		}
	}
}

// TestDestinations: two tables with one destination, and names that cannot be a destination.
func TestDestinations(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	tr.sql("CREATE TABLE `Orders` (id INT PRIMARY KEY)", "CREATE TABLE orders (id INT PRIMARY KEY)", "INSERT INTO `Orders` VALUES (1)")
	tr.well("a", "b")
	tr.shows("Orders", "live", "")
	tr.shows("orders", "paused", "NAME_COLLISION")
	tr.stops()
	tr.well("a", "b") // the name stays with the table that has it
	tr.shows("Orders", "live", "")
	tr.shows("orders", "paused", "NAME_COLLISION")
	tr.stops()
	tr.edit("tables:\n", "tables:\n  exclude: [\"*.orders\"]\n")
	tr.well("a", "b")
	tr.shows("Orders", "live", "")
	if s := tr.states()[tr.db+".Orders"]; s.Iceberg != tr.db+".orders" || s.Rows != 1 {
		t.Errorf("%+v", s)
	}
}

// TestChangedOptions: a table whose columns would become others pauses, and is reloaded as the options now say.
func TestChangedOptions(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true, rules: `{match: "*.choices", columns: {boolean: []}}`})
	tr.sql("CREATE TABLE choices (id INT PRIMARY KEY, f TINYINT(1), t TIME, d DATE NOT NULL DEFAULT '2020-01-01')", "INSERT INTO choices (id, f, t) VALUES (1, 1, '10:00:00'), (2, 0, NULL)")
	tr.well("a", "b", "choices")
	tr.stops()
	for _, columns := range []string{`{boolean: [f], microseconds: [t]}, metadata: [op], zero_dates: "null"`, "{exclude: [t]}"} {
		tr.set.rules = `{match: "*.choices", columns: ` + columns + `}`
		tr.configure()
		tr.start()
		tr.shows("choices", "paused", "COLUMN_OPTION")
		tr.sql("INSERT INTO choices (f, t, id) SELECT 1, '-20:00:00', MAX(id) + 1 FROM choices")
		tr.equal(tr.mysql, soon, "a", "b")
		if out, code := tr.tell("reload", tr.db+".choices", "--no-wait"); code != 0 {
			t.Errorf("reload: %d: %s", code, out)
		}
		tr.shows("choices", "live", "")
		tr.stops()
	}
}

// TestStorageRefuses: wrong credentials and a bucket that does not exist end the service with what to correct.
func TestStorageRefuses(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{})
	secret := fmt.Sprintf("secret_key: %q", tr.s3.SecretKey)
	tr.edit(secret, `secret_key: "wrong-geheim"`)
	tr.refuses(1, "CHECKPOINT_STORE_ACCESS", "access denied", "check the secret key")
	tr.contains("check", tr.checks(1), "storage", "access denied")
	tr.edit(`secret_key: "wrong-geheim"`, secret)
	tr.edit("s3://"+tr.s3.Name+"/", "s3://no-such-bucket/")
	tr.refuses(1, "CHECKPOINT_STORE_ACCESS", "no-such-bucket", "bucket does not exist")
	tr.contains("check", tr.checks(1), "storage", "no-such-bucket", "bucket does not exist")
	if strings.Contains(tr.heard.String(), "wrong-geheim") {
		t.Error("the wrong secret key is shown")
	}
	tr.edit("s3://no-such-bucket/", "s3://"+tr.s3.Name+"/")
	tr.well("a", "b")
}

// TestDamagedRecords: a record that cannot be trusted ends the service; nothing is committed on its word.
func TestDamagedRecords(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	tr.well("a", "b")
	tr.stops()
	tr.sql("UPDATE a SET n = n + 1", "DELETE FROM b WHERE id = 3")
	files, err := filepath.Glob(tr.dir + "/warehouse/_cdc2lake/*/records/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	newest := slices.Max(files)
	good, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	change := func(key string, v any) []byte {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader(good))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		m[key] = v
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		text []byte
		code string
		want string
	}{
		"cut off":        {good[:len(good)/2], "CORRUPT", "restore"},
		"empty":          {nil, "CORRUPT", "restore"},
		"not JSON":       {[]byte("hello"), "CORRUPT", "restore"},
		"another number": {change("n", 1<<40), "CORRUPT", "1099511627776"},
		"foreign":        {change("pipeline", "another"), "FOREIGN_RECORD", `"another"`},
		"newer":          {change("v", 99), "RECORD_VERSION", "format version 99"},
	} {
		if err := os.WriteFile(newest, c.text, 0o644); err != nil {
			t.Fatal(err)
		}
		tr.refuses(1, c.code, filepath.Base(newest), c.want)
		if out, code := tr.tell("tables"); code != 1 || !strings.Contains(out, "error "+c.code) {
			t.Errorf("%s: tables ended with %d:\n%s", name, code, out)
		}
	}
	if again, err := filepath.Glob(tr.dir + "/warehouse/_cdc2lake/*/records/*/*.json"); err != nil || slices.Max(again) != newest {
		t.Errorf("records were written after a damaged one: %v", err)
	}
	if err := os.WriteFile(newest, good, 0o644); err != nil {
		t.Fatal(err)
	}
	tr.well("a", "b")
	// Without the records, as the remedy says, it goes on from the tables' markers.
	tr.stops()
	tr.sql("UPDATE a SET n = n + 1", "DELETE FROM b WHERE id = 4")
	if err := os.RemoveAll(filepath.Dir(filepath.Dir(newest))); err != nil {
		t.Fatal(err)
	}
	tr.well("a", "b")
	if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
}

// TestDamagedState: the local state is rebuilt from the tables, whatever happened to its files.
func TestDamagedState(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	tr.well("a", "b")
	for name, damage := range map[string]func([]byte) []byte{
		"zeros":    func(b []byte) []byte { return make([]byte, len(b)) },
		"cut off":  func(b []byte) []byte { return b[:len(b)/2] },
		"empty":    func([]byte) []byte { return nil },
		"one byte": func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b },
	} {
		tr.kill()
		damaged := 0
		err := filepath.WalkDir(tr.dir+"/state", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) == 0 {
				return err
			}
			damaged++
			return os.WriteFile(path, damage(b), 0o600)
		})
		if err != nil || damaged == 0 {
			t.Fatalf("%s: %d files damaged: %v", name, damaged, err)
		}
		tr.sql("UPDATE a SET n = n + 1", "UPDATE b SET n = n + 1", "DELETE FROM a ORDER BY id LIMIT 1", "INSERT INTO b VALUES (1000, UUID_SHORT() % 10000000, 1)")
		tr.well("a", "b")
		if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
			t.Errorf("%s: divergence alarm: %v, %v", name, n, err)
		}
	}
}
