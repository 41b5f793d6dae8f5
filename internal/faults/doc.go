// Package faults fails each request of each operation in each way, and judges what comes of it
// by one set of rules.
//
// Its tests do so for the library on S3. The tests of cmd/replctl/internal/cli do so for the
// commands: they use the kinds of failure, the rules, the log and the table of [Commands] of this
// package. All of them need the build tag faults.
//
// A test runs a sample with a fixed seed, of the share that REPLCTL_FAULTS names: "all", "tenth",
// or a number such as 0.02. If it is not set, the sample is a hundredth of the runs of an eighth of
// the operations. REPLCTL_FAULTS_SEED is another seed. REPLCTL_FAULTS_OF names one operation,
// REPLCTL_FAULTS_KIND one kind of failure. With REPLCTL_FAULTS_LOG each run is a [Line] of that
// file; the command in the directory report makes docs/faults.md of such files.
package faults
