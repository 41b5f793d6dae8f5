//go:build faults

package main

const head = `# What fails, and what comes of it

<!-- Made from the logs of the tests by make faults. -->

Each operation runs once on a small replica of both formats, or on a few records, and its calls
of the store are noted. Then it runs again for each of these calls and each kind of failure. One
set of rules judges every run:

- success has the result that there is without the failure;
- a failure is never taken for an absence (exit code 3, an error that says that nothing is there);
- a fresh reader sees the old state or the new one, and nothing half written;
- a plain error of a write means that it was not applied; an unknown outcome says so;
- the error names the operation, the object and the cause, and no secret;
- the operation ends within a minute, with timeouts of a second;
- temporary files are gone, or swept by the next run;
- the next run, without a failure, comes to the same result.

What is below is from the runs that the figures count, which may be a sample. ` + "`make faults`" + ` makes all.
A run that breaks a rule is ` + "`!`" + `, one with the result that there is without the failure ` + "`+`" + `, one that ends
with an error ` + "`-`" + `, either of the two, depending on the call, ` + "`*`" + `; what was not run is ` + "`.`" + `.

`

const sidesHead = `## S3 and a directory, side by side

The same operation with failures that mean the same: first what comes of it on S3, then on a
directory, over all its calls. Requests to S3 are repeated after an error that may pass, system
calls are not: so "error once" mostly succeeds on S3 and may fail on a directory. "Refused",
"error for good" and "gone" are errors on both, except where a call is one of several ways, or
about something that need not be there.

| operation |`

const exitsHead = `## Exit codes of the commands

How many runs ended with which exit code. An error of a store that names damage is 4; of a lease
that was not acquired 75, that was lost 76; 130, 143 and 137 are signals.

| failure |`

const tail = `## What is not covered

- Two failures in one run, but for those for good: they last until the run ends.
- Failures of the network below HTTP, and of TLS.
- Objects above the size of one upload: the replicas are small. The tests of package s3 have them.
- PostgreSQL, which needs a server: the conformance suites and the tests of its package are what it has.
- Failures of the standard input and output of a command.
- Windows and macOS.
- A page cache that forgets a failed fsync: a failed fsync is an error, and the disk keeps what it had.
`
