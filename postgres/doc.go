// Package postgres is the engine that keeps records in PostgreSQL, by pgx. The tables, the
// statements and what an error of a write means are those of package sqldb. Here are what
// only PostgreSQL has:
//
//   - [Store] is a cas.Notifier: each change of a record notifies, in its own transaction, and
//     one connection listens for all watches. It connects again when it is lost, and then
//     hints at everything. A hint can get lost; cas.Changes looks now and then all the same.
//   - The server's clock comes with each answer, in microseconds.
//   - [AdvisoryLocker] hands out session-level advisory locks, with a fencing number: for
//     config.Options.Locker, and by itself.
//   - [NewLeaser] makes a leaser of package lease.
//
// # Connecting
//
// [Open] takes what libpq takes: a URL or key=value pairs, PGHOST, PGPASSWORD and the other
// variables, ~/.pgpass, service files, sslmode and certificates. A server that is a standby,
// or read-only, is passed over if the URL names several, and refused otherwise.
//
// Records and leases work through PgBouncer in transaction mode; where it does not keep
// prepared statements, add default_query_exec_mode=exec to the URL. Notifications and
// advisory locks need a session of their own: see [AdvisoryLocker].
//
// # What must be set on the server
//
// fsync, full_page_writes and synchronous_commit must be on, which package probe checks. An
// asynchronous failover loses writes that were acknowledged in the last moments, leases and
// fencing numbers among them. To fail over without that, set synchronous_standby_names, and
// synchronous_commit to on or remote_apply.
package postgres
