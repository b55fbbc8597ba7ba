package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	icebergio "github.com/apache/iceberg-go/io"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// Resolver finds the object behind an absolute location; *objstore.Client is one.
type Resolver interface {
	Resolve(ctx context.Context, loc string) (objstore.Store, string, error)
}

// storage reads and writes the objects that Iceberg metadata names, all over the one client of the process: iceberg-go's
// own S3 client opens four new connections a commit and reads every object whole first.
type storage struct {
	r  Resolver
	id string // key of the registration with iceberg-go
}

// ioProperty selects a storage among those of the process (several pipelines can run in one).
const ioProperty = "cdc2lake.io"

var (
	storages  sync.Map // id → *storage
	storageID atomic.Int64
)

func init() {
	for _, scheme := range []string{"s3", "s3a", "s3n", "file", ""} {
		icebergio.Unregister(scheme)
		icebergio.Register(scheme, registeredIO)
	}
}

func registeredIO(ctx context.Context, u *url.URL, props map[string]string) (icebergio.IO, error) {
	if s, ok := storages.Load(props[ioProperty]); ok {
		return s.(*storage).bind(ctx), nil
	}
	if u.Scheme == "file" || u.Scheme == "" {
		return icebergio.LocalFS{}, nil
	}
	return nil, fmt.Errorf("no storage is configured for %s locations", u.Scheme)
}

func newStorage(r Resolver) *storage {
	s := &storage{r: r, id: strconv.FormatInt(storageID.Add(1), 10)}
	storages.Store(s.id, s)
	return s
}

func (s *storage) close() { storages.Delete(s.id) }

// bind returns the storage as iceberg-go wants it, for the length of a context.
func (s *storage) bind(ctx context.Context) *fileIO { return &fileIO{s, ctx} }

func (s *storage) read(ctx context.Context, loc string) ([]byte, error) {
	st, key, err := s.r.Resolve(ctx, loc)
	if err != nil {
		return nil, err
	}
	b, _, err := st.Get(ctx, key)
	return b, err
}

func (s *storage) write(ctx context.Context, loc string, b []byte) error {
	st, key, err := s.r.Resolve(ctx, loc)
	if err != nil {
		return err
	}
	return st.Put(ctx, key, b)
}

// open opens an object; size is its length if known, otherwise 0.
func (s *storage) open(ctx context.Context, loc string, size int64) (objstore.File, error) {
	st, key, err := s.r.Resolve(ctx, loc)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		return st.OpenSized(ctx, key, size)
	}
	return st.Open(ctx, key)
}

// remove deletes objects; those that do not exist are no error.
func (s *storage) remove(ctx context.Context, locs ...string) error {
	var errs error
	byStore := map[string][]string{}
	stores := map[string]objstore.Store{}
	for _, loc := range locs {
		st, key, err := s.r.Resolve(ctx, loc)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		root := st.Location("")
		stores[root] = st
		byStore[root] = append(byStore[root], key)
	}
	for root, keys := range byStore {
		errs = errors.Join(errs, stores[root].Delete(ctx, keys...))
	}
	return errs
}

// fileIO implements iceberg-go's IO interfaces, which carry no context.
type fileIO struct {
	s   *storage
	ctx context.Context
}

var (
	_ icebergio.ReadFileIO      = (*fileIO)(nil)
	_ icebergio.WriteFileIO     = (*fileIO)(nil)
	_ icebergio.StatIO          = (*fileIO)(nil)
	_ icebergio.BulkRemovableIO = (*fileIO)(nil)
)

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (f *fileIO) Open(name string) (icebergio.File, error) {
	file, err := f.s.open(f.ctx, name, 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return file, nil
}

func (f *fileIO) ReadFile(name string) ([]byte, error) {
	b, err := f.s.read(f.ctx, name)
	return b, pathError("open", name, err)
}

func (f *fileIO) Stat(name string) (fs.FileInfo, error) {
	file, err := f.s.open(f.ctx, name, 0)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	defer file.Close()
	return file.Stat()
}

func (f *fileIO) Remove(name string) error { return pathError("remove", name, f.s.remove(f.ctx, name)) }

func (f *fileIO) DeleteFiles(ctx context.Context, paths []string) ([]string, error) {
	if err := f.s.remove(ctx, paths...); err != nil {
		return nil, err
	}
	return paths, nil
}

func (f *fileIO) WriteFile(name string, p []byte) error {
	return pathError("write", name, f.s.write(f.ctx, name, p))
}

func (f *fileIO) Create(name string) (icebergio.FileWriter, error) {
	st, key, err := f.s.r.Resolve(f.ctx, name)
	if err != nil {
		return nil, pathError("create", name, err)
	}
	w, err := st.Create(f.ctx, key)
	if err != nil {
		return nil, pathError("create", name, err)
	}
	return &fileWriter{w}, nil
}

type fileWriter struct{ objstore.Writer }

func (w *fileWriter) ReadFrom(r io.Reader) (int64, error) {
	if b, ok := r.(*bytes.Reader); ok {
		return b.WriteTo(w.Writer)
	}
	return io.Copy(struct{ io.Writer }{w.Writer}, r)
}
