package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// matrix covers every pair of values of the axes: interval, parallelism, format, GTIDs, catalog, row metadata, warehouse.
var matrix = []settings{
	{interval: "1s", parallelism: 1, format: 2, gtid: true, catalog: "sqlite", metadata: "FULL", file: false},
	{interval: "1s", parallelism: 4, format: 3, gtid: false, catalog: "sqlite", metadata: "MINIMAL", file: false},
	{interval: "10s", parallelism: 4, format: 2, gtid: true, catalog: "postgres", metadata: "MINIMAL", file: false},
	{interval: "10s", parallelism: 1, format: 3, gtid: false, catalog: "rest", metadata: "FULL", file: false},
	{interval: "1s", parallelism: 4, format: 2, gtid: false, catalog: "rest", metadata: "FULL", file: true},
	{interval: "1s", parallelism: 1, format: 3, gtid: true, catalog: "postgres", metadata: "FULL", file: true},
	{interval: "10s", parallelism: 4, format: 3, gtid: true, catalog: "sqlite", metadata: "FULL", file: true},
}

// TestEquality runs concurrent writers against every row of the matrix, from before the initial load on, kills the
// process at random moments, and compares every row. CDC2LAKE_SEED replays one seed.
func TestEquality(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers")
	}
	servers := map[string]*testenv.MySQLServer{}
	for i, set := range matrix {
		name := fmt.Sprintf("%s-p%d-v%d-gtid=%t-%s-%s-file=%t", set.interval, set.parallelism, set.format, set.gtid, set.catalog, set.metadata, set.file)
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			if s := os.Getenv("CDC2LAKE_SEED"); s != "" {
				var err error
				if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("seed %d", seed)
			key := fmt.Sprint(set.gtid, set.metadata)
			m := servers[key]
			if m == nil {
				vars := map[string]string{"binlog_row_metadata": set.metadata}
				if !set.gtid {
					vars["gtid_mode"], vars["enforce_gtid_consistency"] = "OFF", "OFF"
				}
				var err error
				if m, err = testenv.MySQL(t.Context(), testenv.MySQLOptions{Vars: vars}); err != nil {
					t.Fatal(err)
				}
				servers[key] = m
			}
			equality(t, m, fmt.Sprintf("eq%d", i), set, seed)
		})
	}
	for _, m := range servers {
		m.Stop() //nolint:errcheck // its process ends with ours anyway
	}
}

func equality(t *testing.T, m *testenv.MySQLServer, db string, set settings, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fill(t, m, db, rng, 6000)
	p := newPipeline(t, m, db, set)
	w := startWorkload(t, m, db, seed, 2)
	p.start()
	kills := 3
	for range kills {
		time.Sleep(time.Duration(300+rng.IntN(3000)) * time.Millisecond) // the moment of the kill is the random choice under test
		if err := p.dead(); err != nil {
			w.finish()
			t.Fatal(err)
		}
		p.kill()
		p.start()
	}
	time.Sleep(time.Duration(1000+rng.IntN(1000)) * time.Millisecond)
	w.finish()
	t.Logf("%d row changes, %d SIGKILLs", w.changes.Load(), kills)
	p.equal(m, 90*time.Second, tables...)
	if n, err := p.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if d, err := p.differences(t.Context(), m, tables...); err != nil || len(d) > 0 {
		t.Errorf("after the end: %v %v", err, d)
	}
}
