package objstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// tempPrefix starts the names of files that are being written. Listings leave them out, keys
// may not have it, and SweepUploads removes those that a crash has left.
const tempPrefix = ".objstore-tmp-"

func isTemp(base string) bool { return strings.HasPrefix(base, tempPrefix) }

// tempCounter makes names unique within the process; its id makes them so among processes,
// and O_EXCL settles what is left (containers that share a volume share process ids, too).
var tempCounter atomic.Uint64

// lastStamp is the last modification time given, in Unix nanoseconds.
var lastStamp atomic.Int64

// stamp is the time now, later than every stamp before.
func stamp() time.Time {
	for {
		last, now := lastStamp.Load(), time.Now().UnixNano()
		if now <= last {
			now = last + 1
		}
		if lastStamp.CompareAndSwap(last, now) {
			return time.Unix(0, now)
		}
	}
}

// createTemp opens a temporary file beside path, and makes the directory if need be.
func (s *localStore) createTemp(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	var last error
	// Missing directories, and those that a Delete prunes between our two calls; and names
	// that another container uses.
	for range 100 {
		name := filepath.Join(dir, tempPrefix+strconv.Itoa(os.Getpid())+"-"+strconv.FormatInt(time.Now().UnixNano(), 36)+
			"-"+strconv.FormatUint(tempCounter.Add(1), 36))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, fs.ErrNotExist):
			if err := s.makeDir(dir); err != nil {
				return nil, err
			}
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
		last = err
	}
	return nil, last
}

// makeDir makes a directory and its parents, durably: a file is as lost as its directory.
func (s *localStore) makeDir(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the parent was pruned at once; createTemp comes back
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.syncDir(filepath.Dir(dir))
}

// finishTemp makes a written temporary file ready to be published.
func (s *localStore) finishTemp(f *os.File) error {
	t := stamp()
	err := os.Chtimes(f.Name(), t, t)
	if err == nil && !s.cfg.NoSync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (s *localStore) syncDir(dir string) error {
	if s.cfg.NoSync {
		return nil
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // pruned; what was in it is gone by order
	}
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// withTemp writes body into a temporary file and has publish give it the object's name.
func (s *localStore) withTemp(path string, body []byte, publish func(tmp string) error) error {
	f, err := s.createTemp(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(body); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return err
	}
	if err := s.finishTemp(f); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return s.publish(f.Name(), path, publish)
}

// publish names a finished temporary file, and removes it when that fails. The file itself
// is synced already, so after a crash the name has the whole content or does not exist.
func (s *localStore) publish(tmp, path string, publish func(tmp string) error) error {
	if err := publish(tmp); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if err := s.syncDir(filepath.Dir(path)); err != nil {
		// Visible now, and perhaps not after a crash.
		return fmt.Errorf("%w: sync directory: %w", ErrUnknown, err)
	}
	return nil
}
