package checkpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Chain is a generation's hold on the record store. It is used by one goroutine.
type Chain struct {
	store   *Store
	nonce   string
	gen     cdc.Generation
	next    uint64 // number of the next record
	last    Last
	entries map[cdc.TableID]cdc.Entry
	now     func() time.Time
}

// Started is what a new generation finds.
type Started struct {
	Chain *Chain
	// Last is the newest data record, which has to be finished (step 4); nil if there is none.
	Last *Record
	// Entries are the tables' entries: of the newest record, or made from the markers if the store was lost.
	Entries map[cdc.TableID]cdc.Entry
	// Lost: the store was empty or older than the tables, and a new epoch has begun.
	Lost bool
}

// Start takes a new generation (steps 1 to 3). markers reads the property and ancestry markers of the tables it is given,
// and of all others that the caller knows. It fails with class Fenced if a newer generation shows up.
func Start(ctx context.Context, s *Store, now func() time.Time,
	markers func(context.Context, []cdc.TableID) (map[cdc.TableID]cdc.TableMarkers, error)) (*Started, error) {
	nonce := newNonce()
	for {
		newest, err := s.Newest(ctx)
		if err != nil {
			return nil, err
		}
		var named []cdc.TableID
		if newest != nil {
			for t := range newest.Tables {
				named = append(named, t)
			}
		}
		marks, err := markers(ctx, named)
		if err != nil {
			return nil, err
		}
		lost, err := s.lost(ctx, newest, marks)
		if err != nil {
			return nil, err
		}
		fence := fenceRecord(s.pipeline, nonce, newest, marks, lost)
		fence.Micros = now().UnixMicro()
		mine, err := s.put(ctx, fence)
		if err != nil {
			return nil, err
		}
		if !mine {
			continue // another process took the number: start over
		}
		// Step 3: the fence counts only if it is the newest record and the store is not lost.
		again, err := s.Newest(ctx)
		if err != nil {
			return nil, err
		}
		if again == nil || again.ID() != fence.ID() {
			return nil, fencedBy(again, fence)
		}
		if marks, err = markers(ctx, named); err != nil { // as of now: another process may have committed meanwhile
			return nil, err
		}
		if bad, err := s.lost(ctx, again, marks); err != nil {
			return nil, err
		} else if bad {
			return nil, fencedBy(nil, fence)
		}
		out := &Started{Entries: fence.Tables, Lost: lost && (newest != nil || anyProperty(marks))}
		if fence.Last.N != 0 {
			out.Last, err = s.read(ctx, ref{fence.Epoch, fence.Last.N})
			if err != nil {
				return nil, err
			}
			if out.Last == nil || out.Last.Nonce != fence.Last.Nonce || out.Last.Kind != Data {
				return nil, fencedBy(nil, fence)
			}
		}
		out.Chain = &Chain{store: s, nonce: nonce, gen: cdc.Generation{Epoch: fence.Epoch, Number: fence.N}, next: fence.N + 1,
			last: fence.Last, entries: fence.Tables, now: now}
		return out, nil
	}
}

// lost reports whether the store is empty, or older than what its newest record or the tables speak of (step 1).
func (s *Store) lost(ctx context.Context, newest *Record, marks map[cdc.TableID]cdc.TableMarkers) (bool, error) {
	if newest == nil || behindTables(newest, marks) {
		return true, nil
	}
	if newest.Last.N == 0 {
		return false, nil
	}
	last, err := s.read(ctx, ref{newest.Epoch, newest.Last.N})
	if err != nil {
		return false, err
	}
	return last == nil || last.Kind != Data || last.Nonce != newest.Last.Nonce, nil
}

// behindTables reports whether a table's property holds a checkpoint above the record.
func behindTables(r *Record, marks map[cdc.TableID]cdc.TableMarkers) bool {
	for _, m := range marks {
		if p := m.Property; p != nil && (ref{r.Epoch, r.N}).less(ref{p.ID.Epoch, p.ID.K}) {
			return true
		}
	}
	return false
}

func anyProperty(marks map[cdc.TableID]cdc.TableMarkers) bool {
	for _, m := range marks {
		if m.Property != nil && m.Property.ID.K > 0 {
			return true
		}
	}
	return false
}

// fenceRecord decides the record that opens a generation. It is pure.
func fenceRecord(pipeline, nonce string, newest *Record, marks map[cdc.TableID]cdc.TableMarkers, lost bool) *Record {
	f := &Record{Pipeline: pipeline, Kind: Fence, Nonce: nonce, Tables: map[cdc.TableID]cdc.Entry{}}
	if newest != nil {
		f.Epoch, f.N, f.Last, f.Positions = newest.Epoch, newest.N+1, newest.Last, newest.Positions
		for t, e := range newest.Tables {
			f.Tables[t] = e
		}
	}
	if lost {
		// The markers are the truth. A new epoch has its own key prefix, so that nothing late can land among its records.
		f.Last, f.Positions = Last{}, nil
		f.Tables = map[cdc.TableID]cdc.Entry{}
		f.N = max(f.N, 1)
		for t, m := range marks {
			if p := m.Property; p != nil {
				f.Epoch, f.N = max(f.Epoch, p.ID.Epoch), max(f.N, p.ID.K+1, p.Generation+1)
			}
			if a := m.Ancestry; a != nil {
				f.Tables[t] = cdc.Entry{ID: a.ID, Position: a.Position}
			}
		}
		f.Epoch++
	}
	f.Generation = f.N
	return f
}

// Generation is the fencing token of this chain.
func (c *Chain) Generation() cdc.Generation { return c.gen }

// Nonce is what marks this generation's records.
func (c *Chain) Nonce() string { return c.nonce }

// Next is the identity of the next data record.
func (c *Chain) Next() cdc.CheckpointID {
	return cdc.CheckpointID{Epoch: c.gen.Epoch, K: c.next, Nonce: c.nonce}
}

// Decision is the content of a data record.
type Decision struct {
	Positions []cdc.Position
	Tables    map[cdc.TableID]cdc.Entry // complete
	Parts     map[cdc.TableID]cdc.Part
	Acks      []Ack
	// Statements: see Record.
	Statements []cdc.Statement
}

// Decide writes the next data record (step 8). When it returns without error the checkpoint is decided and this
// process's; with class Fenced somebody else's generation has begun.
func (c *Chain) Decide(ctx context.Context, d Decision) (*Record, error) {
	r := &Record{Pipeline: c.store.pipeline, Kind: Data, Epoch: c.gen.Epoch, N: c.next, Generation: c.gen.Number, Nonce: c.nonce,
		Last: Last{c.next, c.nonce}, Positions: d.Positions, Tables: d.Tables, Parts: d.Parts, Acks: d.Acks, Statements: d.Statements, Micros: c.now().UnixMicro()}
	mine, err := c.store.put(ctx, r)
	if err != nil {
		return nil, err
	}
	if !mine {
		return nil, fencedBy(nil, r)
	}
	newest, err := c.store.Newest(ctx)
	if err != nil {
		return nil, err
	}
	if newest == nil || newest.ID() != r.ID() {
		return nil, fencedBy(newest, r)
	}
	c.next, c.last, c.entries = c.next+1, r.Last, d.Tables
	return r, nil
}

// Superseded fails with class Fenced if another generation has written the newest record: a process without anything to
// decide would not notice otherwise, and keep the local state locked. It may run beside Decide.
func (c *Chain) Superseded(ctx context.Context) error {
	newest, err := c.store.Newest(ctx)
	if err != nil || newest == nil || newest.Nonce == c.nonce {
		return err
	}
	return fencedBy(newest, &Record{Epoch: c.gen.Epoch, N: c.gen.Number, Nonce: c.nonce})
}

// Prune deletes the records before the last decided one, but only after seeing that one still there (step 10): a process
// whose store was lost must not delete the fence of the one that noticed.
func (c *Chain) Prune(ctx context.Context) error {
	if c.last.N == 0 {
		return nil
	}
	r, err := c.store.read(ctx, ref{c.gen.Epoch, c.last.N})
	if err != nil {
		return err
	}
	if r == nil || r.Nonce != c.nonce {
		return nil
	}
	return c.store.deleteBefore(ctx, ref{c.gen.Epoch, c.last.N})
}

func fencedBy(newest, mine *Record) error {
	msg := fmt.Sprintf("record %d of epoch %d is no longer the newest of ours", mine.N, mine.Epoch)
	if newest != nil && newest.Nonce != mine.Nonce {
		msg = fmt.Sprintf("generation %d of epoch %d (record %d, %s) has taken over", newest.Generation, newest.Epoch, newest.N,
			time.UnixMicro(newest.Micros).UTC().Format(time.RFC3339))
	}
	return &cdc.Error{Code: CodeFenced, Msg: msg}
}
