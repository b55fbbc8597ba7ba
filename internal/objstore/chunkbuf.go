package objstore

import (
	"fmt"
	"io"
	"sync"
)

// chunkSize is the unit in which part buffers grow.
const chunkSize = 256 << 10

// firstSizes are the sizes of a buffer's first chunk, which is moved as it grows: small objects are many (metadata, delete files,
// data files of quiet tables), hundreds of them are open at a time, and most never fill 64 KiB.
var firstSizes = [...]int{4 << 10, 16 << 10, 64 << 10, chunkSize}

// chunk is pooled memory, of a size of firstSizes.
type chunk struct {
	class int
	b     []byte
}

var chunkPools [len(firstSizes)]sync.Pool

func getChunk(class int) *chunk {
	if c, ok := chunkPools[class].Get().(*chunk); ok {
		return c
	}
	return &chunk{class, make([]byte, firstSizes[class])}
}

func (c *chunk) release() { chunkPools[c.class].Put(c) }

// chunkBuf collects one part in pooled chunks, of chunkSize each but for a first one that is alone. Beyond that it grows without
// moving what it has.
type chunkBuf struct {
	chunks []*chunk
	size   int64
}

func (b *chunkBuf) write(p []byte) {
	for len(p) > 0 {
		at := int(b.size % chunkSize)
		switch {
		case at == 0:
			class := len(firstSizes) - 1
			if b.size == 0 {
				class = classOf(len(p))
			}
			b.chunks = append(b.chunks, getChunk(class))
		case at == len(b.chunks[len(b.chunks)-1].b): // the first one, not yet of full size
			small := b.chunks[0]
			b.chunks[0] = getChunk(classOf(at + len(p)))
			copy(b.chunks[0].b, small.b)
			small.release()
		}
		n := copy(b.chunks[len(b.chunks)-1].b[at:], p)
		p = p[n:]
		b.size += int64(n)
	}
}

// classOf is the smallest size for n bytes.
func classOf(n int) int {
	for class, size := range firstSizes {
		if n <= size {
			return class
		}
	}
	return len(firstSizes) - 1
}

// release gives the chunks back. No reader may be in use.
func (b *chunkBuf) release() {
	for _, c := range b.chunks {
		c.release()
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
	c := r.buf.chunks[r.off/chunkSize].b
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
