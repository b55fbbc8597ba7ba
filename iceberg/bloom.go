package iceberg

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Bloom filters are ours, since those of the library are either sized before the first row is known or, as adaptive ones, cost
// several filters and a map per batch. Hashes are kept until the row group ends; then the filter is made in its right size.
// Format: split-block bloom filter of the Parquet specification (BloomFilter.md).

// bloomBytes bounds one filter: at one in a hundred, this serves 1.7 million values.
const bloomBytes = 2 << 20

// bloomHashes appends the XXH64 (seed 0) of every value's plain encoding.
func bloomHashes(h []uint64, to physical, width int, c *colBuf) []uint64 {
	switch to {
	case physInt32:
		var b [4]byte
		for _, v := range c.i32 {
			binary.LittleEndian.PutUint32(b[:], uint32(v))
			h = append(h, xxhash.Sum64(b[:]))
		}
	case physInt64:
		for _, v := range c.i64 {
			h = append(h, xxh64Word(uint64(v)))
		}
	case physBytes:
		for i := 0; i+1 < len(c.off); i++ {
			h = append(h, xxhash.Sum64(c.data[c.off[i]:c.off[i+1]]))
		}
	case physFixed:
		for i := 0; i < len(c.fixed); i += width {
			h = append(h, xxhash.Sum64(c.fixed[i:i+width]))
		}
	default:
	}
	return h
}

// xxh64Word is XXH64 of the eight little-endian bytes of v.
func xxh64Word(v uint64) uint64 {
	const (
		p1 = 0x9E3779B185EBCA87
		p2 = 0xC2B2AE3D27D4EB4F
		p3 = 0x165667B19E3779F9
		p4 = 0x85EBCA77C2B2AE63
		p5 = 0x27D4EB2F165667C5
	)
	p5v := uint64(p5) + 8
	k := v * p2
	k = (k<<31 | k>>33) * p1
	h := p5v ^ k
	h = (h<<27|h>>37)*p1 + p4
	h = (h ^ h>>33) * p2
	h = (h ^ h>>29) * p3
	return h ^ h>>32
}

var bloomSalt = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// bloomFilter makes the filter of the hashes, with a false positive rate of about 1 in 100 for values that are all distinct.
func bloomFilter(hashes [][]uint64) []byte {
	values := 0
	for _, h := range hashes {
		values += len(h)
	}
	bits := -8 * float64(values) / math.Log(1-math.Pow(0.01, 1.0/8))
	// The specification allows any number of 32-byte blocks, some readers only powers of two.
	n := 32
	for n < bloomBytes && float64(8*n) < bits {
		n *= 2
	}
	words := make([]uint32, n/4)
	blocks := uint64(n / 32)
	for _, some := range hashes {
		for _, h := range some {
			w := (*[8]uint32)(words[8*((h>>32)*blocks>>32):])
			k := uint32(h)
			for i := range w {
				w[i] |= 1 << (k * bloomSalt[i] >> 27)
			}
		}
	}
	out := make([]byte, n)
	for i, w := range words {
		binary.LittleEndian.PutUint32(out[4*i:], w)
	}
	return out
}

// bloomHeader is the BloomFilterHeader of n bytes in Thrift's compact protocol: the size, then the three unions algorithm, hash and
// compression, each with its only member (BLOCK, XXHASH, UNCOMPRESSED).
func bloomHeader(n int) []byte {
	b := binary.AppendUvarint([]byte{0x15}, uint64(2*n)) // field 1, i32, zigzag
	for range 3 {
		b = append(b, 0x1c, 0x1c, 0x00, 0x00) // next field, struct; in it field 1, an empty struct
	}
	return append(b, 0x00)
}
