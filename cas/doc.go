// Package cas is the waist between coordination and storage engines: small
// records that change only by compare-and-swap.
//
// A lease needs nothing else of a directory or a bucket than [Store]: read a
// record, replace it if it is still the one that was read, list what there is.
// Whatever can do that can carry leases, and whatever else is built on top.
// Below stand the engines (file, s3, and [Memory] here, the reference); above
// stands logic that never sees an ETag, an inode or an HTTP status.
//
// # What an engine promises
//
//   - Linearizable per key: reads and writes of one key, from any number of
//     handles in any number of processes, behave as if they happened one after
//     the other, each at one instant between its call and its return. A read
//     that begins after a write has returned sees it, or something later.
//   - One winner: of any number of writers that expect the same token at most
//     one succeeds.
//   - Three outcomes of a write, told apart: applied (nil), certainly not
//     applied (any error but one), and unknown ([ErrIndeterminate]). A store that
//     cannot compare is [ErrUnsupported], and is never written to blindly.
//   - A refusal is proven, or the outcome is unknown. A proxy may repeat a
//     request, and then the answer to the repetition says nothing about the
//     first: it may have been applied, and replaced by a third writer since.
//   - What could not be made durable stays unknown ([ErrNotDurable]), even when
//     readers already see it.
//   - Durable on return, and whole: no reader sees part of a value.
//   - A token names a version. It is never empty for a record that exists, and two
//     writes of different values never have the same one.
//   - Safe for concurrent use.
//
// # What it does not promise
//
//   - Nothing across keys: no transaction, no order between them, and a List is
//     no snapshot. A store that can write several records as one is a [Batcher], too.
//   - No deletion. Several stores ignore the condition on a DELETE, so that a late
//     one removes a record that it never meant; and a record that is gone takes
//     its history with it. A record that is no longer wanted is overwritten with a value
//     that says so. A store that can compare and delete is a [Deleter], too.
//   - Two writes of the same bytes may have the same token, because an ETag is a
//     hash of the content on most stores. To tell its own write from an equal one,
//     a writer puts a nonce into the value; [Swap] depends on it.
//   - No rate: some stores take one write per key and second.
//
// Every promise is a test in package castest, and each engine runs them all.
package cas
