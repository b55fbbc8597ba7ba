package binlog

import (
	"hash/maphash"
	"math/bits"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// folder is how a writer takes UPDATEs while the same keys come again and again: an image takes the place of the one before of its key,
// and only what is left is decoded. It holds the last rows of the open batch, as run does; one of both is empty. A row keeps the place at
// which its key came first, so that the batch's first row of any shard, and its transaction, are the ones that they would be without.
type folder struct {
	on    bool
	l     *layout
	rows  []foldedRow
	arena []byte // the images
	slots []uint16
	seed  maphash.Seed
	// sample are the keys of a batch while it is decided whether the next one is folded.
	sample []uint64
}

// foldedRow is an image that is not decoded yet.
type foldedRow struct {
	hash uint32
	at   int32 // in the arena
	n    int32
	room int32
	end  uint32 // where its event ends in the log
}

const (
	// foldRows and foldBytes bound what is collected: the images stay in the second-level cache.
	foldRows  = 1 << 13
	foldBytes = 1 << 20
	foldSlots = 2 * foldRows
	// largeImage is what is not worth to be copied twice.
	largeImage = foldBytes / 64
	// sampleRows is how many rows a batch must have for a decision, and sampleOne the share of the keys that are looked at.
	sampleRows = 4096
	sampleOne  = 16
	// foldOne is the share of rows, one in so many, that must be replaced. Fewer cost more than they save.
	foldOne = 4
	// foldMost bounds what one batch stands for: a transaction of nothing but hot rows must be seen to move, too.
	foldMost = 1 << 20
)

// foldable reports whether the key stands at a fixed place of every image.
func (l *layout) foldable() bool {
	for _, o := range l.keys {
		if o.step != 0 {
			return false
		}
	}
	return len(l.keys) > 0
}

// foldsUpdates reports whether UPDATEs of the layout are folded now.
func (w *writer) foldsUpdates(l *layout) bool { return w.fold.on && l.foldable() }

// hash returns a hash of the key of an image.
func (f *folder) hash(l *layout, image []byte) uint64 {
	var h uint64
	for _, o := range l.keys {
		h = bits.RotateLeft64(h, 23) ^ maphash.Bytes(f.seed, o.raw(image, int32(l.head)+o.at))
	}
	return h
}

// sameKey reports whether two images have the same key.
func (l *layout) sameKey(a, b []byte) bool {
	for _, o := range l.keys {
		p := int32(l.head) + o.at
		if string(o.raw(a, p)) != string(o.raw(b, p)) {
			return false
		}
	}
	return true
}

// update takes the image that an UPDATE has left, whose key is the one that it found.
func (w *writer) update(l *layout, image []byte, end uint32) error {
	f := &w.fold
	if w.b == nil || w.b.N == w.b.Cap() || w.bytes >= cdc.MaxBatchBytes || w.b.Folded >= foldMost {
		if err := w.room(); err != nil { // this may end the folding, which is then so after this row
			return err
		}
	}
	if w.run.rows > 0 || f.l != l {
		if err := w.decode(); err != nil {
			return err
		}
		f.l = l
		if f.slots == nil {
			f.slots, f.seed = make([]uint16, foldSlots), maphash.MakeSeed()
		}
	}
	h := f.hash(l, image)
	i := h % foldSlots
	for ; f.slots[i] != 0; i = (i + 1) % foldSlots {
		r := &f.rows[f.slots[i]-1]
		if r.hash != uint32(h>>32) || !l.sameKey(f.arena[r.at:r.at+r.n], image) {
			continue
		}
		n := int32(len(image))
		if n > r.room {
			w.bytes += int(n - r.room)
			r.at, r.room = f.put(image)
		} else {
			copy(f.arena[r.at:], image)
		}
		r.n, r.end = n, end
		w.b.Folded++
		if w.metaTS >= 0 {
			w.b.Cols[w.metaTS].I64[w.b.N-len(f.rows)+int(f.slots[i])-1] = w.micros
		}
		return w.filled()
	}
	r := foldedRow{hash: uint32(h >> 32), n: int32(len(image)), end: end}
	r.at, r.room = f.put(image)
	f.rows = append(f.rows, r)
	f.slots[i] = uint16(len(f.rows))
	w.close(cdc.OpUpdate, len(image))
	return w.filled()
}

// put copies an image, with a little room for its successors.
func (f *folder) put(image []byte) (at, room int32) {
	at = int32(len(f.arena))
	f.arena = append(f.arena, image...)
	f.arena = append(f.arena, make([]byte, 16)...)
	return at, int32(len(image)) + 16
}

// filled decodes what was collected when it is enough.
func (w *writer) filled() error {
	if f := &w.fold; len(f.rows) < foldRows && len(f.arena) < foldBytes {
		return nil
	}
	return w.decode()
}

// unfold decodes the collected rows.
func (w *writer) unfold() error {
	f, r := &w.fold, &w.run
	r.grow(f.l)
	r.base = f.arena
	from := w.b.N - len(f.rows)
	for i := range f.rows {
		x := &f.rows[i]
		if _, column, err := f.l.walk(f.arena[x.at:x.at+x.n], int(x.at), r.starts[r.rows:], pitch); err != nil {
			return w.fault(f.l, column, err) // cannot be: it was walked before
		}
		r.ends[r.rows] = x.end
		if r.rows++; r.rows == runRows || i == len(f.rows)-1 {
			if err := w.columns(from, r.rows); err != nil {
				return err
			}
			from += r.rows
			r.rows = 0
		}
	}
	f.clear()
	r.base = nil
	return nil
}

// clear forgets the rows.
func (f *folder) clear() {
	if len(f.rows) > 0 {
		clear(f.slots)
	}
	f.rows, f.arena = f.rows[:0], f.arena[:0]
}

// decide settles, by a batch that is handed on, whether UPDATEs are folded from now on.
func (f *folder) decide(b *cdc.Batch) {
	if f.on {
		if seen := b.N + int(b.Folded); seen >= sampleRows && int(b.Folded) < seen/foldOne {
			*f = folder{sample: f.sample}
		}
		return
	}
	f.l, f.rows, f.arena, f.slots = nil, nil, nil, nil // a row may have come after the end
	if b.N < sampleRows || b.Ops[b.N-1] != cdc.OpUpdate {
		return
	}
	const size = 4096
	if f.sample == nil {
		f.sample = make([]uint64, size)
	}
	seen, again := 0, 0
	for r, hi := range b.KeyHi[:b.N] {
		if hi%sampleOne != 0 || hi == 0 || b.Ops[r] != cdc.OpUpdate {
			continue
		}
		i := hi / sampleOne % size
		for f.sample[i] != 0 && f.sample[i] != hi {
			i = (i + 1) % size
		}
		if f.sample[i] == hi {
			again++
		}
		f.sample[i] = hi
		if seen++; seen-again > size/2 {
			break
		}
	}
	clear(f.sample)
	f.on = seen > b.N/sampleOne/4 && again > seen/foldOne
}
