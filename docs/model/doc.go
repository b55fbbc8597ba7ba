// Package model is an explicit-state model of the commit protocol in docs/protocol.md, and its checker.
//
// Its state holds the record store, two Iceberg tables, up to three processes of one pipeline and the requests that are still on
// their way. A search visits every state that the bounds of a scenario allow, breadth first, so that a violation comes with a
// shortest trace. Each rule of the protocol is a switch (Rules): scenarios_test.go says what breaks without it.
//
// # What is checked
//
//   - I1: every snapshot of a table holds the rows that MySQL had at the position in its marker, no more and no less;
//     while a load goes on, only rows that MySQL had at some time. Once a load is done, exactly.
//   - I2: a table's position and the number of its record never go back with a commit of ours.
//   - I3: no file goes that a snapshot refers to or will refer to.
//   - I4: two processes never both take it that a record of one number is decided and theirs.
//   - I5: when the faults stop, a process that is left, or a fresh one, brings all tables to the end of the log.
//   - I6: no row is read or written under another definition than its own, and readers see the definition that belongs to the rows.
//
// # How things are modelled
//
// A crash is a process that never moves again; another may start at any time, so a zombie and a crash are one thing. A request is
// answered, or times out having landed, or times out and lands at any later time. A file keeps its rows only. Old records go as
// soon as the rules allow it. Tables have two keys and the log has four transactions (source.go); shards own a key each; a load has
// a chunk for each key. A foreign actor rewrites, deletes, rolls back and expires.
//
// # What is not modelled
//
// Commits of several tables in one (they are a special case of all orders), reloads in place and repairs, tables without a key,
// retention of the log, rows that a foreign actor adds, deletes in the object store that arrive late. Two states are taken for
// one if their 64-bit hashes are equal.
package model
