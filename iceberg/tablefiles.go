package iceberg

import (
	"fmt"
	"path"

	iceberggo "github.com/apache/iceberg-go"
)

// A file number is a slot and a counter, so that shards reserve numbers without asking each other, and another process
// can take a slot over. Files that others wrote (compaction) are numbered under a slot of their own.
const (
	slotShift   = 25
	counterMask = 1<<slotShift - 1
	// foreignSlot numbers the files that do not carry a number in their name.
	foreignSlot = 127
	// MaxSlots is the largest number of slots of a pipeline.
	MaxSlots = foreignSlot
)

// precedes reports whether a file of ours was made before or with counter base; see cdc.LoadState.Base.
func precedes(num, base uint32) bool {
	return num&counterMask <= base && num>>slotShift != foreignSlot
}

// fileInfo is what the state's locations refer to.
type fileInfo struct {
	num  uint32
	file iceberggo.DataFile // without statistics; FirstRowID is set once it is known
}

// tableFiles is a table's dictionary of file numbers: the live data files, and those of parts under way.
type tableFiles struct {
	byNum  map[uint32]*fileInfo
	byPath map[string]uint32
}

func newTableFiles() *tableFiles {
	return &tableFiles{map[uint32]*fileInfo{}, map[string]uint32{}}
}

// add enters a file. A number stands for one file as long as anything may refer to it.
func (d *tableFiles) add(num uint32, f iceberggo.DataFile, spec iceberggo.PartitionSpec) error {
	if old, ok := d.byNum[num]; ok && old.file.FilePath() != f.FilePath() {
		return fmt.Errorf("file number %d stands for %s and %s", num, old.file.FilePath(), f.FilePath())
	}
	slim, err := withoutStatistics(f, spec)
	if err != nil {
		return err
	}
	d.byNum[num] = &fileInfo{num, slim}
	d.byPath[f.FilePath()] = num
	return nil
}

func (d *tableFiles) remove(path string) {
	if num, ok := d.byPath[path]; ok {
		delete(d.byPath, path)
		delete(d.byNum, num)
	}
}

func withoutStatistics(f iceberggo.DataFile, spec iceberggo.PartitionSpec) (iceberggo.DataFile, error) {
	b, err := iceberggo.NewDataFileBuilder(spec, iceberggo.EntryContentData, f.FilePath(), f.FileFormat(), f.Partition(), nil, nil, f.Count(), f.FileSizeBytes())
	if err != nil {
		return nil, err
	}
	if id := f.FirstRowID(); id != nil {
		b.FirstRowID(*id)
	}
	return b.Build(), nil
}

// fileName is the name of a data file of ours: its number, the generation that wrote it, and a random part, so that no two
// processes ever write one name.
func fileName(num uint32, tag, random string) string {
	return fmt.Sprintf("%03d-%08d_%s_%s.parquet", num>>slotShift, num&counterMask, tag, random)
}

// parseFileName finds the number in a name that fileName made.
func parseFileName(p string) (uint32, bool) {
	name := path.Base(p)
	var slot, counter uint32
	if _, ok := parseGenerationTag(name); !ok {
		return 0, false
	}
	if n, err := fmt.Sscanf(name, "%03d-%08d_", &slot, &counter); err != nil || n != 2 {
		return 0, false
	}
	if slot >= foreignSlot || counter == 0 || counter > counterMask {
		return 0, false
	}
	return slot<<slotShift | counter, true
}
