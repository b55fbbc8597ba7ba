package mysql

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// digests keeps the length and SHA-256 of the blobs a and b by id.
type digests map[int32]string

func (d digests) add(b *cdc.Batch) {
	sum := func(v *cdc.Vec, r int) string {
		if v.IsNull(r) {
			return "NULL"
		}
		s := sha256.Sum256(v.Bytes(r))
		return fmt.Sprintf("%d %x", len(v.Bytes(r)), s)
	}
	for r := range b.N {
		if id := b.Cols[0].I32[r]; b.Ops[r] == cdc.OpDelete {
			delete(d, id)
		} else {
			d[id] = sum(&b.Cols[1], r) + ", " + sum(&b.Cols[2], r)
		}
	}
}

// digestSink applies the log to digests and reports each barrier.
type digestSink struct {
	*countSink
	rows    digests
	batches int
	barrier chan cdc.Boundary
}

func (s *digestSink) Batch(_ context.Context, b *cdc.Batch) error {
	s.batches++
	s.rows.add(b)
	b.Release()
	return nil
}

func (s *digestSink) Barrier(_ context.Context, _ uint64, at cdc.Boundary) error {
	s.barrier <- at
	return nil
}

// TestLargeRows: rows of blobs of 20 and 40 MiB, which are packets of several parts, arrive whole: alone, in the middle of a
// statement, as both images of an update, compressed, over TLS, in chunks, and where they end on a border of parts.
func TestLargeRows(t *testing.T) {
	db := testenv.NeedMySQL(t)
	noLeaks(t)
	ctx := timeout(t, 2*time.Minute)
	db.Exec("CREATE TABLE t (id INT PRIMARY KEY, a LONGBLOB, b LONGBLOB)")
	cfg := config(db.MySQLServer, db.Name)
	cfg.TLS.Mode = "require"
	cfg.Load.ChunkRows = 3
	src := newSource(t, cfg)
	ds, err := src.Discover(ctx)
	must(t, err)
	sink := &digestSink{countSink: newCount(1 << 60), rows: digests{}, barrier: make(chan cdc.Boundary, 1)}
	fctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- src.Follow(fctx, []cdc.Start{{Schema: ds[0].Schema, Position: ds[0].Position}}, sink)
	}()
	catchUp := func() {
		t.Helper()
		end, err := src.CurrentPosition(ctx)
		must(t, err)
		for {
			select {
			case sink.due <- 1:
			case err := <-ended:
				t.Fatal(err)
			}
			select {
			case at := <-sink.barrier:
				c, err := src.Compare(at.Position, end)
				must(t, err)
				if c >= 0 {
					return
				}
			case err := <-ended:
				t.Fatal(err)
			}
		}
	}
	conn, err := db.Connect(ctx, db.Name)
	must(t, err)
	defer conn.Close()
	exec := func(q string, args ...any) {
		t.Helper()
		_, err := conn.Execute(q, args...)
		must(t, err)
	}
	random := func(n int) []byte {
		b := make([]byte, n)
		rng := rand.NewChaCha8([32]byte{byte(n)})
		_, _ = rng.Read(b)
		return b
	}
	want := digests{}
	check := func(got digests) {
		t.Helper()
		if len(want) == 0 {
			r, err := conn.Execute("SELECT id, LENGTH(a), SHA2(a, 256), LENGTH(b), SHA2(b, 256) FROM t")
			must(t, err)
			for i := range r.RowNumber() {
				text := func(c int) string { s, _ := r.GetString(i, c); return s }
				id, _ := r.GetInt(i, 0)
				part := func(c int) string {
					if null, _ := r.IsNull(i, c); null {
						return "NULL"
					}
					return text(c) + " " + text(c+1)
				}
				want[int32(id)] = part(1) + ", " + part(3)
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got %v\nwant %v", got, want)
		}
	}
	const mib = 1 << 20
	exec("INSERT INTO t VALUES (1, ?, NULL)", random(20*mib))
	catchUp()
	check(sink.rows)
	// Small rows before and behind it in one statement: they share its packets' neighbourhood.
	exec("INSERT INTO t VALUES (2, 'x', 'y'), (3, REPEAT('a', ?), REPEAT('b', ?)), (4, '', NULL)", 20*mib, 40*mib)
	exec("SET SESSION binlog_transaction_compression = ON")
	exec("INSERT INTO t SELECT id + 10, a, b FROM t WHERE id = 1")
	exec("UPDATE t SET b = REPEAT('c', ?) WHERE id IN (1, 2)", 20*mib)
	exec("SET SESSION binlog_transaction_compression = OFF")
	exec("UPDATE t SET b = NULL WHERE id = 1")
	// A packet, which is a zero byte and an event, ends exactly where a part does: an empty part follows.
	exec("INSERT INTO t VALUES (100, REPEAT('d', ?), NULL)", maxPart-1-headerOfRow)
	exec("DELETE FROM t WHERE id = 11")
	catchUp()
	clear(want)
	check(sink.rows)

	for name, read := range map[string]func(func(*cdc.Batch) error) error{
		"chunks": func(emit func(*cdc.Batch) error) error {
			for after, last := cdc.Bound(""), false; !last; {
				var c cdc.Chunk
				var err error
				if c, last, err = src.Next(ctx, ds[0].Schema, after); err != nil {
					return err
				}
				if err := src.Read(ctx, ds[0].Schema, c, emit); err != nil {
					return err
				}
				after = c.To
			}
			return nil
		},
		"table": func(emit func(*cdc.Batch) error) error { return src.ReadRange(ctx, ds[0].Schema, cdc.Chunk{}, emit) },
	} {
		got := digests{}
		if err := read(func(b *cdc.Batch) error { got.add(b); b.Release(); return nil }); err != nil {
			t.Fatal(name, err)
		}
		check(got)
	}
	cancel()
	<-ended
	_ = src.Close()
}

// headerOfRow is what an INSERT of (id, a, NULL) has around the bytes of a in a rows event: header, table id, flags, extra
// data's length, columns, bitmap, nulls, id, the length of a, and the checksum.
const headerOfRow = 19 + 6 + 2 + 2 + 1 + 1 + 1 + 4 + 4 + 4
