package iceberg

import (
	"math/rand/v2"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// read hands rows of a chunk to the shards.
func (p *pipe) read(rows map[int64]testRow, seq uint64) {
	p.t.Helper()
	b := p.pool.Get()
	for id, r := range rows {
		appendRow(b, cdc.OpRead, p.whole(id, r))
	}
	b.Chunk = &cdc.ChunkRef{StartSeq: seq, OldestSeq: seq}
	h := cdc.NewKeyHasher(p.pool.Schema(), cdc.Seed(p.o.Pipeline))
	h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
	p.route(b)
}

// TestReloadInPlace: rows were changed and lost unnoticed; the load puts every row in the place of the old one while the log goes on,
// with restarts. At no time does the table miss a row that it had and the source has, and at the end it is the source.
func TestReloadInPlace(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		for seed := range uint64(12) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			p := newPipe(t, withFormat(format))
			if seed%3 == 1 {
				p.o.Tables = func(cdc.TableID) TableOptions {
					return TableOptions{FormatVersion: format, Partition: []string{"bucket(3, id)"}}
				}
				p.reopen(false)
			}
			p.start()
			for range 3 {
				tx := map[int64]testRow{}
				for range 40 {
					id := rnd.Int64N(100)
					if tx[id] = row(rnd.Int32N(100), "old"); rnd.IntN(5) == 0 {
						tx[id] = nil
					}
				}
				p.tx(tx)
				p.checkpoint()
			}
			for range 1 + seed%2 { // a second load begins where the first may have ended
				source := map[int64]testRow{}
				for id, r := range p.model {
					switch rnd.IntN(4) {
					case 0: // lost unnoticed
					case 1:
						source[id] = row(rnd.Int32N(100), "changed unnoticed")
					default:
						source[id] = r
					}
				}
				source[200+rnd.Int64N(9)] = row(1, "come unnoticed")
				before := len(p.model)
				p.log = nil
				st, err := p.tryStart(true)
				if err != nil || st.Paused != nil || !st.Reload || st.Replace || st.Load.Base == 0 || st.Rows != int64(before) {
					t.Fatalf("%+v, %v", st, err)
				}
				base := st.Load.Base
				p.model = source
				var ids []int64
				for id := range source {
					ids = append(ids, id)
				}
				rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
				for len(ids) > 0 {
					n := min(len(ids), 1+rnd.IntN(40))
					chunk := map[int64]testRow{}
					for _, id := range ids[:n] {
						if r := p.model[id]; r != nil {
							chunk[id] = r
						}
					}
					ids = ids[n:]
					tx := map[int64]testRow{}
					for range 5 {
						id := rnd.Int64N(100)
						if tx[id] = row(rnd.Int32N(100), "during"); rnd.IntN(3) == 0 {
							tx[id] = nil
						}
					}
					if rnd.IntN(2) == 0 { // the log before the chunk was read, or after: the chunk's rows are as old as the transaction
						p.tx(tx)
						for id := range chunk {
							if chunk[id] = p.model[id]; chunk[id] == nil {
								delete(chunk, id)
							}
						}
						p.read(chunk, 1)
					} else {
						p.read(chunk, 1)
						p.tx(tx)
					}
					r, err := p.decidePart(cdc.PartInput{Load: cdc.LoadState{Phase: cdc.LoadReading, Base: base}})
					if err != nil {
						t.Fatal(err)
					}
					p.commit(r)
					p.checkState()
					if rnd.IntN(4) == 0 {
						if seed%4 == 0 {
							p.reopen(rnd.IntN(2) == 0)
						}
						if st := p.start(); st.Load.Base != base || st.Load.Phase != cdc.LoadReading {
							t.Fatalf("%+v", st)
						}
					}
				}
				r, err := p.decidePart(cdc.PartInput{Load: cdc.LoadState{Phase: cdc.LoadDone, Base: base}, Drop: true})
				if err != nil {
					t.Fatal(err)
				}
				// Rows of the next checkpoint are looked up before anybody has told the shards that the load is done.
				tx := map[int64]testRow{}
				for id := range int64(100) {
					if rnd.IntN(4) == 0 {
						if tx[id] = row(5, "after"); rnd.IntN(2) == 0 {
							tx[id] = nil
						}
					}
				}
				p.commit(r)
				p.check()
				if got := summaryOf(p.meta().CurrentSnapshot()); got.GetInt64("total-records", 0)-got.GetInt64("total-position-deletes", 0) != int64(len(p.model)) {
					t.Fatalf("totals: %v, %d rows", got, len(p.model))
				}
				p.tx(tx)
				if rnd.IntN(2) == 0 {
					for _, w := range p.writers {
						w.Live(p.id)
					}
				}
				done := cdc.PartInput{Load: cdc.LoadState{Phase: cdc.LoadDone, Base: base}}
				if r, err = p.decidePart(done); err != nil {
					t.Fatal(err)
				}
				p.commit(r)
				p.check()
				for _, w := range p.writers {
					w.Live(p.id)
				}
				p.tx(map[int64]testRow{1: nil, 2: row(5, "x"), 250: row(3, "y")})
				if r, err = p.decidePart(done); err != nil {
					t.Fatal(err)
				}
				p.commit(r)
				p.check()
				p.start()
				p.checkState()
				p.check()
			}
		}
	})
}
