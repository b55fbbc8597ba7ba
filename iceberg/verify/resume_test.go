package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// interrupted is a source whose reading ends with an error after some ranges, in the middle of one.
type interrupted struct {
	*world
	ranges int // that may still be read
	read   []cdc.Chunk
}

var errInterrupted = errors.New("interrupted")

func (s *interrupted) ReadRange(ctx context.Context, sc *cdc.Schema, c cdc.Chunk, emit func(*cdc.Batch) error) error {
	s.read = append(s.read, c)
	s.ranges--
	if err := s.world.ReadRange(ctx, sc, c, emit); err != nil || s.ranges >= 0 {
		return err
	}
	return errInterrupted
}

// A comparison that was interrupted goes on after the last range that was kept, finds what differs on either side of it, and leaves
// nothing behind. Damage, and a definition that has changed, have it begin anew.
func TestResume(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		first cdc.Bound // where the second attempt begins
	}{
		"as it was": {func(*testing.T, string) {}, "5"},
		"cut off": {func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "*", "source-000"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := os.Truncate(files[0], 3); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"not JSON": {func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "*", readingFile))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows := map[int64]string{}
			for i := range int64(20) {
				rows[i] = fmt.Sprint("v", i)
			}
			w := newWorld(rows)
			w.wrong[2], w.wrong[9], w.wrong[15] = []string{"x"}, nil, []string{"y"}
			src := &interrupted{world: w, ranges: 1}
			dir := t.TempDir()
			o := Options{Source: src, Target: w, State: w.state, Keep: dir, Poll: time.Millisecond, Patience: time.Second, saveEvery: time.Nanosecond}
			if _, err := Table(t.Context(), o, modelSchema); !errors.Is(err, errInterrupted) {
				t.Fatalf("got %v", err)
			}
			c.spoil(t, dir)
			src.read, src.ranges = nil, 100
			res, err := Table(t.Context(), o, modelSchema)
			if err != nil {
				t.Fatal(err)
			}
			if res.Different != 3 || res.Undecided != 0 || res.Rows != 20 || len(res.Gone) != 0 || len(res.Present) != 3 {
				t.Errorf("got %v %+v", res, res.Differences)
			}
			if src.read[0].From != c.first {
				t.Errorf("it went on with %+v, not from %q", src.read[0], c.first)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
