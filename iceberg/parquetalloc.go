package iceberg

import (
	"cmp"
	"math/bits"
)

// bufferAllocator gives the Parquet encoders of one goroutine their buffers again and again: fresh ones would cost zeroing and
// collection, about a tenth of the encoder's time. Memory comes back with old contents. It is not safe for concurrent use.
type bufferAllocator struct {
	free  [32][][]byte // by log2 of the capacity
	held  int
	keep  int // bound of held; 0: allocHeld
	limit int // of encoded pages; 0: none

	sets [][]uint64 // free room for the hashes of a full set each
}

// keptHashes bounds the free room for hashes: that of two row groups.
const keptHashes = 2 * groupRows / setRows

// page implements encoderMemory: each column of a file holds a page before and after compression, and grows its buffers by doubling.
func (a *bufferAllocator) page(columns int) int {
	if a.limit == 0 {
		return pageBytes
	}
	return max(minPageBytes, min(pageBytes, a.limit/(4*columns)))
}

// hashes returns room for n hashes.
func (a *bufferAllocator) hashes(n int) []uint64 {
	if n <= setRows/4 {
		return make([]uint64, 0, n)
	}
	if l := len(a.sets); l > 0 {
		h := a.sets[l-1]
		a.sets = a.sets[:l-1]
		return h
	}
	return make([]uint64, 0, setRows)
}

// freeHashes takes room back.
func (a *bufferAllocator) freeHashes(hs [][]uint64) {
	for _, h := range hs {
		if cap(h) == setRows && len(a.sets) < keptHashes {
			a.sets = append(a.sets, h[:0])
		}
	}
}

const (
	allocSmallest = 6 // classes start at 64 bytes
	allocHeld     = 64 << 20
)

func allocClass(n int) int {
	if n <= 1<<allocSmallest {
		return allocSmallest
	}
	return bits.Len(uint(n - 1))
}

// Allocate implements memory.Allocator.
func (a *bufferAllocator) Allocate(n int) []byte {
	c := allocClass(n)
	if c >= len(a.free) {
		return make([]byte, n)
	}
	if l := len(a.free[c]); l > 0 {
		b := a.free[c][l-1]
		a.free[c] = a.free[c][:l-1]
		a.held -= cap(b)
		return b[:n]
	}
	return make([]byte, n, 1<<c)
}

// Reallocate implements memory.Allocator.
func (a *bufferAllocator) Reallocate(n int, b []byte) []byte {
	if n <= cap(b) {
		return b[:n]
	}
	nb := a.Allocate(n)
	copy(nb, b)
	a.Free(b)
	return nb
}

// Free implements memory.Allocator.
func (a *bufferAllocator) Free(b []byte) {
	c := allocClass(cap(b))
	if c >= len(a.free) || cap(b) != 1<<c || a.held+cap(b) > cmp.Or(a.keep, allocHeld) {
		return
	}
	a.free[c] = append(a.free[c], b[:0])
	a.held += cap(b)
}
