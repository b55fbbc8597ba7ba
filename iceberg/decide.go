package iceberg

import (
	"iter"

	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// verdict is what step 9 says about a part.
type verdict uint8

const (
	// verdictCommit: the head is the part's parent; build the delete files and swap.
	verdictCommit verdict = iota
	// verdictDone: the part stands in main's ancestry.
	verdictDone
	// verdictVoid: somebody else changed the table since the part was prepared.
	verdictVoid
	// verdictFenced: a newer generation has committed to the table.
	verdictFenced
)

func (v verdict) String() string { return [...]string{"commit", "done", "void", "fenced"}[v] }

// ancestor is a snapshot of main's ancestry with its marker, if it has one.
type ancestor struct {
	snapshot int64
	marker   *cdc.CheckpointID
}

// tableView is what step 9 looks at.
type tableView struct {
	property *cdc.Marker         // of the table property; nil: none
	sameUUID bool                // the table is the one that the part was prepared for
	head     *int64              // main; nil: the table has no snapshot
	ancestry iter.Seq[*ancestor] // from the head back
}

// decide is step 9 of the protocol up to the commit itself, as a pure function: gen is the generation that runs, id the record and
// parent the snapshot that the part asserts. For verdictDone it returns the snapshot that carries the record: the parent of the
// next part, which is not the head if somebody has committed on top of it.
func decide(v tableView, gen cdc.Generation, id cdc.CheckpointID, parent *int64) (verdict, int64) {
	if !v.sameUUID {
		return verdictVoid, 0
	}
	if v.property != nil && gen.Less(v.property.Gen()) {
		return verdictFenced, 0
	}
	for a := range v.ancestry {
		if a.marker != nil && *a.marker == id {
			return verdictDone, a.snapshot
		}
	}
	// A part that was committed once, and is in the ancestry no more, was rolled back. Its files may have gone with its snapshot.
	undone := v.property != nil && v.property.ID == id
	if sameSnapshot(v.head, parent) && !undone {
		return verdictCommit, 0
	}
	return verdictVoid, 0
}

// view reads what step 9 looks at from a version of the metadata.
func (v *metaVersion) view(p *partPayload) (tableView, error) {
	out := tableView{sameUUID: v.meta.TableUUID().String() == p.UUID, head: headOf(v.meta)}
	var err error
	if out.property, err = v.property(); err != nil {
		return out, err
	}
	out.ancestry = func(yield func(*ancestor) bool) {
		for s := range ancestors(v.meta) {
			if !yield(&ancestor{s.SnapshotID, snapshotMarker(s)}) {
				return
			}
		}
	}
	return out, nil
}

// snapshotMarker reads which record a snapshot carries; nil if it is none of ours.
func snapshotMarker(s *table.Snapshot) *cdc.CheckpointID {
	text, ok := summaryOf(s)[propMarker]
	if !ok {
		return nil
	}
	m, err := decodeMarkerID(text)
	if err != nil {
		return nil
	}
	return m
}
