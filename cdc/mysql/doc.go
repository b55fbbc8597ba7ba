// Package mysql replicates from a MySQL server: it implements cdc.Source and cdc.Loader. It owns connections, the
// packet loop, positions, the checks before and at every connect, schemas and DDL, and the chunks of initial loads.
// Event bytes and row images are decoded by cdc/binlog. Every statement that depends on the server's version stands in
// dialect.go.
//
// Hazards worth knowing:
//   - Rows of a transaction can reach the binlog's readers before a SELECT sees them; a chunk therefore waits for what the
//     log has delivered (DESIGN 4, rule 1), including the transaction that is being delivered.
//   - Servers check resume positions only against their own UUID; see checkPosition and verifyLast.
//   - log_pos in event headers has 32 bits and wraps in logs beyond 4 GiB; see logPos.
package mysql
