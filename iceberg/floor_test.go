package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
)

// floorInput is what e2e/bench asks: the tables of a warehouse, the first of which gives the rows to encode.
type floorInput struct {
	Pipeline, Catalog, Warehouse           string
	Endpoint, Region, AccessKey, SecretKey string
	Tables                                 []string // database.table
	Rows, Repeat                           int
}

// floorBytes bounds the memory of the rows to encode.
const floorBytes = 512 << 20

// TestEncoderFloor is the floor of e2e/bench: the CPU that the encoder alone takes for rows of a real table, in a process of its own.
// The rows are read and gathered first; only encoding is measured. It also counts the rows that a scan finds alive.
func TestEncoderFloor(t *testing.T) {
	text := os.Getenv("CDC2LAKE_BENCH_FLOOR")
	if text == "" {
		t.Skip("for e2e/bench")
	}
	var in floorInput
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	c, err := objstore.NewClient(objstore.Config{Endpoint: in.Endpoint, Region: in.Region, AccessKey: in.AccessKey, SecretKey: objstore.Secret(in.SecretKey)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := Open(ctx, Options{Pipeline: in.Pipeline, Store: c, StateDir: t.TempDir(), Slots: 1, ScanParallelism: 1,
		Catalog: CatalogConfig{Type: "sqlite", URI: in.Catalog, Warehouse: in.Warehouse}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	var l *parquetLayout
	var sets []*colSet
	var live, sampled, raw int
	for i, name := range in.Tables {
		database, table, _ := strings.Cut(name, ".")
		id := cdc.TableID{Database: database, Name: table}
		err := s.Scan(ctx, id, nil, func(r *Rows) error {
			live += r.N
			if i > 0 || sampled >= in.Rows || raw >= floorBytes {
				return nil
			}
			if l == nil {
				target, err := newTestTable(t).target(r.Schema)
				if err != nil {
					return err
				}
				if l, err = newParquetLayout(target); err != nil {
					return err
				}
			}
			for _, set := range floorSets(l, r) {
				sets = append(sets, set)
				sampled += set.n
				raw += set.raw()
			}
			return nil
		})
		if err != nil {
			t.Fatal(name, err)
		}
	}
	fmt.Printf("LIVE %d\n", live)
	if sampled == 0 || in.Repeat == 0 {
		return
	}
	fmt.Printf("FLOOR rows=%d cpu_s=%.6f busy_cpu_s=%.6f\n", sampled, floorSeconds(t, l, sets, in.Repeat, 1),
		floorSeconds(t, l, sets, in.Repeat, runtime.GOMAXPROCS(0)))
}

// floorSeconds is the median CPU of an encoder among so many that run at once: two cores share caches, memory and often more.
func floorSeconds(t *testing.T, l *parquetLayout, sets []*colSet, repeat, encoders int) float64 {
	allocs := make([]bufferAllocator, encoders)
	var seconds []float64
	for range repeat {
		runtime.GC()
		before := cpuSeconds()
		var g errgroup.Group
		for i := range allocs {
			g.Go(func() error { return floorEncode(l, sets, &allocs[i]) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		seconds = append(seconds, (cpuSeconds()-before)/float64(encoders))
	}
	slices.Sort(seconds)
	return seconds[len(seconds)/2]
}

// floorSets copies rows as a shard would gather them.
func floorSets(l *parquetLayout, r *Rows) []*colSet {
	bytes := 0
	for i := range r.Cols {
		bytes += len(r.Cols[i].Data)
	}
	step := min(setRows, max(1, r.N*setBytes/max(bytes, 1)))
	var sets []*colSet
	for from := 0; from < r.N; from += step {
		rows := make([]int32, min(step, r.N-from))
		for i := range rows {
			rows[i] = int32(from + i)
		}
		set := &colSet{}
		*set = *(&colPool{}).get(l)
		set.gather(l, &cdc.Batch{Schema: r.Schema, N: r.N, Cols: r.Cols}, rows)
		sets = append(sets, set)
	}
	return sets
}

func floorEncode(l *parquetLayout, sets []*colSet, alloc *bufferAllocator) error {
	p, err := newParquetWriter(l, &discardWriter{}, sets[0], alloc)
	if err != nil {
		return err
	}
	want := int64(0)
	for _, s := range sets {
		if err := p.write(s); err != nil {
			return err
		}
		want += int64(s.n)
	}
	meta, err := p.close()
	if err == nil && meta.NumRows != want {
		err = errors.New("the footer counts other rows")
	}
	return err
}
