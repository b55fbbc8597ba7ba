package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
	"github.com/cdc2lake/cdc2lake/cdc/mysql"
	"github.com/cdc2lake/cdc2lake/iceberg"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// replica is an Iceberg table in memory: copies of a MySQL table, taken every now and then.
type replica struct {
	t      testing.TB
	src    *mysql.Source
	schema *cdc.Schema

	mu     sync.Mutex // guards the rest
	copies [][]*cdc.Batch
	at     cdc.Position
}

// refresh copies the table. The position is read first, so the copy covers it and may be ahead of it.
func (r *replica) refresh(ctx context.Context) error {
	at, err := r.src.End(ctx)
	if err != nil {
		return err
	}
	var rows []*cdc.Batch
	if err := r.src.ReadRange(ctx, r.schema, cdc.Chunk{}, func(b *cdc.Batch) error { rows = append(rows, b); return nil }); err != nil { // never released
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.copies, r.at = append(r.copies, rows), at
	return nil
}

func (r *replica) state(context.Context, cdc.TableID) (State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(len(r.copies) - 1)
	return State{Snapshot: &n, Position: r.at, Loaded: true, Rows: 1000}, nil
}

func (r *replica) Scan(_ context.Context, _ cdc.TableID, snapshot *int64, f func(*iceberg.Rows) error) error {
	r.mu.Lock()
	rows := r.copies[*snapshot]
	r.mu.Unlock()
	for _, b := range rows {
		if err := f(&iceberg.Rows{Schema: b.Schema, Cols: b.Cols, N: b.N}); err != nil {
			return err
		}
	}
	return nil
}

func newReplica(t *testing.T, db *testenv.Database, table string, o binlog.TableOptions) *replica {
	t.Helper()
	src, err := mysql.New(mysql.Config{Address: db.Addr(), User: testenv.CDCUser, Password: testenv.CDCPassword, Include: []string{db.Name + "." + table},
		TableOptions: func(cdc.TableID) binlog.TableOptions { return o }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	found, err := src.Discover(t.Context())
	if err != nil || len(found) != 1 || found[0].Err != nil {
		t.Fatalf("discover: %+v, %v", found, err)
	}
	r := &replica{t: t, src: src, schema: found[0].Schema}
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *replica) compare(ctx context.Context, dir string) *Result {
	r.t.Helper()
	res, err := Table(ctx, Options{Source: r.src, Target: r, State: r.state, Dir: dir, Poll: 20 * time.Millisecond, Patience: 2 * time.Second}, r.schema)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// Rows that were changed behind the log's back are found, with a key of every kind.
func TestWrongMissingAndExtraRows(t *testing.T) {
	for name, c := range map[string]struct {
		column string
		keys   [4]string // of rows left alone, changed, deleted, inserted
		shown  [3]string
	}{
		"bigint":   {"BIGINT", [4]string{"1", "-2", "3", "4"}, [3]string{"k=-2", "k=3", "k=4"}},
		"unsigned": {"BIGINT UNSIGNED", [4]string{"1", "18446744073709551615", "3", "4"}, [3]string{"k=18446744073709551615", "k=3", "k=4"}},
		"decimal":  {"DECIMAL(30,3)", [4]string{"1", "-2.5", "3", "0.125"}, [3]string{"k=-2.500", "k=3.000", "k=0.125"}},
		"double":   {"DOUBLE", [4]string{"0.1", "-1e300", "5e-324", "0.30000000000000004"}, [3]string{"k=-1e+300", "k=5e-324", "k=0.30000000000000004"}},
		"float":    {"FLOAT", [4]string{"0.1", "16777216", "-0.5", "1e-45"}, [3]string{"k=1.6777216e+07", "k=-0.5", "k=1e-45"}},
		"text":     {"VARCHAR(40) COLLATE utf8mb4_0900_ai_ci", [4]string{"'a'", "'it''s \\\\'", "'ß'", "'日本'"}, [3]string{`k="it's \\"`, `k="ß"`, `k="日本"`}},
		"binary":   {"VARBINARY(16)", [4]string{"x'00'", "x'ff00'", "x''", "x'61'"}, [3]string{"k=0xff00", "k=0x", "k=0x61"}},
		"datetime": {"DATETIME(6)", [4]string{"'2026-01-01'", "'1999-12-31 23:59:59.999999'", "'2000-02-29'", "'2026-01-02'"},
			[3]string{"k=1999-12-31T23:59:59.999999", "k=2000-02-29T00:00:00", "k=2026-01-02T00:00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.NeedMySQL(t)
			k := c.keys
			db.Exec("CREATE TABLE t (k "+c.column+" NOT NULL PRIMARY KEY, v VARCHAR(20), gone INT, secret VARCHAR(20), f DOUBLE)",
				fmt.Sprintf("INSERT INTO t VALUES (%s,'one',1,'s',-0.0), (%s,'two',2,'s',1e300), (%s,NULL,3,'s',3)", k[0], k[1], k[2]))
			r := newReplica(t, db, "t", binlog.TableOptions{Exclude: []string{"gone"}, Hash: []string{"secret"}, Salt: "pepper"})
			if res := r.compare(t.Context(), t.TempDir()); !res.Equal() || res.Rows != 3 {
				t.Fatalf("equal tables: %+v", res)
			}
			// What is left out does not count.
			db.Exec("SET sql_log_bin = 0", "UPDATE t SET gone = gone + 1", fmt.Sprintf("UPDATE t SET v = 'zwei' WHERE k = %s", k[1]),
				fmt.Sprintf("DELETE FROM t WHERE k = %s", k[2]), fmt.Sprintf("INSERT INTO t VALUES (%s,'four',4,'s',4)", k[3]))
			res := r.compare(t.Context(), t.TempDir())
			if res.Different != 3 || res.Undecided != 0 || res.Ahead {
				t.Fatalf("got %+v, want 3 differences", res)
			}
			got := map[string]Difference{}
			for _, d := range res.Differences {
				got[d.Key] = d
			}
			if d := got[c.shown[0]]; !strings.Contains(d.Source, `v="zwei"`) || !strings.Contains(d.Iceberg, `v="two"`) {
				t.Errorf("the wrong row: %+v", res.Differences)
			}
			if d, ok := got[c.shown[1]]; !ok || d.Source != "" || !strings.Contains(d.Iceberg, "v=NULL") {
				t.Errorf("the extra row: %+v", res.Differences)
			}
			if d := got[c.shown[2]]; !strings.Contains(d.Source, `v="four"`) || d.Iceberg != "" {
				t.Errorf("the missing row: %+v", res.Differences)
			}
			if t.Failed() {
				t.Log(slices.Sorted(maps.Keys(got)))
			}
		})
	}
}

// A table without a key is a multiset: rows that are there too often or not often enough are found, with their numbers.
func TestWithoutAKey(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE t (a INT, v VARCHAR(20), f DOUBLE, gone INT)",
		"INSERT INTO t VALUES (1,'x',0,1), (1,'x',0,2), (1,'x',0,3), (1,'X',0,4), (NULL,NULL,-0e0,5), (NULL,NULL,-0e0,6), (NULL,NULL,0,7), (2,'y',0,8)")
	r := newReplica(t, db, "t", binlog.TableOptions{Exclude: []string{"gone"}})
	if res := r.compare(t.Context(), t.TempDir()); !res.Equal() || res.Rows != 8 {
		t.Fatalf("equal tables: %+v", res)
	}
	db.Exec("SET sql_log_bin = 0", "DELETE FROM t WHERE gone IN (1, 5)", "INSERT INTO t VALUES (3,'z',1,9), (3,'z',1,10)", "DELETE FROM t WHERE a = 2", "UPDATE t SET gone = gone + 1")
	res := r.compare(t.Context(), t.TempDir())
	want := map[string]Difference{}
	for _, d := range []Difference{{`a=1 v="x" f=0`, "2 times", "3 times"}, {"a=NULL v=NULL f=-0", "once", "2 times"}, {`a=3 v="z" f=1`, "2 times", ""}, {`a=2 v="y" f=0`, "", "once"}} {
		want[d.Key] = d
	}
	got := map[string]Difference{}
	for _, d := range res.Differences {
		got[d.Key] = d
	}
	if !maps.Equal(got, want) || res.Different != 4 || res.Undecided != 0 {
		t.Errorf("got %+v, want %+v", res, want)
	}
}

// While rows come, change and go, only the row that is wrong is found.
func TestWhileRowsChange(t *testing.T) {
	db := testenv.NeedMySQL(t)
	db.Exec("CREATE TABLE t (a INT NOT NULL, b VARCHAR(10) NOT NULL, v INT, PRIMARY KEY (a, b))")
	for i := range 300 {
		db.Exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 'k%d', 0)", i%50, i))
	}
	r := newReplica(t, db, "t", binlog.TableOptions{})
	db.Exec("SET sql_log_bin = 0", "UPDATE t SET v = -1 WHERE b = 'k299'")
	broken := r.schema.Column("v")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := db.Connect(context.Background(), db.Name)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for i := 0; ctx.Err() == nil; i++ {
			for _, q := range []string{fmt.Sprintf("UPDATE t SET v = v + 1 WHERE a = %d AND b <> 'k299'", i%50),
				fmt.Sprintf("REPLACE INTO t VALUES (%d, 'n%d', 1)", i%7, i%40), fmt.Sprintf("DELETE FROM t WHERE b = 'n%d'", (i*7)%40)} {
				if _, err := conn.Execute(q); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			r.spoil(broken)
		}
	})
	res := r.compare(t.Context(), t.TempDir())
	cancel()
	wg.Wait()
	if res.Different != 1 || res.Ahead || len(res.Differences) != 1 || res.Differences[0].Key != `a=49 b="k299"` {
		t.Errorf("got %+v %v, want the row k299", res, res.Differences)
	}
	t.Logf("%v", res)
}

// spoil sets v of the row k299 in the newest copy to what it never was in MySQL.
func (r *replica) spoil(v int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.copies[len(r.copies)-1] {
		for i := range b.N {
			if string(b.Cols[1].Bytes(i)) == "k299" {
				b.Cols[v].I32[i] = 12345
			}
		}
	}
}
