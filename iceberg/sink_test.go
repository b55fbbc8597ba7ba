package iceberg

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/stream/state"
)

type stateLoc = state.Loc

func formats(t *testing.T, f func(t *testing.T, format int)) {
	for _, v := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", v), func(t *testing.T) { f(t, v) })
	}
}

func withFormat(v int) func(*Options) {
	return func(o *Options) { o.Tables = func(cdc.TableID) TableOptions { return TableOptions{FormatVersion: v} } }
}

func TestCommitsAreReadBack(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		p := newPipe(t, withFormat(format))
		p.start()
		p.tx(map[int64]testRow{1: row(1, "a"), 2: row(2, "b"), 3: {nil, nil}})
		p.checkpoint()
		p.check()
		p.checkState()
		p.tx(map[int64]testRow{2: row(20, "bb"), 3: nil, 4: row(4, "d")})
		p.tx(map[int64]testRow{4: row(40, "dd")})
		p.checkpoint()
		p.check()
		p.checkState()
		p.checkpoint() // nothing but a marker
		p.check()
		if got := p.meta().Version(); got != format {
			t.Fatalf("format %d", got)
		}
	})
}

// TestRandomHistory runs random transactions, checkpoints and restarts, with and without the local disk.
func TestRandomHistory(t *testing.T) {
	formats(t, func(t *testing.T, format int) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		p := newPipe(t, withFormat(format))
		p.start()
		for step := range 150 {
			switch n := rnd.IntN(20); {
			case n < 12:
				tx := map[int64]testRow{}
				for range 1 + rnd.IntN(40) {
					id := int64(rnd.IntN(300))
					if rnd.IntN(4) == 0 {
						tx[id] = nil
					} else {
						tx[id] = row(int32(step), fmt.Sprint(rnd.IntN(1000)))
					}
				}
				p.tx(tx)
			case n < 17:
				p.checkpoint()
			case n == 17:
				p.reopen(true)
				p.start()
			case n == 18:
				p.reopen(false)
				p.start()
			default:
				p.start()
			}
		}
		p.checkpoint()
		p.check()
		p.checkState()
	})
}
