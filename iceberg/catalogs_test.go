package iceberg

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/iceberg-go/table"
	"go.uber.org/goleak"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/objstore"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// ServeREST starts a REST catalog; see restserver_test.go.
var ServeREST func(t testing.TB, c CatalogConfig, r Resolver) string

func TestMain(m *testing.M) { goleak.VerifyTestMain(testenv.Wrap(m)) }

// worlds are the catalogs and stores that a pipeline can have.
var worlds = map[string]func(t testing.TB, o *Options){
	"sqlite, s3": func(t testing.TB, o *Options) {
		b := testenv.NeedS3(t)
		c, err := objstore.NewClient(objstore.Config{Endpoint: b.Endpoint, AccessKey: b.AccessKey, SecretKey: objstore.Secret(b.SecretKey)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		o.Store, o.Catalog.Warehouse = c, "s3://"+b.Name+"/lake"
	},
	"sqlite, file": func(t testing.TB, o *Options) {
		c, err := objstore.NewClient(objstore.Config{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		o.Store = c
	},
	"postgres": func(t testing.TB, o *Options) {
		o.Catalog.Type, o.Catalog.URI = "postgres", testenv.NeedPostgreSQL(t).DSN("")
		o.Catalog.Name = fmt.Sprintf("c%d", rand.Uint64())
	},
	"rest": func(t testing.TB, o *Options) {
		o.Catalog.URI = ServeREST(t, o.Catalog, o.Store)
		o.Catalog.Type, o.Catalog.Warehouse = "rest", ""
	},
}

func TestCatalogsAndStores(t *testing.T) {
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			formats(t, func(t *testing.T, format int) {
				p := newPipe(t, func(o *Options) { withFormat(format)(o); world(t, o) })
				p.start()
				rnd := rand.New(rand.NewPCG(7, uint64(format)))
				for i := range 8 {
					tx := map[int64]testRow{}
					for range 20 {
						id := int64(rnd.IntN(60))
						if tx[id] = row(int32(i), "x"); rnd.IntN(4) == 0 {
							tx[id] = nil
						}
					}
					p.tx(tx)
					p.checkpoint()
					if i == 4 {
						p.reopen(false)
						p.start()
					}
				}
				p.check()
				p.checkState()

				// A rollback, and the record of before it: void, since its files may be gone with the snapshot that held them.
				before := *headOf(p.meta())
				p.tx(map[int64]testRow{1: row(99, "y")})
				r := p.decide()
				p.commit(r)
				p.setMain(before)
				if o, err := p.tryCommit(r); err != nil || o != cdc.Void {
					t.Fatal(o, err)
				}
				if c := p.carriers(r.id); c > 1 {
					t.Fatalf("committed %d times", c)
				}
				p.start()
				p.checkpoint()
				p.check()
				p.checkState()
			})
		})
	}
}

// TestStaleSequenceNumberIsRefused: what keeps a late commit out of a REST catalog after a rollback (ABA).
func TestStaleSequenceNumberIsRefused(t *testing.T) {
	p := newPipe(t, func(o *Options) { worlds["rest"](t, o) })
	p.start()
	p.tx(map[int64]testRow{1: row(1, "a")})
	p.checkpoint()
	before := *headOf(p.meta())
	p.tx(map[int64]testRow{1: row(2, "b")})
	r := p.decide()
	tab, err := p.sink.table(p.id)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := decodePart(r.parts[p.id].Payload)
	if err != nil {
		t.Fatal(err)
	}
	late, err := p.sink.prod.build(context.Background(), tab.version, pl, r.id, p.generation(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.commit(r)
	p.setMain(before)
	if _, err := p.sink.cat.commit(context.Background(), late.change); err == nil {
		t.Fatal("the late commit was accepted")
	}
	if c := p.carriers(r.id); c != 0 {
		t.Fatalf("main carries it %d times", c)
	}
}

// TestTablesOfOneCheckpoint commits several tables, on REST in one transaction.
func TestTablesOfOneCheckpoint(t *testing.T) {
	for _, name := range []string{"sqlite", "rest"} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t, func(o *Options) {
				o.Catalog.URI = filepath.Join(t.TempDir(), "c.db")
				if name == "rest" {
					worlds["rest"](t, o)
				}
			})
			if got := p.sink.cat.atomic(); got != (name == "rest") {
				t.Fatalf("atomic: %t", got)
			}
			var reqs []cdc.TableRequest
			for i := range 5 {
				s := *testSchema()
				s.Table.Name = fmt.Sprintf("t%d", i)
				reqs = append(reqs, cdc.TableRequest{Discovered: &cdc.Discovered{Table: s.Table, Schema: &s, Position: "0"}})
			}
			gen := cdc.Generation{Number: 1}
			starts, err := p.sink.CatchUp(context.Background(), gen, reqs)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[cdc.TableID]cdc.Part{}
			for _, st := range starts {
				if st.Paused != nil {
					t.Fatal(st.Paused)
				}
				part, err := p.sink.Part(cdc.PartInput{Table: st.Table, Schema: st.Schema, Position: "1"})
				if err != nil {
					t.Fatal(err)
				}
				parts[st.Table] = part
			}
			// One of them is changed by somebody: it alone is void.
			p.id = starts[2].Table
			if _, err := p.sink.Commit(context.Background(), gen, cdc.CheckpointID{K: 2, Nonce: "a"}, parts); err != nil {
				t.Fatal(err)
			}
			for id := range parts {
				parts[id], err = p.sink.Part(cdc.PartInput{Table: id, Schema: starts[0].Schema, Position: "2"})
				if err == nil && id != starts[0].Table {
					for _, st := range starts {
						if st.Table == id {
							parts[id], err = p.sink.Part(cdc.PartInput{Table: id, Schema: st.Schema, Position: "2"})
						}
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			p.foreignSnapshot(table.OpReplace, nil)
			out, err := p.sink.Commit(context.Background(), gen, cdc.CheckpointID{K: 3, Nonce: "b"}, parts)
			if err != nil {
				t.Fatal(err)
			}
			for id, o := range out {
				if want := cdc.Committed; (id == p.id) != (o == cdc.Void) {
					t.Errorf("%s: outcome %d, expected %d", id, o, want)
				}
			}
			if len(out) != 5 {
				t.Fatalf("%d outcomes", len(out))
			}
		})
	}
}

// TestRebuildSpeed measures a rebuild of five million bigint keys.
func TestRebuildSpeed(t *testing.T) {
	testenv.Slow(t)
	p := newPipe(t, func(o *Options) { o.BufferRows = 1 << 17 })
	p.start()
	const total = 5_000_000
	for from := 0; from < total; {
		b := p.pool.Get()
		for range cdc.MaxBatchRows {
			if from < total {
				appendRow(b, cdc.OpInsert, testRow{int64(from), int32(from), "some text"})
				from++
			}
		}
		h := cdc.NewKeyHasher(b.Schema, 0)
		h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
		p.route(b)
	}
	p.checkpoint()
	p.reopen(false)
	t0, c0 := time.Now(), cpuTime()
	st := p.start()
	wall, cpu := time.Since(t0), cpuTime()-c0
	if st.Rows != total {
		t.Fatalf("%d rows", st.Rows)
	}
	t.Logf("%d keys in %s, %s CPU, %.0f ns a key", total, wall.Round(time.Millisecond), cpu.Round(time.Millisecond), float64(cpu.Nanoseconds())/total)
}

// TestPartFormat: damage and newer formats are noticed.
func TestPartFormat(t *testing.T) {
	bm := roaring.BitmapOf(1, 2, 3)
	pos, err := bm.ToBytes()
	if err != nil {
		t.Fatal(err)
	}
	parent := int64(5)
	in := &partPayload{Table: cdc.TableID{Database: "d", Name: "t"}, UUID: "u", Generation: cdc.Generation{Epoch: 1, Number: 2}, Parent: &parent, Format: 2,
		Deleted: []partDeleted{{Own: 7, Positions: pos}}, Counter: 9, Position: "p", Source: json.RawMessage(`{}`)}
	enc, err := in.encode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := decodePart(enc)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(in)
	b, _ := json.Marshal(out)
	if string(a) != string(b) {
		t.Fatalf("%s became %s", a, b)
	}
	enc[0]++
	if _, err := decodePart(enc); cdc.AsError(err) == nil || cdc.AsError(err).Code != CodePartUnreadable {
		t.Fatalf("a newer format: %v", err)
	}
	enc[0]--
	for i := 1; i < len(enc); i += 3 {
		bad := append([]byte{}, enc...)
		bad[i] ^= 0x40
		if p, err := decodePart(bad); err == nil && p.UUID != "u" {
			t.Fatalf("byte %d: damage was not noticed", i)
		}
	}
}
