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

// pythonTable is a table as read.py is asked for it.
type pythonTable struct {
	Catalog   string `json:"catalog"`
	Namespace string `json:"namespace"`
	Table     string `json:"table"`
}

type pythonAnswer struct {
	pythonTable
	Columns []string   `json:"columns,omitempty"`
	Rows    [][]string `json:"rows,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// judgePython has PyIceberg and DuckDB read all tables that are not paused.
func (v *verdict) judgePython(ctx context.Context, lakes []*lake, python string, runs []*run) {
	type of struct {
		l   *lake
		r   *run
		tbl *table
	}
	asked := map[pythonTable]of{}
	var tables []pythonTable
	for _, l := range lakes {
		states := l.states()
		for _, r := range runs {
			for _, tbl := range r.tables {
				s, ok := states[tbl.db+"."+tbl.name]
				if r.c.batch != l.batch || r.failed != nil || !ok || s.State == "paused" || s.Iceberg == "" {
					continue
				}
				ns, name := destination(tbl.db, tbl.name)
				p := pythonTable{Catalog: l.dir + "/catalog.db", Namespace: ns, Table: name}
				asked[p] = of{l, r, tbl}
				tables = append(tables, p)
			}
		}
	}
	for _, reader := range []string{"pyiceberg", "duckdb"} {
		arg, err := json.Marshal(map[string]any{"reader": reader, "tables": tables})
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
			var p pythonAnswer
			if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
				v.t.Fatal(err)
			}
			o := asked[p.pythonTable]
			if p.Error != "" {
				err = errors.New(p.Error)
			} else {
				err = nil
			}
			v.compare(o.r.c, o.r.way+", v"+strconv.Itoa(o.l.format), reader, o.tbl, &content{columns: p.Columns, rows: p.Rows}, err)
		}
		if n != len(tables) {
			v.t.Errorf("%s has read %d of %d tables", reader, n, len(tables))
		}
	}
}
