// Package fidelity runs a corpus of SQL through MySQL, cdc2lake and Iceberg readers that share no code with it, and compares
// every value. cases/*.sql are the corpus; nothing in them says what is expected but which tables are refused: the rows that
// have to be there are asked of MySQL.
package fidelity
