package mysql

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cdc/binlog"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// keyTypes are types of one key column, with values at their edges and a generator of others, as SQL.
var keyTypes = []struct {
	name, typ string
	edges     []string
	gen       func(*rand.Rand) string
}{
	{"tiny", "TINYINT", []string{"-128", "127", "0"}, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(256) - 128) }},
	{"mediumu", "MEDIUMINT UNSIGNED ZEROFILL", []string{"0", "16777215"}, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1 << 24)) }},
	{"big", "BIGINT", []string{"-9223372036854775808", "9223372036854775807"}, func(r *rand.Rand) string { return fmt.Sprint(int64(r.Uint64())) }},
	{"bigu", "BIGINT UNSIGNED", []string{"0", "18446744073709551615", "9223372036854775808"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) }},
	{"bit1", "BIT(1)", []string{"b'0'", "b'1'"}, nil},
	{"bit10", "BIT(10)", []string{"b'0'", "b'1111111111'"}, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1024)) }},
	{"bit64", "BIT(64)", []string{"X'ffffffffffffffff'", "X'8000000000000000'", "b'0'"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) }},
	{"time0", "TIME", []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"}, clock},
	{"time6", "TIME(6)", []string{"'-838:59:59.000000'", "'-00:00:00.000001'", "'00:00:00.000001'"}, clock},
	{"date", "DATE", []string{"'1000-01-01'", "'9999-12-31'", "'0001-01-01'"}, day},
	{"year", "YEAR", []string{"0", "1901", "2155", "2000", "1970"}, func(r *rand.Rand) string { return fmt.Sprint(1901 + r.IntN(255)) }},
	{"datetime", "DATETIME(3)", []string{"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59.999'"}, func(r *rand.Rand) string {
		return strings.TrimSuffix(day(r), "'") + fmt.Sprintf(" %02d:00:00.%03d'", r.IntN(24), r.IntN(1000))
	}},
	{"stamp", "TIMESTAMP(6)", []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.499999'"}, func(r *rand.Rand) string {
		return fmt.Sprintf("FROM_UNIXTIME(%d.%06d)", 1+r.IntN(2000000000), r.IntN(1e6))
	}},
	{"enum", "ENUM('z','y','x','b','a','É','é2')", []string{"'z'", "'a'", "'É'"}, func(r *rand.Rand) string { return fmt.Sprint(1 + r.IntN(7)) }},
	{"set", "SET('z','y','x','b','a')", []string{"''", "'z,y,x,b,a'"}, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(32)) }},
	{"decimal", "DECIMAL(12,4)", []string{"-99999999.9999", "99999999.9999", "0", "-0.0001"}, func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%04d", r.IntN(2e4)-1e4, r.IntN(1e4))
	}},
	{"decimal38", "DECIMAL(38,10)", []string{"-9999999999999999999999999999.9999999999", "0.0000000001"}, func(r *rand.Rand) string { return fmt.Sprintf("%d.5", int64(r.Uint64())) }},
	{"decimal65", "DECIMAL(65,30)", []string{"-" + strings.Repeat("9", 35) + "." + strings.Repeat("9", 30)}, func(r *rand.Rand) string { return fmt.Sprintf("%d.5", int64(r.Uint64())) }},
	{"float", "FLOAT", []string{"-3.402823466e38", "3.402823466e38", "0", "-1e-45", "1.17549435e-38", "0.1", "16777216", "0.333333333"}, func(r *rand.Rand) string { return fmt.Sprint(float32(r.NormFloat64())) }},
	{"double", "DOUBLE", []string{"-1.7976931348623157e308", "1.7976931348623157e308", "-0e0", "5e-324", "2.2250738585072014e-308", "0.1", "9007199254740993"}, func(r *rand.Rand) string { return fmt.Sprint(r.ExpFloat64()) }},
	{"doubleu", "DOUBLE UNSIGNED", []string{"0", "1e300"}, func(r *rand.Rand) string { return fmt.Sprint(r.ExpFloat64()) }},
	{"latin1", "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci", []string{"''", "'é'", "'€'"}, texts},
	{"latin1bin", "CHAR(20) CHARACTER SET latin1 COLLATE latin1_bin", []string{"''", "'ÿ'"}, texts},
	{"ci", "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", []string{"''", "'😀'", "'日本'", "'a\\'b'", "'\\\\'"}, texts},
	{"cs", "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs", []string{"''", "'ﬀ'"}, texts},
	{"bin", "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin", []string{"''", "' '", "'  '", "'a '"}, texts},
	{"general", "CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", []string{"''", "'ß'"}, texts},
	{"unicode", "VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci", []string{"''", "'\\0'"}, texts},
	{"swedish", "VARCHAR(20) CHARACTER SET ucs2 COLLATE ucs2_swedish_ci", []string{"''", "'å'"}, texts},
	{"utf16", "VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_german2_ci", []string{"''", "'😀'"}, texts},
	{"cyrillic", "VARCHAR(20) CHARACTER SET cp1251", []string{"''", "'Ж'", "'ж1'"}, func(r *rand.Rand) string { return fmt.Sprintf("'%c%d'", 'А'+rune(r.IntN(60)), r.IntN(9)) }},
	{"text", "TEXT CHARACTER SET utf8mb4", []string{"''"}, texts},
	{"binary", "BINARY(4)", []string{"X'00000000'", "X'ffffffff'", "X'00'"}, bytesOf},
	{"varbinary", "VARBINARY(8)", []string{"X''", "X'00'", "X'0000'", "X'ff'"}, bytesOf},
	{"blob", "BLOB", []string{"X''", "X'27'"}, bytesOf},
}

func clock(r *rand.Rand) string {
	return fmt.Sprintf("'%s%02d:%02d:%02d.%06d'", []string{"", "-"}[r.IntN(2)], r.IntN(800), r.IntN(60), r.IntN(60), r.IntN(1e6))
}

func day(r *rand.Rand) string {
	return fmt.Sprintf("'%04d-%02d-%02d'", 1+r.IntN(9998), 1+r.IntN(12), 1+r.IntN(28))
}
func bytesOf(r *rand.Rand) string { return fmt.Sprintf("X'%06x'", r.IntN(1<<24)) }

func texts(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString([]string{"a", "A", "ä", "Ä", "ß", "s", "S", "é", "z", "Z", "0", "_", " ", "-", "ö", "ÿ"}[r.IntN(16)])
	}
	return "'" + b.String() + "'"
}

// TestChunksPartition: for random tables of every key type and for composite keys, the chunks of every size hold each row
// exactly once, also when they are planned anew from any bound; ReadRange gives all rows in order, and ReadKeys the rows
// asked for.
func TestChunksPartition(t *testing.T) {
	db := testenv.NeedMySQL(t)
	ctx := timeout(t, time.Minute)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	create := func(name string, columns, keys []string, values func() string, edges []string, rows int) {
		q := fmt.Sprintf("CREATE TABLE `%s` (%s, v INT, PRIMARY KEY (%s))", name, strings.Join(columns, ", "), strings.Join(keys, ", "))
		var insert []string
		for i := range rows {
			if i < len(edges) {
				insert = append(insert, "("+edges[i]+", 1)")
			} else {
				insert = append(insert, fmt.Sprintf("(%s, %d)", values(), i))
			}
		}
		db.Exec("SET SESSION sql_mode = ''", q, fmt.Sprintf("INSERT IGNORE INTO `%s` VALUES %s", name, strings.Join(insert, ", ")))
	}
	for _, k := range keyTypes {
		key, rows := "k", 80
		if k.name == "text" || k.name == "blob" {
			key = "k(20)"
		}
		if k.gen == nil {
			rows = len(k.edges)
		}
		create(k.name, []string{"k " + k.typ}, []string{key}, func() string { return k.gen(rng) }, k.edges, rows)
	}
	for n := range 12 {
		var columns, keys []string
		var gens []func(*rand.Rand) string
		for i := range 2 + rng.IntN(3) {
			k := keyTypes[rng.IntN(len(keyTypes))]
			for k.gen == nil || strings.Contains("text blob", k.name) {
				k = keyTypes[rng.IntN(len(keyTypes))]
			}
			few := make([]string, 4) // so that equal leading columns are common
			for j := range few {
				few[j] = k.gen(rng)
			}
			gens = append(gens, func(r *rand.Rand) string {
				if r.IntN(4) > 0 {
					return few[r.IntN(4)]
				}
				return k.gen(r)
			})
			columns = append(columns, fmt.Sprintf("k%d %s", i, k.typ))
			keys = append(keys, fmt.Sprintf("k%d%s", i, []string{"", " DESC"}[rng.IntN(2)]))
		}
		rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		create(fmt.Sprintf("composite%d", n), columns, keys, func() string {
			var vs []string
			for _, g := range gens {
				vs = append(vs, g(rng))
			}
			return strings.Join(vs, ", ")
		}, nil, 120)
	}
	src := newSource(t, config(db.MySQLServer, db.Name))
	p, ds := startAll(t, src, true)
	p.catchUp(ctx)
	for _, d := range ds {
		t.Run(d.Table.Name, func(t *testing.T) {
			s := d.Schema
			want := asMySQL(t, db.MySQLServer, s)
			if len(want) < 2 {
				t.Fatalf("%d rows", len(want))
			}
			collect := func(read func(emit func(*cdc.Batch) error) error) map[string]string {
				t.Helper()
				got := map[string]string{}
				must(t, read(func(b *cdc.Batch) error {
					defer b.Release()
					for r := range b.N {
						key := render(b, r, true)
						if _, twice := got[key]; twice {
							return fmt.Errorf("row %q twice", key)
						}
						got[key] = render(b, r, false)
					}
					return nil
				}))
				return got
			}
			chunks := func(after cdc.Bound, rows int, emit func(*cdc.Batch) error) (bounds []cdc.Bound, err error) {
				src.cfg.Load.ChunkRows = rows
				for last := false; !last; {
					var c cdc.Chunk
					if c, last, err = src.Next(ctx, s, after); err != nil {
						return nil, err
					}
					n := 0
					if err := src.Read(ctx, s, c, func(b *cdc.Batch) error { n += b.N; return emit(b) }); err != nil {
						return nil, err
					}
					if !last && n != rows || last && n >= rows {
						return nil, fmt.Errorf("chunk %+v has %d rows, planned were %d", c, n, rows)
					}
					after = c.To
					bounds = append(bounds, after)
				}
				return bounds, nil
			}
			var bounds []cdc.Bound
			for _, rows := range []int{1, 2 + rng.IntN(9), 10 + rng.IntN(90)} {
				got := collect(func(emit func(*cdc.Batch) error) error {
					b, err := chunks("", rows, emit)
					bounds = append(bounds, b...)
					return err
				})
				sameRows(t, got, want)
			}
			// From any bound on, the rest comes with other sizes too; the chunk up to it has what is before.
			mid := bounds[rng.IntN(len(bounds))]
			got := collect(func(emit func(*cdc.Batch) error) error {
				if mid == "" {
					return src.Read(ctx, s, cdc.Chunk{}, emit)
				}
				if err := src.Read(ctx, s, cdc.Chunk{To: mid}, emit); err != nil {
					return err
				}
				_, err := chunks(mid, 1+rng.IntN(40), emit)
				return err
			})
			sameRows(t, got, want)

			var order, sortedKeys []string
			var keep *cdc.Batch
			all := collect(func(emit func(*cdc.Batch) error) error {
				return src.ReadRange(ctx, s, cdc.Chunk{}, func(b *cdc.Batch) error {
					b.Retain(1)
					keep = b
					for r := range b.N {
						order = append(order, render(b, r, true))
					}
					return emit(b)
				})
			})
			sameRows(t, all, want)
			var names []string
			for _, i := range s.Key {
				names = append(names, quoteName(s.Columns[i].Name))
			}
			sortedKeys = append(sortedKeys, keysInOrder(t, db, s, strings.Join(names, ", "))...)
			if strings.Join(order, "\n") != strings.Join(sortedKeys, "\n") {
				t.Fatalf("ReadRange's order\n%q\nMySQL's\n%q", order, sortedKeys)
			}
			var ask []int32
			some := map[string]string{}
			for r := range keep.N {
				if rng.IntN(3) == 0 || r < 3 {
					ask = append(ask, int32(r))
					some[render(keep, r, true)] = render(keep, r, false)
				}
			}
			sameRows(t, collect(func(emit func(*cdc.Batch) error) error { return src.ReadKeys(ctx, s, keep, ask, emit) }), some)
			db.Exec("DELETE FROM `" + s.Table.Name + "` LIMIT 1")
			left := asMySQL(t, db.MySQLServer, s)
			for key := range some {
				if _, ok := left[key]; !ok {
					delete(some, key)
				}
			}
			sameRows(t, collect(func(emit func(*cdc.Batch) error) error { return src.ReadKeys(ctx, s, keep, ask, emit) }), some)
			keep.Release()
		})
	}
	p.stop()
}

// keysInOrder reads the keys as MySQL prints and orders them.
func keysInOrder(t *testing.T, db *testenv.Database, s *cdc.Schema, order string) []string {
	t.Helper()
	keys := cdc.Schema{Table: s.Table}
	for _, i := range s.Key {
		keys.Columns = append(keys.Columns, s.Columns[i])
	}
	var out []string
	for _, r := range db.Query("SELECT " + strings.Join(printed(&keys), ", ") + " FROM " + quoteTable(s.Table) + " ORDER BY " + order) {
		normalFloats(&keys, r)
		out = append(out, strings.Join(r, "\x1f"))
	}
	return out
}

func sameRows(t *testing.T, got, want map[string]string) {
	t.Helper()
	var diff []string
	for k, v := range want {
		if got[k] != v {
			diff = append(diff, fmt.Sprintf("got %q want %q", got[k], v))
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			diff = append(diff, fmt.Sprintf("extra %q", k))
		}
	}
	if len(diff) > 0 {
		sort.Strings(diff)
		t.Fatalf("%d differences of %d rows: %s", len(diff), len(want), strings.Join(diff[:min(6, len(diff))], "; "))
	}
}

// TestBoundRoundTrip: what is encoded is read back as the literals of the same values, and nothing else is read at all.
func TestBoundRoundTrip(t *testing.T) {
	kinds := map[byte]*rapid.Generator[string]{
		'n': rapid.StringMatching(`-?[0-9]{1,40}(\.[0-9]{1,30})?`),
		's': rapid.String(),
		'x': rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		't': rapid.StringMatching(`-?[0-9]{2,4}[-:][0-9]{2}[-:][0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?`),
	}
	literal := func(kind byte, v string) string {
		switch {
		case kind == 's' && v == "":
			return "''"
		case kind == 's':
			return fmt.Sprintf("_utf8mb4 X'%x'", v)
		case kind == 'x':
			return fmt.Sprintf("X'%x'", v)
		case kind == 't':
			return "'" + v + "'"
		}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		var keys []keyColumn
		var values, want []string
		for range rapid.IntRange(1, 5).Draw(t, "columns") {
			kind := rapid.SampledFrom([]byte("nsxt")).Draw(t, "kind")
			v := kinds[kind].Draw(t, "value")
			keys = append(keys, keyColumn{name: "k", kind: kind})
			values = append(values, v)
			want = append(want, literal(kind, v))
		}
		b, err := encodeBound(keys, values)
		if err != nil {
			t.Fatal(err)
		}
		got, err := literals(keys, b)
		if err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("%q is read as %q, want %q: %v", b, got, want, err)
		}
		// A bound of other columns is refused.
		if _, err := literals(append(keys, keyColumn{kind: 'n'}), b); err == nil {
			t.Fatal("a column too many")
		}
		i := rapid.IntRange(0, len(keys)-1).Draw(t, "other")
		keys[i].kind = map[byte]byte{'n': 's', 's': 'x', 'x': 't', 't': 'n'}[keys[i].kind]
		if _, err := literals(keys, b); err == nil {
			t.Fatal("another kind")
		}
	})
	keys := []keyColumn{{name: "n", kind: 'n'}, {name: "x", kind: 'x'}, {name: "t", kind: 't'}}
	for _, hostile := range []string{`["n1 OR 1","x00","t2024-01-01"]`, `["n1","x0","t1"]`, `["n1","xzz","t1"]`, `["n1","x00","t1' OR '1"]`, `["n1","x00"]`, `["","",""]`, `nonsense`,
		`["n1e5","x00","t1"]`, `["n0x10","x00","t1"]`, `["n1.","x00","t1"]`, `["n1","x00","t"]`} {
		if got, err := literals(keys, cdc.Bound(hostile)); err == nil {
			t.Errorf("%s: %q", hostile, got)
		}
	}
	if _, err := encodeBound([]keyColumn{{kind: 's'}}, []string{"\xff"}); err == nil {
		t.Error("a text that is not UTF-8")
	}
}

// TestKeyTypesRefused: keys whose order or equality differs from that of their values are not planned.
func TestKeyTypesRefused(t *testing.T) {
	for _, typ := range []string{"json", "geometry", "vector"} {
		_, err := keyColumns(&binlog.SourceTable{Columns: []binlog.SourceColumn{{Name: "k", DataType: typ, Key: 1}}})
		wantCode(t, err, cdc.CodeKeyType, "k")
	}
}
