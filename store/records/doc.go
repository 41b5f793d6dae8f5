// Package records moves the records of the facades (kv, config, logstate, resource) and of
// leases from one [cas.Store] to another: from a directory to a bucket or to a database,
// and back.
//
// # What [Copy] promises
//
//   - Each record is copied byte for byte. Versions, fencing numbers, floors and logs are in
//     the records, so that none goes back: whoever goes on at the target goes on from the
//     last number of the source.
//   - The copy is the source as it was at one instant, although a store has no snapshots.
//     Copy lists the source again, and copies what has changed, until a listing shows that
//     nothing has changed since it was read.
//   - Each record is read back and compared after it was written. One that its seal or its
//     syntax shows to be damaged or cut short is not copied: that is an [ErrDamaged].
//   - A copy that was interrupted at any moment is finished by the next call. A copy that is
//     complete is brought up to date in the same way, for as long as nobody uses the target.
//   - Copy replaces and removes nothing that it has not written itself. A target that has
//     anything else is a [*TargetError], and is not touched.
//
// # What it does not
//
//   - It stops nobody. Programs that still use the source, or use the target before the copy
//     is complete, are the caller's to stop. Report.Held names the leases that are held.
//   - A lease is copied as it is, with its generation. One that is held when it is copied is
//     taken over at the target when it has expired, by the next generation.
//   - On a store that cannot delete (S3), a record that is gone at the source since an earlier
//     call cannot be removed. That is a TargetError, too: copy to an empty place.
//
// # How the target is known again
//
// Below "records-copy/" the target has a manifest, which names the source, what is copied and
// whether the copy is complete, and a journal. Before records are written, their
// checksums are written to the journal. So what is at the target is a copy's own if the
// journal has its checksum. When the copy is complete and in use, an operator may remove
// what is below "records-copy/"; no facade reads it.
//
// # Cost
//
// In requests: two listings and a read per record at the source; three listings, a write and
// a read per record at the target, a write per 64 records for the journal, and 3 for the
// manifest. A copy that is complete and up to date costs a listing more and a read per
// record on both sides. Memory is up to 64 records at a time, and some 200 bytes per record.
package records
