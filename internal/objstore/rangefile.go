package objstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
)

const (
	// tailSize is fetched at the end of an object at the first touch. Parquet footers of
	// hundreds of columns fit; at S3's latencies (20 ms and more) it costs what 8 bytes cost.
	tailSize = 128 << 10
	// smallSize: objects up to here are read whole with the first request. Compaction reads
	// thousands of small files, and requests are what it pays for.
	smallSize = 512 << 10
	// minAhead and maxAhead bound the window read at once; it doubles while reads follow on.
	minAhead = 128 << 10
	maxAhead = 2 << 20
	// directSize: reads of at least this go past the windows, into the caller's memory.
	directSize = 512 << 10
	// maxWindows allows so many column chunks to be read side by side through small buffers.
	maxWindows = 8
)

// fetcher reads a range of an object (s3Store).
type fetcher interface {
	fetchRange(ctx context.Context, info Info, off int64, p []byte) error
}

// rangeFile gives random access to an object by range requests. It holds the tail, and up to
// maxWindows windows of read-ahead.
type rangeFile struct {
	ctx context.Context
	src fetcher

	mu      sync.Mutex // guards all below, and is not held during requests
	info    Info
	tail    *window // nil until it is asked for; never evicted
	windows []*window
	clock   uint64
	closed  bool

	off int64 // of Read and Seek; not for concurrent use
}

// window is a part of the object, perhaps still on its way.
type window struct {
	off  int64
	data []byte
	done chan struct{} // closed when data or err is there
	err  error
	used uint64 // rangeFile.clock of the last use
}

func (w *window) end() int64 { return w.off + int64(len(w.data)) }

func newRangeFile(ctx context.Context, src fetcher, info Info) *rangeFile {
	return &rangeFile{ctx: ctx, src: src, info: info}
}

// keepTail gives the file the end of the object that the opening request brought.
func (f *rangeFile) keepTail(off int64, data []byte) {
	done := make(chan struct{})
	close(done)
	f.tail = &window{off: off, data: data, done: done}
}

func (f *rangeFile) Size() int64 { return f.info.Size }

func (f *rangeFile) Stat() (fs.FileInfo, error) { return objectInfo{f.info}, nil }

func (f *rangeFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	n := 0
	for n < len(p) {
		if off >= f.info.Size {
			return n, io.EOF
		}
		got, err := f.readSome(p[n:], off)
		n += got
		off += int64(got)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readSome reads at least one byte of an offset within the object.
func (f *rangeFile) readSome(p []byte, off int64) (int, error) {
	p = p[:min(int64(len(p)), f.info.Size-off)]
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return 0, fs.ErrClosed
	}
	w, mine := f.find(off)
	if w == nil {
		direct := len(p) >= directSize
		if direct && f.tail != nil && off+int64(len(p)) > f.tail.off {
			p = p[:f.tail.off-off] // the rest is here already
		}
		if direct {
			f.mu.Unlock()
			if err := f.src.fetchRange(f.ctx, f.info, off, p); err != nil {
				return 0, err
			}
			return len(p), nil
		}
		w, mine = f.plan(off, len(p)), true
	}
	f.clock++
	w.used = f.clock
	f.mu.Unlock()

	if mine {
		f.fill(w)
	}
	select {
	case <-w.done:
	case <-f.ctx.Done():
		return 0, f.ctx.Err()
	}
	if w.err != nil {
		return 0, w.err
	}
	return copy(p, w.data[off-w.off:]), nil
}

// find is the window that holds an offset. The tail is planned here when it is needed and
// not there; then mine tells that the caller must fill it.
func (f *rangeFile) find(off int64) (w *window, mine bool) {
	if f.tail == nil {
		start := max(0, f.info.Size-tailSize)
		if f.info.Size <= smallSize {
			start = 0
		}
		if off >= start {
			f.tail = &window{off: start, data: make([]byte, f.info.Size-start), done: make(chan struct{})}
			return f.tail, true
		}
	}
	if f.tail != nil && off >= f.tail.off {
		return f.tail, false
	}
	for _, w := range f.windows {
		if off >= w.off && off < w.end() {
			return w, false
		}
	}
	return nil, false
}

// plan makes the window for a read that no other holds. If it goes on where one ends, it
// replaces that and is twice as long: a sequential reader settles at maxAhead, and the
// others do not fetch what they do not need.
func (f *rangeFile) plan(off int64, need int) *window {
	length := int64(minAhead)
	slot := -1
	for i, w := range f.windows {
		if w.end() == off {
			length = min(int64(len(w.data))*2, maxAhead)
			slot = i
			break
		}
	}
	length = max(length, int64(need))
	limit := f.info.Size
	if f.tail != nil {
		limit = f.tail.off
	}
	w := &window{off: off, data: make([]byte, min(length, limit-off)), done: make(chan struct{})}
	switch {
	case slot >= 0:
		f.windows[slot] = w
	case len(f.windows) < maxWindows:
		f.windows = append(f.windows, w)
	default:
		oldest := 0
		for i, x := range f.windows {
			if x.used < f.windows[oldest].used {
				oldest = i
			}
		}
		f.windows[oldest] = w
	}
	return w
}

// fill fetches a window. A failed one is forgotten, so that a later read tries again.
func (f *rangeFile) fill(w *window) {
	w.err = f.src.fetchRange(f.ctx, f.info, w.off, w.data)
	if w.err != nil {
		f.mu.Lock()
		if f.tail == w {
			f.tail = nil
		}
		for i, x := range f.windows {
			if x == w {
				f.windows = append(f.windows[:i], f.windows[i+1:]...)
				break
			}
		}
		f.mu.Unlock()
	}
	close(w.done)
}

func (f *rangeFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.off >= f.info.Size {
		return 0, io.EOF
	}
	n, err := f.readSome(p, f.off)
	f.off += int64(n)
	return n, err
}

func (f *rangeFile) Seek(offset int64, whence int) (int64, error) {
	off, err := seekTo(f.off, f.info.Size, offset, whence)
	if err == nil {
		f.off = off
	}
	return off, err
}

// Close lets go of the buffers. Reads under way finish.
func (f *rangeFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.tail, f.windows = nil, nil
	return nil
}
