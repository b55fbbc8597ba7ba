package objstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// List walks directories in the order that S3 lists keys: by the bytes of the whole key. For
// that a directory sorts as its name with a slash ("a-b" comes before "a/c", for '-' < '/').
func (s *localStore) List(ctx context.Context, prefix, startAfter string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		start := time.Now()
		dir := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i+1]
		}
		var err error
		if dir != "" {
			err = checkLocalKey(strings.TrimSuffix(dir, "/"))
		}
		if err == nil {
			_, err = s.walk(ctx, dir, prefix, startAfter, yield)
		}
		err = s.wrap(OpList, prefix, err)
		s.observe(OpList, start, 0, err)
		if err != nil {
			yield(Info{}, err)
		}
	}
}

// walk lists the directory dir, a key prefix that is empty or ends in a slash. It tells
// whether the caller wants to go on.
func (s *localStore) walk(ctx context.Context, dir, prefix, after string, yield func(Info, error) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	entries, err := os.ReadDir(s.path(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true, nil // never written, or pruned meanwhile
	}
	if err != nil {
		return false, err
	}
	keys := make([]string, 0, len(entries))
	for _, e := range entries {
		key := dir + e.Name()
		if e.Type()&fs.ModeSymlink != 0 { // a mounted or moved part of the tree
			if fi, err := os.Stat(s.path(key)); err == nil && fi.IsDir() {
				key += "/"
			}
		} else if e.IsDir() {
			key += "/"
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if strings.HasSuffix(key, "/") {
			// Into directories that can hold the prefix, and keys after the start.
			if !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key) {
				continue
			}
			if key <= after && !strings.HasPrefix(after, key) {
				continue
			}
			if more, err := s.walk(ctx, key, prefix, after, yield); !more || err != nil {
				return false, err
			}
			continue
		}
		if !strings.HasPrefix(key, prefix) || key <= after || isTemp(filepath.Base(key)) {
			continue
		}
		info, err := statFile(s.path(key), key)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile, or a socket, a pipe
		}
		if err != nil {
			return false, err
		}
		if !yield(info, nil) {
			return false, nil
		}
	}
	return true, nil
}
