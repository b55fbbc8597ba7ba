package iceberg

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// keylessPipe is a pipe whose table has no key.
type keylessPipe struct {
	*pipe
	rows []testRow
	txs  []*cdc.Batch // kept: the log
}

// change applies some random events.
func (k *keylessPipe) change(r *rand.Rand) {
	b := cdc.NewBatchPool(k.schema).Get()
	for range 1 + r.IntN(30) {
		if i := r.IntN(3*len(k.rows)/2 + 1); i < len(k.rows) {
			appendRow(b, cdc.OpDelete, k.rows[i])
			k.rows = slices.Delete(k.rows, i, i+1)
		} else {
			row := anyRow(r)
			k.rows = append(k.rows, row)
			appendRow(b, cdc.OpInsert, row)
		}
	}
	h := cdc.NewKeyHasher(k.schema, cdc.Seed(k.o.Pipeline))
	h.Hash(b.Cols, 0, b.N, b.KeyHi, b.KeyLo)
	b.Retain(1) // for ever
	k.txs, k.log = append(k.txs, b), append(k.log, nil)
	k.send(b)
}

// send gives a transaction to the shards, under the definition of the generation.
func (k *keylessPipe) send(b *cdc.Batch) {
	b.Retain(1)
	k.route(b)
}

// begin starts a generation and replays the log.
func (k *keylessPipe) begin() {
	k.t.Helper()
	st := k.start()
	from, err := strconv.Atoi(string(st.Position))
	if err != nil {
		k.t.Fatal(err)
	}
	for _, b := range k.txs[from:] {
		k.send(b)
	}
}

// same compares the table with the source, and the state with the table: of each row it has numbers from 0 on, and all places.
func (k *keylessPipe) same() {
	k.t.Helper()
	want := map[string]int{}
	for _, r := range compared(k.rows) {
		want[r]++
	}
	got, places := map[string]int{}, map[cdc.Key]map[string]bool{}
	h := cdc.NewKeyHasher(k.schema, cdc.Seed(k.o.Pipeline))
	var mu sync.Mutex
	err := k.sink.Scan(context.Background(), k.id, nil, func(r *Rows) error {
		hi, lo := make([]uint64, r.N), make([]uint64, r.N)
		mu.Lock() // the hasher is one
		defer mu.Unlock()
		h.Hash(r.Cols, 0, r.N, hi, lo)
		for i := range r.N {
			row := make(testRow, len(r.Cols))
			for c := range r.Cols {
				row[c] = vecValue(&r.Cols[c], i)
			}
			got[compared([]testRow{row})[0]]++
			pos := r.First + uint32(i)
			if r.Positions != nil {
				pos = r.Positions[i]
			}
			key := cdc.Key{Hi: hi[i], Lo: lo[i]}
			if places[key] == nil {
				places[key] = map[string]bool{}
			}
			places[key][fmt.Sprintf("%s:%d", r.File, pos)] = true
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		k.t.Fatalf("other rows: %s", diffRows(got, want))
	}
	state := k.state()
	n := 0
	for key, at := range places {
		for i := range len(at) {
			place, ok := state[key.Nth(uint64(i))]
			if !ok || !at[place] {
				k.t.Fatalf("row %d of %d is at %q, the table has them at %v", i, len(at), place, at)
			}
			delete(at, place)
			n++
		}
	}
	if n != len(state) {
		k.t.Fatalf("the state has %d rows, the table %d", len(state), n)
	}
}

// TestKeylessState: processes that end anywhere, with and without the local disk; the state is brought forward, or built anew.
func TestKeylessState(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		var log bytes.Buffer
		k := &keylessPipe{pipe: newPipe(t, func(o *Options) { withFormat(format)(o); o.Log = slog.New(slog.NewTextHandler(&log, nil)) })}
		k.schema = rowsSchema()
		k.id = k.schema.Table
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		k.begin()
		for round := range 14 {
			disk := round%3 != 2
			for range r.IntN(4) {
				k.change(r)
				k.change(r)
				rec := k.decide()
				o, err := k.tryCommit(rec)
				if err != nil || o != cdc.Committed {
					t.Fatal(o, err)
				}
				switch r.IntN(3) {
				case 0:
					k.complete(rec)
					continue
				case 1: // one slot is ahead of the other
					if err := k.writers[0].Complete(t.Context(), rec.k); err != nil {
						t.Fatal(err)
					}
				}
				k.reopen(true)
				k.begin()
			}
			k.reopen(true)
			log.Reset()
			k.begin()
			k.checkpoint()
			k.same()
			if strings.Contains(log.String(), "rebuilt") {
				t.Fatalf("the index was rebuilt: %s", log.String())
			}
			if !disk {
				k.reopen(false)
				k.begin()
				k.checkpoint()
				k.same()
			}
		}
	})
}
