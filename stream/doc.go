// Package stream is the runtime of a pipeline: it routes a source's batches by key group to shards, cuts the stream into
// checkpoints with barriers, and drives the two-phase commit of the sink.
//
//	source ──input 0──▶ slot 0..P-1 (a shard: one goroutine around a ShardWriter) ──acks──▶ coordinator ──▶ record, commit
//	loads  ──input 1──▶      aligned by barriers                     ◀── complete ──┘
//
// The decisions (when to trigger, what is prepared, what may be decided) are made by the coordinator, a pure state machine
// without goroutines or clocks; the goroutines around it are thin. A failure anywhere ends the generation; the next one
// goes on from the last complete checkpoint.
package stream
