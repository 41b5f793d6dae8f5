// Package resource stores versioned, typed resources in any cas.Store: a
// directory, a bucket. Its operations and rules are those of the storage backend
// under Consul's resource API. [Backend] is the contract, and package resourcetest
// tests it. [Store] keeps it on a cas.Store.
//
// # The log is the truth
//
// The waist knows no transaction across keys, and its List is no snapshot. Resources
// kept as a record each could not be listed as they were at one instant, a watcher
// that compares listings would miss what happened between two of them, and nothing
// could replace all of them at once. So the resources are not records. What
// is stored is one log, as below a replicated state machine: each record of the log
// has the next position, says which resources change, and is written on the
// condition that nobody has written that position yet. The waist's one winner per
// key is thus a total order of all changes to all types, and
//
//   - a write is applied to exactly the state that it was checked against;
//   - a read is strong if, after it began, the next position was seen to be free;
//   - a list is the state at one position, of one type or of all;
//   - a watch is the log read forward: every change, none merged with the next;
//   - a restore is one record, which says that everything is something else now;
//   - each record has the checksum of the one before, so that two histories are never
//     taken for one;
//   - a write whose answer was lost is settled by reading its position: it is there,
//     or somebody else is, and then it never will be.
//
// Every handle ([Store]) keeps all resources in memory, and reads what the log has
// beyond its own position.
//
// # A log in a ring
//
// The waist has no deletion either, so that a log of ever new keys would only grow.
// This one is a ring: position p is in the key log/(p mod 4096) (Options.LogRecords),
// and writing it is replacing position p-4096 on the condition of its token. A key is
// written once in 4096 changes, which suits stores that take one write per key and second.
//
// Before a position is overwritten, a checkpoint makes it dispensable: all resources
// as they were at some position, in chunks of up to 900 KiB under state/, and a manifest
// that lists the chunks with their checksums. Chunks are cut at places that the names
// decide, and one whose content is in the last checkpoint already is not written
// again. The manifest is appended to the log, so that there is one order of checkpoints
// and restores too, and then copied to the record head, where a new handle begins.
// A chunk's key is used again when the head lists it no more. A handle that still reads
// an old one finds a wrong checksum, and begins again at the head.
//
// A checkpoint is due every LogRecords/16 positions. It is made by the handle whose
// write finds it due, after that write has returned. One that dies in the middle of
// it has done nothing that counts. Writes go on until three quarters of the ring
// are not covered by a checkpoint, and then wait for one.
//
// # What it promises
//
//   - Writes, deletes, restores, strong reads, lists and snapshots are linearizable
//     over all handles of all processes.
//   - Eventual reads of one handle never go back, nor behind what a watch of the
//     same handle has delivered. They are no older than Options.Interval while
//     the store answers; when it does not, they answer as of the last time it did.
//   - Versions are decimal numbers that grow with every change in the store. No two
//     changes have the same one, not even after a delete or a restore. What is restored
//     gets new versions, above all that this store has given, and above those that the
//     other store has given, as far as the restoration is told (Restoration.Above).
//   - A record that was cut short or changed in the store is [ErrCorrupt].
//   - Durable on return. An error that is [ErrInconsistent] means not applied; one that
//     is cas.ErrIndeterminate, that it is not known. No error is both.
//   - Memory, files and requests are bounded by what is stored, not by its history.
//
// # One state machine, two ways to order it
//
// The resources, the rules and the events of a handle are a [Machine]. It does not know the
// log. Package raftbackend has the same machine ordered by a Raft log.
//
// # A snapshot as bytes
//
// [WriteSnapshot] writes a snapshot as lines of JSON: a head, a line for each resource,
// and an end that has the number of resources and the SHA-256 of the lines before it.
//
//	{"format":"resource-snapshot/1","version":"42"}
//	{"resource":{"id":{"type":{"kind":"Node"},"tenancy":{},"name":"a"},"version":"7"}}
//	{"end":{"resources":1,"sha256":"..."}}
//
// Data is in base64. The version in the head is that of the snapshot, for
// Restoration.Above. No line is longer than 769 KiB, and nothing follows the end.
// [ReadSnapshot] applies such a stream to a restoration, of any [Backend].
//
// # What it does not
//
//   - Many writers at once: there is one order, and everybody appends to it. Writes
//     of one handle that arrive while one is under way share the next record. Handles
//     that race for a position lose it to one of them, at two requests each time;
//     nobody is starved on purpose, and nobody is queued.
//   - More than memory holds. All resources together are at most 1 GiB, one is at
//     most [MaxResourceSize] when encoded.
//   - Anybody else writing, or deleting, below resource/ in the same store. A missing
//     record of the log is an error on every handle that needs it.
//   - A store that is replaced by an older copy while handles are open. Close them before.
//     A handle that was not closed goes on from what it has seen; where the log of the
//     copy has grown since, by whichever handle, the record that does not follow is
//     ErrCorrupt on every handle that reads it. Nothing is mixed, but what to keep is
//     for an operator to decide: Snapshot, and Restore into an empty store.
//   - Secrets: data is stored as it is given.
//
// # What it costs
//
// In requests to the store, for a handle that is in use:
//
//	Read, List eventual     0, or 1 (conditional) when Interval has passed
//	Read, List strong       1, conditional; readers at the same time share it
//	ListByOwner             as eventual
//	WriteCAS, DeleteCAS     1; shared by what is written at the same time
//	  refused               1 (the read that shows that the refusal is not stale)
//	  lost a race           2 more, each time
//	each of them            1 more for each record that others have appended meanwhile
//	watching                1, conditional, per Interval and handle, not per watch
//	checkpoint              C+3, one in LogRecords/16 writes; C: chunks that have changed
//	restore                 2C+3
//	first use of a handle   1 + chunks + records since the checkpoint + 1
//	first write of a store  2 more
//
// None depends on the number of resources, but for the chunks: one for about 320 KiB.
// A handle that has not yet seen the whole ring pays 1 more for a write, once for each
// of its keys, and 1 more for a chunk, once for each of theirs. What others have appended
// is read one by one while it is little, and up to 16 at a time when it is more, of
// which up to 15 may be for nothing.
//
// In space: LogRecords records of the log, each as large as what it changed; twice
// the chunks; the head. Nothing else, after however many writes.
//
// A watch hears of a change by the same handle at once. Of others it does where the
// store is a cas.Notifier (memory; a directory, by the kernel) some milliseconds
// after the write, and elsewhere (S3) after Options.Interval at the latest, plus a request.
package resource
