// Package restore brings back a state of a replicated database: the latest, that of a
// moment, or that after a transaction.
//
// [File] puts the database in place in one call, [To] streams it, and [NewPlan] says
// beforehand which objects will be read. File and To plan again around an object that
// turns out to be damaged, or gone since the listing. Everything that is read is verified,
// as far as the format allows.
//
// A state that cannot be restored is a [PlanError], which names the nearest ones that can.
// An older state is never given for it.
package restore
