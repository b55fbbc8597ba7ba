package objstore

import (
	"fmt"
	"io"
	"sync"
)

// chunkSize is the unit in which part buffers grow. Small objects are many (metadata, delete
// files, data files of quiet tables) and take a chunk each, not a part.
const chunkSize = 256 << 10

var chunkPool = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// chunkBuf collects one part in pooled chunks, without moving what it has when it grows.
type chunkBuf struct {
	chunks []*[chunkSize]byte
	size   int64
}

func (b *chunkBuf) write(p []byte) {
	for len(p) > 0 {
		at := int(b.size % chunkSize)
		if at == 0 {
			b.chunks = append(b.chunks, chunkPool.Get().(*[chunkSize]byte))
		}
		n := copy(b.chunks[len(b.chunks)-1][at:], p)
		p = p[n:]
		b.size += int64(n)
	}
}

// release gives the chunks back. No reader may be in use.
func (b *chunkBuf) release() {
	for _, c := range b.chunks {
		chunkPool.Put(c)
	}
	b.chunks, b.size = nil, 0
}

func (b *chunkBuf) reader() *chunkReader { return &chunkReader{buf: b} }

// chunkReader reads a chunkBuf from the start; the SDK seeks to measure and to sign.
type chunkReader struct {
	buf *chunkBuf
	off int64
}

var _ io.ReadSeeker = (*chunkReader)(nil)

func (r *chunkReader) next() []byte {
	if r.off >= r.buf.size {
		return nil
	}
	c := r.buf.chunks[r.off/chunkSize]
	return c[r.off%chunkSize : min(int64(chunkSize), r.buf.size-r.off/chunkSize*chunkSize)]
}

func (r *chunkReader) Read(p []byte) (int, error) {
	n := copy(p, r.next())
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	r.off += int64(n)
	return n, nil
}

func (r *chunkReader) Seek(offset int64, whence int) (int64, error) {
	off, err := seekTo(r.off, r.buf.size, offset, whence)
	if err != nil {
		return 0, fmt.Errorf("part: %w", err)
	}
	r.off = off
	return off, nil
}
