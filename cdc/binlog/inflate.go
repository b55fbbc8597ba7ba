package binlog

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
)

var errInflate = errors.New("malformed compressed data")

// inflater decompresses what MariaDB compresses by parts: statements, row images, values of COMPRESSED columns. Results are valid
// until the next call.
type inflater struct {
	src  bytes.Reader
	zlib io.ReadCloser
	raw  io.ReadCloser
	buf  []byte
}

// record reads a part of an event: a byte with 0x80, the algorithm (0: zlib) in three bits, and how many bytes the size takes; the
// size, big endian; the data.
func (f *inflater) record(b []byte) ([]byte, error) {
	if len(b) == 0 || b[0]&0xf8 != 0x80 {
		return nil, errInflate
	}
	return f.sized(b, int(b[0]&7), false)
}

// value reads a value of a COMPRESSED column: nothing, or a byte 0 and the value as it is, or a byte with 0x80 (zlib), 8 where zlib's
// header and checksum are left out, and how many bytes the size takes; the size; the data.
func (f *inflater) value(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return b, nil
	case b[0] == 0:
		return b[1:], nil
	case b[0]&0xf0 != 0x80:
		return nil, errInflate
	}
	return f.sized(b, int(b[0]&7), b[0]&8 != 0)
}

func (f *inflater) sized(b []byte, n int, raw bool) ([]byte, error) {
	if n == 0 || n > 4 || len(b) < 1+n {
		return nil, errInflate
	}
	size := bigEndian(b[1 : 1+n])
	if size > maxEvent {
		return nil, errInflate
	}
	f.src.Reset(b[1+n:])
	r, err := f.reader(raw)
	if err != nil {
		return nil, err
	}
	// The size is not trusted: memory grows as data arrives.
	out := f.buf[:0]
	for {
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(int(size)+1, max(2*cap(out), 4096)))
			copy(grown, out)
			out = grown
		}
		k, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+k]
		if uint64(len(out)) > size {
			return nil, errInflate
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if uint64(len(out)) != size || f.src.Len() > 0 {
		return nil, errInflate
	}
	if f.buf = out[:0]; cap(out) > 4*payloadStep {
		f.buf = nil // a large one must not hold its memory
	}
	return out, nil
}

func (f *inflater) reader(raw bool) (io.Reader, error) {
	var err error
	switch {
	case raw && f.raw == nil:
		f.raw = flate.NewReader(&f.src)
	case raw:
		err = f.raw.(flate.Resetter).Reset(&f.src, nil)
	case f.zlib == nil:
		f.zlib, err = zlib.NewReader(&f.src)
	default:
		err = f.zlib.(zlib.Resetter).Reset(&f.src, nil)
	}
	if raw {
		return f.raw, err
	}
	return f.zlib, err
}
