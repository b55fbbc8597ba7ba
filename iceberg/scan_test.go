package iceberg

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	iceberggo "github.com/apache/iceberg-go"
	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// scanRows reads a data file with scanFile.
func scanRows(t testing.TB, st *storage, df iceberggo.DataFile, sc *iceberggo.Schema, s *cdc.Schema) ([]testRow, error) {
	t.Helper()
	fields, err := scanFields(sc, s, nil)
	if err != nil {
		return nil, err
	}
	var out []testRow
	err = st.scanFile(context.Background(), df, fields, func(cols []cdc.Vec, first uint32, n int) error {
		if int(first) != len(out) || n > cdc.MaxBatchRows {
			return fmt.Errorf("%d rows from %d after %d", n, first, len(out))
		}
		for c := range cols {
			if cols[c].Layout != s.Columns[c].Type.Layout() {
				return fmt.Errorf("column %s has layout %d", s.Columns[c].Name, cols[c].Layout)
			}
			nulls := 0
			for i := range n {
				if cols[c].IsNull(i) {
					nulls++
				}
			}
			if nulls != cols[c].Nulls {
				return fmt.Errorf("column %s: %d NULLs are counted as %d", s.Columns[c].Name, nulls, cols[c].Nulls)
			}
		}
		for i := range n {
			row := make(testRow, len(cols))
			for c := range cols {
				row[c] = vecValue(&cols[c], i)
			}
			out = append(out, row)
		}
		return nil
	})
	return out, err
}

func sameRows(got, want []testRow) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d rows, expected %d", len(got), len(want))
	}
	for i := range want {
		if g, w := showRow(got[i]), showRow(want[i]); g != w {
			return fmt.Errorf("row %d: %s, expected %s", i, g, w)
		}
	}
	return nil
}

// TestScanValues reads every type back: edge values, NULLs, row groups, dictionaries.
func TestScanValues(t *testing.T) {
	if testing.Short() {
		t.Skip("many rounds")
	}
	s := modelSchema(0, 1)
	s.Columns = append(s.Columns, cdc.Column{Name: "list", Type: cdc.Type{Kind: cdc.KindFloats}, Nullable: true}, cdc.Column{Name: "full", Type: cdc.Type{Kind: cdc.KindFloats}})
	st := testStorage(t)
	check := func(rt rapid.TB, seed uint64, n, per, group int) {
		tab := newTestTable(t)
		r := rand.New(rand.NewPCG(seed, 0))
		var rows []testRow
		for range n {
			rows = append(rows, randomRow(s, r))
		}
		_, df := writeFile(t, tab, s, rows, per, group)
		got, err := scanRows(t, st, df, tab.last.schema, s)
		if err == nil {
			err = sameRows(got, rows)
		}
		if err != nil {
			rt.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(1, 400).Draw(rt, "rows"), rapid.SampledFrom([]int{1, 7, 300, 2000}).Draw(rt, "set"), rapid.IntRange(1, 4).Draw(rt, "group"))
	})
	// Several batches and pages a row group, and groups that end within a batch.
	check(t, 1, 70_000, 10_000, 4)
}

// TestScanEvolved reads files that were written before the table's columns became what they are.
func TestScanEvolved(t *testing.T) {
	text := func(s string) *string { return &s }
	old := &cdc.Schema{Table: modelTable, Version: 1, Columns: []cdc.Column{
		{Name: "i", Type: cdc.Type{Kind: cdc.KindInt32}, Nullable: true},
		{Name: "gone", Type: cdc.Type{Kind: cdc.KindString}},
		{Name: "f", Type: cdc.Type{Kind: cdc.KindFloat32}},
		{Name: "d4", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 4, Scale: 2}},
		{Name: "d9", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 9, Scale: 2}},
		{Name: "d18", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 18, Scale: 2}, Nullable: true},
	}}
	added := []cdc.Column{
		{Name: "null", Type: cdc.Type{Kind: cdc.KindString}, Nullable: true},
		{Name: "bool", Type: cdc.Type{Kind: cdc.KindBool}, Initial: text("true")},
		{Name: "int", Type: cdc.Type{Kind: cdc.KindInt32}, Initial: text("-7")},
		{Name: "long", Type: cdc.Type{Kind: cdc.KindInt64}, Initial: text("-9007199254740991")},
		{Name: "float", Type: cdc.Type{Kind: cdc.KindFloat32}, Initial: text("0.5")},
		{Name: "double", Type: cdc.Type{Kind: cdc.KindFloat64}, Initial: text("-1.25e+100")},
		{Name: "dec9", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 9, Scale: 2}, Initial: text("-1234567.89")},
		{Name: "dec38", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 38, Scale: 3}, Initial: text("-0.001")},
		{Name: "date", Type: cdc.Type{Kind: cdc.KindDate}, Initial: text("1969-12-31")},
		{Name: "ts", Type: cdc.Type{Kind: cdc.KindTimestamp}, Initial: text("1969-12-31T23:59:59.999999")},
		{Name: "tz", Type: cdc.Type{Kind: cdc.KindTimestampTZ}, Initial: text("2024-02-29T00:00:00.000001+00:00")},
		{Name: "str", Type: cdc.Type{Kind: cdc.KindString}, Initial: text("zürich \"x\"\n")},
		{Name: "bin", Type: cdc.Type{Kind: cdc.KindBinary}, Initial: text("00ff10"), Nullable: true},
	}
	defaults := testRow{nil, true, int32(-7), int64(-1<<53 + 1), float32(0.5), -1.25e100, int64(-123456789), [2]int64{-1, -1}, int32(-1), int64(-1),
		int64(1709164800000001), "zürich \"x\"\n", "\x00\xff\x10"}
	now := &cdc.Schema{Table: modelTable, Version: 2, Columns: []cdc.Column{
		{Name: "d18", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 30, Scale: 2}, Nullable: true},
		{Name: "i", Type: cdc.Type{Kind: cdc.KindInt64}, Nullable: true},
		{Name: "f", Type: cdc.Type{Kind: cdc.KindFloat64}},
		{Name: "d4", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 38, Scale: 2}},
		{Name: "d9", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 12, Scale: 2}},
	}}
	now.Columns = append(now.Columns, added...)
	e, err := evolve(newSchema(old), len(old.Columns), nil, now, 3, nil, rowsStay)
	if err != nil {
		t.Fatal(err)
	}
	st, tab := testStorage(t), newTestTable(t)
	for i, c := range old.Columns {
		tab.ids[c.Name] = i + 1
	}
	rows := []testRow{{int32(math.MinInt32), "x", float32(-0.1), int64(-9999), int64(-999999999), int64(-999999999999999999)},
		{nil, "", float32(3e38), int64(9999), int64(0), nil}, {int32(math.MaxInt32), "y", float32(math.Inf(-1)), int64(0), int64(999999999), int64(1)}}
	wide := func(n int64) [2]int64 { return [2]int64{n, n >> 63} }
	var want []testRow
	for _, r := range rows {
		w := testRow{nil, nil, float64(r[2].(float32)), wide(r[3].(int64)), r[4]}
		if r[5] != nil {
			w[0] = wide(r[5].(int64))
		}
		if r[0] != nil {
			w[1] = int64(r[0].(int32))
		}
		want = append(want, append(w, defaults...))
	}
	_, df := writeFile(t, tab, old, rows, 2, 1)
	got, err := scanRows(t, st, df, e.schema, now)
	if err == nil {
		err = sameRows(got, want)
	}
	if err != nil {
		t.Fatal(err)
	}

	// The source narrows its columns again. In Iceberg they stay wide, files hold both, and values are read as the source has them.
	tab2 := newTestTable(t)
	tab2.ids = tab.ids
	tab2.widen = map[string]iceberggo.Type{"i": iceberggo.PrimitiveTypes.Int64, "f": iceberggo.PrimitiveTypes.Float64,
		"d4": iceberggo.DecimalTypeOf(38, 2), "d9": iceberggo.DecimalTypeOf(12, 2), "d18": iceberggo.DecimalTypeOf(30, 2)}
	_, df2 := writeFile(t, tab2, old, rows, 2, 1)
	for _, f := range []iceberggo.DataFile{df, df2} {
		got, err := scanRows(t, st, f, tab2.last.schema, old)
		if err == nil {
			err = sameRows(got, rows)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// What does not fit is an error, never another value.
	for name, v := range map[string]any{"i": int64(math.MaxInt32) + 1, "f": 0.1, "d4": [2]int64{10000, 0}, "d9": int64(-1000000000), "d18": [2]int64{0, 1}} {
		big := &cdc.Schema{Table: modelTable, Version: 3}
		row := testRow{}
		for _, c := range now.Columns[:5] {
			if c.Name == name {
				big.Columns, row = append(big.Columns, c), append(row, v)
			}
		}
		tab3 := newTestTable(t)
		tab3.ids = tab.ids
		_, df3 := writeFile(t, tab3, big, []testRow{row}, 2, 1)
		small := &cdc.Schema{Table: modelTable, Version: 4, Columns: []cdc.Column{old.Columns[old.Column(name)]}}
		if got, err := scanRows(t, st, df3, tab3.last.schema, small); err == nil || !strings.Contains(err.Error(), "does not fit") {
			t.Errorf("%s: %v was read as %v, %v", name, v, got, err)
		}
	}
}

// TestDefaultsAreExact: what the metadata cannot hold exactly is refused.
func TestDefaultsAreExact(t *testing.T) {
	for text, ok := range map[string]bool{"9007199254740991": true, "9007199254740993": false, "-9223372036854775808": false, "9223372036854775807": false} {
		_, _, err := addedField(&cdc.Column{Name: "n", Type: cdc.Type{Kind: cdc.KindInt64}, Initial: &text}, 1, 3)
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFitsPrecision(t *testing.T) {
	for p := uint8(1); p <= 38; p++ {
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(p)), nil)
		for _, sign := range []int64{1, -1} {
			for d := int64(-1); d <= 1; d++ {
				n := new(big.Int).Mul(new(big.Int).Add(limit, big.NewInt(d)), big.NewInt(sign))
				lo := int64(new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64)).Uint64())
				hi := new(big.Int).Rsh(n, 64).Int64()
				if got, want := fitsPrecision(lo, hi, p), n.CmpAbs(limit) < 0; got != want {
					t.Errorf("%s in %d digits: %t", n, p, got)
				}
			}
		}
	}
}

// keyKinds are tables with keys of every kind. of maps row numbers to keys, one to one, negative values included.
var keyKinds = []struct {
	name  string
	types []cdc.Type
	of    func(id int64) testRow
}{
	{"int", []cdc.Type{{Kind: cdc.KindInt32}}, func(id int64) testRow { return testRow{int32(id - 20)} }},
	{"long", []cdc.Type{{Kind: cdc.KindInt64}}, func(id int64) testRow { return testRow{(id - 20) << 56} }},
	{"bool", []cdc.Type{{Kind: cdc.KindBool}}, func(id int64) testRow { return testRow{id == 1} }},
	{"date", []cdc.Type{{Kind: cdc.KindDate}}, func(id int64) testRow { return testRow{int32(id - 20)} }},
	{"datetime", []cdc.Type{{Kind: cdc.KindTimestamp}}, func(id int64) testRow { return testRow{(id - 20) * 999_999_999} }},
	{"timestamp", []cdc.Type{{Kind: cdc.KindTimestampTZ}}, func(id int64) testRow { return testRow{(id - 20) * 999_999_999} }},
	{"decimal(9,2)", []cdc.Type{{Kind: cdc.KindDecimal, Precision: 9, Scale: 2}}, func(id int64) testRow { return testRow{(id - 20) * 10_000_001} }},
	{"decimal(18,0)", []cdc.Type{{Kind: cdc.KindDecimal, Precision: 18}}, func(id int64) testRow { return testRow{(id - 20) * 10_000_000_000_000_001} }},
	{"decimal(20,0)", []cdc.Type{{Kind: cdc.KindDecimal, Precision: 20}}, func(id int64) testRow { return testRow{[2]int64{-id, 0}} }},
	{"decimal(30,4)", []cdc.Type{{Kind: cdc.KindDecimal, Precision: 30, Scale: 4}}, func(id int64) testRow { return testRow{[2]int64{id * 7, id - 20}} }},
	{"decimal(38,38)", []cdc.Type{{Kind: cdc.KindDecimal, Precision: 38, Scale: 38}}, func(id int64) testRow { return testRow{[2]int64{id - 20, (id - 20) >> 63}} }},
	{"string", []cdc.Type{{Kind: cdc.KindString}}, func(id int64) testRow { return testRow{strings.Repeat("ü", int(id)) + "\x00"} }},
	{"binary", []cdc.Type{{Kind: cdc.KindBinary}}, func(id int64) testRow { return testRow{strings.Repeat("\xff", int(id))} }},
	{"int, string", []cdc.Type{{Kind: cdc.KindInt32}, {Kind: cdc.KindString}}, func(id int64) testRow { return testRow{int32(id%3 - 1), strings.Repeat("a", int(id/3))} }},
	{"string, string", []cdc.Type{{Kind: cdc.KindString}, {Kind: cdc.KindString}}, func(id int64) testRow {
		return testRow{strings.Repeat("a", int(id%6)), strings.Repeat("a", int(id/6))}
	}},
	{"decimal, date, binary, bool", []cdc.Type{{Kind: cdc.KindDecimal, Precision: 30, Scale: 4}, {Kind: cdc.KindDate}, {Kind: cdc.KindBinary}, {Kind: cdc.KindBool}},
		func(id int64) testRow {
			return testRow{[2]int64{-1 - id%2, -1}, int32(-(id / 2 % 3)), fmt.Sprint(id / 12), id/6%2 == 1}
		}},
}

// TestKeysOfEveryKind: the state that the shard writers left equals the one that is rebuilt from the table, and the one that is
// brought forward; and all types come back as values, from another reader too.
func TestKeysOfEveryKind(t *testing.T) {
	if testing.Short() {
		t.Skip("many rounds")
	}
	for i, k := range keyKinds {
		t.Run(k.name, func(t *testing.T) {
			p := newPipe(t, withFormat(2+i%2))
			p.keyOf = k.of
			s := &cdc.Schema{Table: p.id, Version: 1}
			for i, typ := range k.types {
				s.Columns = append(s.Columns, cdc.Column{Name: fmt.Sprintf("k%d", i), Type: typ, Key: i + 1})
				s.Key = append(s.Key, i)
			}
			s.Columns = append(s.Columns, modelSchema(0, 1).Columns[2:]...)
			s.Columns[len(s.Columns)-1].Name = "bin" // iceberg-go takes a dot for nesting
			p.schema = s
			p.start()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 1))
			ids := int64(36)
			if k.name == "bool" {
				ids = 2
			}
			step := func() {
				tx := map[int64]testRow{}
				for range 1 + rnd.IntN(20) {
					id := rnd.Int64N(ids)
					if tx[id] = nil; rnd.IntN(4) > 0 {
						tx[id] = randomRow(s, rnd)[len(k.types):]
					}
				}
				p.tx(tx)
			}
			for range 2 {
				for range 2 {
					step()
					p.checkpoint()
				}
				p.checkState()
				for range 2 { // committed, and not completed
					step()
					if o, err := p.tryCommit(p.decide()); err != nil || o != cdc.Committed {
						t.Fatal(o, err)
					}
				}
				p.reopen(true)
				p.start()
				p.checkState()
				forward := p.state()
				p.reopen(false)
				p.start()
				if !maps.Equal(p.state(), forward) {
					t.Fatal("rebuilt, the state is another")
				}
				step()
				p.checkpoint()
				written := p.state()
				p.reopen(false)
				p.start()
				if !maps.Equal(p.state(), written) {
					t.Fatal("rebuilt, the state is another than what the shards wrote")
				}
			}
			if len(p.state()) != len(p.model) {
				t.Fatalf("%d keys of %d rows", len(p.state()), len(p.model))
			}
			p.check()
		})
	}
}
