package fidelity

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strconv"
)

// pythonTable is a table as read.py is asked for it, and as it answers.
type pythonTable struct {
	Namespace string     `json:"namespace"`
	Table     string     `json:"table"`
	Columns   []string   `json:"columns,omitempty"`
	Rows      [][]string `json:"rows,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// judgePython has PyIceberg and DuckDB read all tables that are not paused.
func (v *verdict) judgePython(ctx context.Context, l *lake, python string, runs []*run) {
	states := l.states()
	type of struct {
		r   *run
		tbl *table
	}
	asked := map[string]of{}
	var tables []pythonTable
	for _, r := range runs {
		for _, tbl := range r.tables {
			s, ok := states[tbl.db+"."+tbl.name]
			if r.failed != nil || !ok || s.State == "paused" || s.Iceberg == "" {
				continue
			}
			ns, name := destination(tbl.db, tbl.name)
			asked[ns+"."+name] = of{r, tbl}
			tables = append(tables, pythonTable{Namespace: ns, Table: name})
		}
	}
	for _, reader := range []string{"pyiceberg", "duckdb"} {
		arg, err := json.Marshal(map[string]any{"reader": reader, "catalog": l.dir + "/catalog.db", "tables": tables})
		if err != nil {
			v.t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, python, "read.py")
		cmd.Stdin = bytes.NewReader(arg)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			v.t.Fatalf("%s: %v: %s", reader, err, stderr.String())
		}
		n := 0
		sc := bufio.NewScanner(bytes.NewReader(out))
		sc.Buffer(nil, 256<<20)
		for ; sc.Scan(); n++ {
			var p pythonTable
			if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
				v.t.Fatal(err)
			}
			o := asked[p.Namespace+"."+p.Table]
			if p.Error != "" {
				err = errors.New(p.Error)
			} else {
				err = nil
			}
			v.compare(o.r.c, o.r.way+", v"+strconv.Itoa(l.format), reader, o.tbl, &content{columns: p.Columns, rows: p.Rows}, err)
		}
		if n != len(tables) {
			v.t.Errorf("%s has read %d of %d tables", reader, n, len(tables))
		}
	}
}
