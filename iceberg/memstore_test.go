package iceberg

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// memStore keeps objects in memory, whatever their location says: tests of the protocol need no disk, and costs are ours alone.
type memStore struct {
	mu      sync.Mutex
	objects map[string]memObject // by location
}

type memObject struct {
	body []byte
	at   time.Time
}

func newMemStore() *memStore { return &memStore{objects: map[string]memObject{}} }

func (m *memStore) Resolve(_ context.Context, loc string) (objstore.Store, string, error) {
	return m, strings.TrimPrefix(loc, "file://"), nil
}

func (m *memStore) find(key string) (memObject, objstore.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return o, objstore.Info{}, fmt.Errorf("%s: %w", key, objstore.ErrNotFound)
	}
	return o, objstore.Info{Key: key, Size: int64(len(o.body)), Modified: o.at}, nil
}

func (m *memStore) Get(_ context.Context, key string) ([]byte, objstore.Info, error) {
	o, info, err := m.find(key)
	return o.body, info, err
}

func (m *memStore) Stat(_ context.Context, key string) (objstore.Info, error) {
	_, info, err := m.find(key)
	return info, err
}

func (m *memStore) Open(_ context.Context, key string) (objstore.File, error) {
	o, _, err := m.find(key)
	if err != nil {
		return nil, err
	}
	return memFile{bytes.NewReader(o.body)}, nil
}

func (m *memStore) OpenSized(ctx context.Context, key string, size int64) (objstore.File, error) {
	f, err := m.Open(ctx, key)
	if err == nil && f.Size() != size {
		return nil, fmt.Errorf("%s: %w", key, objstore.ErrChanged)
	}
	return f, err
}

func (m *memStore) Put(_ context.Context, key string, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = memObject{bytes.Clone(b), time.Now()}
	return nil
}

func (m *memStore) PutIfAbsent(ctx context.Context, key string, b []byte) error {
	if _, err := m.Stat(ctx, key); err == nil {
		return objstore.ErrExists
	}
	return m.Put(ctx, key, b)
}

func (m *memStore) PutIfMatch(context.Context, string, string, []byte) (string, error) {
	panic("not used")
}

func (m *memStore) Create(_ context.Context, key string) (objstore.Writer, error) {
	return &memWriter{m: m, key: key}, nil
}

func (m *memStore) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.objects, k)
	}
	return nil
}

func (m *memStore) List(_ context.Context, prefix, after string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.objects))
		m.mu.Unlock()
		for _, k := range keys {
			if _, info, err := m.find(k); err == nil && strings.HasPrefix(k, prefix) && k > after && !yield(info, nil) {
				return
			}
		}
	}
}

func (m *memStore) Location(key string) string { return "file://" + key }

type memFile struct{ *bytes.Reader }

func (memFile) Close() error               { return nil }
func (memFile) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

type memWriter struct {
	m    *memStore
	key  string
	body bytes.Buffer
	done bool
}

func (w *memWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
func (w *memWriter) Size() int64                 { return int64(w.body.Len()) }
func (w *memWriter) Abort() error                { w.done = true; return nil }

func (w *memWriter) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	return w.m.Put(context.Background(), w.key, w.body.Bytes())
}
