package iceberg

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Clean removes what older generations have written and no snapshot has ever referred to (step 6): data and delete files, manifests
// and manifest lists of attempts that came to nothing. They carry a generation older than gen in their name; what this generation or a
// younger one writes is never touched. named are the parts of all records; they were read before the call.
//
// A file stays if a part names it, or any snapshot that the table still has, of any branch or tag, as live or as deleted; or if it is
// older than main's oldest snapshot where that has lost its parents: an expired snapshot may have referred to it, and a reader may
// still be at it. What expiry leaves behind, in older generations and in this one, is the business of the table's maintenance
// (removal of orphans), and not done here. A table is left alone unless its property holds gen: only then can no older process commit
// to it any more.
func (s *Sink) Clean(ctx context.Context, gen cdc.Generation, named []cdc.Part) error {
	keep := map[cdc.TableID][]*partPayload{}
	for _, p := range named {
		pl, err := decodePart(p.Payload)
		if err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
		keep[pl.Table] = append(keep[pl.Table], pl)
	}
	return each(ctx, s.o.Parallelism, s.ready(), func(ctx context.Context, t *sinkTable) error {
		if err := s.clean(ctx, t, gen, keep[t.id]); err != nil {
			return fmt.Errorf("clean up %s: %w", t.id, err)
		}
		return nil
	})
}

func (s *Sink) clean(ctx context.Context, t *sinkTable, gen cdc.Generation, named []*partPayload) error {
	v, mine, err := s.holds(ctx, t, gen)
	if err != nil || !mine {
		return err
	}
	kept := map[string]bool{}
	for _, p := range named {
		files, _, err := p.content(v.meta)
		if err != nil {
			return err // in doubt
		}
		for _, f := range files {
			kept[f.file.FilePath()] = true
		}
	}
	if err := s.referenced(ctx, v, kept); err != nil {
		return err
	}
	since := cleanSince(v)
	var drop []string
	for _, folder := range []string{dataFolder(v.meta), metadataFolder(v.meta)} {
		st, key, err := s.fs.r.Resolve(ctx, folder+"/x")
		if err != nil {
			return err
		}
		for info, err := range st.List(ctx, strings.TrimSuffix(key, "x"), "") {
			if err != nil {
				return err
			}
			old, ok := parseGenerationTag(path.Base(info.Key))
			loc := folder + "/" + strings.TrimPrefix(info.Key, strings.TrimSuffix(key, "x"))
			if ok && old.Less(gen) && !kept[loc] && info.Modified.After(since) {
				drop = append(drop, loc)
			}
		}
	}
	if len(drop) == 0 {
		return nil
	}
	// A newer process may have come meanwhile; its view of what is needed is newer than ours.
	if _, mine, err = s.holds(ctx, t, gen); err != nil || !mine {
		return err
	}
	s.log.Info("files of older generations removed", "table", t.id.String(), "files", len(drop))
	return s.fs.remove(ctx, drop...)
}

// cleanSince is the time before which expired snapshots may have been made: what an attempt wrote that died after the newest commits
// is younger. The zero time: none has been expired. Clocks that differ make it remove less, or what an expired snapshot needed.
func cleanSince(v *metaVersion) time.Time {
	var oldest *table.Snapshot
	for s := range ancestors(v.meta) {
		oldest = s
	}
	if oldest == nil || oldest.ParentSnapshotID == nil {
		return time.Time{}
	}
	return time.UnixMilli(oldest.TimestampMs)
}

// holds reads the table and reports whether its property holds gen.
func (s *Sink) holds(ctx context.Context, t *sinkTable, gen cdc.Generation) (*metaVersion, bool, error) {
	v, err := s.cat.load(ctx, t.ident, nil)
	if errors.Is(err, errNoTable) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	props := v.meta.Properties()
	text, ok := props[propMarker]
	if !ok {
		return v, false, nil
	}
	m, err := decodeMarker(text, props, identString(v.ident))
	if err != nil {
		return nil, false, err
	}
	return v, m.Gen() == gen, nil
}

// referenced adds everything that the table's snapshots refer to.
func (s *Sink) referenced(ctx context.Context, v *metaVersion, kept map[string]bool) error {
	var mu sync.Mutex
	seen := map[string]bool{}
	snaps := v.meta.Snapshots()
	return each(ctx, s.scanLimit(), seqOf(len(snaps)), func(ctx context.Context, i int) error {
		manifests, err := manifestsOf(ctx, s.fs, &snaps[i])
		if err != nil {
			return err
		}
		mu.Lock()
		kept[snaps[i].ManifestList] = true
		var read []iceberggo.ManifestFile
		for _, m := range manifests {
			kept[m.FilePath()] = true
			if !seen[m.FilePath()] {
				seen[m.FilePath()] = true
				read = append(read, m)
			}
		}
		mu.Unlock()
		for _, m := range read {
			entries, err := entriesOf(ctx, s.fs, m, false)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, e := range entries {
				kept[e.DataFile().FilePath()] = true
			}
			mu.Unlock()
		}
		return nil
	})
}

func seqOf(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
