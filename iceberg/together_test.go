package iceberg

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/objstore/objtest"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// together are tables that are committed in one transaction. Their parts have one data file each, which is never read.
type together struct {
	*pipe
	gen    cdc.Generation
	starts []cdc.TableStart
	k      uint64
	files  map[cdc.TableID]int // that must be in the table
	after  func()              // called when Commit has returned
}

func newTogether(t *testing.T, o func(*Options)) *together {
	g := &together{pipe: newPipe(t, o), gen: cdc.Generation{Number: 1}, k: 1, files: map[cdc.TableID]int{}}
	var reqs []cdc.TableRequest
	for i := range 3 {
		s := *testSchema()
		s.Table.Name = fmt.Sprintf("t%d", i)
		reqs = append(reqs, cdc.TableRequest{Discovered: &cdc.Discovered{Table: s.Table, Schema: &s, Position: "0"}})
	}
	var err error
	if g.starts, err = g.sink.CatchUp(t.Context(), g.gen, reqs); err != nil {
		t.Fatal(err)
	}
	return g
}

// parts makes the next record.
func (g *together) parts() (cdc.CheckpointID, map[cdc.TableID]cdc.Part) {
	g.t.Helper()
	g.k++
	parts := map[cdc.TableID]cdc.Part{}
	for _, st := range g.starts {
		tab, err := g.sink.table(st.Table)
		if err != nil {
			g.t.Fatal(err)
		}
		target, err := tab.target(st.Schema)
		if err != nil {
			g.t.Fatal(err)
		}
		num, uri, err := tab.newFile(0, "")
		if err != nil {
			g.t.Fatal(err)
		}
		b, err := iceberggo.NewDataFileBuilder(target.spec, iceberggo.EntryContentData, uri, iceberggo.ParquetFile, nil, nil, nil, 10, 100)
		if err != nil {
			g.t.Fatal(err)
		}
		d := &delta{files: []dataFile{{num, b.Build()}}, deleted: map[uint32]*roaring.Bitmap{num: roaring.BitmapOf(3)}}
		enc, err := encodeDelta(d, specsOf(tab.version.meta), target.schema, target.formatVersion)
		if err != nil {
			g.t.Fatal(err)
		}
		parts[st.Table], err = g.sink.Part(cdc.PartInput{Table: st.Table, Schema: st.Schema, Position: "1",
			Committables: []cdc.Committable{{Table: st.Table, Payload: append(binary.AppendUvarint(nil, g.k), enc...)}}})
		if err != nil {
			g.t.Fatal(err)
		}
	}
	return cdc.CheckpointID{K: g.k, Nonce: fmt.Sprint("n", g.k)}, parts
}

// commit expects a record to be committed once in every table.
func (g *together) commit(what string) {
	g.t.Helper()
	id, parts := g.parts()
	out, err := g.sink.Commit(g.t.Context(), g.gen, id, parts)
	if g.after != nil {
		g.after()
	}
	if err != nil || len(out) != len(parts) {
		g.t.Fatalf("%s: %v, %v", what, out, err)
	}
	for t, o := range out {
		if o != cdc.Committed {
			g.t.Fatalf("%s: %s has outcome %d", what, t, o)
		}
		g.files[t]++
	}
	g.verify(what, id)
}

func (g *together) verify(what string, id cdc.CheckpointID) {
	g.t.Helper()
	for t, n := range g.files {
		g.id = t
		if c := g.carriers(id); c != 1 {
			g.t.Fatalf("%s: %s carries the record %d times", what, t, c)
		}
		files, err := listFiles(context.Background(), g.sink.fs, t, g.meta().CurrentSnapshot(), 1)
		if err != nil {
			g.t.Fatalf("%s: %s: %v", what, t, err)
		}
		if len(files.data) != n || len(files.vectors)+len(files.deletes) != n {
			g.t.Fatalf("%s: %s has %d data files and %d delete files, expected %d", what, t, len(files.data), len(files.vectors)+len(files.deletes), n)
		}
	}
}

// TestTogetherFaults: whatever happens to the transaction of all tables, or to any storage call before it, a record is committed
// exactly once in each of them.
func TestTogetherFaults(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		cat, st := &faultyCatalog{}, &faultyStore{}
		g := newTogether(t, func(o *Options) {
			withFormat(format)(o)
			worlds["rest"](t, o)
			st.Resolver = o.Store
			o.Store = st
			o.wrapCatalog = func(c catalogue) catalogue { cat.catalogue = c; return cat }
		})
		if !g.sink.cat.atomic() {
			t.Fatal("the catalog has no transactions")
		}
		for name, h := range catalogFaults {
			for times := 1; times <= 3; times++ {
				left := times
				cat.set(func(do func() error) error {
					if left--; left < 0 {
						return do()
					}
					return h(do)
				})
				g.commit(fmt.Sprintf("%s, %d times", name, times))
				cat.set(nil)
			}
		}
		hit := false
		g.after = func() { hit = st.was(); st.arm(0, objtest.Fault{}) }
		for n, fault := range []objtest.Fault{{Refuse: objstore.ErrUnavailable}, {Lose: objstore.ErrUnavailable}} {
			step := 5 // sampled; the slow tests take every call
			if os.Getenv("CDC2LAKE_TEST_ALL") != "" {
				step = 1
			}
			for at := 1 + n; ; at += step {
				for _, s := range g.starts { // as a process that starts
					tab, _ := g.sink.table(s.Table)
					tab.cache = nil
				}
				st.arm(at, fault)
				g.commit(fmt.Sprintf("storage call %d", at))
				if !hit {
					if at < 9 {
						t.Fatalf("only %d storage calls", at)
					}
					break
				}
			}
		}
		// One table is changed by somebody between an attempt of unknown outcome that was not done and the next one: it alone is void.
		id, parts := g.parts()
		g.id = g.starts[1].Table
		first := true
		cat.set(func(do func() error) error {
			if first {
				first = false
				cat.set(nil)
				g.foreignSnapshot(table.OpReplace, nil)
				return errUnknown
			}
			return do()
		})
		void := g.id
		out, err := g.sink.Commit(t.Context(), g.gen, id, parts)
		if err != nil || out[void] != cdc.Void || len(out) != 3 {
			t.Fatal(out, err)
		}
		delete(g.files, void)
		for tid := range g.files {
			if g.files[tid]++; out[tid] != cdc.Committed {
				t.Fatal(out)
			}
		}
		g.verify("one void", id)
		g.id = void
		if c := g.carriers(id); c != 0 {
			t.Fatalf("the void part was committed %d times", c)
		}
	})
}

// TestPostgreSQLLosesTheAnswer: the connection is cut when COMMIT is on its way to the server, and when its answer is on its way back.
func TestPostgreSQLLosesTheAnswer(t *testing.T) {
	u, err := url.Parse(testenv.NeedPostgreSQL(t).DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := newCutter(t, u.Host)
	u.Host = proxy.addr
	q := u.Query()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	p := newPipe(t, func(o *Options) {
		o.Catalog.Type, o.Catalog.URI, o.Catalog.Name = "postgres", u.String(), "cut"
	})
	p.start()
	for i, mode := range []int32{cutRequest, cutAnswer, cutAnswer, cutRequest} {
		p.tx(map[int64]testRow{1: row(int32(i), "x"), int64(i + 10): row(1, "y")})
		r := p.decide()
		proxy.mode.Store(mode)
		p.commit(r)
		if proxy.mode.Load() != cutNothing {
			t.Fatal("no connection was cut")
		}
		if c := p.carriers(r.id); c != 1 {
			t.Fatalf("round %d: committed %d times", i, c)
		}
		p.check()
		p.checkState()
	}
}

const (
	cutNothing int32 = iota
	cutRequest       // the COMMIT never arrives
	cutAnswer        // it does, and its answer does not
)

// cutter is a proxy that cuts one connection at its next COMMIT.
type cutter struct {
	addr string
	mode atomic.Int32
}

func newCutter(t *testing.T, target string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: l.Addr().String()}
	var g sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); g.Wait() })
	g.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			var deaf atomic.Bool
			g.Go(func() { c.pipe(in, out, true, &deaf) })
			g.Go(func() { c.pipe(out, in, false, &deaf) })
		}
	})
	return c
}

func (c *cutter) pipe(from, to net.Conn, request bool, deaf *atomic.Bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && request && bytes.Contains(bytes.ToLower(b[:n]), []byte("commit")) {
			switch {
			case c.mode.CompareAndSwap(cutRequest, cutNothing):
				return
			case c.mode.CompareAndSwap(cutAnswer, cutNothing):
				deaf.Store(true)
			}
		}
		if !request && deaf.Load() {
			return // the server has answered: it is done
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
