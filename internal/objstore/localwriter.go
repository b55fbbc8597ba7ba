package objstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// localWriter streams into a temporary file, which Close renames.
type localWriter struct {
	ctx    context.Context
	store  *localStore
	key    string
	path   string
	f      *os.File
	size   int64
	start  time.Time
	err    error // of a Write, or of Close
	closed bool
}

var errClosedWriter = errors.New("write after close or abort")

func (s *localStore) Create(ctx context.Context, key string) (Writer, error) {
	w := &localWriter{ctx: ctx, store: s, key: key, start: time.Now()}
	err := s.run(ctx, OpCreateUpload, key, func(path string) (n int64, err error) {
		w.path = path
		w.f, err = s.createTemp(path)
		return 0, err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (w *localWriter) Write(p []byte) (int, error) {
	if w.closed {
		return 0, w.store.wrap(OpUploadPart, w.key, errClosedWriter)
	}
	if w.err != nil {
		return 0, w.err
	}
	if err := w.ctx.Err(); err != nil {
		w.err = w.store.wrap(OpUploadPart, w.key, err)
		return 0, w.err
	}
	n, err := w.f.Write(p)
	w.size += int64(n)
	w.err = w.store.wrap(OpUploadPart, w.key, err)
	return n, w.err
}

func (w *localWriter) Close() error {
	if w.closed {
		return w.err
	}
	if err := w.ctx.Err(); err != nil && w.err == nil {
		w.err = w.store.wrap(OpPut, w.key, err)
	}
	if w.err != nil {
		_ = w.Abort()
		return w.err
	}
	w.closed = true
	err := w.store.finishTemp(w.f)
	if err != nil {
		_ = os.Remove(w.f.Name())
	} else {
		err = w.store.publish(w.f.Name(), w.path, func(tmp string) error {
			defer lockPath(w.path)()
			return os.Rename(tmp, w.path)
		})
	}
	w.err = w.store.wrap(OpPut, w.key, err)
	w.store.observe(OpPut, w.start, w.size, w.err)
	return w.err
}

func (w *localWriter) Abort() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.err == nil {
		w.err = w.store.wrap(OpAbortUpload, w.key, errClosedWriter)
	}
	err := w.f.Close()
	if rerr := os.Remove(w.f.Name()); err == nil {
		err = rerr
	}
	w.store.pruneFrom(filepath.Dir(w.path))
	return w.store.wrap(OpAbortUpload, w.key, err)
}

func (w *localWriter) Size() int64 { return w.size }
