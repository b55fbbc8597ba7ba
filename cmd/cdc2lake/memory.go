package main

import (
	"runtime"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/cmd/cdc2lake/config"
)

// budget is how runtime.memory is shared out. All sizes are in bytes.
type budget struct {
	slots        int
	queue        int64 // each queue between an input (log, load) and a shard
	buffer       int64 // the rows that a shard collects and collapses
	encoder      int64 // the encoded pages of a shard's open files
	inflight     int64 // parts on their way to the object store, of all shards
	changes      int64 // row changes between two checkpoints; not bytes
	build        int64 // rebuilding key indexes at a start, of all shards; nothing else runs then
	collectLimit int64 // where the garbage collector begins to work harder
}

// Shares of the budget, in percent. What is left over (58) is for what has no bound of its own: the rows between socket, decoder
// and queues, column sets on their way to an encoder (half of the encoder's share), the scratch memory of each column's encoder, the parts
// that open files fill (up to 8 MiB each), the index overlays (changeShare for each of the open checkpoint and those on their way), manifests
// and delete vectors during a commit, and garbage: what was freed and not collected yet. TestMemoryOfARun shows that it is enough.
const (
	queueShare    = 8
	bufferShare   = 12
	encoderShare  = 12
	inflightShare = 10
	changeShare   = 8
	buildShare    = 25
	// collectShare leaves room for what the collector does not see: stacks of threads, and memory maps of the operating system.
	collectShare = 90
)

// Limits beyond which a share buys nothing: larger queues and buffers only leave the cache, and more than this in flight
// saturates any link.
const (
	// maxQueue: five half batches of 200-byte rows. With 32 MiB 80 MiB more were used, and nothing was faster.
	maxQueue    = 8 << 20
	maxBuffer   = 64 << 20
	maxEncoder  = 256 << 20
	maxInflight = 256 << 20
	maxBuild    = 1 << 30
	// changeBytes is what the key index keeps of a change until its checkpoint is committed, if the key is hashed.
	changeBytes = 24
	// minInflight is one part, so that there is always one on its way.
	minInflight = 8 << 20
)

// share divides a memory budget among the shards.
func share(memory int64, slots int) budget {
	n := int64(slots)
	part := func(percent int64) int64 { return memory / 100 * percent }
	return budget{
		slots:        slots,
		queue:        min(maxQueue, part(queueShare)/(2*n)),
		buffer:       min(maxBuffer, part(bufferShare)/n),
		encoder:      min(maxEncoder, part(encoderShare)/n),
		inflight:     max(minInflight, min(maxInflight, part(inflightShare))),
		changes:      part(changeShare) / changeBytes,
		build:        min(maxBuild, part(buildShare)),
		collectLimit: part(collectShare),
	}
}

// bounded is what the bounds allow at the same time while the pipeline runs.
func (b budget) bounded() int64 {
	n := int64(b.slots)
	return 2*n*b.queue + n*(b.buffer+b.encoder) + b.inflight
}

// budgetOf shares out the memory of a configuration. Unless the parallelism is given, there are as many shards as CPUs, and as
// the memory allows (config.ShardMemory each).
func budgetOf(cfg *config.Config) budget {
	n := cfg.Runtime.Parallelism
	if n == 0 {
		n = max(1, min(runtime.GOMAXPROCS(0), int(cfg.Runtime.Memory/config.ShardMemory)))
	}
	return share(int64(cfg.Runtime.Memory), min(n, cdc.Groups))
}
