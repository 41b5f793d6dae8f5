// Package logstate keeps the checkpoints of transparency logs for a witness, in
// a directory, a bucket, or whatever else is a [cas.Store].
//
// A witness signs a log's checkpoint only if it extends the one that it signed
// last. So it has to remember that one, and must never forget it for an older one:
// a witness that does can be made to sign two histories of one log. Its write is a
// transaction: read what is there, check the new checkpoint against that, replace
// exactly that.
//
//	w, err := storage.WriteOps(id)
//	defer w.Close()
//	latest, err := w.GetLatest() // codes.NotFound: trust the first one
//	...                          // is next consistent with latest?
//	err = w.Set(next)            // codes.Aborted: somebody else was faster
//
// # What is promised
//
//   - Set replaces the version that this transaction read, or nothing. Of any
//     number of witnesses that read the same checkpoint, in any number of processes,
//     one sets the next; the others get an error whose code is Aborted. So no
//     checkpoint that was set is lost or rolled back by a race.
//   - A checkpoint is durable when Set returns, and seen by every read that begins
//     after that. No reader sees part of one.
//   - A transaction that ends without Set, by Close or by SIGKILL, has changed
//     nothing, and holds nothing: no lock that another witness would wait for.
//   - An ID that nobody has ever used has operations like any other: GetLatest is
//     codes.NotFound, and Set makes the first checkpoint. Two first ones are a race
//     like any other.
//
// # What is not
//
//   - Checkpoints are bytes. Nothing here knows their size or checks a signature;
//     a caller that sets an older one after having read a newer one has rolled the
//     log back.
//   - Nothing holds across logs. Logs is no snapshot.
//   - When the answer to a write is lost, Set reads to find out what became of it. A
//     record names its last eight writes, so that this also works when up to seven
//     others have followed. If it cannot be found out, the error is
//     cas.ErrIndeterminate: the checkpoint is there, or was, or is not, or may appear
//     shortly. Starting over is safe, since the next transaction reads first.
//   - An operator who restores an older copy of the store rolls back what is in it.
//
// # Codes
//
// Errors that a witness tells apart have the codes of gRPC; status.Code finds them,
// also below other errors. What the store itself said is below them, for errors.Is.
//
//   - NotFound: the log has no checkpoint. Trust on first use begins here.
//   - Aborted: another witness has set a checkpoint since this transaction began.
//     This is gRPC's word for a read-modify-write that has to be started over from
//     its read; FailedPrecondition would say that starting over is no use.
//   - FailedPrecondition: the transaction was over, by Set or by Close.
//   - InvalidArgument: an ID, or a checkpoint, that cannot be stored.
//   - DataLoss: a record is there that this package did not write, or that was cut
//     short or changed.
//   - Canceled, DeadlineExceeded: the context of [Store.WithContext] has ended.
//   - Unknown: all else.
//
// An error with one of the last three codes may be cas.ErrIndeterminate. Then the write
// may have been applied.
//
// # Shape
//
// The interfaces are the ones that witness implementations know. [LogStatePersistence]
// is the older shape: Init, Logs, ReadOps, WriteOps, GetLatest, Set, Close. Its state is
// the checkpoint alone, without a compact range, since consistency proofs have replaced
// that; what else a witness wants to keep can be appended to the bytes.
// [LogStateUpdater] is the newer shape: Latest, and Update in one call. Package
// logstatetest tests either. [Store] has both.
//
// The interfaces have no contexts, and the store may be far away. [Store.WithContext]
// binds a context to everything that is made from its result.
//
// # Cost
//
// In requests to the store, if nothing goes wrong:
//
//   - ReadOps, WriteOps, Close: none.
//   - GetLatest: one read. A second one in the same transaction: none, and the same.
//   - Set: one write; without a GetLatest before it, a read more. One that lost a
//     race: a read more, or two on S3, whose engine looks into each refusal.
//   - Latest: one read. Update: a read and a write; as many again for each lost race.
//   - Logs: one listing, a request per 1,000 logs on S3. Init: one listing.
//
// The store has one record per log, which is overwritten, and never more: it grows
// with the number of logs, not with time. (A bucket that keeps versions keeps each.)
// Some stores take one write per second and key, R2 for one: that is a limit per
// log, beyond the rate at which logs publish checkpoints.
//
// Nothing is cached, on any engine: what a witness has set, all see from then on.
package logstate
