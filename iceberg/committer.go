package iceberg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// committing is one table's part on its way into the table.
type committing struct {
	t    *sinkTable
	part *partPayload
	// fresh: the known version is to be read again, since something suggests that it is old.
	fresh   bool
	attempt int

	done    bool
	outcome cdc.Outcome
}

// Commit commits the parts of a decided record (step 9). See stream.Sink.
func (s *Sink) Commit(ctx context.Context, gen cdc.Generation, id cdc.CheckpointID, parts map[cdc.TableID]cdc.Part) (map[cdc.TableID]cdc.Outcome, error) {
	var all []*committing
	for tid, p := range parts {
		t, err := s.table(tid)
		if err != nil {
			return nil, err
		}
		pl, err := decodePart(p.Payload)
		if err != nil {
			return nil, err
		}
		if pl.Table != tid {
			return nil, cdc.Errorf(cdc.CodeCorrupt, tid, "its part of checkpoint %d is one of %s", id.K, pl.Table)
		}
		all = append(all, &committing{t: t, part: pl})
	}
	// One order for everybody, so that two calls never wait for each other.
	slices.SortFunc(all, func(a, b *committing) int {
		if a.t.id.Less(b.t.id) {
			return -1
		}
		return 1
	})
	for _, c := range all {
		c.t.commitMu.Lock()
		defer c.t.commitMu.Unlock()
	}
	var err error
	if s.cat.atomic() && len(all) > 1 {
		err = s.commitTogether(ctx, gen, id, all)
	} else {
		err = each(ctx, s.o.Parallelism, all, func(ctx context.Context, c *committing) error { return s.commitOne(ctx, gen, id, c) })
	}
	out := map[cdc.TableID]cdc.Outcome{}
	for _, c := range all {
		if c.done {
			out[c.t.id] = c.outcome
		}
	}
	s.dropOld(ctx)
	return out, err
}

// commitOne commits one part, and tries again until the outcome is known.
func (s *Sink) commitOne(ctx context.Context, gen cdc.Generation, id cdc.CheckpointID, c *committing) error {
	for !c.done {
		v, err := s.judge(ctx, gen, id, c)
		if err == nil && !c.done {
			var b *built
			if b, err = s.prod.build(ctx, v, c.part, id, gen, c.t.cache); err == nil {
				var nv *metaVersion
				if nv, err = s.cat.commit(ctx, b.change); err == nil {
					s.committed(c, id, v, nv, b)
					continue
				}
				s.failed(ctx, c, b, err)
			}
		}
		if err != nil {
			if err = s.again(ctx, c, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// commitTogether commits all parts in one transaction of the catalog, as far as they are still to be committed. It is all or
// nothing, so a part that turns out to be void is left out and the others are tried again.
func (s *Sink) commitTogether(ctx context.Context, gen cdc.Generation, id cdc.CheckpointID, all []*committing) error {
	attempt := &committing{}
	for {
		var open []*committing
		for _, c := range all {
			if !c.done {
				open = append(open, c)
			}
		}
		if len(open) == 0 {
			return nil
		}
		var mu sync.Mutex
		bs := map[*committing]*built{}
		vs := map[*committing]*metaVersion{}
		err := each(ctx, s.o.Parallelism, open, func(ctx context.Context, c *committing) error {
			v, err := s.judge(ctx, gen, id, c)
			if err != nil || c.done {
				return err
			}
			b, err := s.prod.build(ctx, v, c.part, id, gen, c.t.cache)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			bs[c], vs[c] = b, v
			return nil
		})
		if err == nil && len(bs) > 0 {
			var cs []change
			var who []*committing
			for _, c := range open {
				if b := bs[c]; b != nil {
					cs, who = append(cs, b.change), append(who, c)
				}
			}
			var nvs []*metaVersion
			if nvs, err = s.cat.commitAll(ctx, cs); err == nil {
				for i, c := range who {
					s.committed(c, id, vs[c], nvs[i], bs[c])
				}
				continue
			}
		}
		if err != nil {
			for c, b := range bs {
				s.failed(ctx, c, b, err)
			}
			for _, c := range open {
				c.fresh = true
			}
			if err = s.again(ctx, attempt, err); err != nil {
				return err
			}
		}
	}
}

// judge decides about a part on the newest version known. A version that we made ourselves or read before will do to go ahead,
// since the commit swaps exactly that one; any other verdict is given on a version that was read now.
func (s *Sink) judge(ctx context.Context, gen cdc.Generation, id cdc.CheckpointID, c *committing) (*metaVersion, error) {
	t := c.t
	t.mu.Lock()
	v := t.version
	t.mu.Unlock()
	known := v != nil && !c.fresh
	for {
		if !known {
			var err error
			v, err = s.reload(ctx, t, "")
			if errors.Is(err, errNoTable) {
				c.done, c.outcome = true, cdc.Void // dropped by somebody
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			c.fresh = false
		}
		view, err := v.view(c.part)
		if err != nil {
			return nil, err
		}
		what, at := decide(view, gen, id, c.part.Parent)
		if what == verdictCommit {
			return v, nil
		}
		if known {
			known = false
			continue
		}
		switch what {
		case verdictDone:
			s.settle(c, id, v, at)
		case verdictVoid:
			s.log.Warn("the table was changed by somebody else: its part is void", "table", t.id.String(), "checkpoint", id.K)
			c.done, c.outcome = true, cdc.Void
		case verdictFenced:
			return nil, &cdc.Error{Code: CodeFenced, Table: t.id, Msg: fmt.Sprintf("generation %d of epoch %d has committed to it, this is generation %d of epoch %d",
				view.property.Generation, view.property.ID.Epoch, gen.Number, gen.Epoch)}
		}
		return nil, nil
	}
}

// committed takes note of a commit that succeeded.
func (s *Sink) committed(c *committing, id cdc.CheckpointID, v, nv *metaVersion, b *built) {
	b.apply()
	c.t.cache = b.cache
	s.settle(c, id, nv, b.snapshot)
	if s.cat.trimsMetadata() {
		s.trimmed(v, nv)
	}
}

// settle takes note that the part stands in the table as snapshot at.
func (s *Sink) settle(c *committing, id cdc.CheckpointID, v *metaVersion, at int64) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settledLocked(v, id, c.part, at)
	c.done, c.outcome = true, cdc.Committed
}

// failed takes note of an attempt that did not succeed, as far as is known.
func (s *Sink) failed(ctx context.Context, c *committing, b *built, err error) {
	c.fresh = true
	if errors.Is(err, errConflict) {
		// Certain: nothing of this attempt is in the table, now or later.
		s.prod.discard(ctx, b.written)
	}
}

// again waits before the next attempt; an error that no attempt will mend is returned.
func (s *Sink) again(ctx context.Context, c *committing, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("commit: %w", errors.Join(ctx.Err(), err))
	}
	if !transient(err) {
		return err
	}
	c.fresh = true
	c.attempt++
	wait := time.Duration(0)
	if !errors.Is(err, errConflict) || c.attempt > 1 {
		wait = min(s.o.backoff<<min(c.attempt-1, 16), maxBackoff)
		wait = wait/2 + rand.N(wait/2+1) // #nosec G404 -- jitter
	}
	name := ""
	if c.t != nil {
		name = c.t.id.String()
	}
	s.log.Warn("a commit is tried again", "table", name, "attempt", c.attempt, "wait", wait, "err", err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("commit: %w", errors.Join(ctx.Err(), err))
	case <-timer.C:
		return nil
	}
}

// transient reports whether another attempt may succeed without anybody doing anything.
func transient(err error) bool {
	if e := cdc.AsError(err); e != nil {
		return e.Code.Class == cdc.Retryable
	}
	var netErr net.Error
	return errors.Is(err, errConflict) || errors.Is(err, errUnknown) || errors.Is(err, objstore.ErrUnavailable) ||
		errors.Is(err, objstore.ErrUnknown) || errors.As(err, &netErr)
}

// oldMetadata is the number of superseded metadata files that are deleted in one request.
const oldMetadata = 32

// trimmed remembers the metadata files that fell out of the log, to be deleted. Those in the log stay: a reader may hold them, and
// an attempt whose outcome is unknown is recognised by main and not by them.
func (s *Sink) trimmed(old, next *metaVersion) {
	if !next.meta.Properties().GetBool(table.MetadataDeleteAfterCommitEnabledKey, false) {
		return
	}
	kept := map[string]bool{next.location: true, old.location: true}
	for e := range next.meta.PreviousFiles() {
		kept[e.MetadataFile] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range old.meta.PreviousFiles() {
		if !kept[e.MetadataFile] {
			s.old = append(s.old, e.MetadataFile)
		}
	}
}

// dropOld deletes superseded metadata files when there are many.
func (s *Sink) dropOld(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropOldLocked(ctx, oldMetadata)
}

func (s *Sink) dropOldLocked(ctx context.Context, atLeast int) {
	if len(s.old) == 0 || len(s.old) < atLeast {
		return
	}
	if err := s.fs.remove(ctx, s.old...); err != nil {
		s.log.Warn("superseded metadata files could not be deleted", "err", err)
	}
	s.old = nil
}
