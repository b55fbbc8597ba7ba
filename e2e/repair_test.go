package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRepairKilled: rows that no log tells of are repaired while they also change in the log, and while the service is killed again and
// again. In the end a reader of its own finds the tables equal.
func TestRepairKilled(t *testing.T) {
	needServers(t)
	tr := sharedTrial(t, settings{file: true})
	var rows []string
	for i := range 2000 {
		rows = append(rows, fmt.Sprintf("(%d, 'r%d', 0)", 100+i, i))
	}
	tr.sql("INSERT INTO a VALUES " + strings.Join(rows, ","))
	tr.well("a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			time.Sleep(5 * time.Millisecond)
			if err := tr.mysql.Exec(context.Background(), "USE `"+tr.db+"`", fmt.Sprintf("UPDATE a SET n = n + 1 WHERE id %% 50 = %d", i%50),
				fmt.Sprintf("REPLACE INTO a VALUES (%d, 'again', %d)", 100+i*7%2000, i), fmt.Sprintf("DELETE FROM a WHERE id = %d", 100+i*13%2000)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer func() { cancel(); writer.Wait() }()
	tr.sql("SET sql_log_bin = 0", "UPDATE a SET v = CONCAT(v, '!') WHERE id % 3 = 0", "DELETE FROM a WHERE id % 5 = 0", "INSERT INTO b VALUES (1000, 'x', 1), (1001, 'y', 2)",
		"DELETE FROM b WHERE id = 3", "UPDATE b SET k = 'moved' WHERE id = 4")
	for range 3 {
		var out bytes.Buffer
		limit, end := context.WithTimeout(t.Context(), 3*time.Minute)
		cmd := exec.CommandContext(limit, tr.bin, "verify", "--repair", "--config", tr.cfg)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for range 6 {
			time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond) // a crash comes at any time
			tr.kill()
			tr.start()
		}
		err := <-done
		end()
		tr.heard.Write(out.Bytes())
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 75 { // 75: what could not be decided meanwhile
			t.Fatalf("verify --repair: %v\n%s", err, out.String())
		}
	}
	cancel()
	writer.Wait()
	if out, code := tr.tell("verify", "--repair"); code != 0 {
		t.Errorf("verify: %d: %s", code, out)
	}
	tr.equal(tr.mysql, soon, "a", "b")
	tr.contains("the log", tr.logged(), "rows repaired")
	tr.stops()
}
