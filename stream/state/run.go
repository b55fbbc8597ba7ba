package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// runRef names a run file in the manifest.
type runRef struct {
	id   uint64 // its name; never used twice
	seq  uint64 // its age: the number of the newest checkpoint or load in it
	size int64
	sum  uint64 // of the directory
}

func (r runRef) path(dir string) string { return filepath.Join(dir, fmt.Sprintf("%016d.run", r.id)) }

// run is an open run file. It is unmapped when the last reference goes.
type run struct {
	runRef
	m        []byte
	refs     atomic.Int64
	sections map[cdc.TableID]openSection
	fences   int64 // bytes
}

type openSection struct {
	section
	level level
}

// openRun maps a run file. With verify it reads all of it and compares the checksums.
func openRun(dir string, ref runRef, verify bool) (*run, error) {
	m, err := mapFile(ref.path(dir), ref.size)
	if err != nil {
		return nil, err
	}
	r := &run{runRef: ref, m: m, sections: map[cdc.TableID]openSection{}}
	r.refs.Store(1)
	if err := r.read(verify); err != nil {
		unmap(m)
		return nil, fmt.Errorf("%s: %w", filepath.Base(ref.path(dir)), err)
	}
	return r, nil
}

func (r *run) read(verify bool) error {
	if len(r.m) < 8+runTrailer {
		return errors.New("too short")
	}
	var tail [3]uint64
	copy(bytesOf(tail[:]), r.m[len(r.m)-runTrailer:])
	if wordsOf(r.m[:8])[0] != runMagic || tail[2] != runMagic {
		return errors.New("not a run file of this version")
	}
	dir := int64(len(r.m) - runTrailer)
	if tail[0] < 8 || tail[0] > uint64(dir) {
		return errors.New("directory lies outside")
	}
	dir = int64(tail[0])
	b := r.m[dir : len(r.m)-runTrailer]
	if sum := xxh3.Hash(b); sum != tail[1] || sum != r.sum {
		return errors.New("directory has a wrong checksum")
	}
	d := decoder{b: b}
	for range d.count() {
		s := section{table: d.table(), w: int(d.uint())}
		off, n := d.uint(), d.uint()
		s.sum = d.fixed()
		if d.bad || s.w != exactWords && s.w != hashedWords || off%8 != 0 || off > uint64(dir) || n == 0 ||
			n > (uint64(dir)-off)/uint64(s.w*8) {
			return errors.New("directory is damaged")
		}
		s.off, s.n = int64(off), int64(n)
		data := r.m[s.off : s.off+s.bytes()]
		if verify && xxh3.Hash(data) != s.sum {
			return fmt.Errorf("entries of %s have a wrong checksum", s.table)
		}
		o := openSection{s, makeLevel(s.w, wordsOf(data))}
		r.fences += int64(len(o.level.parts[0].fence)) * 8
		r.sections[s.table] = o
	}
	if d.bad {
		return errors.New("directory is damaged")
	}
	return nil
}

func (r *run) release() {
	if r.refs.Add(-1) == 0 {
		unmap(r.m)
		r.m, r.sections = nil, nil
	}
}

// view is what the runs hold of one table, newest first. It is immutable and keeps its runs mapped.
type view struct {
	sections []level
	runs     []*run
	refs     atomic.Int64
}

// makeView collects the table's sections that are not older than since; runs are in order of age, oldest first.
func makeView(t cdc.TableID, w int, since uint64, runs []*run) *view {
	v := &view{}
	v.refs.Store(1)
	for i := len(runs) - 1; i >= 0 && runs[i].seq >= since; i-- {
		if s, ok := runs[i].sections[t]; ok && s.w == w {
			runs[i].refs.Add(1)
			v.sections = append(v.sections, s.level)
			v.runs = append(v.runs, runs[i])
		}
	}
	return v
}

// acquire is called while the view cannot be replaced.
func (v *view) acquire() *view {
	v.refs.Add(1)
	return v
}

func (v *view) release() {
	if v.refs.Add(-1) == 0 {
		for _, r := range v.runs {
			r.release()
		}
	}
}
