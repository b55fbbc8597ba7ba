package iceberg

import (
	"encoding/hex"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/google/go-cmp/cmp"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestBucketHash: the values of the specification's appendix B.
func TestBucketHash(t *testing.T) {
	micros := func(s string) int64 {
		x, err := time.Parse("2006-01-02T15:04:05.999999Z07:00", s)
		if err != nil {
			t.Fatal(err)
		}
		return x.UnixMicro()
	}
	for _, c := range []struct {
		what string
		got  uint32
		want int32
	}{
		{"34", murmur3Long(34), 2017239379},
		{"date 2017-11-16", murmur3Long(micros("2017-11-16T00:00:00Z") / microsPerDay), -653330422},
		{"timestamp 2017-11-16T22:31:08", murmur3Long(micros("2017-11-16T22:31:08Z")), -2047944441},
		{"timestamp 2017-11-16T22:31:08.000001", murmur3Long(micros("2017-11-16T22:31:08.000001Z")), -1207196810},
		{"timestamptz 2017-11-16T14:31:08-08:00", murmur3Long(micros("2017-11-16T14:31:08-08:00")), -2047944441},
		{"decimal 14.20", murmur3(minimalBytes(new([16]byte), 0, 1420)), -500754589},
		{"string iceberg", murmur3([]byte("iceberg")), 1210000089},
		{"binary 00 01 02 03", murmur3([]byte{0, 1, 2, 3}), -188683207},
	} {
		if int32(c.got) != c.want {
			t.Errorf("%s: %d, want %d", c.what, int32(c.got), c.want)
		}
	}
}

func TestMinimalBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "00", 1: "01", -1: "ff", 127: "7f", 128: "0080", -128: "80", -129: "ff7f", 255: "00ff", 65536: "010000"} {
		if got := hex.EncodeToString(minimalBytes(new([16]byte), n>>63, n)); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// TestCivil compares with the time package over 10,000 years.
func TestCivil(t *testing.T) {
	for d := int64(-1_500_000); d < 3_000_000; d += 13 {
		x := time.Unix(d*86400, 0).UTC()
		if y, m := civil(d); y != int64(x.Year()) || m != int64(x.Month()) {
			t.Fatalf("day %d: %d-%d, want %s", d, y, m, x)
		}
	}
}

// TestPartitionTransforms compares every transform on every type that it is defined for with iceberg-go, and sends the values through
// a committable.
func TestPartitionTransforms(t *testing.T) {
	s := modelSchema(0, 1)
	r := rand.New(rand.NewPCG(3, 3))
	pool := cdc.NewBatchPool(s)
	b := pool.Get()
	var rows []testRow
	var sel []int32
	for i := range 400 {
		row := randomRow(s, r)
		rows, sel = append(rows, row), append(sel, int32(i))
		appendRow(b, cdc.OpInsert, row)
	}
	used := 0
	for _, tr := range []iceberggo.Transform{iceberggo.IdentityTransform{}, iceberggo.BucketTransform{NumBuckets: 16}, iceberggo.TruncateTransform{Width: 10},
		iceberggo.YearTransform{}, iceberggo.MonthTransform{}, iceberggo.DayTransform{}, iceberggo.HourTransform{}} {
		for i := range s.Columns {
			c := &s.Columns[i]
			typ := icebergType(c.Type, new(int))
			tab := newTestTable(t)
			tab.target(s) //nolint:errcheck // for the field ids only
			tab.spec = iceberggo.NewPartitionSpecID(3, iceberggo.PartitionField{SourceIDs: []int{tab.ids[c.Name]}, FieldID: 1000, Name: "p", Transform: tr})
			target, _ := tab.target(s)
			p, err := newPartitioner(target)
			float := c.Type.Kind == cdc.KindFloat32 || c.Type.Kind == cdc.KindFloat64
			if legal := tr.CanTransform(typ) && !float; legal != (err == nil) {
				t.Errorf("%s(%s): %v, iceberg-go says %t", tr, typ, err, legal)
				continue
			}
			if err != nil {
				if cdc.AsError(err) == nil || cdc.AsError(err).Code != codePartition {
					t.Errorf("%s(%s): %v", tr, typ, err)
				}
				continue
			}
			used++
			parts := p.assign(b, sel, nil)
			for j, row := range rows {
				var want any
				if o := tr.Apply(iceberggo.Optional[iceberggo.Literal]{Valid: row[i] != nil, Val: literal(c.Type, row[i])}); o.Valid {
					want = o.Val.Any()
				}
				got := parts[j].values[1000]
				if !reflect.DeepEqual(plain(got), plain(want)) {
					t.Fatalf("%s(%s) of %v: %v (%T), want %v (%T)", tr, typ, row[i], got, got, want, want)
				}
				for k := range j {
					if (parts[k] == parts[j]) != reflect.DeepEqual(parts[k].values, parts[j].values) {
						t.Fatalf("%s(%s): rows %d and %d: equal values and one partition are not the same", tr, typ, j, k)
					}
				}
				if j > 60 {
					break
				}
			}
			for j, part := range parts[:60] {
				df := partitionedFile(t, target, rows[j], part.values)
				enc, err := codec.EncodeDataFile(df, tab.spec, target.schema, 2)
				if err != nil {
					t.Fatalf("%s(%s): %v", tr, typ, err)
				}
				back, err := codec.DecodeDataFile(enc, tab.spec, target.schema, 2)
				if err != nil {
					t.Fatalf("%s(%s): %v", tr, typ, err)
				}
				if d := cmp.Diff(plain(part.values[1000]), plain(back.Partition()[1000])); d != "" {
					t.Fatalf("%s(%s) came back otherwise: %s", tr, typ, d)
				}
			}
		}
	}
	if used < 30 {
		t.Errorf("only %d combinations", used)
	}
}

// plain makes values comparable whatever named type they have.
func plain(v any) any {
	switch v := v.(type) {
	case iceberggo.Decimal:
		return v.Val.BigInt().String()
	case iceberggo.DecimalLiteral:
		return v.Val.BigInt().String()
	case []byte:
		return string(v)
	case iceberggo.BinaryLiteral:
		return string(v)
	}
	x := reflect.ValueOf(v)
	switch {
	case !x.IsValid():
		return nil
	case x.CanInt():
		return x.Int()
	}
	return v
}

func literal(t cdc.Type, v any) iceberggo.Literal {
	switch v := v.(type) {
	case bool:
		return iceberggo.NewLiteral(v)
	case int32:
		if t.Kind == cdc.KindDate {
			return iceberggo.NewLiteral(iceberggo.Date(v))
		}
		return iceberggo.NewLiteral(v)
	case int64:
		switch t.Kind {
		case cdc.KindDecimal:
			return iceberggo.NewLiteral(iceberggo.Decimal{Val: decimal128.FromI64(v), Scale: int(t.Scale)})
		case cdc.KindInt64:
			return iceberggo.NewLiteral(v)
		default:
			return iceberggo.NewLiteral(iceberggo.Timestamp(v))
		}
	case [2]int64:
		return iceberggo.NewLiteral(iceberggo.Decimal{Val: decimal128.New(v[1], uint64(v[0])), Scale: int(t.Scale)})
	case string:
		if t.Kind == cdc.KindBinary {
			return iceberggo.NewLiteral([]byte(v))
		}
		return iceberggo.NewLiteral(v)
	}
	return nil
}

// partitionedFile describes a file of one row, as the encoder does.
func partitionedFile(t testing.TB, target *writeTarget, row testRow, values map[int]any) iceberggo.DataFile {
	t.Helper()
	l, err := newParquetLayout(target)
	if err != nil {
		t.Fatal(err)
	}
	b := cdc.NewBatchPool(target.source).Get()
	appendRow(b, cdc.OpInsert, row)
	set := &colSet{}
	*set = *(&colPool{}).get(l)
	set.gather(l, b, []int32{0})
	w, err := newParquetWriter(l, io.Discard, set, &bufferAllocator{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write(set); err != nil {
		t.Fatal(err)
	}
	meta, err := w.close()
	if err != nil {
		t.Fatal(err)
	}
	df, err := makeDataFile(target, "file:///x", w.out.n, meta, values)
	if err != nil {
		t.Fatal(err)
	}
	return df
}
