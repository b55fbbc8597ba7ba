package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// reading is how far the reading of a source has come. Saved beside the buckets, it lets an interrupted comparison go on.
type reading struct {
	V          int       `json:"v"`
	Definition string    `json:"definition"` // a hash: rows of another one are of no use
	After      cdc.Bound `json:"after"`
	Last       bool      `json:"last"` // nothing follows
	Rows       int64     `json:"rows"`
	Sizes      []int64   `json:"sizes"` // of the buckets' files
}

const (
	readingVersion = 1
	readingFile    = "reading.json"
	// saveEvery is how often progress is saved: it takes a sync of all buckets.
	saveEvery = 10 * time.Second
)

func definitionHash(s *cdc.Schema) (string, error) {
	b, err := json.Marshal(struct {
		Columns []cdc.Column
		Key     []int
	}{s.Columns, s.Key})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", xxh3.Hash128(b).Bytes()), nil
}

// workDir returns where the table's rows are spilled to, and what removes it. Options.Keep keeps it until the comparison is done.
func (c *comparison) workDir() (dir string, remove func(error) error, err error) {
	if c.o.Keep != "" {
		name := c.id.Database + "." + c.id.Name
		dir = filepath.Join(c.o.Keep, fmt.Sprintf("%x", xxh3.HashString128(name).Bytes()))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", nil, fmt.Errorf("keep progress: %w", err)
		}
		return dir, func(err error) error {
			if err != nil {
				return nil
			}
			return os.RemoveAll(dir)
		}, nil
	}
	if dir, err = os.MkdirTemp(c.o.Dir, "cdc2lake-verify-"); err != nil {
		return "", nil, fmt.Errorf("spill rows: %w", err)
	}
	return dir, func(error) error { return os.RemoveAll(dir) }, nil
}

// resume opens what an interrupted comparison has left, or begins.
func (c *comparison) resume(dir string, estimate int64) (*buckets, *reading, error) {
	hash, err := definitionHash(c.schema)
	if err != nil {
		return nil, nil, err
	}
	fresh := &reading{V: readingVersion, Definition: hash}
	if c.o.Keep != "" {
		text, err := os.ReadFile(filepath.Join(dir, readingFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("read progress: %w", err)
		}
		r := new(reading)
		if err == nil && json.Unmarshal(text, r) == nil && r.V == readingVersion && r.Definition == hash && len(r.Sizes) > 0 && len(r.Sizes) <= maxBuckets {
			if b, err := openBuckets(dir, "source", r.Sizes); err == nil {
				b.rows = r.Rows
				return b, r, nil
			}
		}
		// Whatever else is there is of no use.
		if err := os.Remove(filepath.Join(dir, readingFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("read progress: %w", err)
		}
	}
	b, err := newBuckets(dir, "source", bucketCount(estimate))
	return b, fresh, err
}

// save makes the progress so far last.
func (r *reading) save(dir string, b *buckets) error {
	if err := b.flush(); err != nil {
		return err
	}
	r.Rows, r.Sizes = b.rows, r.Sizes[:0]
	for _, f := range b.files {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("keep progress: %w", err)
		}
		n, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return fmt.Errorf("keep progress: %w", err)
		}
		r.Sizes = append(r.Sizes, n)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, readingFile+".new")
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return fmt.Errorf("keep progress: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(dir, readingFile)); err != nil {
		return fmt.Errorf("keep progress: %w", err)
	}
	return nil
}
