// Package checkpoint keeps the chain of records that decides what a pipeline has committed: steps 1 to 3, 8 and 10 of
// docs/protocol.md.
//
// A record is written once, under its number, with a conditional PUT. A data record decides checkpoint k; a fence opens a
// generation and shuts out older ones. A record counts only if it was read back as the newest one and carries its
// writer's nonce: a number can be free again once old records have been deleted, so the answer to the PUT alone decides
// nothing.
package checkpoint
