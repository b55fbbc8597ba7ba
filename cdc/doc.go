// Package cdc is the vocabulary of cdc2lake: tables, types, columnar batches, keys, positions, and the
// interface of a change source. It imports nothing of ours, so that every other package can speak it.
//
// Between operators travel columnar batches, never one Go value per row (see Batch). A Position is opaque
// outside the source that made it and always stands for a transaction boundary.
package cdc
