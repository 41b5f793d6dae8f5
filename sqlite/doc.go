// Package sqlite does what takes SQLite itself: it reads a consistent image of a
// database that others may be writing to ([Open]), and it asks SQLite whether a
// database file is sound ([Check]). It is the only package that links SQLite, in
// pure Go, and so it adds some megabytes to a program.
//
// # What an image promises
//
// The pages of an [Image] are those of one moment, as a reader of the database
// sees them: every transaction that was committed by then, whether in the file or
// in its WAL, and no other. A read transaction holds that moment while other
// processes write and run checkpoints. It is so in WAL mode and with a rollback
// journal, and after a crash: a WAL left behind is part of the image, and a
// journal left behind is rolled back first.
//
// # What reading leaves behind
//
// A database is read as any SQLite reader would do it. No image makes a
// database, adds to it, or runs a checkpoint of a WAL that it found. What a reader
// does may still be seen:
//
//   - A journal that a crash left behind is rolled back into the file, and removed.
//   - A WAL that a crash left behind stays as it was, byte for byte, as does the
//     file. An index of it (-shm) is made beside it, and stays.
//   - A database in WAL mode that nobody had open gets a -wal and a -shm, and
//     loses them when the image is closed. If it was written to meanwhile by a
//     process that is gone by then, closing does what that process would have
//     done: it moves the WAL into the file.
//
// # What is not promised
//
//   - Writers of a database with a rollback journal wait while an image of it is
//     open: that is how such a database is read. In WAL mode no commit waits, but the
//     WAL grows: no checkpoint passes an open image, and one of the kinds RESTART
//     and TRUNCATE waits for its end, or gives up, and while it waits no one commits.
//   - POSIX locks belong to a process. If any code of this process opens and closes
//     the same database file by other means than SQLite, the locks of an image are
//     gone, and with them its consistency. This package never does.
//   - Where no index of the WAL can be made (a read-only directory), nobody can be
//     kept from writing either. The files are read without locks, and reading the
//     last page says [ErrChanged] if they are not the same files any more.
//   - No network filesystem whose locks do not work makes an image consistent.
package sqlite
