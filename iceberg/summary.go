package iceberg

import (
	"strconv"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// summary counts what a snapshot adds and removes, for the standard fields of its summary.
type summary struct {
	added, removed fileCounts
}

type fileCounts struct {
	dataFiles, deleteFiles, posFiles, vectors, eqFiles int64
	records, positions, equalities                     int64
	bytes                                              int64
}

func (c *fileCounts) count(f iceberggo.DataFile) {
	switch f.ContentType() {
	case iceberggo.EntryContentData:
		c.dataFiles++
		c.records += f.Count()
		c.bytes += f.FileSizeBytes()
		return
	case iceberggo.EntryContentEqDeletes:
		c.eqFiles++
		c.equalities += f.Count()
	default:
		if f.FileFormat() == iceberggo.PuffinFile {
			c.vectors++
		} else {
			c.posFiles++
		}
		c.positions += f.Count()
	}
	c.deleteFiles++
	c.bytes += deleteFileBytes(f)
}

// deleteFileBytes is a delete file's share of the table's size: of a Puffin file with many vectors, only the vector.
func deleteFileBytes(f iceberggo.DataFile) int64 {
	if n := f.ContentSizeInBytes(); n != nil {
		return *n
	}
	return f.FileSizeBytes()
}

func (s *summary) add(f iceberggo.DataFile)    { s.added.count(f) }
func (s *summary) remove(f iceberggo.DataFile) { s.removed.count(f) }

// operation is the kind of the snapshot by the specification: what readers of increments go by.
func (s *summary) operation() table.Operation {
	switch {
	case s.removed.dataFiles > 0 || s.added.deleteFiles > 0 && s.added.dataFiles > 0:
		return table.OpOverwrite
	case s.added.deleteFiles > 0:
		return table.OpDelete
	default:
		return table.OpAppend
	}
}

// summary makes the snapshot's summary. Totals continue those of the parent, where it has them.
func (b *build) summary(parent *table.Snapshot, marker string) *table.Summary {
	p := iceberggo.Properties{}
	set := func(k string, n int64) {
		if n > 0 {
			p[k] = strconv.FormatInt(n, 10)
		}
	}
	a, r := &b.sum.added, &b.sum.removed
	set("added-data-files", a.dataFiles)
	set("deleted-data-files", r.dataFiles)
	set("added-records", a.records)
	set("deleted-records", r.records)
	set("added-files-size", a.bytes)
	set("removed-files-size", r.bytes)
	set("added-delete-files", a.deleteFiles)
	set("removed-delete-files", r.deleteFiles)
	set("added-position-delete-files", a.posFiles)
	set("removed-position-delete-files", r.posFiles)
	set("added-dvs", a.vectors)
	set("removed-dvs", r.vectors)
	set("added-position-deletes", a.positions)
	set("removed-position-deletes", r.positions)
	set("removed-equality-delete-files", r.eqFiles)
	set("removed-equality-deletes", r.equalities)
	prev := summaryOf(parent)
	total := func(k string, added, removed int64) {
		var base int64
		if parent != nil {
			n, err := strconv.ParseInt(prev[k], 10, 64)
			if err != nil {
				return // unknown; a wrong total would be worse than none
			}
			base = n
		}
		p[k] = strconv.FormatInt(max(base+added-removed, 0), 10)
	}
	total("total-data-files", a.dataFiles, r.dataFiles)
	total("total-delete-files", a.deleteFiles, r.deleteFiles)
	total("total-records", a.records, r.records)
	total("total-files-size", a.bytes, r.bytes)
	total("total-position-deletes", a.positions, r.positions)
	total("total-equality-deletes", a.equalities, r.equalities)

	p[propPipeline] = b.pipeline
	p[propMarker] = marker
	p[sumGeneration] = strconv.FormatUint(b.part.Generation.Number, 10)
	p[sumCheckpoint] = strconv.FormatUint(b.id.K, 10)
	p[sumPosition] = b.part.Label
	if b.part.CommitMicros != 0 {
		p[sumSourceTime] = time.UnixMicro(b.part.CommitMicros).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return &table.Summary{Operation: b.sum.operation(), Properties: p}
}
