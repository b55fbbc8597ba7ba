package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const tempPrefix = "cdc2lake-env-"

// tempDir is a server's folder. A lock on a file in it, held as long as this process lives, tells other processes
// that it is in use.
type tempDir struct {
	path string
	lock *os.File
}

var sweepOnce sync.Once

func newTempDir(kind string) (*tempDir, error) {
	sweepOnce.Do(sweep)
	base := os.TempDir()
	if len(base) > 40 {
		base = "/tmp" // a unix socket's path may have 107 characters
	}
	path, err := os.MkdirTemp(base, tempPrefix+kind+"-")
	if err != nil {
		return nil, err
	}
	// A server under another user (PostgreSQL, when we are root) must get through to its own folder.
	if err := os.Chmod(path, 0o711); err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(path, "lock"))
	if err != nil {
		return nil, err
	}
	if err := flock(lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &tempDir{path, lock}, nil
}

// folder is the caller's folder, made where it is missing, or a temporary one.
func folder(dir, kind string) (string, *tempDir, error) {
	if dir == "" {
		temp, err := newTempDir(kind)
		if err != nil {
			return "", nil, err
		}
		return temp.path, temp, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	return dir, nil, os.MkdirAll(dir, 0o755)
}

func (d *tempDir) remove() error {
	err := os.RemoveAll(d.path)
	return errors.Join(err, d.lock.Close())
}

// sweep removes the folders of processes that were killed. A young folder may be between its making and its locking.
func sweep() {
	for _, base := range []string{os.TempDir(), "/tmp"} {
		found, _ := filepath.Glob(filepath.Join(base, tempPrefix+"*"))
		for _, path := range found {
			info, err := os.Stat(path)
			if err != nil || time.Since(info.ModTime()) < time.Minute {
				continue
			}
			lock, err := os.Open(filepath.Join(path, "lock"))
			if err != nil {
				continue
			}
			if flock(lock) == nil {
				os.RemoveAll(path)
			}
			lock.Close()
		}
	}
}
