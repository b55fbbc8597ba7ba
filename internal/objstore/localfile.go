package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// localFile is an object of the local twin, open for reading. A rename or a delete meanwhile
// does not disturb it.
type localFile struct {
	ctx   context.Context
	store *localStore
	f     *os.File
	info  Info
	off   int64 // of Read and Seek
}

func (s *localStore) Open(ctx context.Context, key string) (File, error) {
	return s.open(ctx, key, -1)
}

func (s *localStore) OpenSized(ctx context.Context, key string, size int64) (File, error) {
	return s.open(ctx, key, size)
}

// open opens a file whose size should be want bytes, or any if that is negative.
func (s *localStore) open(ctx context.Context, key string, want int64) (File, error) {
	lf := &localFile{ctx: ctx, store: s}
	err := s.run(ctx, OpGetRange, key, func(path string) (int64, error) {
		f, fi, err := openRegular(path)
		if err != nil {
			return 0, err
		}
		if want >= 0 && fi.Size() != want {
			_ = f.Close()
			return 0, sizeError(fi.Size(), want)
		}
		lf.f, lf.info = f, fileInfo(key, fi)
		return 0, nil
	})
	if err != nil {
		return nil, err
	}
	return lf, nil
}

func sizeError(is, want int64) error {
	return fmt.Errorf("%w: the object has %d bytes, not the expected %d", ErrChanged, is, want)
}

func (f *localFile) Size() int64 { return f.info.Size }

func (f *localFile) Stat() (fs.FileInfo, error) { return objectInfo{f.info}, nil }

func (f *localFile) ReadAt(p []byte, off int64) (int, error) {
	start := time.Now()
	err := f.ctx.Err()
	n := 0
	if err == nil {
		n, err = f.f.ReadAt(p, off)
	}
	if errors.Is(err, io.EOF) {
		f.store.observe(OpGetRange, start, int64(n), nil)
		return n, io.EOF
	}
	err = f.store.wrap(OpGetRange, f.info.Key, err)
	f.store.observe(OpGetRange, start, int64(n), err)
	return n, err
}

func (f *localFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f *localFile) Seek(offset int64, whence int) (int64, error) {
	off, err := seekTo(f.off, f.info.Size, offset, whence)
	if err == nil {
		f.off = off
	}
	return off, err
}

func (f *localFile) Close() error { return f.f.Close() }

// seekTo is the new offset of io.Seeker.
func seekTo(off, size, offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += off
	case io.SeekEnd:
		offset += size
	default:
		return 0, fmt.Errorf("seek: %w whence %d", ErrInvalid, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek: %w: negative offset", ErrInvalid)
	}
	return offset, nil
}
