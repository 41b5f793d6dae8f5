// Package sqldb is the engine that keeps records in a table of a SQL database: SQLite, or
// PostgreSQL by any driver of database/sql. Package postgres adds what only PostgreSQL has.
//
//	db, err := sqldb.OpenSQLite(driver, "file:///var/lib/app/state.db")
//	store, err := sqldb.New(db, sqldb.SQLite, sqldb.Options{})
//
// [Store] is a cas.Store, a cas.Deleter and a cas.Batcher. The package imports no driver.
//
// # Tables
//
// There are two: PREFIXrecords has a row for each record (key, token, value), and
// PREFIXmigrations a row for each migration. The first call of a method creates what is
// missing. Many processes may do that at once. A program whose tables are of a later
// version is refused. If the tables exist, no right to create any is needed.
//
// A token is a random text of 26 characters. It never repeats: not when a record is
// deleted and created again, and not when the database is restored from a backup.
//
// # Outcomes
//
// Each write is one transaction. An error of a write is cas.ErrConflict if the record was
// another one, and cas.ErrIndeterminate if the connection was lost, or the server gave up,
// after the statement had been sent. Every other error means that nothing was written. On
// PostgreSQL the SQLSTATE decides: classes 08, 57, 58 and XX, and 40003, are indeterminate.
// On SQLite the result code does: only those which a statement gives before it commits are
// certain. A driver that shows no code has no certain errors.
//
// # SQLite
//
// The connections need journal_mode=WAL, synchronous=FULL and a busy timeout. [OpenSQLite]
// sees to that, and New's store refuses others. The file must be on a local filesystem: the
// locks and the shared memory of WAL do not reach another machine. Do not use a database
// that is being replicated for the lease that guards its replication: a restore would
// bring back an old lease.
//
// # PostgreSQL
//
// The key has the collation "C", so that a listing is in byte order. A standby is refused,
// by each read too. The server's own clock comes with each answer. What was acknowledged
// survives a crash if fsync, full_page_writes and synchronous_commit are on, which package
// probe checks. After an asynchronous failover acknowledged writes may be lost: to rely on
// a standby set synchronous_standby_names, and synchronous_commit to on or remote_apply.
// Where transactions are serializable by default, a write is repeated when the server could
// not serialize it.
package sqldb
