package state

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Open opens the state in a directory and takes the directory for this process. All files are read and their checksums
// compared, a second for some gigabytes in cache; what is damaged, of another format version or of other key groups is
// removed, and the shard starts empty (see Fresh): it is derived data, and a rebuild follows. An error means that the
// directory cannot be used at all (CodeDisk), or is used by another process (CodeLocked).
func Open(o Options) (*Shard, error) {
	g := o.Groups
	if g.Of <= 0 || g.From < 0 || g.From >= g.To || g.To > g.Of {
		return nil, internal(cdc.TableID{}, "state: key groups %d..%d of %d", g.From, g.To, g.Of)
	}
	if o.BuildBytes <= 0 {
		o.BuildBytes = 64 << 20
	}
	s := &Shard{o: o, log: o.Log, tables: map[cdc.TableID]*Table{}, kick: make(chan struct{}, 1), stop: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.changed = sync.NewCond(&s.mu)
	s.merger.step = o.mergeStep
	s.blocks = blocks{max: cmp.Or(o.blockWords, blockWords), scrub: o.scrubBlocks}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, diskError(err, "make the state directory")
	}
	var err error
	if s.lock, err = lockDir(o.Dir); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		s.man.close()
		for _, r := range s.runs {
			r.release()
		}
		_ = s.lock.Close()
		return nil, err
	}
	if !o.manualMerge {
		s.done.Add(1)
		go s.mergeLoop()
		s.poke()
	}
	return s, nil
}

// load fills the shard with what the directory holds.
func (s *Shard) load() error {
	c, err := s.restore()
	if err != nil {
		s.fresh = err.Error()
		if errors.Is(err, fs.ErrNotExist) && c == nil {
			s.fresh = "the directory holds no state"
		} else {
			s.log.Warn("state: starting empty, a rebuild follows", "dir", s.o.Dir, "reason", s.fresh)
		}
		for _, r := range s.runs {
			r.release()
		}
		s.runs = nil
		c = &catalog{groups: s.o.Groups, nextID: 1, nextSeq: 1, tables: map[cdc.TableID]tableState{}}
	}
	s.nextID = c.nextID
	s.man = manifest{dir: s.o.Dir, c: *c}
	if err := s.removeOthers(); err != nil {
		return diskError(err, "clean %s", s.o.Dir)
	}
	if err := s.man.rewrite(); err != nil {
		return diskError(err, "write the manifest of %s", s.o.Dir)
	}
	return nil
}

// restore reads the manifest and maps the runs. The catalog is nil if there is no manifest.
func (s *Shard) restore() (*catalog, error) {
	c, torn, err := readManifest(s.o.Dir)
	if err != nil {
		return nil, err
	}
	if c.groups != s.o.Groups {
		return c, fmt.Errorf("it belongs to key groups %d..%d of %d", c.groups.From, c.groups.To, c.groups.Of)
	}
	if torn {
		s.log.Warn("state: the manifest's end is damaged, using an older checkpoint", "dir", s.o.Dir, "checkpoint", c.k)
	}
	for _, ref := range c.runs {
		r, err := openRun(s.o.Dir, ref, true)
		if err != nil {
			return c, err
		}
		s.runs = append(s.runs, r)
	}
	return c, nil
}

// removeOthers removes files of ours that the catalog does not name.
func (s *Shard) removeOthers() error {
	keep := map[string]bool{}
	for _, r := range s.runs {
		keep[r.path(s.o.Dir)] = true
	}
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := s.path(e.Name())
		ours := strings.HasSuffix(e.Name(), ".run") || strings.HasSuffix(e.Name(), ".tmp")
		if ours && e.Type().IsRegular() && !keep[p] {
			if err := os.Remove(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func removeFile(path string) { _ = os.Remove(path) } // left behind, it is removed by the next Open
