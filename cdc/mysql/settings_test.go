package mysql

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestLogSettings follows servers whose logs look different: without checksums, compressed, in many small files, with annotations and with
// minimal metadata. Connections are killed, and the log is rotated, while random writers run.
func TestLogSettings(t *testing.T) {
	for _, c := range []struct {
		name string
		vars map[string]string
	}{
		{"no checksums", map[string]string{"binlog_checksum": "NONE"}},
		{"no checksums, compressed", map[string]string{"binlog_checksum": "NONE", "binlog_transaction_compression": "ON"}},
		{"small files", map[string]string{"max_binlog_size": "4096"}},
		{"small files, by position, compressed", map[string]string{"max_binlog_size": "4096", "gtid_mode": "OFF", "enforce_gtid_consistency": "OFF", "binlog_transaction_compression": "ON"}},
		{"annotated, small events", map[string]string{"binlog_rows_query_log_events": "ON", "binlog_row_event_max_size": "256", "binlog_row_metadata": "MINIMAL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.vars["gtid_mode"] == "" {
				testenv.Slow(t)
			}
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			s := server(t, c.vars)
			ctx := timeout(t, 2*time.Minute)
			must(t, s.Exec(ctx, "CREATE DATABASE d"))
			ids := createShapes(t, func(q ...string) { t.Helper(); must(t, s.Exec(ctx, q...)) }, "d")
			src := newSource(t, config(s, "d"))
			p, _ := startAll(t, src, false)
			p.sink.keep = true
			p.catchUp(ctx) // a checkpoint to go back to
			wrote := make(chan struct{})
			go func() {
				defer close(wrote)
				writeRandomly(ctx, t, s, "d", rand.New(rand.NewPCG(seed, 1)), 150)
			}()
			restarts := 0
			restart := func() {
				wantCode(t, p.err, codeLostMidway)
				p.once.Do(func() {})
				p = resume(t, p, src)
				restarts++
			}
			for running := true; running; {
				select {
				case <-wrote:
					running = false
				case <-p.done:
					restart()
				case p.sink.due <- 1:
				case <-time.After(30 * time.Millisecond): // the moment is what is tested
					if rand.IntN(2) == 0 {
						must(t, s.Exec(ctx, "FLUSH BINARY LOGS"))
					} else {
						killDumps(ctx, t, s)
					}
				}
			}
			for p.ended() {
				restart()
			}
			p.catchUp(ctx)
			for _, id := range ids {
				p.sink.equal(s, id)
			}
			t.Logf("%d restarts", restarts)
			p.stop()
		})
	}
}

// TestEncryptedLog: the server decrypts its log for those who ask for it, also over a change of its key.
func TestEncryptedLog(t *testing.T) {
	testenv.Slow(t)
	s := server(t, map[string]string{"transaction_isolation": "READ-COMMITTED"})
	ctx := timeout(t, time.Minute)
	plugins, err := s.Query(ctx, "SELECT @@plugin_dir")
	must(t, err)
	if _, err := os.Stat(filepath.Join(plugins[0][0], "component_keyring_file.cnf")); err != nil {
		t.Skip("the server has no keyring: ", err)
	}
	must(t, s.Exec(ctx, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 1)"))
	data := filepath.Join(s.Dir(), "data")
	must(t, os.WriteFile(filepath.Join(data, "mysqld.my"), []byte(`{"components": "file://component_keyring_file"}`), 0o444))
	must(t, os.WriteFile(filepath.Join(data, "component_keyring_file.cnf"), fmt.Appendf(nil, `{"path": %q, "read_only": false}`, filepath.Join(s.Dir(), "keyring")), 0o444))
	must(t, s.RestartWith(ctx, map[string]string{"binlog_encryption": "ON"}))
	cfg := config(s, "d")
	cfg.xaMemory = 1 // XA rows are read again
	src := newSource(t, cfg)
	p, ds := startAll(t, src, true)
	must(t, p.load(ctx, ds[0].Table, 1))
	for i := range 4 {
		must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 1)", 10*i+2), "UPDATE d.t SET v = v + 1", "XA START 'x'", fmt.Sprintf("INSERT INTO d.t VALUES (%d, 5), (%d, 5)", 10*i+3, 10*i+4), "XA END 'x'", "XA PREPARE 'x'"))
		switch i {
		case 1:
			must(t, s.Exec(ctx, "ALTER INSTANCE ROTATE BINLOG MASTER KEY"))
		case 2:
			must(t, s.Restart(ctx))
		}
		must(t, s.Exec(ctx, "XA COMMIT 'x'"))
		p.catchUp(ctx)
		p.sink.equal(s, ds[0].Table)
	}
	logs, err := s.Query(ctx, "SHOW BINARY LOGS")
	must(t, err)
	if last := logs[len(logs)-1]; last[2] != "Yes" {
		t.Fatalf("the log is not encrypted: %v", last)
	}
	p.stop()
}
