// Package check tells what is wrong with a replica, and what can be restored from it.
//
// [Run] judges: it finds damaged, missing, contradicting and foreign objects and, with
// Options.Deep, restores the end of each window of time. [Inspect] lists what is there. A
// finding is a replica.Problem in the report. An error means that the replica could not be
// looked at.
package check
