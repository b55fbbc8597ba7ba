package iceberg

import (
	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// writeTarget says how rows under one definition of a table are written. It is immutable.
type writeTarget struct {
	source *cdc.Schema
	// schema has the columns of source in the same order, with field ids; pending additions included.
	schema *iceberggo.Schema
	// spec and formatVersion are those of the table.
	spec          iceberggo.PartitionSpec
	formatVersion int
	// targetBytes is the size at which a data file is closed and the next one opened.
	targetBytes int64
	props       iceberggo.Properties
}

// dataFile is a finished data file of a shard.
type dataFile struct {
	num  uint32 // its file number in the table's dictionary
	file iceberggo.DataFile
}

// delta is what a shard has prepared of one table for one checkpoint: the decoded form of cdc.Committable.Payload.
type delta struct {
	files []dataFile
	// deleted holds deleted row positions by file number; files of this very delta may occur.
	deleted map[uint32]*roaring.Bitmap
}

// shardTable is what a shard writer needs of a table; the sink's table implements it. Safe for concurrent use by shards.
type shardTable interface {
	// target returns how to write rows of the definition. The first call for a new definition assigns field ids.
	target(s *cdc.Schema) (*writeTarget, error)
	// newFile reserves a file number for the slot and the location of a new data file in the partition directory
	// ("" for unpartitioned tables, otherwise "a=1/b=2").
	newFile(slot int, partition string) (num uint32, uri string, err error)
	// lastFile returns the counter that the slot's next file number will be beyond.
	lastFile(slot int) uint32
}
