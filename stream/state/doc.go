// Package state is the keyed upsert state of a slot: for every table a map from key to the location of the row that is
// live under it (data file, row position). It is derived from the Iceberg tables and can be rebuilt from them at any
// time, so it lives on local disk only, is never synced, and is thrown away when anything about it looks wrong.
//
// A shard is one log-structured merge tree over all its tables:
//
//	open overlay      what was put since the last Seal           memory, sorted arrays
//	sealed overlays   one per checkpoint that is not complete    memory, immutable
//	runs              one file per complete checkpoint, merged   disk, mapped, immutable
//
// Everything is sorted by (Hi, Lo), and keys arrive in sorted batches, so there is one way to look up (a merge by
// interpolation, sorted.go), one way to merge (merge.go), and no hash table: an overlay of sorted arrays puts and looks
// up as fast as open addressing does, is half as large, needs no sort at the end and has no bad case.
//
// # Hazards
//
// Lookup, Put, Clear, Discard, Seal, Abort and Iterate of a shard belong to one goroutine. Complete, Builder and the
// merging in the background may run beside them.
//
// Runs are mapped: a file that somebody truncates, or a disk that cannot be read, ends the process with SIGBUS. The next
// Open finds the damage by checksum and starts empty.
package state
