package main

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

// Whatever the memory and the parallelism: the bounds together leave more than half of the memory, and none is too small to work.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		memory := rapid.Int64Range(256<<20, 1<<40).Draw(t, "memory")
		slots := rapid.IntRange(1, int(min(128, memory/int64(config.ShardMemory)))).Draw(t, "slots")
		b := share(memory, slots)
		if b.bounded() > memory*42/100 {
			t.Errorf("%d bytes are bounded, of %d: %+v", b.bounded(), memory, b)
		}
		if b.changes < 500_000 || b.changes > memory/300 {
			t.Errorf("a checkpoint of %d changes: %+v", b.changes, b)
		}
		if b.build > memory/4 || b.collectLimit > memory || b.collectLimit < memory/2 {
			t.Errorf("of %d: %+v", memory, b)
		}
		// A shard's part of a full batch of 200-byte rows is 3 MiB at most; what is larger passes an empty queue, and seals a buffer at once.
		if b.queue < 1<<20 || b.buffer < 3<<20 || b.encoder < 3<<20 || b.inflight < minInflight || b.inflight > maxInflight {
			t.Errorf("too small, or too large: %+v", b)
		}
	})
	b := share(1<<30, 4)
	if b.queue > 20<<20 || b.buffer > 40<<20 || b.encoder > 40<<20 || b.slots != 4 {
		t.Errorf("%+v", b)
	}
	cfg := &config.Config{Runtime: config.Runtime{Memory: 256 << 20}}
	if n := budgetOf(cfg).slots; n < 1 || n > 8 {
		t.Errorf("%d shards in 256 MiB", n)
	}
	cfg.Runtime.Parallelism = 3
	if n := budgetOf(cfg).slots; n != 3 {
		t.Errorf("%d shards, asked for 3", n)
	}
}
