package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

// ReadRange reads the rows of a range of the table's key in key order, in one consistent SELECT, for comparisons. Batches carry one
// reference and no chunk. It does not wait for the log; compare positions with CurrentPosition.
func (s *Source) ReadRange(ctx context.Context, schema *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	where, err := chunkCondition(schema, c)
	if err != nil {
		return err
	}
	return s.readWhere(ctx, schema, where, emit)
}

// ReadKeys reads the rows with the keys that stand in rows of a batch (of the same key columns, by name), in key order.
// Keys that the table does not have give no row.
func (s *Source) ReadKeys(ctx context.Context, schema *cdc.Schema, keys *cdc.Batch, rows []int32, emit func(*cdc.Batch) error) error {
	return s.eachKeys(schema, keys, rows, func(where string) error { return s.readWhere(ctx, schema, where, emit) })
}

// ReadRows is ReadKeys that sees everything the log has delivered; see cdc.Loader.
func (s *Source) ReadRows(ctx context.Context, schema *cdc.Schema, keys *cdc.Batch, rows []int32, emit func(*cdc.Batch) error) error {
	return s.eachKeys(schema, keys, rows, func(where string) error {
		return s.pool.with(ctx, func(cn *conn) error {
			snap, err := s.delivered.snapshot(ctx, schema.Table)
			if err != nil {
				return err
			}
			if err := s.waitVisible(ctx, cn, schema.Table, snap); err != nil {
				return err
			}
			return s.stream(ctx, cn, schema, where, "", "repair", emit)
		})
	})
}

// Keys makes a batch of deletes; see cdc.Loader.
func (s *Source) Keys(schema *cdc.Schema, keys [][]byte) (*cdc.Batch, error) {
	h := cdc.NewKeyHasher(schema, s.cfg.KeySeed)
	return cdc.KeyBatch(schema, keys, h)
}

// eachKeys calls read with conditions that have the keys, some hundreds at a time.
func (s *Source) eachKeys(schema *cdc.Schema, keys *cdc.Batch, rows []int32, read func(where string) error) error {
	def, cerr := binlog.ParseSource(schema)
	if cerr != nil {
		return cerr
	}
	const perStatement = 500
	for len(rows) > 0 {
		n := min(len(rows), perStatement)
		var alternatives []string
		for _, r := range rows[:n] {
			cond, err := keyCondition(schema, &def, keys, int(r))
			if err != nil {
				return err
			}
			alternatives = append(alternatives, cond)
		}
		if err := read("(" + strings.Join(alternatives, ") OR (") + ")"); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (s *Source) readWhere(ctx context.Context, schema *cdc.Schema, where string, emit func(*cdc.Batch) error) error {
	def, cerr := binlog.ParseSource(schema)
	if cerr != nil {
		return cerr
	}
	keys, err := keyColumns(&def)
	if err != nil {
		return err
	}
	return s.pool.with(ctx, func(cn *conn) error {
		return s.stream(ctx, cn, schema, where, orderBy(keys), "", func(b *cdc.Batch) error {
			n := b.N
			if err := emit(b); err != nil {
				return err
			}
			return s.rate.wait(ctx, n)
		})
	})
}

// keyCondition writes the equality of the table's key with row r of a batch. A collation may find other rows too, that
// are equal to it; the caller compares keys.
func keyCondition(schema *cdc.Schema, def *binlog.SourceTable, b *cdc.Batch, r int) (string, error) {
	var parts []string
	for _, i := range schema.Key {
		c := &schema.Columns[i]
		j := b.Schema.Column(c.Name)
		if j < 0 {
			return "", cdc.Errorf(cdc.CodeInternal, schema.Table, "the keys have no column %s", c.Name)
		}
		src := def.Columns[findColumn(def, c.Name)]
		lit, err := keyLiteral(&src, c.Type, &b.Cols[j], r)
		if err != nil {
			return "", cdc.Errorf(cdc.CodeKeyType, schema.Table, "key column %s: %w", c.Name, err)
		}
		parts = append(parts, quoteName(c.Name)+" = "+lit)
	}
	if len(parts) == 0 {
		return "", cdc.Errorf(cdc.CodeInternal, schema.Table, "the table has no key")
	}
	return strings.Join(parts, " AND "), nil
}

// keyLiteral writes a value of a batch as SQL.
func keyLiteral(src *binlog.SourceColumn, t cdc.Type, v *cdc.Vec, r int) (string, error) {
	switch t.Kind {
	case cdc.KindBool:
		return fmt.Sprint(v.U8[r]), nil
	case cdc.KindInt32:
		return fmt.Sprint(v.I32[r]), nil
	case cdc.KindInt64:
		return fmt.Sprint(v.I64[r]), nil
	case cdc.KindFloat32:
		return strconv.FormatFloat(float64(v.F32[r]), 'e', -1, 64), nil
	case cdc.KindFloat64:
		return strconv.FormatFloat(v.F64[r], 'e', -1, 64), nil
	case cdc.KindDecimal:
		if t.Layout() == cdc.LayoutI64 {
			return decimalLiteral(v.I64[r], v.I64[r]>>63, int(t.Scale)), nil
		}
		return decimalLiteral(v.I64[2*r], v.I64[2*r+1], int(t.Scale)), nil
	case cdc.KindDate:
		return "'" + formatMicros(int64(v.I32[r]) * 86400e6)[:10] + "'", nil
	case cdc.KindTimestamp, cdc.KindTimestampTZ:
		return "'" + formatMicros(v.I64[r]) + "'", nil
	case cdc.KindString:
		return stringLiteral(string(v.Bytes(r))), nil
	case cdc.KindBinary:
		return hexLiteral(src, v.Bytes(r)), nil
	default:
		return "", fmt.Errorf("type %s", t)
	}
}
