package verify

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"
)

// buckets hold one side's rows on disk, split by the key's hash, so that a bucket fits into memory.
//
// An entry is the row's hash (16 bytes, little endian), the key's length (uvarint) and the key.
type buckets struct {
	mu    sync.Mutex // guards writing
	files []*os.File
	w     []*bufio.Writer
	rows  int64
}

// bucketRows is the number of rows of a bucket that is aimed at: some 30 MB when read back.
const bucketRows = 200_000

// maxBuckets bounds open files; beyond it buckets grow.
const maxBuckets = 256

// bucketCount is how many buckets so many rows want.
func bucketCount(rows int64) int { return int(min(max(rows/bucketRows+1, 1), maxBuckets)) }

func newBuckets(dir, side string, n int) (*buckets, error) {
	b := &buckets{}
	for i := range n {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%03d", side, i)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("spill rows: %w", err), b.close())
		}
		b.files = append(b.files, f)
		b.w = append(b.w, bufio.NewWriterSize(f, 32<<10))
	}
	return b, nil
}

// openBuckets opens buckets of the sizes, and cuts off what was written after they were noted.
func openBuckets(dir, side string, sizes []int64) (*buckets, error) {
	b := &buckets{}
	for i, n := range sizes {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%03d", side, i)), os.O_RDWR, 0)
		if err == nil {
			b.files = append(b.files, f)
			b.w = append(b.w, bufio.NewWriterSize(f, 32<<10))
			var end int64
			if end, err = f.Seek(0, io.SeekEnd); err == nil && end < n {
				err = errors.New("it is too short")
			}
		}
		if err == nil {
			err = f.Truncate(n)
		}
		if err == nil {
			_, err = f.Seek(n, io.SeekStart)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open spilled rows: %w", err), b.close())
		}
	}
	return b, nil
}

// add writes entries; keys and hashes belong together. Safe for concurrent use.
func (b *buckets) add(keys [][]byte, hashes []hash) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var head [16 + binary.MaxVarintLen64]byte
	for i, k := range keys {
		w := b.w[xxh3.Hash(k)%uint64(len(b.w))]
		binary.LittleEndian.PutUint64(head[:], hashes[i].Lo)
		binary.LittleEndian.PutUint64(head[8:], hashes[i].Hi)
		n := 16 + binary.PutUvarint(head[16:], uint64(len(k)))
		if _, err := w.Write(head[:n]); err != nil {
			return fmt.Errorf("spill rows: %w", err)
		}
		if _, err := w.Write(k); err != nil {
			return fmt.Errorf("spill rows: %w", err)
		}
	}
	b.rows += int64(len(keys))
	return nil
}

func (b *buckets) flush() error {
	for _, w := range b.w {
		if err := w.Flush(); err != nil {
			return fmt.Errorf("spill rows: %w", err)
		}
	}
	return nil
}

func (b *buckets) close() error {
	var errs error
	for _, f := range b.files {
		errs = errors.Join(errs, f.Close())
	}
	b.files = nil
	return errs
}

// entry is one row of a bucket. Key aliases the bucket's memory.
type entry struct {
	key []byte
	row hash
}

// read returns bucket i, sorted by key; rows with equal keys by hash.
func (b *buckets) read(i int) ([]entry, error) {
	data, err := os.ReadFile(b.files[i].Name())
	if err != nil {
		return nil, fmt.Errorf("read spilled rows: %w", err)
	}
	var out []entry
	for len(data) > 0 {
		n, size := binary.Uvarint(data[min(16, len(data)):])
		if size <= 0 || uint64(len(data)-16-size) < n {
			return nil, fmt.Errorf("read spilled rows: %s is damaged", b.files[i].Name())
		}
		end := 16 + size + int(n)
		out = append(out, entry{data[16+size : end], hash{Lo: binary.LittleEndian.Uint64(data), Hi: binary.LittleEndian.Uint64(data[8:])}})
		data = data[end:]
	}
	slices.SortFunc(out, func(x, y entry) int {
		if c := bytes.Compare(x.key, y.key); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(x.row.Hi, y.row.Hi), cmp.Compare(x.row.Lo, y.row.Lo))
	})
	return out, nil
}

// differing yields the keys whose rows are not the same in both sorted lists, until f returns false.
func differing(a, b []entry, f func(key []byte) bool) {
	for len(a) > 0 || len(b) > 0 {
		var key []byte
		switch {
		case len(b) == 0 || len(a) > 0 && bytes.Compare(a[0].key, b[0].key) <= 0:
			key = a[0].key
		default:
			key = b[0].key
		}
		na, nb := run(a, key), run(b, key)
		if !slices.EqualFunc(a[:na], b[:nb], func(x, y entry) bool { return x.row == y.row }) && !f(key) {
			return
		}
		a, b = a[na:], b[nb:]
	}
}

// run is the number of entries with the key at the start of a sorted list.
func run(l []entry, key []byte) int {
	n := 0
	for n < len(l) && bytes.Equal(l[n].key, key) {
		n++
	}
	return n
}
