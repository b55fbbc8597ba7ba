package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

func fileError(what string, f *openFile, err error) error {
	return fmt.Errorf("%s data file %s: %w", what, f.uri, err)
}

// Prepared collects what a shard prepares from one barrier to the next.
type Prepared struct {
	mu    sync.Mutex // guards the fields below, and files and err of the parts
	open  int        // files that are not stored yet, plus one until the checkpoint is sealed
	err   error
	done  chan struct{} // closed when open is 0
	parts []*tablePart
}

func newCheckpoint() *Prepared { return &Prepared{open: 1, done: make(chan struct{})} }

// tablePart is one table's share of a checkpoint.
type tablePart struct {
	ck      *Prepared
	table   cdc.TableID
	counts  cdc.Counts
	deleted []state.Loc                     // what is not in gone yet
	gone    map[uint32]*roaring.Bitmap      // deleted positions by file
	specs   map[int]iceberggo.PartitionSpec // of the targets that files were written for
	last    *writeTarget
	dropped bool // the table paused
	files   []dataFile
}

// opened counts a new file.
func (p *tablePart) opened() {
	p.ck.mu.Lock()
	p.ck.open++
	p.ck.mu.Unlock()
}

// finished reports a file that is stored, or given up.
func (p *tablePart) finished(f dataFile, rows int64, err error) {
	p.ck.mu.Lock()
	if err == nil {
		p.files = append(p.files, f)
		p.counts.Files++
		p.counts.Rows += rows
		p.counts.Bytes += f.file.FileSizeBytes()
	} else if p.ck.err == nil && !errors.Is(err, errAborted) {
		p.ck.err = err
	}
	p.ck.mu.Unlock()
	p.ck.release()
}

func (c *Prepared) release() {
	c.mu.Lock()
	c.open--
	if c.open == 0 {
		close(c.done)
	}
	c.mu.Unlock()
}

// Wait returns when all data files are stored, with one committable per table that had rows, in the order of their names.
func (c *Prepared) Wait(ctx context.Context) ([]cdc.Committable, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.err != nil {
		return nil, c.err
	}
	out := make([]cdc.Committable, 0, len(c.parts))
	for _, p := range c.parts {
		if p.dropped {
			continue
		}
		b, err := encodeDelta(p.delta(), func(id int) (iceberggo.PartitionSpec, bool) { s, ok := p.specs[id]; return s, ok }, p.last.schema, p.last.formatVersion)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", p.table, err)
		}
		out = append(out, cdc.Committable{Table: p.table, Payload: b, Counts: p.counts})
	}
	slices.SortFunc(out, func(a, b cdc.Committable) int {
		if a.Table.Less(b.Table) {
			return -1
		}
		return 1
	})
	return out, nil
}

// delta returns the part as the committer takes it.
func (p *tablePart) delta() *delta {
	slices.SortFunc(p.files, func(a, b dataFile) int { return int(int64(a.num) - int64(b.num)) })
	p.settle()
	for _, bm := range p.gone {
		bm.RunOptimize()
	}
	return &delta{files: p.files, deleted: p.gone}
}

// mostDeleted is how many locations a part collects, at 8 bytes: a transaction of millions of rows would fill the memory with them. As
// bitmaps they take some bits each. Tests have less.
var mostDeleted = 1 << 19

// settle moves the collected locations to the bitmaps.
func (p *tablePart) settle() {
	if p.gone == nil {
		p.gone = map[uint32]*roaring.Bitmap{}
	}
	// Sorted, every file's positions are one ascending run.
	sortLocs(p.deleted)
	var pos []uint32
	for i := 0; i < len(p.deleted); {
		num := p.deleted[i].File()
		pos = pos[:0]
		for ; i < len(p.deleted) && p.deleted[i].File() == num; i++ {
			pos = append(pos, p.deleted[i].Pos())
		}
		bm := roaring.New()
		bm.AddMany(pos)
		if old := p.gone[num]; old != nil {
			old.Or(bm)
		} else {
			p.gone[num] = bm
		}
	}
	p.deleted = p.deleted[:0]
}
