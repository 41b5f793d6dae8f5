// Package probe finds out whether a store does what leases need of it, by asking
// it.
//
// Documentation does not tell. There are stores that ignore the condition of a PUT
// and answer 200, stores that keep it while writers come one after the other and
// not when they race, and stores that show what was there before. A lease on one of
// these is held twice one day. [Run] writes a few dozen small records and objects,
// alone and in races, and says what became of them.
//
//	report, err := probe.Run(ctx, leaser.ProbeTarget(), probe.Options{})
//	if err == nil {
//		err = report.Err()
//	}
//
// # What it proves
//
// A [Violation] is proven: the report quotes what the store did and must not have
// done. That a store is [Conformant] is not: nothing was caught in so many rounds,
// from this machine, at this hour. A race that a store loses once in a million is
// not found, nor that two hosts share a directory whose locks do not reach from one
// to the other. [Inconclusive] means that the store was not there to the end, or did
// not permit what was to be tried.
//
// # What it leaves
//
// Nothing. All keys begin with one prefix, "probe-" and a random name, which no
// replica and no lease uses, and are deleted in the end, however that comes. What
// could not be deleted is named in the report: all of it, where a store has records alone and
// is no cas.Deleter. Where a bucket keeps versions, the
// old ones are kept of these keys too; a process that is killed leaves what it had
// written, below that prefix.
//
// The package knows no engine: it works on a cas.Store, and a blob.Store with the same
// root where there is one. What only some engines have is behind small interfaces, [QuoteChecker],
// [DeleteChecker] and [DurabilityChecker].
package probe
