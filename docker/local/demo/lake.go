package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	iceberggo "github.com/apache/iceberg-go"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	icebergio "github.com/apache/iceberg-go/io"
	_ "modernc.org/sqlite" // database/sql driver "sqlite"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// lake reads the Iceberg tables with iceberg-go's own catalog and scanner, as another program would.
type lake struct {
	db     *sql.DB
	client *objstore.Client
	cat    *sqlcat.Catalog
}

func openLake(catalogFile string, s3 *testenv.S3Server) (*lake, error) {
	client, err := objstore.NewClient(objstore.Config{Endpoint: s3.Endpoint, Region: s3.Region, AccessKey: s3.AccessKey, SecretKey: objstore.Secret(s3.SecretKey)})
	if err != nil {
		return nil, err
	}
	icebergio.Unregister("s3")
	icebergio.Register("s3", func(ctx context.Context, _ *url.URL, _ map[string]string) (icebergio.IO, error) {
		return objects{ctx, client}, nil
	})
	db, err := sql.Open("sqlite", "file:"+catalogFile+"?mode=ro&_pragma=busy_timeout(15000)")
	if err != nil {
		return nil, err
	}
	cat, err := sqlcat.NewCatalog("cdc2lake", db, sqlcat.SQLite, iceberggo.Properties{"init_catalog_tables": "false"})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &lake{db, client, cat}, nil
}

func (l *lake) close() {
	l.client.Close()
	_ = l.db.Close() // opened for reading
}

// rows scans a table.
func (l *lake) rows(ctx context.Context, t table) (out lakeRows, info string, err error) {
	tbl, err := l.cat.LoadTable(ctx, []string{shop, t.name})
	if err != nil {
		return out, "", err
	}
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	schema, batches, err := tbl.Scan().ToArrowRecords(ctx)
	if err != nil {
		return out, "", err
	}
	out.byKey = map[string]string{}
	index := make([]int, len(names))
	for i, n := range names {
		found := schema.FieldIndices(n)
		if len(found) != 1 {
			return out, "", fmt.Errorf("column %s is there %d times", n, len(found))
		}
		index[i] = found[0]
	}
	for batch, err := range batches {
		if err != nil {
			return out, "", err
		}
		text := make([]string, len(names))
		for row := range int(batch.NumRows()) {
			for i, c := range index {
				if text[i], err = printValue(batch.Column(c), row); err != nil {
					return out, "", fmt.Errorf("column %s: %w", names[i], err)
				}
			}
			k := strings.Join(text[:t.key], separator)
			if _, ok := out.byKey[k]; ok {
				out.twice = append(out.twice, k)
			}
			out.byKey[k] = strings.Join(text, separator)
			out.n++
		}
		batch.Release()
	}
	return out, fmt.Sprintf("v%d, %d snapshots", tbl.Metadata().Version(), len(tbl.Metadata().Snapshots())), nil
}

// location is where a table's present metadata file is.
func (l *lake) location(ctx context.Context, name string) (string, error) {
	tbl, err := l.cat.LoadTable(ctx, []string{shop, name})
	if err != nil {
		return "", err
	}
	return tbl.MetadataLocation(), nil
}

// printValue writes a value as MySQL's CAST AS CHAR does.
func printValue(col arrow.Array, i int) (string, error) {
	if col.IsNull(i) {
		return null, nil
	}
	switch c := col.(type) {
	case array.ExtensionArray:
		return printValue(c.Storage(), i)
	case *array.Boolean:
		if c.Value(i) {
			return "1", nil
		}
		return "0", nil
	case *array.Int32:
		return strconv.FormatInt(int64(c.Value(i)), 10), nil
	case *array.Int64:
		return strconv.FormatInt(c.Value(i), 10), nil
	case *array.Float64:
		return strconv.FormatFloat(c.Value(i), 'g', -1, 64), nil
	case *array.Decimal32:
		return c.Value(i).ToString(c.DataType().(*arrow.Decimal32Type).Scale), nil
	case *array.Decimal64:
		return c.Value(i).ToString(c.DataType().(*arrow.Decimal64Type).Scale), nil
	case *array.Decimal128:
		return c.Value(i).ToString(c.DataType().(*arrow.Decimal128Type).Scale), nil
	case *array.Date32:
		return c.Value(i).ToTime().Format(time.DateOnly), nil
	case *array.Timestamp:
		return time.UnixMicro(int64(c.Value(i))).UTC().Format("2006-01-02 15:04:05.000000"), nil
	case *array.String:
		return c.Value(i), nil
	case *array.LargeString:
		return c.Value(i), nil
	}
	return "", fmt.Errorf("type %s is not expected in the shop", col.DataType())
}

// objects is the part of iceberg-go's file interface that reading needs.
type objects struct {
	ctx    context.Context
	client *objstore.Client
}

func (o objects) Open(name string) (icebergio.File, error) {
	s, key, err := o.client.Resolve(o.ctx, name)
	if err != nil {
		return nil, err
	}
	return s.Open(o.ctx, key)
}

func (objects) Remove(string) error { return errors.New("only reading is expected") }
