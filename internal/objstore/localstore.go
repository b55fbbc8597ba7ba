package objstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// localStore is a directory. An object is a file; it is written under a temporary name beside
// its own, and appears by rename (Put) or by link (PutIfAbsent: a link fails where a name is
// taken, on every POSIX file system, so exactly one of several processes wins).
type localStore struct {
	cfg   Config
	root  string // absolute, clean
	prune bool   // remove directories that become empty, below root
}

func newLocalStore(cfg Config, root string, prune bool) *localStore {
	return &localStore{cfg: cfg, root: root, prune: prune}
}

var _ Store = (*localStore)(nil)

// pathLocks serialise Put, Delete and PutIfMatch of one file within the process, so that
// PutIfMatch replaces what it compared. Striped by path, and global because several Stores
// and Clients can name the same file.
var (
	pathLocks    [64]sync.Mutex
	pathLockSeed = maphash.MakeSeed()
)

func lockPath(path string) (unlock func()) {
	mu := &pathLocks[maphash.String(pathLockSeed, path)%uint64(len(pathLocks))]
	mu.Lock()
	return mu.Unlock
}

func (s *localStore) Location(key string) string {
	return "file://" + strings.TrimSuffix(s.root, "/") + "/" + key
}

func (s *localStore) path(key string) string { return filepath.Join(s.root, key) }

// run checks the key, does an operation once and reports it. A local operation is not
// repeated: what fails on a disk fails again.
func (s *localStore) run(ctx context.Context, op Op, key string, fn func(path string) (int64, error)) error {
	start := time.Now()
	var n int64
	err := ctx.Err()
	if err == nil {
		err = checkLocalKey(key)
	}
	if err == nil {
		n, err = fn(s.path(key))
	}
	err = s.wrap(op, key, err)
	s.observe(op, start, n, err)
	return err
}

func (s *localStore) observe(op Op, start time.Time, n int64, err error) {
	if s.cfg.Observer == nil {
		return
	}
	if err != nil {
		n = 0
	}
	s.cfg.Observer.ObserveStore(Event{Op: op, Scheme: "file", Bytes: n, Duration: time.Since(start), Attempt: 1, Class: ClassOf(err)})
}

// wrap turns an error of the file system into one of ours.
func (s *localStore) wrap(op Op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Location: s.Location(key), Err: err, Attempts: 1}
	for _, kind := range []error{ErrNotFound, ErrExists, ErrChanged, ErrUnknown, ErrInvalid} {
		if errors.Is(err, kind) {
			e.Kind = kind
			return e
		}
	}
	var pe *fs.PathError // our own location says more than a temporary file's path
	if errors.As(err, &pe) {
		e.Err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR) && op != OpPut && op != OpPutIfAbsent && op != OpCreateUpload:
		e.Kind = ErrNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Kind, e.Hint = ErrAccess, "check owner and mode of the directory"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Hint = ErrUnavailable, "free some space on the disk"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EIO):
		e.Kind = ErrUnavailable
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		e.Kind, e.Hint = ErrInvalid, "on a file system a key cannot be an object and a directory at once"
	case errors.Is(err, syscall.ENAMETOOLONG):
		e.Kind = ErrInvalid
	}
	return e
}

// statFile is the file's Info; directories and whatever else is no object are not found.
func statFile(path, key string) (Info, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Info{}, err
	}
	if !fi.Mode().IsRegular() {
		return Info{}, fs.ErrNotExist
	}
	return fileInfo(key, fi), nil
}

func fileInfo(key string, fi fs.FileInfo) Info {
	return Info{Key: key, Size: fi.Size(), Modified: fi.ModTime(), ETag: fileETag(fi)}
}

// fileETag is modification time, size and inode. Hashing the content would make Stat and List
// read every file. Time alone is not enough: kernels stamp files with the last clock tick,
// milliseconds ago; so every write of ours sets its own, strictly increasing one (stamp).
func fileETag(fi fs.FileInfo) string {
	var ino uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		ino = st.Ino
	}
	return fmt.Sprintf("%x-%x-%x", fi.ModTime().UnixNano(), fi.Size(), ino)
}

func (s *localStore) Stat(ctx context.Context, key string) (Info, error) {
	var info Info
	err := s.run(ctx, OpStat, key, func(path string) (n int64, err error) {
		info, err = statFile(path, key)
		return 0, err
	})
	return info, err
}

func (s *localStore) Get(ctx context.Context, key string) ([]byte, Info, error) {
	var body []byte
	var info Info
	err := s.run(ctx, OpGet, key, func(path string) (int64, error) {
		f, fi, err := openRegular(path)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		// Of this very file: a rename may have put another in its place since.
		info = fileInfo(key, fi)
		body = make([]byte, fi.Size())
		if _, err := f.ReadAt(body, 0); err != nil && len(body) > 0 {
			return 0, err
		}
		return fi.Size(), nil
	})
	if err != nil {
		return nil, Info{}, err
	}
	return body, info, nil
}

func openRegular(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

func (s *localStore) Put(ctx context.Context, key string, body []byte) error {
	return s.run(ctx, OpPut, key, func(path string) (int64, error) {
		err := s.withTemp(path, body, func(tmp string) error {
			defer lockPath(path)()
			return os.Rename(tmp, path)
		})
		return int64(len(body)), err
	})
}

func (s *localStore) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return s.run(ctx, OpPutIfAbsent, key, func(path string) (int64, error) {
		// Losers find out early, and do not write their body.
		if _, err := os.Lstat(path); err == nil {
			return 0, ErrExists
		}
		err := s.withTemp(path, body, func(tmp string) error {
			err := os.Link(tmp, path)
			if errors.Is(err, fs.ErrExist) {
				return ErrExists
			}
			if err == nil {
				_ = os.Remove(tmp) // the sweep takes it otherwise
			}
			return err
		})
		return int64(len(body)), err
	})
}

func (s *localStore) PutIfMatch(ctx context.Context, key, etag string, body []byte) (string, error) {
	var newTag string
	err := s.run(ctx, OpPutIfMatch, key, func(path string) (int64, error) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return 0, ErrChanged
		}
		err := s.withTemp(path, body, func(tmp string) error {
			release, err := lockDir(filepath.Dir(path))
			if err != nil {
				return err
			}
			defer release()
			defer lockPath(path)()
			old, err := statFile(path, key)
			if errors.Is(err, fs.ErrNotExist) || err == nil && old.ETag != etag {
				return ErrChanged
			}
			if err != nil {
				return err
			}
			made, err := statFile(tmp, key)
			if err != nil {
				return err
			}
			newTag = made.ETag // a rename keeps time, size and inode
			return os.Rename(tmp, path)
		})
		return int64(len(body)), err
	})
	if err != nil {
		return "", err
	}
	return newTag, nil
}

// lockDir excludes other processes' PutIfMatch in a directory, by flock on the directory
// itself: it leaves no lock file, and ends with the process. On NFS without lockd it fails,
// and so does PutIfMatch.
func lockDir(dir string) (release func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock directory: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

func (s *localStore) Delete(ctx context.Context, keys ...string) error {
	var errs []error
	for _, key := range keys {
		errs = append(errs, s.run(ctx, OpDelete, key, func(path string) (int64, error) {
			defer lockPath(path)()
			err := os.Remove(path)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
				return 0, nil
			}
			// A directory is not an object, and deleting what is not there is fine.
			if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
				return 0, nil
			}
			if err == nil {
				s.pruneFrom(filepath.Dir(path))
			}
			return 0, err
		}))
	}
	return errors.Join(errs...)
}

// pruneFrom removes directories that have become empty, up to the root and not the root.
// A writer that loses its directory to this makes it again (withTemp).
func (s *localStore) pruneFrom(dir string) {
	for s.prune && len(dir) > len(s.root) && strings.HasPrefix(dir, s.root) {
		if os.Remove(dir) != nil {
			return
		}
		dir = filepath.Dir(dir)
	}
}
