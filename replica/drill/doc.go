// Package drill proves that a replica restores: it does it, and asks SQLite what came out.
//
// [Run] picks moments of a replica: the newest state, the oldest one, and some between them at
// random, by a seed, so that a drill can be repeated. Each is restored to a file without a
// name, or opened as a view, and then checked: that it has the transaction and the size that
// the replica says, that SQLite finds it sound, that no foreign key points nowhere, and
// what the user asserts of it in SQL.
//
// A moment passes, or fails, or is inconclusive: it could not be read, so that nothing is known
// about it. One database is on the disk at a time.
package drill
