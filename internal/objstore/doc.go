// Package objstore is the one S3 client of cdc2lake and its local twin.
//
// Everything that reaches a bucket or a directory goes through a [Store]: checkpoint
// records, data files, delete files, manifests and table metadata. A [Client] owns the
// connection pool, the upload memory and the retry policy; every Store that it hands out
// shares them. [Client.Resolve] turns the absolute locations that Iceberg metadata is full
// of (s3://bucket/a/b.parquet, file:///dir/x) into a Store and a key.
//
// # Two kinds of operation
//
// Idempotent operations (Get, Put, List, Delete, parts of an upload) are retried with
// exponential backoff until Config.RetryFor or the context ends.
//
// Conditional operations (PutIfAbsent, PutIfMatch) are decisions: a record written twice by
// two generations, or counted as lost although it was written, breaks exactly-once. They are
// repeated only while it is certain that the server did not execute them (no connection was
// obtained, or the server refused explicitly). A time-out, a 5xx or a lost connection after
// the request went out is returned as [ErrUnknown], and the commit protocol resolves it by
// reading. Nothing below (SDK retries, Go's transport) repeats such a request either.
//
// # Hazards
//
//   - A File keeps the context of its Open: the interfaces of the standard library for
//     random access have none. Do not pass a context that ends before the File is closed.
//   - A Writer must end with Close or Abort; a multipart upload that sees neither is paid
//     for until it is swept ([SweepUploads]).
//   - On a file system a key cannot be both an object and a directory ("a" and "a/b"); S3
//     allows it, we never do it.
package objstore
