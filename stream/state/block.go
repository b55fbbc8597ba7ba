package state

import "math/bits"

// Overlays lie in blocks, which are used again: an array per put and merge would be garbage several times as large as what lives, and a
// merge of whole arrays needs room for both its inputs and its output.
const (
	// blockWords is the size of a full block, entries and fences together: 128 KiB.
	blockWords = 16 << 10
	// smallBlock is the size of the smallest, 512 bytes: quiet tables have a few entries each.
	smallBlock = 64
)

// blocks are free blocks, by log2 of their size. They belong to the shard's goroutine.
type blocks struct {
	free [bits.UintSize][][]uint64
	held int64 // bytes
	max  int   // words of a full block
	// scrub overwrites what is given back, so that tests notice who still reads it.
	scrub bool
}

// get returns an empty block for n words, or a full one if these are more.
func (b *blocks) get(n int) []uint64 {
	c := bits.Len(uint(min(max(n, smallBlock), b.max) - 1))
	if l := len(b.free[c]); l > 0 {
		d := b.free[c][l-1]
		b.free[c][l-1] = nil
		b.free[c] = b.free[c][:l-1]
		b.held -= int64(cap(d)) * 8
		return d
	}
	return make([]uint64, 0, 1<<c)
}

// put takes a block back.
func (b *blocks) put(d []uint64) {
	if b.scrub {
		d = d[:cap(d)]
		for i := range d {
			d[i] = 0x5c5c5c5c5c5c5c5c
		}
	}
	c := bits.Len(uint(cap(d) - 1))
	b.free[c] = append(b.free[c], d[:0])
	b.held += int64(cap(d)) * 8
}

// trim gives up what is held beyond some bytes, large blocks first.
func (b *blocks) trim(bytes int64) {
	for c := len(b.free) - 1; c >= 0 && b.held > bytes; c-- {
		for l := len(b.free[c]); l > 0 && b.held > bytes; l-- {
			b.free[c][l-1] = nil
			b.free[c] = b.free[c][:l-1]
			b.held -= 8 << c
		}
	}
}

// putLevel takes all blocks of a level back.
func (b *blocks) putLevel(l *level) {
	for i := range l.parts {
		b.put(l.parts[i].d)
	}
}

// room returns how many entries of w words fit in a block of n words beside their fences.
func room(n, w int) int {
	pages := n / (page*w + 1)
	return pages*page + max(0, min(page-1, (n-pages*(page*w+1)-1)/w))
}

// levelWriter writes sorted entries to blocks.
type levelWriter struct {
	b    *blocks
	w    int
	left int // entries that may still come, at most
	d    []uint64
	room int // of d, in words
	out  level
}

// add appends entries.
func (x *levelWriter) add(d []uint64) {
	for len(d) > 0 {
		n := min(len(d), x.open())
		x.d = append(x.d, d[:n]...)
		d = d[n:]
	}
}

// open makes sure that the block has room, and returns how many words that is.
func (x *levelWriter) open() int {
	if x.d != nil && len(x.d) == x.room {
		x.end()
	}
	if x.d == nil {
		x.d = x.b.get(x.left*x.w + (x.left+page-1)/page)
		x.room = room(cap(x.d), x.w) * x.w
	}
	return x.room - len(x.d)
}

// end closes the block: its fences follow its entries.
func (x *levelWriter) end() {
	n := len(x.d)
	d := x.d
	for i := 0; i < n; i += page * x.w {
		d = append(d, d[i])
	}
	x.out.parts = append(x.out.parts, sorted{w: x.w, d: d[:n], fence: d[n:]})
	x.out.n += n / x.w
	x.left -= n / x.w
	x.d = nil
}

// finish returns what was written.
func (x *levelWriter) finish() level {
	if len(x.d) > 0 {
		x.end()
	} else if x.d != nil {
		x.b.put(x.d)
	}
	return x.out
}
