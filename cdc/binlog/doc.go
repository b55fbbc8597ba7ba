// Package binlog turns the bytes of MySQL's binary log, and the rows of its binary protocol, into columnar cdc.Batches.
//
// It owns what MySQL's values mean: SourceTable is a table as MySQL defines it, NewSchema maps it to cdc types, Decoder
// reads log events and RowDecoder reads the rows of a SELECT; both give the same bytes for the same value. There are no
// sockets here.
//
// What a reader should know:
//
//   - Rows go into column buffers without an allocation, interface value or lock per row. Only the after image of an
//     update is decoded; the key columns of the before image are compared as raw bytes.
//   - Everything that comes from outside is checked: lengths, checksums, the table map against the registered
//     definition, the column bitmaps of each rows event (a session can set binlog_row_image=MINIMAL).
//   - What cannot be represented exactly is an error that stops the table, never a substitute value.
//   - A fault of one table's rows goes to Handler.TableError and the log goes on; a fault of the log itself is returned.
package binlog
