package state

import (
	"sort"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Stats are a shard's figures.
type Stats struct {
	Tables      int           // opened tables
	Keys        int64         // live keys of the opened tables, overlays included
	Runs        int           // run files
	DiskBytes   int64         // run files; mapped into memory, clean pages that the system can take back
	MemoryBytes int64         // overlays and fences
	Sealed      int           // checkpoints sealed and not complete
	Merges      int64         // since Open
	MergedKeys  int64         // entries read by merging since Open
	MergeTime   time.Duration // spent merging since Open
}

type counters struct {
	merges, mergedKeys int64
	mergeTime          time.Duration
	buildBytes         int64
}

// Stats returns the present figures.
func (s *Shard) Stats() Stats {
	s.mu.Lock()
	tables := make([]*Table, 0, len(s.tables))
	st := Stats{Tables: len(s.tables), Runs: len(s.runs), Sealed: len(s.epochs), MemoryBytes: s.stats.buildBytes,
		Merges: s.stats.merges, MergedKeys: s.stats.mergedKeys, MergeTime: s.stats.mergeTime}
	for _, r := range s.runs {
		st.DiskBytes += r.size
		st.MemoryBytes += r.fences
	}
	for _, t := range s.tables {
		tables = append(tables, t)
		st.MemoryBytes += t.open.bytes() + int64(len(t.st.meta))
		for _, x := range t.sealed {
			st.MemoryBytes += x.o.bytes()
		}
	}
	s.mu.Unlock()
	for _, t := range tables {
		st.Keys += t.Len()
	}
	return st
}

// Tables lists the tables that the shard holds on disk, in order: what nobody asks for any more should be dropped.
func (s *Shard) Tables() []cdc.TableID {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	out := make([]cdc.TableID, 0, len(s.man.c.tables))
	for id := range s.man.c.tables {
		out = append(out, id)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Less(out[j]) })
	return out
}

// tablesOf lists the tables in the runs, in order.
func tablesOf(runs []*run) []cdc.TableID {
	seen := map[cdc.TableID]bool{}
	var out []cdc.TableID
	for _, r := range runs {
		for id := range r.sections {
			if !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Less(out[j]) })
	return out
}
