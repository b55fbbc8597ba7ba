package mysql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// keyShapes are tables whose keys order and compare in different ways; each has a generator of keys.
var keyShapes = []struct {
	name, columns, key string
	gen                func(*rand.Rand) string // the key's values as SQL
}{
	{"plain", "id BIGINT", "id", func(r *rand.Rand) string { return fmt.Sprint(r.IntN(4000) - 2000) }},
	{"huge", "id BIGINT UNSIGNED", "id", func(r *rand.Rand) string { return fmt.Sprint(18446744073709551615 - r.Uint64N(4000)) }},
	{"composite", "a INT, b VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, c DATE", "b, a, c", func(r *rand.Rand) string {
		return fmt.Sprintf("%d, '%s', '2024-02-%02d'", r.IntN(40), word(r), 1+r.IntN(5))
	}},
	{"folded", "s VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", "s", func(r *rand.Rand) string { return "'" + word(r) + word(r) + "'" }},
	{"latin", "s CHAR(12) CHARACTER SET latin1 COLLATE latin1_german2_ci", "s", func(r *rand.Rand) string { return "'" + word(r) + word(r) + "'" }},
	{"bytes", "b VARBINARY(12)", "b", func(r *rand.Rand) string { return fmt.Sprintf("X'%06x'", r.IntN(1<<24)) }},
	{"moment", "d DATETIME(6)", "d", func(r *rand.Rand) string {
		return fmt.Sprintf("'%04d-01-02 03:04:05.%06d'", 1000+r.IntN(8000), r.IntN(1e6))
	}},
	{"stamp", "d TIMESTAMP(3)", "d", func(r *rand.Rand) string {
		return fmt.Sprintf("FROM_UNIXTIME(%d.%03d)", 1+r.IntN(2000000000), r.IntN(1000))
	}},
	{"money", "m DECIMAL(30,10)", "m", func(r *rand.Rand) string { return fmt.Sprintf("%d.%d", r.Int64()-1<<62, r.IntN(1e9)) }},
	{"choice", "e ENUM('z','y','x','b','a'), n SMALLINT", "e, n", func(r *rand.Rand) string {
		return fmt.Sprintf("'%c', %d", "zyxba"[r.IntN(5)], r.IntN(800))
	}},
	{"unique", "id INT NOT NULL, x INT, UNIQUE KEY (id)", "", func(r *rand.Rand) string { return fmt.Sprintf("%d, 1", r.IntN(4000)) }},
}

func word(r *rand.Rand) string {
	words := []string{"a", "A", "ä", "ß", "ss", "Straße", "é", "E", "z", "Z", "0", " ", "o'b"[:1], "ö", "oe", "x y"}
	return words[r.IntN(len(words))] + string(rune('a'+r.IntN(26)))
}

func createShapes(t testing.TB, exec func(...string), db string) []cdc.TableID {
	var ids []cdc.TableID
	for _, s := range keyShapes {
		key := ""
		if s.key != "" {
			key = ", PRIMARY KEY (" + s.key + ")"
		}
		exec(fmt.Sprintf("CREATE TABLE `%s`.`%s` (%s, v INT, t VARCHAR(50) CHARACTER SET utf8mb4, w DOUBLE, z DECIMAL(12,2)%s)", db, s.name, s.columns, key))
		ids = append(ids, cdc.TableID{Database: db, Name: s.name})
	}
	return ids
}

// writeRandomly changes the tables until ctx ends: transactions of inserts, updates, deletes and key changes, some of them
// rolled back.
func writeRandomly(ctx context.Context, t testing.TB, s *testenv.MySQLServer, db string, rng *rand.Rand, transactions int) {
	conn, err := s.Connect(context.Background(), db)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	for i := 0; i < transactions && ctx.Err() == nil; i++ {
		_, _ = conn.Execute("BEGIN")
		for range 1 + rng.IntN(6) {
			shape := keyShapes[rng.IntN(len(keyShapes))]
			if _, err := conn.Execute(randomChange(rng, shape.name, shape.columns, shape.gen)); err != nil && !harmless(err) {
				t.Errorf("write: %v", err)
				return
			}
		}
		end := "COMMIT"
		if rng.IntN(10) == 0 {
			end = "ROLLBACK"
		}
		if _, err := conn.Execute(end); err != nil {
			t.Errorf("write: %v", err)
			return
		}
	}
}

// harmless: duplicate keys, deadlocks, lock timeouts, and random words that are too long for their column.
func harmless(err error) bool {
	n := serverError(err)
	return n == 1062 || n == 1213 || n == 1205 || n == 1406
}

func randomChange(rng *rand.Rand, name, columns string, gen func(*rand.Rand) string) string {
	first, _, _ := strings.Cut(columns, " ")
	values := func() string {
		return fmt.Sprintf("(%s, %d, '%s…€', %d.5, %d.%02d)", gen(rng), rng.IntN(1000), word(rng), rng.IntN(100), rng.IntN(1e6), rng.IntN(100))
	}
	switch rng.IntN(8) {
	case 0, 1:
		var rows []string
		for range 1 + rng.IntN(20) {
			rows = append(rows, values())
		}
		return "INSERT IGNORE INTO `" + name + "` VALUES " + strings.Join(rows, ", ")
	case 2:
		return "REPLACE INTO `" + name + "` VALUES " + values()
	case 3, 4:
		return fmt.Sprintf("UPDATE `%s` SET v = v + 1, t = NULL ORDER BY RAND() LIMIT %d", name, 1+rng.IntN(5))
	case 5:
		one, _, _ := strings.Cut(gen(rng), ",")
		return fmt.Sprintf("UPDATE IGNORE `%s` SET %s = %s ORDER BY RAND() LIMIT 1", name, first, one)
	default:
		return fmt.Sprintf("DELETE FROM `%s` ORDER BY RAND() LIMIT %d", name, 1+rng.IntN(8))
	}
}

func server(t testing.TB, vars map[string]string) *testenv.MySQLServer {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a server (-short)")
	}
	s, err := testenv.MySQL(context.Background(), testenv.MySQLOptions{Vars: vars})
	must(t, err)
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

var fileMode = map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}

// TestLoadBesideLog loads tables of all key shapes while writers change them, with and without GTIDs, with full and
// minimal row metadata; then it restarts from every barrier after the load.
func TestLoadBesideLog(t *testing.T) {
	for _, c := range []struct {
		name string
		vars map[string]string
	}{
		{"gtid", nil},
		{"file", fileMode},
		{"minimal", map[string]string{"binlog_row_metadata": "MINIMAL", "binlog_transaction_compression": "ON"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "minimal" {
				testenv.Slow(t)
			}
			noLeaks(t)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			loadBesideLog(t, server(t, c.vars), seed)
		})
	}
}

func loadBesideLog(t *testing.T, s *testenv.MySQLServer, seed uint64) {
	ctx := timeout(t, 2*time.Minute)
	exec := func(q ...string) {
		t.Helper()
		for i := range q {
			if s.Flavor() == "mariadb" {
				q[i] = strings.ReplaceAll(q[i], "utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci")
			}
		}
		must(t, s.Exec(ctx, q...))
	}
	exec("CREATE DATABASE d")
	ids := createShapes(t, exec, "d")
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, sh := range keyShapes {
		for range 10 {
			var rows []string
			for range 100 {
				rows = append(rows, fmt.Sprintf("(%s, %d, '%s', 1.25, 3.50)", sh.gen(rng), rng.IntN(1000), word(rng)))
			}
			exec("INSERT IGNORE INTO d." + sh.name + " VALUES " + strings.Join(rows, ", "))
		}
	}
	writers, stopWriters := context.WithCancel(ctx)
	defer stopWriters()
	wrote := make(chan struct{}, 3)
	for i := range 3 {
		go func() {
			defer func() { wrote <- struct{}{} }()
			writeRandomly(writers, t, s, "d", rand.New(rand.NewPCG(seed, uint64(10+i))), 1<<30)
		}()
	}
	src := newSource(t, config(s, "d"))
	p, _ := startAll(t, src, true)
	p.sink.keep = true
	asking, stopAsking := context.WithCancel(ctx)
	asked := make(chan struct{})
	go func() { defer close(asked); p.barriers(asking, rng, 60*time.Millisecond) }()
	for _, id := range ids {
		must(t, p.load(ctx, id, 3))
	}
	p.sink.mu.Lock()
	before := len(p.sink.checkpoints)
	p.sink.mu.Unlock()
	p.sink.await(ctx, "barriers after the load", func() bool { return len(p.sink.checkpoints) > before+10 })
	stopWriters()
	for range 3 {
		<-wrote
	}
	p.catchUp(ctx)
	for _, id := range ids {
		p.sink.equal(s, id)
	}
	p.sink.mu.Lock()
	t.Logf("%d rows seen, %d chunk rows skipped, %d barriers", p.sink.rowsSeen, p.sink.skipped, len(p.sink.checkpoints))
	p.sink.mu.Unlock()
	stopAsking()
	<-asked
	p.stop()
	restartFromEvery(ctx, t, s, p.sink, ids)
	_ = src.Close()
}

// restartFromEvery restarts from every barrier after the load and expects MySQL's present state each time.
func restartFromEvery(ctx context.Context, t *testing.T, s *testenv.MySQLServer, old *mapSink, ids []cdc.TableID) {
	n := 0
	for i, c := range old.checkpoints {
		if !c.loaded || len(old.checkpoints)-i > 20 {
			continue
		}
		n++
		src := newSource(t, config(s, "d"))
		sink := newSink(t, src)
		var starts []cdc.Start
		for id, mt := range c.tables {
			sink.tables[id] = mt
			starts = append(starts, cdc.Start{Schema: mt.schema, Position: c.at.Position})
		}
		p := follow(t, src, sink, starts)
		p.catchUp(ctx)
		for _, id := range ids {
			sink.equal(s, id)
		}
		p.stop()
		_ = src.Close()
	}
	if n == 0 {
		t.Fatal("no barrier after the load")
	}
	t.Logf("restarted from %d barriers", n)
}
