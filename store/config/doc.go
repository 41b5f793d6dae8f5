// Package config keeps snapshots of a fleet's configuration, which of them is
// active, and which instances have applied it. It keeps them in a directory, a bucket,
// or any other [cas.Store].
//
// A collection is one body of configuration, with any number of versions. A leader,
// which holds a lock, saves a version, waits until the instances of the fleet have
// logged that they can apply it, and activates it. The instances ask for the active
// version now and then, and fetch it when it is another one.
//
// [Storage] is the contract, and package configtest tests it. [Store] keeps it on a
// cas.Store. An instance needs no more than an [ActiveVersionChecker] to ask.
//
// # What is promised
//
//   - At every instant at most one version of a collection is active. Activating one
//     makes the other inactive at the same instant; of two activations at once each
//     takes effect, one after the other. From the first activation on there is
//     always an active version, unless FailSnapshot is called on it.
//   - An active snapshot has its content. DeleteOldSnapshots never deletes it, also
//     if it becomes active meanwhile: either the activation comes first, and it
//     stays, or the deletion does, and the activation is ErrSnapshotNotFound.
//   - What is done is durable when the method returns, and seen by every read that
//     begins after that, on every instance.
//   - A process that is killed in the middle leaves a collection as it was before or
//     as it should be after; see below for what it may leave beside.
//   - A version's content never changes, not even after the version was deleted: of
//     each deleted version a note of its content stays. Saving it again is refused if
//     the content differs; if it does not, it changes nothing, or brings back the version.
//   - A record that was cut short or changed in the store is ErrCorrupt.
//   - The log of a version has one status per instance, the last one logged. Resetting
//     it and deleting its snapshot empty it at one instant; a status that is being
//     logged at that moment does not turn up in the log of another round.
//   - A lock is held by one at a time, by a lease of package lease that is kept
//     alive until it is released or the process ends. After a crash it is free when
//     the lease has expired: Options.LockTTL later.
//   - A holder that has lost its lock without knowing it cannot undo what a later holder
//     did. The head of a collection carries the fencing numbers of the locks under which
//     it was changed, of the last 16 locks. After a later holder of a lock has changed a
//     collection, every change of an earlier one to it is ErrLockLost. A Store that holds
//     no lock is not checked.
//
// # What is not
//
//   - Nothing holds across collections. DeleteOldSnapshots goes through them one after
//     the other.
//   - CountApplied and AppliedInstances see each instance's status as it was at some
//     moment of the call, not all at the same.
//   - A lock is a lease: a holder that is cut off from the store, or suspended, has
//     lost it when it ends, and AcquireLock's release function cannot tell. A holder
//     that has to know uses [Store.AcquireSession].
//   - The age of a snapshot is by the clock of the machine that saved it.
//   - When the answer to a write is lost, the method reads to find out what became of
//     it. A record names its last eight writes, so that this also works when up to seven
//     others have followed. If it cannot be found out the error is cas.ErrIndeterminate:
//     what was to be done is done, or is not, or may be shortly. Every method can be
//     called again then.
//
// # Cost
//
// In requests to the store, if nobody else writes at that moment. A lost race costs
// two reads more, and on S3 a third, of an engine that looks into each refusal, and
// the write again.
//
//	GetActiveVersion, ListSnapshots   1
//	GetActiveSnapshot, GetSnapshot    2
//	SaveSnapshot                      4; 3 where the store is a cas.Batcher; 1 if it is there already
//	ActivateSnapshot, FailSnapshot    2; 1 if it is so already
//	ResetApplyLog                     2; 1 if there is no such snapshot
//	  the first under a lock          2 in place of 1
//	LogApply                          2; a lost race more if another handle has logged for the instance
//	CountApplied, AppliedInstances    1, a listing, and 1 per status that this handle has not seen
//	AcquireLock                       2; then 1 each third of the TTL, and 1 to release
//	DeleteOldSnapshots                a listing and 1 per collection; 3 more where it deletes,
//	                                  and 3 per deleted snapshot; where the store can delete,
//	                                  a listing more per snapshot and 1 per status
//
// A listing is a request per 1,000 records on S3. The first request of each line but
// the lock's is a read of the collection's head: some 250 bytes for each snapshot that
// is there. A store with conditional reads (S3) does not send it to a handle that has
// it; a fleet that polls an unchanged collection moves headers only.
//
// All changes to a collection are writes to its one head. That is what makes them
// atomic, and it sets their rate: some stores, R2 for one, take one write per second and key. A
// round of save, reset and activate is three. Statuses are different: a thousand instances
// log theirs at the same moment, so each has a record of its own, and none waits for
// another. The price is paid when they are counted: a handle reads them one by one,
// sixteen at a time, but each status only once. Polling costs a listing and what is new.
//
// # Growth
//
// A collection has at most MaxSnapshots snapshots; DeleteOldSnapshots makes room. Where the
// store is a cas.Deleter (a directory), it removes the snapshots' contents and statuses.
// What stays on every store:
//
//   - of the name of a deleted version a note, below "config/deleted/": some 300 bytes,
//     once, however often it is saved and deleted again;
//   - of a SaveSnapshot that was killed, or whose outcome stayed unknown, perhaps a content
//     that belongs to no snapshot, unless the store is a cas.Batcher (a database);
//   - a lock's record when it is released, one per key ever used.
//
// What stays where the store cannot delete (S3):
//
//   - of a deleted snapshot a mark of some 200 bytes, below "config/contents/";
//   - the statuses of a deleted snapshot, and of one whose log was reset, below
//     "config/applied/": about 200 bytes for each instance.
//
// No operation gets slower or costs more by any of that. An operator may delete, with
// the tools of the store, whatever is below "config/contents/ID" and "config/applied/ID/"
// of an ID that is in no head ("config/heads/") and older than a save can take; a
// lifecycle rule may delete what is below "config/applied/" after longer than any snapshot
// is kept. What is below "config/deleted/" has to stay for as long as an instance may have
// an old version.
//
// # Latency
//
// An instance that asks sees an activation at once. An instance that asks every interval
// learns of it after half of that, on average. cas.Changes with [HeadsPrefix] asks
// sooner where the store can tell of changes: in memory, and in a directory of this machine,
// within milliseconds; on S3 it is the polling that it replaces. See the example.
package config
