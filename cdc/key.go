package cdc

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Groups is the default number of key groups of a pipeline.
const Groups = 128

// Mix64 is the finalizer of SplitMix64: invertible, so that 64-bit keys stay exact, and uniform, so that key groups and
// sorted runs are balanced whatever the keys look like.
func Mix64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Group returns the key group of a key among n groups. Groups are contiguous ranges of Key.Hi, so a run that is sorted by
// Hi is sorted by group.
func Group(hi uint64, n int) int {
	g, _ := bits.Mul64(hi, uint64(n))
	return int(g)
}

// GroupRange is a contiguous range of key groups [From, To) out of Of.
type GroupRange struct {
	From, To, Of int
}

// Contains reports whether the key belongs to the range.
func (r GroupRange) Contains(hi uint64) bool {
	g := Group(hi, r.Of)
	return g >= r.From && g < r.To
}

// SplitGroups divides n key groups among p slots as evenly as contiguous ranges allow.
func SplitGroups(n, p int) []GroupRange {
	out := make([]GroupRange, p)
	for i := range out {
		out[i] = GroupRange{From: i * n / p, To: (i + 1) * n / p, Of: n}
	}
	return out
}

// KeyHasher computes the keys of rows from the key columns' Iceberg values. The encoding below is canonical: the same
// value gives the same key from a log event, from a SELECT and from a Parquet file, also after int was promoted to long.
//
//   - one column of a fixed width up to 8 bytes: Hi = Mix64(value sign-extended to 64 bits), Lo = 0. Exact.
//   - otherwise XXH3-128, seeded, over the columns' encodings in key order:
//     fixed widths up to 8 bytes: 8 bytes little endian, sign-extended; decimals of more than 18 digits: 16 bytes little
//     endian; floats: the bits of the double, those of 0 for -0, which is the same key to MySQL; strings and binaries: length as 4
//     bytes little endian, then the bytes.
//
// NULLs cannot occur.
//
// A table without a key is a multiset of rows. The key of a row is then that of all its columns but Meta ones: the same encoding with
// a byte in front of each value, 1, or 0 for NULL, which has no value; floats are their bits. The highest bit of Lo is zero: see Key.Nth.
type KeyHasher struct {
	exact bool
	whole bool // the key is the row
	cols  []int
	seed  uint64
	buf   []byte
}

// NewKeyHasher returns a hasher for the schema's key. It is not safe for concurrent use.
func NewKeyHasher(s *Schema, seed uint64) *KeyHasher {
	if s.Keyless() {
		return &KeyHasher{whole: true, cols: s.Hashed(), seed: seed}
	}
	return &KeyHasher{exact: s.KeyExact(), cols: s.Key, seed: seed}
}

// Seed derives the seed of a pipeline's key hashes from its name.
func Seed(pipeline string) uint64 { return xxh3.HashString(pipeline) }

// Hash computes the keys of rows [from, to) of the columns into hi and lo (lo is untouched for exact keys).
func (h *KeyHasher) Hash(cols []Vec, from, to int, hi, lo []uint64) {
	if h.exact {
		v := &cols[h.cols[0]]
		switch v.Layout {
		case LayoutU8:
			for i := from; i < to; i++ {
				hi[i] = Mix64(uint64(v.U8[i]))
			}
		case LayoutI32:
			for i := from; i < to; i++ {
				hi[i] = Mix64(uint64(int64(v.I32[i])))
			}
		default:
			for i := from; i < to; i++ {
				hi[i] = Mix64(uint64(v.I64[i]))
			}
		}
		return
	}
	for i := from; i < to; i++ {
		b := h.buf[:0]
		for _, c := range h.cols {
			v := &cols[c]
			if h.whole {
				if v.IsNull(i) {
					b = append(b, 0)
					continue
				}
				b = append(b, 1)
			}
			switch v.Layout {
			case LayoutU8:
				b = binary.LittleEndian.AppendUint64(b, uint64(v.U8[i]))
			case LayoutI32:
				b = binary.LittleEndian.AppendUint64(b, uint64(int64(v.I32[i])))
			case LayoutI64:
				b = binary.LittleEndian.AppendUint64(b, uint64(v.I64[i]))
			case LayoutI128:
				b = binary.LittleEndian.AppendUint64(b, uint64(v.I64[2*i]))
				b = binary.LittleEndian.AppendUint64(b, uint64(v.I64[2*i+1]))
			case LayoutF32:
				if h.whole {
					b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v.F32[i]))
				} else {
					b = binary.LittleEndian.AppendUint64(b, keyBits(float64(v.F32[i])))
				}
			case LayoutF64:
				if h.whole {
					b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.F64[i]))
				} else {
					b = binary.LittleEndian.AppendUint64(b, keyBits(v.F64[i]))
				}
			case LayoutBytes:
				s := v.Bytes(i)
				b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
				b = append(b, s...)
			default:
				panic("cdc: a layout without an encoding") // its values would not count
			}
		}
		h.buf = b
		x := xxh3.Hash128Seed(b, h.seed)
		hi[i], lo[i] = x.Hi, x.Lo
		if h.whole {
			lo[i] >>= 1
		}
	}
}

// keyBits is what a float in a key counts as.
func keyBits(f float64) uint64 {
	if f == 0 {
		return 0 // also -0
	}
	return math.Float64bits(f)
}

// Nth returns the key under which the state has the n-th of the rows that are equal to the one with this key, in a table without a
// key: those that it has are numbered from 0. All of them belong to one key group, and follow each other in the state's order.
//
// Two rows that are not equal come to the same key as rarely as two hashes of 127 bits are the same: hashes are evenly spread, so
// that any two of the keys are equal with a probability of 2^-127, whatever the numbers added to them, and there are no more keys than rows.
func (k Key) Nth(n uint64) Key { return Key{k.Hi, k.Lo + n} }
