package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
		readers := []string{"pyiceberg", "duckdb"}
		if spark := os.Getenv("CDC2LAKE_READERS_SPARK"); spark != "" {
			readers = append(readers, "spark")
			if err := p.startSpark(spark); err != nil {
				t.Fatal(err)
			}
		}
		for _, reader := range readers {
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
	var key []int
	for i, c := range cols {
		if keys[c.name] {
			key = append(key, i)
		}
	}
	var out []byte
	if reader == "spark" { // it has read all tables already
		out, err = os.ReadFile(filepath.Join(p.dir, "spark", table))
	} else {
		out, err = p.python(python, "readers/read.py", map[string]any{"reader": reader, "table": table, "columns": names(cols)})
	}
	if err != nil {
		return 0, nil, err
	}
	got, times := map[string]string{}, map[string]int{}
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
		k := rowKey(vals, key, times)
		if _, ok := got[k]; ok {
			return 0, nil, fmt.Errorf("the row with key %q is there twice", k)
		}
		got[k] = strings.Join(vals, "\x01")
	}
	return len(got), diff(want, got), sc.Err()
}

// startSpark has Spark read all tables, in one process since it takes long to start, into files for read.
func (p *pipeline) startSpark(python string) error {
	out := filepath.Join(p.dir, "spark")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	all := map[string][]string{}
	for _, table := range tables {
		_, cols, err := mysqlRows(p.t.Context(), p.mysql, p.db, table)
		if err != nil {
			return err
		}
		all[table] = names(cols)
	}
	_, err := p.python(python, "readers/spark.py", map[string]any{"tables": all, "out": out, "ivy": os.Getenv("CDC2LAKE_READERS_IVY"),
		"packages": os.Getenv("CDC2LAKE_READERS_PACKAGES")})
	return err
}

// python runs a program of e2e/readers on the pipeline's catalog, and returns what it prints.
func (p *pipeline) python(python, program string, arg map[string]any) ([]byte, error) {
	arg["catalog"], arg["namespace"], arg["s3"] = p.uri, p.db, nil
	if p.s3 != nil {
		arg["s3"] = map[string]string{"endpoint": p.s3.Endpoint, "region": p.s3.Region, "access_key": p.s3.AccessKey, "secret_key": p.s3.SecretKey}
	}
	b, err := json.Marshal(arg)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(p.t.Context(), python, program, string(b))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return out, nil
}

func names(cols []column) []string {
	var out []string
	for _, c := range cols {
		out = append(out, c.name)
	}
	return out
}
