package cdc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestTableIDText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := map[TableID]int{{rapid.String().Draw(t, "db"), rapid.String().Draw(t, "name")}: 1}
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out map[TableID]int
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		for k := range in {
			// JSON replaces invalid UTF-8; MySQL names have none.
			if strings.ToValidUTF8(k.String(), "\uFFFD") == k.String() && out[k] != 1 {
				t.Fatalf("%v became %v", in, out)
			}
		}
	})
}

func schemaOf(types ...Type) *Schema {
	s := &Schema{Table: TableID{"d", "t"}}
	for i, ty := range types {
		s.Columns = append(s.Columns, Column{Name: string(rune('a' + i)), Type: ty, Key: i + 1})
		s.Key = append(s.Key, i)
	}
	return s
}

// hashInts hashes one row of integer columns, which are stored as the schema's types say.
func hashInts(t *rapid.T, s *Schema, vals []int64) Key {
	b := NewBatchPool(s).Get()
	b.Grow()
	for i, v := range vals {
		switch b.Cols[i].Layout {
		case LayoutI32:
			b.Cols[i].I32[0] = int32(v)
		case LayoutI128:
			b.Cols[i].I64[0], b.Cols[i].I64[1] = v, v>>63
		default:
			b.Cols[i].I64[0] = v
		}
	}
	h := NewKeyHasher(s, 7)
	h.Hash(b.Cols, 0, 1, b.KeyHi, b.KeyLo)
	return b.Key(0)
}

// TestKeyPromotion: a table whose int key became long keeps its keys, alone and within a composite key.
func TestKeyPromotion(t *testing.T) {
	i32, i64 := Type{Kind: KindInt32}, Type{Kind: KindInt64}
	rapid.Check(t, func(t *rapid.T) {
		a, b := int64(rapid.Int32().Draw(t, "a")), int64(rapid.Int32().Draw(t, "b"))
		if hashInts(t, schemaOf(i32), []int64{a}) != hashInts(t, schemaOf(i64), []int64{a}) {
			t.Fatalf("single key %d moved", a)
		}
		if hashInts(t, schemaOf(i32, i64), []int64{a, b}) != hashInts(t, schemaOf(i64, i32), []int64{a, b}) {
			t.Fatalf("composite key %d, %d moved", a, b)
		}
	})
}

// TestKeysAreTold: rows that differ in a key column have different keys, also where bytes would concatenate to the same.
func TestKeysAreTold(t *testing.T) {
	s := schemaOf(Type{Kind: KindString}, Type{Kind: KindString})
	h := NewKeyHasher(s, 1)
	key := func(x, y string) Key {
		b := NewBatchPool(s).Get()
		b.Grow()
		for i, v := range []string{x, y} {
			b.Cols[i].Data = append(b.Cols[i].Data, v...)
			b.Cols[i].Off[1] = int32(len(v))
		}
		h.Hash(b.Cols, 0, 1, b.KeyHi, b.KeyLo)
		return b.Key(0)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		c, d := rapid.String().Draw(t, "c"), rapid.String().Draw(t, "d")
		if (a == c && b == d) != (key(a, b) == key(c, d)) {
			t.Fatalf("(%q, %q) and (%q, %q)", a, b, c, d)
		}
	})
	if key("ab", "c") == key("a", "bc") {
		t.Error("lengths do not count")
	}
}

// TestRowsAreTold: in a table without a key, rows have the same key if all their columns are the same, to the bit, and Meta columns
// do not count.
func TestRowsAreTold(t *testing.T) {
	s := &Schema{Columns: []Column{
		{Name: "b", Type: Type{Kind: KindBool}, Nullable: true}, {Name: "i", Type: Type{Kind: KindInt32}, Nullable: true}, {Name: "l", Type: Type{Kind: KindInt64}, Nullable: true},
		{Name: "d", Type: Type{Kind: KindDecimal, Precision: 30}, Nullable: true}, {Name: "f", Type: Type{Kind: KindFloat32}, Nullable: true},
		{Name: "g", Type: Type{Kind: KindFloat64}, Nullable: true}, {Name: "s", Type: Type{Kind: KindString}, Nullable: true}, {Name: "x", Type: Type{Kind: KindBinary}},
		{Name: "_cdc_ts", Type: Type{Kind: KindTimestampTZ}, Meta: true},
	}}
	if !s.Keyless() || s.KeyExact() || len(s.Hashed()) != len(s.Columns)-1 {
		t.Fatal("no table without a key")
	}
	h := NewKeyHasher(s, 3)
	pool := NewBatchPool(s)
	rapid.Check(t, func(t *rapid.T) {
		b := pool.Get()
		defer b.Release()
		b.Grow()
		var shown [2]string
		for r := range 2 {
			for i := range b.Cols {
				v, c := &b.Cols[i], &s.Columns[i]
				if v.Layout == LayoutBytes {
					v.Off[r+1] = int32(len(v.Data))
				}
				// Slots of NULLs hold anything.
				n := rapid.IntRange(0, 2).Draw(t, "value")
				switch v.Layout {
				case LayoutU8:
					n &= 1
					v.U8[r] = byte(n)
				case LayoutI32:
					v.I32[r] = int32(n) - 1
				case LayoutI64:
					v.I64[r] = int64(n) - 1
				case LayoutI128:
					v.I64[2*r], v.I64[2*r+1] = int64(n), int64(-n)
				case LayoutF32:
					v.F32[r] = []float32{0, float32(math.Copysign(0, -1)), 1}[n]
				case LayoutF64:
					v.F64[r] = []float64{0, math.Copysign(0, -1), 1}[n]
				}
				if c.Nullable && rapid.Bool().Draw(t, "null") {
					shown[r] += "NULL,"
					v.Nulls++
					continue
				}
				if c.Nullable {
					v.SetValid(r)
				}
				if v.Layout == LayoutBytes {
					v.Data = append(v.Data, []string{"", "\x00", "\x01\x00"}[n]...)
					v.Off[r+1] = int32(len(v.Data))
				}
				if !c.Meta {
					shown[r] += fmt.Sprint(n, ",")
				}
			}
			b.N++
		}
		h.Hash(b.Cols, 0, 2, b.KeyHi, b.KeyLo)
		if (shown[0] == shown[1]) != (b.Key(0) == b.Key(1)) {
			t.Fatalf("%s and %s: keys %x and %x", shown[0], shown[1], b.Key(0), b.Key(1))
		}
		if b.KeyLo[0]>>63 != 0 {
			t.Fatal("there is no room for numbers")
		}
	})
}

func TestMix64IsInvertible(t *testing.T) {
	// The inverse, from the constants' modular inverses.
	inv := func(x uint64) uint64 {
		x ^= x>>31 ^ x>>62
		x *= 0x319642b2d24d8ec3
		x ^= x>>27 ^ x>>54
		x *= 0x96de1b173f119089
		return x ^ x>>30 ^ x>>60
	}
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Uint64().Draw(t, "x")
		if inv(Mix64(x)) != x {
			t.Fatalf("%#x", x)
		}
	})
}

// TestFloatKeys: 0 and -0 are one key, and so are a float and the double of its value; all others are told apart.
func TestFloatKeys(t *testing.T) {
	key := func(kind Kind, f float64) Key {
		s := schemaOf(Type{Kind: kind})
		b := NewBatchPool(s).Get()
		defer b.Release()
		b.Grow()
		if kind == KindFloat32 {
			b.Cols[0].F32[0] = float32(f)
		} else {
			b.Cols[0].F64[0] = f
		}
		NewKeyHasher(s, 7).Hash(b.Cols, 0, 1, b.KeyHi, b.KeyLo)
		return b.Key(0)
	}
	zero := math.Copysign(0, -1)
	for _, kind := range []Kind{KindFloat32, KindFloat64} {
		if key(kind, 0) != key(kind, zero) || key(kind, 0) == key(kind, math.SmallestNonzeroFloat32) {
			t.Errorf("%s: keys of 0 and -0", kind)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		x, y := rapid.Float64().Draw(t, "x"), rapid.Float64().Draw(t, "y")
		if (x == y) != (key(KindFloat64, x) == key(KindFloat64, y)) {
			t.Fatalf("%g and %g", x, y)
		}
		f := rapid.Float32().Draw(t, "f")
		if key(KindFloat32, float64(f)) != key(KindFloat64, float64(f)) {
			t.Fatalf("%g, a float and a double", f)
		}
	})
}

func TestGroupsAreContiguousAndComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 16).Draw(t, "slots")
		ranges := SplitGroups(Groups, p)
		hi := rapid.Uint64().Draw(t, "hi")
		n := 0
		for i, r := range ranges {
			if r.Contains(hi) {
				n++
			}
			if i > 0 && ranges[i-1].To != r.From || r.From >= r.To {
				t.Fatalf("ranges %v", ranges)
			}
		}
		if n != 1 {
			t.Fatalf("key %#x belongs to %d slots", hi, n)
		}
	})
	if Group(0, 128) != 0 || Group(math.MaxUint64, 128) != 127 {
		t.Error("edges")
	}
}

// TestReleasedBatchIsEmpty: nothing is valid in the batch's next life before somebody says so.
func TestReleasedBatchIsEmpty(t *testing.T) {
	s := schemaOf(Type{Kind: KindInt64})
	s.Columns = append(s.Columns, Column{Name: "v", Type: Type{Kind: KindDecimal, Precision: 30}, Nullable: true}, Column{Name: "s", Type: Type{Kind: KindString}, Nullable: true})
	p := NewBatchPool(s)
	b := p.Get()
	b.Grow()
	b.Retain(1)
	for i := range 3 {
		b.Ops[i] = OpUpdate
		b.Cols[1].I64[2*i], b.Cols[1].I64[2*i+1] = 5, 6
		b.Cols[1].SetValid(i)
		b.Cols[2].Data = append(b.Cols[2].Data, "x"...)
		b.Cols[2].Off[i+1] = int32(len(b.Cols[2].Data))
		b.Cols[2].SetValid(i)
	}
	b.N, b.Cols[1].Nulls = 3, 1
	b.Release()
	if q := p.Get(); q == b {
		t.Fatal("released while somebody still holds it")
	}
	b.Release()
	q := p.Get()
	if q != b {
		t.Fatal("not used again")
	}
	if q.N != 0 || !q.Cols[1].IsNull(0) || !q.Cols[2].IsNull(2) || len(q.Cols[2].Data) != 0 || q.Cols[1].Nulls != 0 {
		t.Fatalf("not empty: %+v", q.Cols)
	}
	defer func() {
		if recover() == nil {
			t.Error("a double release went unnoticed")
		}
	}()
	q.Release()
	q.Release()
}

// TestBatchGrowsToItsRows: room follows the size of the rows and the batches before, keeps the rows, and always grows.
func TestBatchGrowsToItsRows(t *testing.T) {
	s := schemaOf(Type{Kind: KindInt64})
	s.Columns = append(s.Columns, Column{Name: "s", Type: Type{Kind: KindString}})
	p := NewBatchPool(s)
	fill := func(b *Batch, rows, size int) {
		from := b.N
		for b.N < rows {
			if b.N == b.Cap() {
				b.Grow()
				if b.N == b.Cap() {
					t.Fatalf("no room after %d rows", b.N)
				}
			}
			b.Cols[0].I64[b.N] = int64(b.N)
			v := &b.Cols[1]
			v.Data = append(v.Data, bytes.Repeat([]byte{byte(b.N)}, size)...)
			b.N++
			v.Off[b.N] = int32(len(v.Data))
		}
		for i := from; i < rows; i++ {
			if x := b.Cols[1].Bytes(i); b.Cols[0].I64[i] != int64(i) || len(x) != size || size > 0 && x[size-1] != byte(i) {
				t.Fatalf("row %d was lost", i)
			}
		}
	}
	const size = 4 << 10
	b := p.Get()
	fill(b, MaxBatchBytes/size, size)
	if b.Cap() > 3*MaxBatchBytes/size || cap(b.Cols[1].Data) > 2*MaxBatchBytes {
		t.Errorf("%d rows and %d bytes of room for %d rows", b.Cap(), cap(b.Cols[1].Data), b.N)
	}
	b.Release()
	b = p.Get()
	fill(b, 10, size)
	b.Grow() // of a batch that is not full
	fill(b, MaxBatchRows, 0)
	b.Release()
	p = NewBatchPool(s)
	b = p.Get()
	fill(b, 5000, 1)
	other := p.Get() // while the first one is still held
	fill(other, 65, 1)
	if other.Cap() != b.Cap() {
		t.Errorf("room for %d rows, the batch before had room for %d", other.Cap(), b.Cap())
	}
	other.Release()
	p.free = sync.Pool{}
	b = p.Get()
	fill(b, 65, 1)
	if b.Cap() > 256 {
		t.Errorf("room for %d rows, the batch before had 65", b.Cap())
	}
	b = p.Get()
	fill(b, 1, 3*MaxBatchBytes)
	b.Grow()
	fill(b, MaxBatchRows, 0)
}

func TestErrorKeepsItsCauseAndSaysItOnce(t *testing.T) {
	err := Errorf(CodeInternal, TableID{"d", "t"}, "reading: %w", io.ErrUnexpectedEOF)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got, want := err.Error(), "INTERNAL d.t: reading: unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if ClassOf(err) != Fatal || ClassOf(io.EOF) != Retryable {
		t.Error("class")
	}
}
