package iceberg

import (
	"strings"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// expireBatch: snapshots are expired this many at a time, since each time the definitions that markers refer to are gone through.
const expireBatch = 10

// expire removes from the metadata the snapshots of main beyond the newest keep, and the definitions that only they refer
// to: the metadata file is rewritten with every commit, so it has to stay small. Snapshots that a tag or another branch
// needs stay. Files are not removed here; they belong to the maintenance of the table. have are the table's properties
// and current the definition that the commit refers to.
func expire(meta table.Metadata, keep int, current string, have iceberggo.Properties) []table.Update {
	all := meta.Snapshots()
	if keep <= 0 || len(all) < keep+expireBatch {
		return nil
	}
	needed := map[int64]bool{}
	n := 1 // the one being added
	var oldest int64
	for s := range ancestors(meta) {
		if n++; n > keep {
			break
		}
		needed[s.SnapshotID] = true
		oldest = s.TimestampMs
	}
	if s := meta.CurrentSnapshot(); s != nil {
		needed[s.SnapshotID] = true // the parent of the new one
		if oldest == 0 {
			oldest = s.TimestampMs
		}
	}
	for name, r := range meta.Refs() {
		needed[r.SnapshotID] = true
		if name == table.MainBranch || r.SnapshotRefType != table.BranchRef {
			continue
		}
		for s := meta.SnapshotByID(r.SnapshotID); s != nil && s.ParentSnapshotID != nil && !needed[*s.ParentSnapshotID]; s = meta.SnapshotByID(*s.ParentSnapshotID) {
			needed[*s.ParentSnapshotID] = true
		}
	}
	var drop []int64
	refs := map[string]bool{current: true, markerRef(have[propMarker]): true}
	for _, s := range all {
		// What lies beside main (a rollback left it) goes when it is as old as what main loses.
		if !needed[s.SnapshotID] && s.TimestampMs <= oldest {
			drop = append(drop, s.SnapshotID)
		} else if text := summaryOf(&s)[propMarker]; text != "" {
			refs[markerRef(text)] = true
		}
	}
	if len(drop) == 0 {
		return nil
	}
	ups := []table.Update{table.NewRemoveSnapshotsUpdate(drop, false)}
	var props []string
	for k := range have {
		if ref, ok := strings.CutPrefix(k, propSchema); ok && !refs[ref] {
			props = append(props, k)
		}
	}
	if len(props) > 0 {
		ups = append(ups, table.NewRemovePropertiesUpdate(props))
	}
	return ups
}
