package iceberg

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/zeebo/xxh3"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Properties of our tables, and keys of our snapshots' summaries.
const (
	propPipeline = "cdc2lake.pipeline" // table and summary: the pipeline's name
	propSource   = "cdc2lake.source"   // table: the source table
	propMarker   = "cdc2lake.marker"   // table and summary: the marker
	propCounter  = "cdc2lake.files"    // table: no file number of ours has a larger counter
	// A definition is many times larger than the rest of a marker, and is the same in most of them. It stands once in a
	// table property named by its hash, and markers refer to it: the metadata file stays small.
	propSchema = "cdc2lake.schema."

	sumGeneration = "cdc2lake.generation"
	sumCheckpoint = "cdc2lake.checkpoint"
	sumPosition   = "cdc2lake.position"
	sumSourceTime = "cdc2lake.source-time"
)

// schemaRef is the name under which a definition is kept.
func schemaRef(def []byte) string {
	h := xxh3.Hash128(def).Bytes()
	return hex.EncodeToString(h[:8])
}

// encodeMarker returns the marker's text with its definition replaced by a reference, and the property that holds the latter.
func encodeMarker(m cdc.Marker) (text, key, value string, err error) {
	def := m.Schema
	ref := schemaRef(def)
	m.Schema = json.RawMessage(`"` + ref + `"`)
	b, err := json.Marshal(m)
	if err != nil {
		return "", "", "", fmt.Errorf("encode marker: %w", err)
	}
	return string(b), propSchema + ref, string(def), nil
}

// decodeMarker reads a marker from a property or summary. props are the table's.
func decodeMarker(text string, props iceberggo.Properties, where string) (*cdc.Marker, error) {
	m := new(cdc.Marker)
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, cdcErrorf(cdc.CodeCorrupt, "marker of %s: %w", where, err)
	}
	if m.V > cdc.MarkerVersion || m.V < 1 {
		return nil, &cdc.Error{Code: CodePartUnreadable, Msg: fmt.Sprintf("marker of %s has format %d, this version reads %d", where, m.V, cdc.MarkerVersion)}
	}
	var ref string
	if json.Unmarshal(m.Schema, &ref) == nil {
		def, ok := props[propSchema+ref]
		if !ok {
			return nil, cdcErrorf(cdc.CodeCorrupt, "%s lacks property %s%s, to which its marker refers", where, propSchema, ref)
		}
		m.Schema = json.RawMessage(def)
	}
	return m, nil
}

// markerRef returns the reference to a definition in a marker's text, or "".
func markerRef(text string) string {
	var m struct {
		Schema string `json:"schema"`
	}
	if json.Unmarshal([]byte(text), &m) != nil {
		return ""
	}
	return m.Schema
}

// ancestors yields main's snapshots from the head back, as far as they have not been expired.
func ancestors(meta table.Metadata) iter.Seq[*table.Snapshot] {
	return func(yield func(*table.Snapshot) bool) {
		seen := 0
		for s := meta.CurrentSnapshot(); s != nil; {
			if !yield(s) || s.ParentSnapshotID == nil {
				return
			}
			if seen++; seen > 1<<20 {
				return // a loop: metadata that nobody should have written
			}
			s = meta.SnapshotByID(*s.ParentSnapshotID)
		}
	}
}

func summaryOf(s *table.Snapshot) iceberggo.Properties {
	if s == nil || s.Summary == nil {
		return nil
	}
	return s.Summary.Properties
}

// property reads the marker of the table's property; nil: it has none. Callers leave it as it is.
func (v *metaVersion) property() (*cdc.Marker, error) {
	v.marked.Do(func() {
		props := v.meta.Properties()
		if text, ok := props[propMarker]; ok {
			v.marker, v.unmarked = decodeMarker(text, props, identString(v.ident))
		}
	})
	return v.marker, v.unmarked
}

// markers reads both markers of a table, and the snapshot that carries the one of the ancestry.
func (v *metaVersion) markers() (m cdc.TableMarkers, at *table.Snapshot, err error) {
	p, err := v.property()
	if err != nil {
		return m, nil, err
	}
	own := func() *cdc.Marker { // the load goes on from it
		c := *p
		c.Load.Open = slices.Clone(p.Load.Open)
		return &c
	}
	if p != nil {
		m.Property = own()
	}
	props := v.meta.Properties()
	for s := range ancestors(v.meta) {
		text, ok := summaryOf(s)[propMarker]
		if !ok {
			continue
		}
		if p != nil && text == props[propMarker] {
			m.Ancestry = own()
		} else if m.Ancestry, err = decodeMarker(text, props, identString(v.ident)); err != nil {
			return m, nil, err
		}
		return m, s, nil
	}
	return m, nil, nil
}

// ours reports whether the table was made by this pipeline for this source table; otherwise it says why not.
func (v *metaVersion) ours(pipeline string, t cdc.TableID) (bool, string) {
	props := v.meta.Properties()
	src, _ := t.MarshalText()
	switch p, ok := props[propPipeline]; {
	case !ok:
		return false, "it has no property " + propPipeline
	case p != pipeline:
		return false, fmt.Sprintf("it belongs to pipeline %q", p)
	case props[propSource] != string(src):
		return false, fmt.Sprintf("it is the table of %s", props[propSource])
	}
	return true, ""
}

// cdcErrorf is cdc.Errorf for errors that concern no single table.
func cdcErrorf(c *cdc.Code, format string, args ...any) *cdc.Error {
	return cdc.Errorf(c, cdc.TableID{}, format, args...)
}

// generationTag stands in the names of files, so that a later generation can tell them from its own.
func generationTag(g cdc.Generation) string { return fmt.Sprintf("e%d-g%d", g.Epoch, g.Number) }

// parseGenerationTag finds the tag in a file's name.
func parseGenerationTag(name string) (g cdc.Generation, ok bool) {
	for part := range strings.SplitSeq(name, "_") {
		if n, err := fmt.Sscanf(part, "e%d-g%d", &g.Epoch, &g.Number); err == nil && n == 2 && part == generationTag(g) {
			return g, true
		}
	}
	return cdc.Generation{}, false
}

// decodeMarkerID reads only which record a marker stands for.
func decodeMarkerID(text string) (*cdc.CheckpointID, error) {
	var m struct {
		ID cdc.CheckpointID `json:"id"`
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, err
	}
	return &m.ID, nil
}
