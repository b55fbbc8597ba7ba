package iceberg

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// TableInfo describes a table as it is now.
type TableInfo struct {
	Table            cdc.TableID
	Ident            []string
	Location         string
	MetadataLocation string
	FormatVersion    int
	Snapshot         *int64 // main; nil: none
	TimestampMs      int64  // of the snapshot
	Markers          cdc.TableMarkers
	DataFiles        int64
	DeleteFiles      int64
	Records          int64 // rows in data files
	Deleted          int64 // of these, deleted by position
	Bytes            int64
}

// Info reads a table's present state; errors.Is fs.ErrNotExist where there is none.
func (s *Sink) Info(ctx context.Context, id cdc.TableID) (*TableInfo, error) {
	t, v, err := s.current(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &TableInfo{Table: id, Ident: t.ident, Location: v.meta.Location(), MetadataLocation: v.location, FormatVersion: v.meta.Version(), Snapshot: headOf(v.meta)}
	if out.Markers, _, err = v.markers(); err != nil {
		return nil, err
	}
	snap := v.meta.CurrentSnapshot()
	if snap != nil {
		out.TimestampMs = snap.TimestampMs
	}
	p := summaryOf(snap)
	for k, n := range map[string]*int64{"total-data-files": &out.DataFiles, "total-delete-files": &out.DeleteFiles, "total-records": &out.Records,
		"total-position-deletes": &out.Deleted, "total-files-size": &out.Bytes} {
		*n = int64(p.GetInt64(k, 0))
	}
	return out, nil
}

func (s *Sink) current(ctx context.Context, id cdc.TableID) (*sinkTable, *metaVersion, error) {
	t, err := s.table(id)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.reload(ctx, t, "")
	if err != nil {
		return nil, nil, err
	}
	return t, v, nil
}

// GoTable returns the table for iceberg-go's own API, over this sink's storage: for checks by a reader that is not ours.
func (s *Sink) GoTable(ctx context.Context, id cdc.TableID) (*table.Table, error) {
	t, v, err := s.current(ctx, id)
	if err != nil {
		return nil, err
	}
	return table.New(t.ident, v.meta, v.location, s.goFS, nil), nil
}

// Rows are live rows of a table. They are used again when the function they were given to returns.
type Rows struct {
	Schema *cdc.Schema
	Cols   []cdc.Vec // one per column of Schema, in the layout of its type; Valid may be set for columns that Schema calls NOT NULL
	N      int
	File   string
	// Positions of the rows in the file; nil: First, First+1, …
	Positions []uint32
	First     uint32
}

// Scan reads the live rows of a snapshot (nil: main's head) with the definition that its marker names: data files without deleted
// positions. Files are read several at a time, and f is called from several goroutines.
func (s *Sink) Scan(ctx context.Context, id cdc.TableID, snapshot *int64, f func(*Rows) error) error {
	_, v, err := s.current(ctx, id)
	if err != nil {
		return err
	}
	snap := v.meta.CurrentSnapshot()
	if snapshot != nil {
		if snap = v.meta.SnapshotByID(*snapshot); snap == nil {
			return cdc.Errorf(CodeMarkerLost, id, "snapshot %d has been expired", *snapshot)
		}
	}
	src, err := schemaAt(v, snap)
	if err != nil {
		return err
	}
	return s.scan(ctx, id, v, snap, src, f)
}

// schemaAt is the definition as of the newest marker in a snapshot's ancestry.
func schemaAt(v *metaVersion, snap *table.Snapshot) (*cdc.Schema, error) {
	for s := snap; s != nil; {
		if text, ok := summaryOf(s)[propMarker]; ok {
			m, err := decodeMarker(text, v.meta.Properties(), identString(v.ident))
			if err != nil {
				return nil, err
			}
			return decodeSchema(m, identString(v.ident))
		}
		if s.ParentSnapshotID == nil {
			break
		}
		s = v.meta.SnapshotByID(*s.ParentSnapshotID)
	}
	return nil, cdcErrorf(CodeMarkerLost, "%s", identString(v.ident))
}

func decodeSchema(m *cdc.Marker, where string) (*cdc.Schema, error) {
	src := new(cdc.Schema)
	if err := json.Unmarshal(m.Schema, src); err != nil {
		return nil, cdcErrorf(cdc.CodeCorrupt, "definition in the marker of %s: %w", where, err)
	}
	return src, nil
}

func (s *Sink) scan(ctx context.Context, id cdc.TableID, v *metaVersion, snap *table.Snapshot, src *cdc.Schema, f func(*Rows) error) error {
	return s.scanSome(ctx, id, v, snap, src, func(iceberggo.DataFile) bool { return true }, f)
}

// scanSome is scan for the data files that are wanted.
func (s *Sink) scanSome(ctx context.Context, id cdc.TableID, v *metaVersion, snap *table.Snapshot, src *cdc.Schema, wanted func(iceberggo.DataFile) bool, f func(*Rows) error) error {
	sc := v.meta.CurrentSchema()
	if snap != nil && snap.SchemaID != nil {
		for _, x := range v.meta.Schemas() {
			if x.ID == *snap.SchemaID {
				sc = x
			}
		}
	}
	fields, err := scanFields(sc, src, nil)
	if err != nil {
		return err
	}
	files, err := listFiles(ctx, s.fs, id, snap, s.scanLimit())
	if err != nil {
		return err
	}
	maps.DeleteFunc(files.data, func(_ string, df iceberggo.DataFile) bool { return !wanted(df) })
	dead, err := files.deleted(ctx, s.fs, nil, s.scanLimit())
	if err != nil {
		return err
	}
	return each(ctx, s.scanLimit(), sortedPaths(files.data), func(ctx context.Context, p string) error {
		var keep []int32
		var pos []uint32
		return s.fs.scanFile(ctx, files.data[p], fields, func(cols []cdc.Vec, first uint32, n int) error {
			r := &Rows{Schema: src, Cols: cols, N: n, File: p, First: first}
			if bm := dead[p]; bm != nil && anyIn(bm, first, n) {
				keep, pos = keep[:0], pos[:0]
				for i := range n {
					if !bm.Contains(first + uint32(i)) {
						keep, pos = append(keep, int32(i)), append(pos, first+uint32(i))
					}
				}
				if len(keep) == 0 {
					return nil
				}
				for i := range cols {
					compact(&cols[i], keep)
				}
				r.N, r.Positions = len(keep), pos
			}
			return f(r)
		})
	})
}

func anyIn(bm *roaring.Bitmap, first uint32, n int) bool {
	return bm.IntersectsWithInterval(uint64(first), uint64(first)+uint64(n))
}

func sortedPaths[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// compact moves the kept rows, ascending, to the front.
func compact(v *cdc.Vec, keep []int32) {
	v.Nulls = 0
	for to, from := range keep {
		from := int(from)
		switch v.Layout {
		case cdc.LayoutU8:
			v.U8[to] = v.U8[from]
		case cdc.LayoutI32:
			v.I32[to] = v.I32[from]
		case cdc.LayoutI64:
			v.I64[to] = v.I64[from]
		case cdc.LayoutI128:
			v.I64[2*to], v.I64[2*to+1] = v.I64[2*from], v.I64[2*from+1]
		case cdc.LayoutF32:
			v.F32[to] = v.F32[from]
		case cdc.LayoutF64:
			v.F64[to] = v.F64[from]
		case cdc.LayoutBytes:
			n := copy(v.Data[v.Off[to]:], v.Data[v.Off[from]:v.Off[from+1]])
			// Offsets after to are still needed while from ≥ to: the next value starts at or after Off[from+1].
			v.Off[to+1] = v.Off[to] + int32(n)
		}
		if v.Valid != nil {
			if v.IsNull(from) {
				v.Nulls++
				v.Valid[to>>3] &^= 1 << (to & 7)
			} else {
				v.SetValid(to)
			}
		}
	}
	if v.Layout == cdc.LayoutBytes {
		v.Data = v.Data[:v.Off[len(keep)]]
	}
}

// String names the rows for messages.
func (r *Rows) String() string { return fmt.Sprintf("%d rows of %s from %d", r.N, r.File, r.First) }
