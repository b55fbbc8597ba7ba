package mysql

import (
	"context"
	"sync"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// delivered is what the log reader has handed on so far, for the readers of chunks. The set always covers every
// transaction of which a row was handed on under a sequence number up to seq, also one that is not yet complete.
type delivered struct {
	mu     sync.Mutex // guards everything below
	ready  chan struct{}
	open   bool // ready is closed: a Follow runs
	gtids  bool
	seq    uint64
	set    gtidSet // nil without GTIDs
	tables map[cdc.TableID]startOf
	// partial is the transaction that is being handed on, zero if none.
	partial gtid
	// moments are what the loads of tables without a key show.
	moments map[cdc.TableID]*moment
}

// moment is the position that the load of a table without a key stands for: the load has what the log brought before, and the log
// brings what came after. The table is locked until the reader of the log knows it, so that no change of the table that is in the log
// after it can have been passed over.
type moment struct {
	position
	set gtidSet // nil without GTIDs
}

// startOf is where a table's log began.
type startOf struct {
	set       gtidSet
	truncates int
}

func newDelivered() *delivered { return &delivered{ready: make(chan struct{})} }

// begin makes the start of a Follow known, end its end.
func (d *delivered) begin(gtids bool, set gtidSet, tables map[cdc.TableID]startOf) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gtids, d.seq, d.set, d.tables, d.partial = gtids, 0, set, tables, gtid{}
	d.moments = map[cdc.TableID]*moment{}
	if !d.open {
		d.open = true
		close(d.ready)
	}
}

func (d *delivered) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open {
		d.open, d.ready = false, make(chan struct{})
	}
}

// show makes the moment known that a load shows. It fails if no Follow runs, or if an earlier attempt has shown one.
func (d *delivered) show(t cdc.TableID, p position) error {
	m := &moment{position: p}
	if p.GTIDMode {
		var err error
		if m.set, err = p.set(); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open || d.gtids != p.GTIDMode || d.moments[t] != nil {
		return cdc.Errorf(cdc.CodeLoadBroken, t, "the log is not followed from where it was")
	}
	d.moments[t] = m
	return nil
}

// shown returns the moment that the table's load shows, nil as long as there is none.
func (d *delivered) shown(t cdc.TableID) *moment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moments[t]
}

// snapshot is what a chunk must see before its SELECT starts.
type snapshot struct {
	gtids     bool
	seq       uint64
	set       string
	truncates int
}

// snapshot waits until a Follow runs, and returns what it has delivered, together with the table's start: the log brings
// nothing from before that to the table, so that a lagging replica would miss it.
func (d *delivered) snapshot(ctx context.Context, t cdc.TableID) (snapshot, error) {
	for {
		d.mu.Lock()
		ready := d.ready
		if d.open {
			s := snapshot{gtids: d.gtids, seq: d.seq}
			start, ok := d.tables[t]
			s.truncates = start.truncates
			if d.gtids {
				set := d.set.clone()
				if d.partial.gno != 0 {
					set.add(d.partial, d.partial.gno+1)
				}
				if ok && start.set != nil {
					set.union(start.set)
				}
				s.set = set.String()
			}
			d.mu.Unlock()
			if !ok {
				return s, cdc.Errorf(cdc.CodeInternal, t, "a chunk of a table that is not followed")
			}
			return s, nil
		}
		d.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			return snapshot{}, context.Cause(ctx)
		}
	}
}
