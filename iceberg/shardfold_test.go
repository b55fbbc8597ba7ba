package iceberg

import (
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TestFoldedUpdatesCount: UPDATEs that the source has folded are counted once, whichever shards have rows of the batch.
func TestFoldedUpdatesCount(t *testing.T) {
	for _, slots := range []int{1, 4} {
		schema := smallSchema(tabA, 1)
		starts := []cdc.TableStart{{Table: tabA, Schema: schema, Load: cdc.LoadState{Phase: cdc.LoadDone}}}
		s := newTestShards(t, slots, starts, map[cdc.TableID]*testTable{tabA: newTestTable(t)}, nil)
		var rows []smallRow
		for id := range int64(20) {
			rows = append(rows, smallRow{ins, id, "a"})
		}
		s.must(s.write(smallBatch(t, schema, rows...)))
		for i := range rows {
			rows[i].op = upd
		}
		b := smallBatch(t, schema, rows...)
		b.Txns = []cdc.Txn{{End: 10, CommitMicros: 100}, {End: 20, CommitMicros: 200}}
		b.Folded, b.FoldedMicros = 7, 300
		s.must(s.write(b))
		s.must(s.barrier(true))
		if c := s.counts[tabA]; c.Events != 47 || c.Inserts != 20 || c.Updates != 27 || c.OldestMicros != 100 || c.NewestMicros != 300 || c.Divergent != 0 {
			t.Errorf("%d shards: counts %+v", slots, c)
		}
		s.close()
	}
}
