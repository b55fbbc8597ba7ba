package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestPauseAndResume: a table stands still and goes on again under constant writes, while the other one follows and the service is killed.
func TestPauseAndResume(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	tr.well("a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil {
			tr.mysql.Exec(ctx, "USE `"+tr.db+"`", "UPDATE a SET n = n + 1 LIMIT 5", "INSERT INTO a (id, v) SELECT MAX(id) + 1, 'x' FROM a", //nolint:errcheck // it is cut off at the end
				"DELETE FROM b ORDER BY id LIMIT 1")
		}
	})
	stop := sync.OnceFunc(func() { cancel(); writing.Wait() })
	defer stop()
	a := tr.db + ".a"
	tr.must("pause", a)
	first := tr.shows("a", "paused", "PAUSED_BY_USER")
	tr.must("pause", tr.db+".?", "--no-wait")
	tr.shows("b", "paused", "PAUSED_BY_USER")
	tr.kill()
	tr.start()
	if now := tr.shows("a", "paused", "PAUSED_BY_USER"); now.Rows != first.Rows {
		t.Errorf("the paused table had %d rows, and has %d", first.Rows, now.Rows)
	}
	tr.must("resume", tr.db+".b")
	tr.sql("ALTER TABLE a ADD COLUMN late INT", "UPDATE a SET late = id")
	tr.must("resume", a, "--no-wait")
	tr.kill()
	tr.must("pause", a, "--no-wait")
	tr.must("resume", a, "--no-wait")
	tr.start()
	stop()
	tr.equal(tr.mysql, soon, "a", "b")
	if out, code := tr.tell("pause", tr.db+".nosuch"); code == 0 || !strings.Contains(out, "UNKNOWN_TABLE") {
		t.Errorf("pause of what is not there: %d: %s", code, out)
	}
	if n, err := tr.metric("cdc2lake_divergent_rows_total"); err != nil || n != 0 {
		t.Errorf("divergence alarm: %v, %v", n, err)
	}
	tr.stops()
}

func (tr *trial) must(args ...string) {
	tr.t.Helper()
	if out, code := tr.tell(args...); code != 0 {
		tr.t.Fatal(fmt.Sprint(args), code, out)
	}
}
