package iceberg

import (
	"fmt"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// makeDataFile describes a finished file from its footer, without reading it back: counts, sizes, bounds (of the first 16
// characters, as is Iceberg's default) and split offsets.
func makeDataFile(t *writeTarget, uri string, size int64, meta *metadata.FileMetaData, partition map[int]any) (iceberggo.DataFile, error) {
	f, err := table.DataFileFromMetadata(table.DataFileArgs{
		Schema: t.schema, Spec: t.spec, Format: iceberggo.ParquetFile, Metadata: meta, FilePath: uri, FileSize: size,
		Content: iceberggo.EntryContentData, PartitionValues: partition, Properties: t.props, FormatVersion: t.formatVersion,
	})
	if err != nil {
		return nil, fmt.Errorf("describe data file %s: %w", uri, err)
	}
	return f, nil
}
