package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReread: SIGHUP puts another selection of tables in force, without a restart; what else has changed, or is wrong, changes nothing.
func TestReread(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	hangup := func(answer string) {
		t.Helper()
		before := strings.Count(tr.logged(), answer)
		if err := tr.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(soon); strings.Count(tr.logged(), answer) == before; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the log does not say %q", answer)
			}
		}
	}
	all, a := `include: ["`+tr.db+`.*"]`, `include: ["`+tr.db+`.a"]`
	tr.edit(all, a)
	tr.well("a")
	const applied, refused = "the configuration was read again\"", "everything goes on as it was"
	tr.edit(a, all)
	hangup(applied)
	tr.equal(tr.mysql, soon, "a", "b")
	// Of what needs a restart, and of a file with a mistake, nothing is applied.
	tr.edit(all, a)
	tr.edit("interval: 300ms", "interval: 400ms")
	tr.edit("level: debug", "level: info")
	hangup(refused)
	tr.contains("the log", tr.logged(), "these keys need a restart: checkpoints.interval, log.level")
	tr.edit("interval: 400ms", "interval: nonsense")
	hangup("nonsense")
	tr.edit("interval: nonsense", "interval: 300ms")
	tr.edit("level: info", "level: debug")
	tr.edit(`{match: "none.none", zero_dates: refuse}`, `{match: "*.b", columns: {exclude: [n]}}`)
	hangup("the rule of " + tr.db + ".b changes")
	tr.edit(`{match: "*.b", columns: {exclude: [n]}}`, `{match: "*.c", columns: {exclude: [n]}}`)
	tr.edit(a, all)
	tr.sql("UPDATE b SET n = n + 1")
	tr.equal(tr.mysql, soon, "a", "b")
	hangup(applied)
	tr.sql("CREATE TABLE c (id INT PRIMARY KEY, n INT)", "INSERT INTO c VALUES (1, 2), (3, 4)", "UPDATE a SET n = n + 1")
	tr.equal(tr.mysql, soon, "a", "b")
	for deadline := time.Now().Add(soon); tr.states()[tr.db+".c"].Rows != 2; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new table is not loaded")
		}
	}
	if m, err := icebergColumns(tr, "c"); err != nil || strings.Join(m, " ") != "id" {
		t.Errorf("the new rule gives c the columns %v, %v", m, err)
	}
	// b leaves and keeps its rows, a goes on.
	rows := tr.states()[tr.db+".b"].Rows
	tr.edit(all, all+"\n  exclude: [\"*.b\"]")
	hangup(applied)
	tr.shows("b", "paused", "TABLE_GONE")
	tr.sql("DELETE FROM b LIMIT 5", "UPDATE a SET n = n + 1")
	tr.equal(tr.mysql, soon, "a")
	if now := tr.states()[tr.db+".b"].Rows; now != rows {
		t.Errorf("the table that left had %d rows, and has %d", rows, now)
	}
	tr.edit("\n  exclude: [\"*.b\"]", "")
	hangup(applied)
	tr.equal(tr.mysql, soon, "a", "b")
	if n, err := tr.metric("cdc2lake_restarts_total"); err != nil || n != 0 {
		t.Errorf("restarts: %v, %v", n, err)
	}
	tr.stops()
}

// icebergColumns lists the columns of a table as iceberg-go sees them.
func icebergColumns(tr *trial, name string) ([]string, error) {
	cat, err := tr.catalog(tr.t.Context())
	if err != nil {
		return nil, err
	}
	tbl, err := cat.LoadTable(tr.t.Context(), []string{tr.db, name})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range tbl.Schema().Fields() {
		out = append(out, f.Name)
	}
	return out, nil
}
