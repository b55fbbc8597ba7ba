package state

import (
	"bufio"
	"os"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// A run file holds sorted sections, one per table that has entries in it, and is never changed once written:
//
//	8 bytes        runMagic in native byte order: a file from a machine of another order is foreign
//	8 × words × n  section: entries, native byte order
//	…              more sections
//	directory      for every section: table, words per entry, offset in bytes, entries, XXH3 of the section
//	24 bytes       offset of the directory, XXH3 of the directory, runMagic; 8 bytes each
//
// The manifest holds the file's size and the directory's checksum.
const (
	runMagic   = 0x31304e5552533243 // "C2SRUN01": the last two digits are the format's version
	runTrailer = 24
)

// section describes a table's entries in a run file.
type section struct {
	table cdc.TableID
	w     int
	off   int64
	n     int64
	sum   uint64
}

func (s *section) bytes() int64 { return s.n * int64(s.w) * 8 }

type runWriter struct {
	f    *os.File
	b    *bufio.Writer
	off  int64
	dir  []section
	hash *xxh3.Hasher
	cur  *section
}

func createRun(path string) (*runWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &runWriter{f: f, b: bufio.NewWriterSize(f, 128<<10), hash: xxh3.New()}
	return w, w.write(bytesOf([]uint64{runMagic}))
}

func (w *runWriter) write(b []byte) error {
	n, err := w.b.Write(b)
	w.off += int64(n)
	return err
}

// begin starts a table's section. It is kept if entries are added.
func (w *runWriter) begin(t cdc.TableID, words int) {
	w.cur = &section{table: t, w: words, off: w.off}
	w.hash.Reset()
}

// add appends entries to the section.
func (w *runWriter) add(d []uint64) error {
	s := w.cur
	s.n += int64(len(d) / s.w)
	b := bytesOf(d)
	_, _ = w.hash.Write(b)
	return w.write(b)
}

func (w *runWriter) end() {
	if w.cur.n > 0 {
		w.cur.sum = w.hash.Sum64()
		w.dir = append(w.dir, *w.cur)
	}
	w.cur = nil
}

// finish closes the file and returns its size and the directory's checksum.
func (w *runWriter) finish() (size int64, sum uint64, err error) {
	var e encoder
	e.uint(uint64(len(w.dir)))
	for i := range w.dir {
		s := &w.dir[i]
		e.table(s.table)
		e.uint(uint64(s.w))
		e.uint(uint64(s.off))
		e.uint(uint64(s.n))
		e.fixed(s.sum)
	}
	sum = xxh3.Hash(e)
	dir := w.off
	if err = w.write(e); err == nil {
		err = w.write(bytesOf([]uint64{uint64(dir), sum, runMagic}))
	}
	if err == nil {
		err = w.b.Flush()
	}
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	return w.off, sum, err
}

// abandon closes and removes the file.
func (w *runWriter) abandon() {
	_ = w.f.Close()
	_ = os.Remove(w.f.Name())
}

// bytesOf views words as bytes in native order.
func bytesOf(d []uint64) []byte {
	if len(d) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&d[0])), len(d)*8)
}

// wordsOf views b, which is 8-byte aligned, as words.
func wordsOf(b []byte) []uint64 {
	if len(b) < 8 {
		return nil
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), len(b)/8)
}
