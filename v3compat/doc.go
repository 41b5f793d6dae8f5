// Package v3compat reads Litestream v0.3.x backups: the generations/ layout that
// Litestream wrote before LTX. Read-only; nothing here writes to a store.
//
// (The "v3" is the minor version of Litestream. It has nothing to do with
// version 3 of the LTX file format.)
//
// A backup is a set of generations, each an unbroken lineage of one database,
// named by 16 random hex digits. A generation has snapshots, whole copies of the
// database file, and WAL segments, pieces of SQLite's write-ahead log. The
// index counts WAL files: SQLite starts its log over at a checkpoint, and with
// it Litestream starts the next index. Segments of one index follow each other
// without a hole, by offset in the uncompressed log, and a snapshot of index i
// is the database before the first frame of log i is applied. All of them are
// LZ4 frames.
//
//	generations/<16 hex>/snapshots/<index, 8 hex>.snapshot.lz4
//	generations/<16 hex>/wal/<index, 8 hex>_<offset, 8 to 16 hex>.wal.lz4
//
// # Times
//
// A v0.3.x object does not say when it was written; the only record is the
// store's own time of the object. Copying a backup (git, cp, aws s3 sync) loses
// it, and with it every point in time. So a backup may carry its times along:
// an object times.json in the generation, written by whoever made the copy, with
// the true time for each name. Where it is present it is believed, and an object
// it does not mention is an error; see [TimesName].
//
// [Reader] reads it whole and at once in each listing, and never mixes its times
// with the store's. [WriteTimes] makes one.
//
// # Damage
//
// A backup is found out to be broken when it is needed, unless somebody looks
// before. So a reader's io.EOF is a promise: the object was one LZ4 frame, whole,
// with the content checksum that Litestream always writes, and it matched. An
// empty object, a frame that is cut anywhere, a changed byte, or anything after
// the frame is an error. (A changed byte that leads to the same content is not
// noticed, and does not matter.) Litestream writes one frame per object, so
// several frames in a row, skippable frames and the old LZ4 format are refused
// as well.
//
// [Reader.Inspect] examines a whole generation: what is missing in it, what is
// damaged, and from where to where it can be restored. A restore starts with a
// snapshot and applies the logs from the snapshot's index on, in sequence,
// without leaving one out; each log begins with a segment at offset 0.
//
// # Restores
//
// [Reader.Plan] finds the objects that lead to a state with the fewest bytes to
// read, and [Reader.Restore] applies them, in Go and as they arrive: no log is
// written to a disk, and no SQLite is needed. The result is, byte for byte, that
// of Litestream. [Reader.Points] lists the states that there are.
//
// A target means what it means to Litestream v0.3.13: the state at a time is the
// newest snapshot and the segments that are not newer, and the state of an index
// is that at the end of its log. Three things are different. A time after the
// last state gives the last state. An index that is not there is an error; the
// check for it in v0.3.13 has no effect. And a hole in a log, of which v0.3.13
// makes a corrupt database, is an error, as it is to v0.5.
//
// Litestream copies whole transactions, only frames that belong to the log, and
// every frame of it. So a frame that does not belong, or a transaction without
// an end before the next index, is damage, though SQLite would pass over both in
// silence. So is a log that begins with another size of the database than the log
// before has left, if its first transaction does not write page 1: the end of the log
// before is missing. At the end of the last log a transaction without an end has no
// effect, as with SQLite.
//
// # What it does not do
//
// Up to v0.3.13 Litestream could encrypt objects with age. They are listed, and
// recognised when they are read ([ErrEncrypted]), but not decrypted.
package v3compat
