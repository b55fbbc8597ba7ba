package fidelity

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	iceberggo "github.com/apache/iceberg-go"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	icetable "github.com/apache/iceberg-go/table"
	_ "modernc.org/sqlite"
)

// content is what a reader finds in a table; columns in the order of the Iceberg schema.
type content struct {
	columns []string
	docs    map[string]string
	rows    [][]string
}

// goCatalog is the pipeline's catalog, opened with iceberg-go's own client.
type goCatalog struct {
	*sqlcatalog.Catalog
	db *sql.DB
}

func (c goCatalog) Close() error { return c.db.Close() }

func (l *lake) catalog() (goCatalog, error) {
	db, err := sql.Open("sqlite", "file:"+l.dir+"/catalog.db?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return goCatalog{}, err
	}
	cat, err := sqlcatalog.NewCatalog("cdc2lake", db, sqlcatalog.SQLite, iceberggo.Properties{})
	return goCatalog{cat, db}, err
}

// readGo reads a table with iceberg-go.
func readGo(ctx context.Context, cat goCatalog, namespace, name string) (*content, error) {
	tbl, err := cat.LoadTable(ctx, icetable.Identifier{namespace, name})
	if err != nil {
		return nil, err
	}
	out := &content{docs: map[string]string{}}
	for _, f := range tbl.Schema().Fields() {
		out.columns = append(out.columns, f.Name)
		out.docs[f.Name] = f.Doc
	}
	_, it, err := tbl.Scan().ToArrowRecords(ctx)
	if err != nil {
		return nil, err
	}
	for rec, err := range it {
		if err != nil {
			return nil, err
		}
		if int(rec.NumCols()) != len(out.columns) {
			return nil, fmt.Errorf("%d columns, and a batch of %d", len(out.columns), rec.NumCols())
		}
		for r := range int(rec.NumRows()) {
			cells := make([]string, len(out.columns))
			for i := range cells {
				cells[i] = cell(rec.Column(i), r)
			}
			out.rows = append(out.rows, cells)
		}
		rec.Release()
	}
	return out, nil
}

// cell is a value in the notation of column.
func cell(a arrow.Array, r int) string {
	if a.IsNull(r) {
		return null
	}
	double := func(f float64) string { return fmt.Sprintf("f:%016x", math.Float64bits(f)) }
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(r) {
			return "B:1"
		}
		return "B:0"
	case *array.Int32:
		return "i:" + strconv.Itoa(int(a.Value(r)))
	case *array.Int64:
		return "i:" + strconv.FormatInt(a.Value(r), 10)
	case *array.Float32:
		return double(float64(a.Value(r)))
	case *array.Float64:
		return double(a.Value(r))
	case *array.Decimal128:
		return "n:" + a.Value(r).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.String:
		return "s:" + hex.EncodeToString([]byte(a.Value(r)))
	case *array.LargeString:
		return "s:" + hex.EncodeToString([]byte(a.Value(r)))
	case *array.Binary:
		return "b:" + hex.EncodeToString(a.Value(r))
	case *array.LargeBinary:
		return "b:" + hex.EncodeToString(a.Value(r))
	case *array.Date32:
		return fmt.Sprintf("d:%d", a.Value(r))
	case *array.List:
		from, to := a.ValueOffsets(r)
		var list []string
		for i := from; i < to; i++ {
			list = append(list, cell(a.ListValues(), int(i)))
		}
		return "[" + strings.Join(list, ",") + "]"
	case *array.Timestamp:
		typ := a.DataType().(*arrow.TimestampType)
		if typ.Unit != arrow.Microsecond {
			return "unexpected " + typ.String()
		}
		if typ.TimeZone != "" {
			return fmt.Sprintf("z:%d", a.Value(r))
		}
		return fmt.Sprintf("t:%d", a.Value(r))
	}
	return fmt.Sprintf("unexpected %T", a)
}

// differences compares MySQL's table with what a reader has found: rows as a multiset, columns by name.
func (t *table) differences(got *content) []string {
	at := map[string]int{}
	for i, name := range got.columns {
		at[name] = i
	}
	order := make([]int, len(t.columns))
	for i, c := range t.columns {
		n, ok := at[c.Name]
		if !ok {
			return []string{"no column " + c.Name + " among " + strings.Join(got.columns, ", ")}
		}
		order[i] = n
		if got.docs != nil && c.comment != got.docs[c.Name] {
			return []string{fmt.Sprintf("doc of %s: %q, MySQL: %q", c.Name, got.docs[c.Name], c.comment)}
		}
	}
	if len(got.columns) != len(order) {
		return []string{fmt.Sprintf("%d columns, MySQL has %d: %s", len(got.columns), len(order), strings.Join(got.columns, ", "))}
	}
	rows := make([]string, len(got.rows))
	for r, cells := range got.rows {
		put := make([]string, len(order))
		for i, n := range order {
			put[i] = cells[n]
		}
		rows[r] = strings.Join(put, " ")
	}
	sort.Strings(rows)
	var missing, extra []string
	i, j := 0, 0
	for i < len(t.rows) || j < len(rows) {
		switch {
		case j == len(rows) || i < len(t.rows) && t.rows[i] < rows[j]:
			missing = append(missing, "MySQL "+t.show(t.rows[i]))
			i++
		case i == len(t.rows) || t.rows[i] > rows[j]:
			extra = append(extra, "table "+t.show(rows[j]))
			j++
		default:
			i, j = i+1, j+1
		}
	}
	total := len(missing) + len(extra)
	if total == 0 {
		return nil
	}
	return append(append(missing[:min(3, len(missing))], extra[:min(3, len(extra))]...), fmt.Sprintf("%d rows in MySQL, %d in the table, %d without a counterpart", len(t.rows), len(rows), total))
}

// show prints a row for people.
func (t *table) show(row string) string {
	var b strings.Builder
	for i, c := range strings.Split(row, " ") {
		if strings.HasPrefix(c, "s:") {
			if text, err := hex.DecodeString(c[2:]); err == nil {
				c = "s:" + strconv.Quote(string(text))
			}
		}
		if len(c) > 100 {
			c = c[:100] + "…"
		}
		fmt.Fprintf(&b, "%s=%s ", t.columns[i].Name, c)
	}
	return strings.TrimSpace(b.String())
}
