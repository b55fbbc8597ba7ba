package state

import (
	"errors"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Merging is size-tiered over whole files, neighbours in age only. From some file on to older ones, as long as the next
// is at most mergeRatio times what has been collected, files are taken together; mergeWidth of them are worth a merge.
// An entry is so written about log2(all/checkpoint) times, and look-ups find some log2(all/checkpoint) runs, of which
// all but the largest are cheap because batches are dense in them.
const (
	mergeWidth = 4
	mergeRatio = 1.5
	// mergeFloor is the size that small files count as.
	mergeFloor = 64 << 10
)

var errStopped = errors.New("stopped")

// mergeLoop merges runs until the shard is closed.
func (s *Shard) mergeLoop() {
	defer s.done.Done()
	for {
		select {
		case <-s.stop:
			return
		case <-s.kick:
		}
		for {
			did, err := s.mergeOnce()
			s.mu.Lock()
			s.mergeErr = err
			s.changed.Broadcast()
			s.mu.Unlock()
			if err != nil && !errors.Is(err, errStopped) {
				s.log.Warn("state: merging failed, it is tried again at the next checkpoint", "dir", s.o.Dir, "error", err)
			}
			if err != nil || !did {
				break
			}
		}
	}
}

// mergeOnce merges one group of runs, if there is one worth it.
func (s *Shard) mergeOnce() (bool, error) {
	s.wmu.Lock()
	s.mu.Lock()
	rule := s.liveRule()
	picked := pick(s.runs, rule)
	if len(picked) == 0 {
		s.mu.Unlock()
		s.wmu.Unlock()
		return false, nil
	}
	oldest := 0
	for s.runs[oldest] != picked[0] {
		oldest++
	}
	below := s.runs[:oldest]
	for _, r := range picked {
		r.refs.Add(1)
	}
	s.mu.Unlock()
	s.wmu.Unlock()
	defer func() {
		for _, r := range picked {
			r.release()
		}
	}()

	start := time.Now()
	add, n, err := s.writeMerged(picked, below, rule)
	if err != nil {
		return false, err
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	e := s.edit()
	s.mu.Unlock()
	for _, r := range picked {
		e.remove = append(e.remove, r.id)
	}
	if add != nil {
		e.add = []runRef{add.runRef}
	}
	if err := s.man.commit(e); err != nil {
		if add != nil {
			s.discardRun(add)
		}
		return false, diskError(err, "write the manifest of %s", s.o.Dir)
	}
	s.install(picked, add, nil)
	s.mu.Lock()
	s.stats.merges++
	s.stats.mergedKeys += n
	s.stats.mergeTime += time.Since(start)
	s.mu.Unlock()
	return true, nil
}

// liveRule returns a function that says whether a section counts. It is a snapshot: a table that is cleared or dropped
// meanwhile has a later since, and ignores what was merged. Called with wmu and mu held.
func (s *Shard) liveRule() func(r *run, sec *section) bool {
	type want struct {
		since uint64
		w     int
	}
	m := make(map[cdc.TableID]want, len(s.man.c.tables))
	for id, t := range s.man.c.tables {
		m[id] = want{t.since, words(t.exact)}
	}
	for id, t := range s.tables {
		m[id] = want{t.st.since, t.w}
	}
	return func(r *run, sec *section) bool {
		x, ok := m[sec.table]
		return ok && r.seq >= x.since && sec.w == x.w
	}
}

// pick chooses neighbouring runs to merge; runs and result are oldest first.
func pick(runs []*run, live func(*run, *section) bool) []*run {
	var all, dead int64
	sizes := make([]float64, len(runs))
	for i, r := range runs {
		var n int64
		for _, o := range r.sections {
			if live(r, &o.section) {
				n += o.bytes()
			} else {
				dead += o.bytes()
			}
		}
		all += n
		sizes[i] = float64(max(n, mergeFloor))
	}
	for to := len(runs); to >= mergeWidth; to-- {
		sum, from := 0.0, to
		for from > 0 && (from == to || sizes[from-1] <= mergeRatio*sum) {
			from--
			sum += sizes[from]
		}
		if to-from >= mergeWidth {
			return runs[from:to]
		}
	}
	if dead > all && dead > mergeFloor { // what remains is bounded: twice what lives, and the runs being written
		return runs
	}
	return nil
}

// writeMerged writes the live entries of neighbouring runs to a new one; nil if none are left. below are the older runs.
func (s *Shard) writeMerged(picked, below []*run, live func(*run, *section) bool) (*run, int64, error) {
	ref := runRef{id: s.newID(), seq: picked[len(picked)-1].seq}
	w, err := createRun(ref.path(s.o.Dir))
	if err != nil {
		return nil, 0, diskError(err, "create a run in %s", s.o.Dir)
	}
	m := merger{step: s.o.mergeStep}
	var n int64
	var in []level
	for _, id := range tablesOf(picked) {
		in = in[:0]
		words := 0
		for i := len(picked) - 1; i >= 0; i-- {
			if o, ok := picked[i].sections[id]; ok && live(picked[i], &o.section) {
				in = append(in, o.level)
				words = o.w
				n += o.n
			}
		}
		if len(in) == 0 {
			continue
		}
		m.dropTombstones = true
		for _, r := range below {
			if o, ok := r.sections[id]; ok && live(r, &o.section) {
				m.dropTombstones = false
			}
		}
		w.begin(id, words)
		err := m.merge(in, nil, func(d []uint64) error {
			select {
			case <-s.stop:
				return errStopped
			default:
				return w.add(d)
			}
		})
		if err != nil {
			w.abandon()
			if !errors.Is(err, errStopped) {
				err = diskError(err, "merge runs in %s", s.o.Dir)
			}
			return nil, 0, err
		}
		w.end()
	}
	if len(w.dir) == 0 {
		w.abandon()
		return nil, n, nil
	}
	r, err := s.openNew(w, ref)
	if err != nil {
		return nil, 0, diskError(err, "finish a run in %s", s.o.Dir)
	}
	return r, n, nil
}
