package iceberg

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/apache/iceberg-go/table"
	"github.com/klauspost/compress/zstd"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// partVersion is the format of a part's payload: a byte with the version, then JSON compressed with zstd. N reads N-1; a newer
// one is refused.
const partVersion = 1

// partPayload is a table's share of a checkpoint record: everything that another process needs to commit it.
type partPayload struct {
	Table cdc.TableID `json:"table"`
	UUID  string      `json:"uuid"` // of the Iceberg table
	// Generation prepared the part; its number is written to the marker.
	Generation cdc.Generation `json:"gen"`
	// Parent is the snapshot on which the part may be committed; nil: the table must have none.
	Parent *int64 `json:"parent,omitempty"`
	// Format is the table format version under which Data and Ref are encoded.
	Format int `json:"format"`
	// Schemas are the definitions that the part adds, oldest first; the last one becomes current. Those in between are
	// added too, so that the table never gives the id of a column that came and went to another one.
	Schemas []json.RawMessage `json:"schemas,omitempty"`
	Files   []partFile        `json:"files,omitempty"`
	Deleted []partDeleted     `json:"deleted,omitempty"`
	Replace bool              `json:"replace,omitempty"`
	// Drop: files of ours numbered up to it leave the table, see cdc.LoadState.Base; 0: none.
	Drop uint32 `json:"drop,omitempty"`
	// Counter: file numbers up to it are taken.
	Counter uint32 `json:"counter"`

	Position     cdc.Position    `json:"position"`
	Label        string          `json:"label,omitempty"`
	CommitMicros int64           `json:"commit,omitempty"`
	Load         cdc.LoadState   `json:"load"`
	Source       json.RawMessage `json:"source"` // cdc.Schema as of Position
}

// partFile is a data file of the part, encoded as in a manifest.
type partFile struct {
	Num  uint32 `json:"n"`
	Spec int    `json:"s,omitempty"`
	Data []byte `json:"d"`
}

// partDeleted holds positions deleted from one data file. Ref describes a file of the table (as in a manifest, without
// statistics); for a file of this very part it is empty and Own is its number.
type partDeleted struct {
	Own       uint32 `json:"own,omitempty"`
	Spec      int    `json:"s,omitempty"`
	Ref       []byte `json:"r,omitempty"`
	Positions []byte `json:"p"` // 32-bit roaring bitmap, portable format
}

// deletedFrom is a partDeleted read back.
type deletedFrom struct {
	file      iceberggo.DataFile
	positions *roaring.Bitmap
}

var zstdCodec = sync.OnceValue(func() (c struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}) {
	// One worker and no goroutines: EncodeAll and DecodeAll run in the caller.
	c.enc, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true))
	c.dec, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	return c
})

func compress(b []byte) []byte { return zstdCodec().enc.EncodeAll(b, nil) }

func (p *partPayload) encode() ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode part of %s: %w", p.Table, err)
	}
	return zstdCodec().enc.EncodeAll(b, []byte{partVersion}), nil
}

func decodePart(b []byte) (*partPayload, error) {
	if len(b) == 0 {
		return nil, &cdc.Error{Code: cdc.CodeCorrupt, Msg: "a checkpoint record holds an empty part"}
	}
	if b[0] != partVersion {
		return nil, &cdc.Error{Code: CodePartUnreadable, Msg: fmt.Sprintf("part has format %d, this version reads %d", b[0], partVersion)}
	}
	raw, err := zstdCodec().dec.DecodeAll(b[1:], nil)
	if err != nil {
		return nil, cdcErrorf(cdc.CodeCorrupt, "part of a checkpoint record: %w", err)
	}
	p := new(partPayload)
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, cdcErrorf(cdc.CodeCorrupt, "part of a checkpoint record: %w", err)
	}
	return p, nil
}

// schemas decodes the definitions that the part adds.
func (p *partPayload) schemas() ([]*iceberggo.Schema, error) {
	out := make([]*iceberggo.Schema, len(p.Schemas))
	for i, raw := range p.Schemas {
		out[i] = new(iceberggo.Schema)
		if err := json.Unmarshal(raw, out[i]); err != nil {
			return nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part's schema: %w", err)
		}
	}
	return out, nil
}

// content decodes the part's data files (by number) and deleted positions against the table's metadata.
func (p *partPayload) content(meta table.Metadata) (files []dataFile, deleted []deletedFrom, err error) {
	sc := meta.CurrentSchema() // partitioning columns cannot be dropped, so any schema will do
	own := map[uint32]iceberggo.DataFile{}
	decode := func(b []byte, id int) (iceberggo.DataFile, error) {
		spec := meta.PartitionSpecByID(id)
		if spec == nil {
			return nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part names the unknown partition spec %d", id)
		}
		f, err := codec.DecodeDataFile(b, *spec, sc, p.Format)
		if err != nil {
			return nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part's data file: %w", err)
		}
		return f, nil
	}
	for _, f := range p.Files {
		df, err := decode(f.Data, f.Spec)
		if err != nil {
			return nil, nil, err
		}
		own[f.Num] = df
		files = append(files, dataFile{f.Num, df})
	}
	for _, d := range p.Deleted {
		df := own[d.Own]
		if d.Ref != nil {
			if df, err = decode(d.Ref, d.Spec); err != nil {
				return nil, nil, err
			}
		}
		if df == nil {
			return nil, nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part deletes from file %d, which it does not hold", d.Own)
		}
		bm := roaring.New()
		if _, err := bm.FromBuffer(d.Positions); err != nil {
			return nil, nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part's deleted positions: %w", err)
		}
		if err := bm.Validate(); err != nil {
			return nil, nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part's deleted positions: %w", err)
		}
		if bm.IsEmpty() || int64(bm.Maximum()) >= df.Count() {
			return nil, nil, cdc.Errorf(cdc.CodeCorrupt, p.Table, "part deletes positions that %s does not have", df.FilePath())
		}
		deleted = append(deleted, deletedFrom{df, bm})
	}
	return files, deleted, nil
}

// marker is what the table carries once the part is committed as the record id.
func (p *partPayload) marker(pipeline string, id cdc.CheckpointID) cdc.Marker {
	return cdc.Marker{V: cdc.MarkerVersion, Pipeline: pipeline, ID: id, Generation: p.Generation.Number,
		Position: p.Position, Load: p.Load, Schema: p.Source}
}
