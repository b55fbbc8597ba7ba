package iceberg

import (
	"encoding/json"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"
)

// TestMetadataTexts: metadata files say the same as iceberg-go's own, whichever snapshots were known, and the catalog does take them from
// the version before.
func TestMetadataTexts(t *testing.T) {
	for _, format := range []int{2, 3} {
		l := newCommitLoad(t, format, nil, picks["random"])
		v := &metaVersion{ident: l.tab.ident}
		for range 12 {
			l.commit(t)
			v = l.tab.version
			if len(v.texts) != len(v.meta.Snapshots()) {
				t.Fatalf("%d snapshots, %d texts", len(v.meta.Snapshots()), len(v.texts))
			}
			half := snapshotTexts{}
			for id, text := range v.texts {
				if id%2 == 0 {
					half[id] = text
				}
			}
			want := decodeAny(t, mustJSON(t, v.meta))
			for _, known := range []snapshotTexts{nil, half, v.texts} {
				b, texts, err := metadataJSON(v.meta, known)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, decodeAny(t, b)); d != "" {
					t.Fatal(d)
				}
				if len(texts) != len(v.texts) {
					t.Fatalf("%d texts of %d", len(texts), len(v.texts))
				}
				if _, err := table.ParseMetadataBytes(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		// A snapshot that is not in the metadata any more is forgotten.
		if _, texts, err := metadataJSON(v.meta, snapshotTexts{1: []byte("{}")}); err != nil || texts[1] != nil {
			t.Fatal(texts[1], err)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decodeAny(t *testing.T, b []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
