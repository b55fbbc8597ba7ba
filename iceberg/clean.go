package iceberg

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
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
	tables := s.ready()
	at, err := s.locateTables(ctx, tables)
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return each(ctx, s.o.Parallelism, tables, func(ctx context.Context, t *sinkTable) error {
		if err := s.clean(ctx, t, gen, at[identString(t.ident)], keep[t.id]); err != nil {
			return fmt.Errorf("clean up %s: %w", t.id, err)
		}
		return nil
	})
}

func (s *Sink) clean(ctx context.Context, t *sinkTable, gen cdc.Generation, at string, named []*partPayload) error {
	v, mine, err := s.holds(ctx, t, gen, at)
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
	t.mu.Lock()
	for f := range t.files.byPath {
		kept[f] = true // live, or of a part under way
	}
	t.mu.Unlock()
	maybe, err := s.unknown(ctx, v, gen, kept)
	if err != nil || len(maybe) == 0 {
		return err
	}
	// The manifests tell for certain. Most tables have none to ask about.
	if err := s.referenced(ctx, v, kept); err != nil {
		return err
	}
	drop := slices.DeleteFunc(maybe, func(loc string) bool { return kept[loc] })
	if len(drop) == 0 {
		return nil
	}
	// A newer process may have come meanwhile; its view of what is needed is newer than ours.
	if _, mine, err = s.holds(ctx, t, gen, ""); err != nil || !mine {
		return err
	}
	s.log.Info("files of older generations removed", "table", t.id.String(), "files", len(drop))
	return s.fs.remove(ctx, drop...)
}

// unknown lists files of older generations that nothing at hand refers to: not kept, and not of an attempt that became a snapshot of v, which
// refers to all that the attempt wrote.
func (s *Sink) unknown(ctx context.Context, v *metaVersion, gen cdc.Generation, kept map[string]bool) ([]string, error) {
	attempts := map[string]bool{}
	for _, snap := range v.meta.Snapshots() {
		if a := attemptOf(path.Base(snap.ManifestList)); a != "" {
			attempts[a] = true
		}
	}
	since := cleanSince(v)
	folders := []string{dataFolder(v.meta) + "/", metadataFolder(v.meta) + "/"}
	list := folders
	if root := strings.TrimRight(v.meta.Location(), "/") + "/"; strings.HasPrefix(folders[0], root) && strings.HasPrefix(folders[1], root) {
		list = []string{root} // one request, for most tables
	}
	var out []string
	for _, folder := range list {
		st, key, err := s.fs.r.Resolve(ctx, folder+"x")
		if err != nil {
			return nil, err
		}
		key = strings.TrimSuffix(key, "x")
		for info, err := range st.List(ctx, key, "") {
			if err != nil {
				return nil, err
			}
			name := path.Base(info.Key)
			old, ok := parseGenerationTag(name)
			loc := folder + strings.TrimPrefix(info.Key, key)
			if ok && old.Less(gen) && !kept[loc] && !attempts[attemptOf(name)] && info.Modified.After(since) &&
				slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(loc, f) }) {
				out = append(out, loc)
			}
		}
	}
	return out, nil
}

// attemptOf returns what the names of all objects of one attempt to commit share (see build.tag), or "" for other files, each data file with a
// name of its own among them.
func attemptOf(name string) string {
	if _, ok := parseFileName(name); ok {
		return ""
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '.' })
	for i, p := range parts[:max(len(parts)-1, 0)] {
		var g cdc.Generation
		if n, err := fmt.Sscanf(p, "e%d-g%d", &g.Epoch, &g.Number); err == nil && n == 2 && p == generationTag(g) {
			id, _, _ := strings.Cut(parts[i+1], "-") // the random part, before the number of the file
			return p + "_" + id
		}
	}
	return ""
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

// holds reads the table and reports whether its property holds gen; at is as in load.
func (s *Sink) holds(ctx context.Context, t *sinkTable, gen cdc.Generation, at string) (*metaVersion, bool, error) {
	t.mu.Lock()
	have := t.version
	t.mu.Unlock()
	v, err := s.cat.load(ctx, t.ident, have, at)
	if errors.Is(err, errNoTable) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	m, err := v.property()
	if err != nil {
		return nil, false, err
	}
	return v, m != nil && m.Gen() == gen, nil
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
