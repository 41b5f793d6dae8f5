// Package sqlitewal reads SQLite's write-ahead log, as
// https://www.sqlite.org/fileformat2.html#walformat describes it.
//
// A log is a header of 32 bytes and frames: 24 bytes of header and a page each.
// A frame belongs to the log when it repeats the header's salts and when its
// checksum, which is cumulative over all frames before it, matches. SQLite
// starts a log over in place, with other salts, so what follows the last frame
// that belongs is no damage: it is left over from before. A frame that says how
// large the database is ends a transaction; frames after the last such one are
// of a transaction that was never committed.
//
// [Chain] verifies one frame after the other.
package sqlitewal
