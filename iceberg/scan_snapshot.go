package iceberg

import (
	"context"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// snapshotFiles are the live files of a snapshot.
type snapshotFiles struct {
	data    map[string]iceberggo.DataFile
	vectors map[string]iceberggo.DataFile // deletion vector by data file
	deletes map[string]iceberggo.DataFile // position-delete files by path

	manifests []iceberggo.ManifestFile
	entries   map[string][]*liveEntry // of delete manifests, by manifest
}

// listFiles reads the manifests of a snapshot, nil: none.
func listFiles(ctx context.Context, fs *storage, t cdc.TableID, s *table.Snapshot, parallel int) (*snapshotFiles, error) {
	out := &snapshotFiles{data: map[string]iceberggo.DataFile{}, vectors: map[string]iceberggo.DataFile{}, deletes: map[string]iceberggo.DataFile{},
		entries: map[string][]*liveEntry{}}
	if s == nil {
		return out, nil
	}
	manifests, err := manifestsOf(ctx, fs, s)
	if err != nil {
		return nil, err
	}
	out.manifests = manifests
	var mu sync.Mutex
	err = each(ctx, parallel, manifests, func(ctx context.Context, m iceberggo.ManifestFile) error {
		entries, err := liveEntries(ctx, fs, m)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if m.ManifestContent() == iceberggo.ManifestContentDeletes {
			out.entries[m.FilePath()] = entries
		}
		for _, e := range entries {
			f := e.DataFile()
			ref := f.ReferencedDataFile()
			switch {
			case f.ContentType() == iceberggo.EntryContentData:
				if _, twice := out.data[f.FilePath()]; twice {
					return cdc.Errorf(CodeForeignRows, t, "data file %s stands twice in snapshot %d", f.FilePath(), s.SnapshotID)
				}
				out.data[f.FilePath()] = f
			case f.ContentType() == iceberggo.EntryContentEqDeletes:
				return cdc.Errorf(CodeEqualityDeletes, t, "%s", f.FilePath())
			case f.FileFormat() == iceberggo.PuffinFile:
				if ref == nil {
					return cdc.Errorf(CodeUnreadableFile, t, "a deletion vector in %s names no data file", f.FilePath())
				}
				if _, twice := out.vectors[*ref]; twice {
					return cdc.Errorf(CodeDuplicateVector, t, "%s in snapshot %d", *ref, s.SnapshotID)
				}
				out.vectors[*ref] = f
			default:
				out.deletes[f.FilePath()] = f
			}
		}
		return nil
	})
	return out, err
}

// rows is the number of rows that the data files hold, deleted or not.
func (s *snapshotFiles) rows() (n int64) {
	for _, f := range s.data {
		n += f.Count()
	}
	return n
}

// deleted reads the deleted positions of the data files, by path. Files of old, which may be nil, are left out.
func (s *snapshotFiles) deleted(ctx context.Context, fs *storage, old *snapshotFiles, parallel int) (map[string]*roaring.Bitmap, error) {
	var read []iceberggo.DataFile
	for p, f := range s.vectors {
		if old != nil {
			if o, ok := old.vectors[p]; ok && o.FilePath() == f.FilePath() && *o.ContentOffset() == *f.ContentOffset() {
				continue
			}
		}
		if _, live := s.data[p]; live {
			read = append(read, f)
		}
	}
	for p, f := range s.deletes {
		if old == nil || old.deletes[p] == nil {
			read = append(read, f)
		}
	}
	out := map[string]*roaring.Bitmap{}
	var mu sync.Mutex
	err := each(ctx, parallel, read, func(ctx context.Context, f iceberggo.DataFile) error {
		one := map[string]*roaring.Bitmap{}
		if f.FileFormat() == iceberggo.PuffinFile {
			bm, err := readVector(ctx, fs, f)
			if err != nil {
				return err
			}
			one[*f.ReferencedDataFile()] = bm
		} else if err := readPositionDeletes(ctx, fs, f, one); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for p, bm := range one {
			if have := out[p]; have != nil {
				have.Or(bm)
			} else {
				out[p] = bm
			}
		}
		return nil
	})
	return out, err
}
