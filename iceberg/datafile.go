package iceberg

import (
	"fmt"
	"maps"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// makeDataFile describes a finished file from its footer, without reading it back: counts, sizes, bounds (of the first 16
// characters, as is Iceberg's default) and split offsets.
func makeDataFile(t *writeTarget, uri string, size int64, meta *metadata.FileMetaData, partition map[int]any) (iceberggo.DataFile, error) {
	props, err := metricsProperties(t, meta)
	if err != nil {
		return nil, fmt.Errorf("describe data file %s: %w", uri, err)
	}
	f, err := table.DataFileFromMetadata(table.DataFileArgs{
		Schema: t.schema, Spec: t.spec, Format: iceberggo.ParquetFile, Metadata: meta, FilePath: uri, FileSize: size,
		Content: iceberggo.EntryContentData, PartitionValues: partition, Properties: props, FormatVersion: t.formatVersion,
	})
	if err != nil {
		return nil, fmt.Errorf("describe data file %s: %w", uri, err)
	}
	return f, nil
}

// metricsProperties returns the table's properties, changed such that a column keeps no bounds if one of its row groups has none.
// The library takes the bounds of the other row groups for those of the file, and readers would skip rows: a row group loses its
// bounds when a value of more than 4 KiB is its smallest or largest.
func metricsProperties(t *writeTarget, meta *metadata.FileMetaData) (iceberggo.Properties, error) {
	props, cloned := t.props, false
	if meta.NumRowGroups() < 2 {
		return props, nil
	}
	for i, f := range t.schema.Fields() {
		whole := true
		for g := range meta.NumRowGroups() {
			c, err := meta.RowGroup(g).ColumnChunk(i)
			if err != nil {
				return nil, err
			}
			s, err := c.Statistics()
			if err != nil {
				return nil, err
			}
			if s == nil || !s.HasNullCount() || !s.HasMinMax() && s.NullCount() < c.NumValues() {
				whole = false
				break
			}
		}
		key := table.MetricsModeColumnConfPrefix + "." + f.Name
		if whole || props[key] == "none" {
			continue
		}
		if !cloned {
			props, cloned = maps.Clone(props), true
			if props == nil {
				props = iceberggo.Properties{}
			}
		}
		props[key] = "counts"
	}
	return props, nil
}
