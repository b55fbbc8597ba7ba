package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestReaders has programs that share nothing with us read the tables. It runs where e2e/readers/run has installed them.
func TestReaders(t *testing.T) {
	python := os.Getenv("CDC2LAKE_READERS_PYTHON")
	if python == "" {
		t.Skip("run e2e/readers/run (make test-readers)")
	}
	db := testenv.NeedMySQL(t)
	ran, rows, wrong := 0, 0, 0
	for _, format := range []int{2, 3} {
		name := fmt.Sprintf("%s_v%d", db.Name, format)
		rng := rand.New(rand.NewPCG(uint64(format), 42))
		fill(t, db.MySQLServer, name, rng, 3000)
		p := newPipeline(t, db.MySQLServer, name, settings{interval: "1s", parallelism: 2, format: format, catalog: "sqlite"})
		w := startWorkload(t, db.MySQLServer, name, uint64(format), 2)
		p.start()
		time.Sleep(6 * time.Second) // several checkpoints, with rows changed in each
		w.finish()
		p.equal(db.MySQLServer, 60*time.Second, tables...)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []string{"pyiceberg", "duckdb"} {
			ran++
			for _, table := range tables {
				n, diffs, err := p.read(python, reader, table)
				rows += n
				wrong += len(diffs)
				if err != nil {
					t.Errorf("%s, v%d, %s: %v", reader, format, table, err)
					wrong++
				}
				for _, d := range diffs {
					t.Errorf("%s, v%d, %s: %s", reader, format, table, d)
				}
			}
		}
	}
	fmt.Printf("READERS ran=%d rows=%d wrong=%d\n", ran, rows, wrong)
}

// read compares one table as a reader shows it with MySQL.
func (p *pipeline) read(python, reader, table string) (int, []string, error) {
	want, cols, err := mysqlRows(p.t.Context(), p.mysql, p.db, table)
	if err != nil {
		return 0, nil, err
	}
	keys, err := p.keys(p.t.Context(), p.mysql, table)
	if err != nil {
		return 0, nil, err
	}
	arg := map[string]any{"reader": reader, "catalog": p.uri, "namespace": p.db, "table": table}
	var names []string
	var key []int
	for i, c := range cols {
		names = append(names, c.name)
		if keys[c.name] {
			key = append(key, i)
		}
	}
	arg["columns"] = names
	if p.s3 != nil {
		arg["s3"] = map[string]string{"endpoint": p.s3.Endpoint, "region": p.s3.Region, "access_key": p.s3.AccessKey, "secret_key": p.s3.SecretKey}
	}
	b, err := json.Marshal(arg)
	if err != nil {
		return 0, nil, err
	}
	cmd := exec.CommandContext(p.t.Context(), python, "readers/read.py", string(b))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	got := map[string]string{}
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		var row []*string
		if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
			return 0, nil, err
		}
		vals := make([]string, len(row))
		for i, v := range row {
			switch {
			case v == nil:
				vals[i] = null
			case cols[i].dataType == "float" || cols[i].dataType == "double":
				f, err := strconv.ParseFloat(*v, 64)
				if err != nil {
					return 0, nil, err
				}
				vals[i] = strconv.FormatFloat(f, 'g', -1, 64)
			default:
				vals[i] = *v
			}
		}
		k := rowKey(vals, key)
		if _, ok := got[k]; ok {
			return 0, nil, fmt.Errorf("the row with key %q is there twice", k)
		}
		got[k] = strings.Join(vals, "\x01")
	}
	return len(got), diff(want, got), sc.Err()
}
