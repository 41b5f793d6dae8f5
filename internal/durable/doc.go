// Package durable makes files that are either whole and safe on disk, or not
// there. It is the one place in this project that knows which system calls, in
// which order, that takes.
//
// A file is published in five steps:
//
//  1. open(O_CREAT|O_EXCL) a temporary file with a random name in the directory
//     of its target: the same filesystem, so that step 4 cannot fail with EXDEV
//     (containers mount /tmp apart), and two writers never share a temporary.
//     A kernel lock (flock) on it says "my writer is alive".
//  2. write the content, then set the modification time. After step 4 would be
//     too late: a crash between would leave a visible file with a wrong time.
//  3. fsync the file: content and times reach the disk before the name does.
//  4. rename(2) over the target, or link(2) to create and never replace. Both
//     are atomic: a reader sees the old file, the new one, or none.
//  5. fsync the directory, so that the name survives a crash as well. Each new
//     directory's parent was fsynced when the directory was made, or, where its
//     maker was killed before that, by the first that puts something into it.
//
// A writer that is killed before step 4 leaves a temporary behind, and nothing else.
// [Sweep] removes temporaries whose lock is free: the kernel dropped it when the
// writer died. On a filesystem without locks nothing is swept, as there a
// temporary of a live writer cannot be told from a dead one's.
//
// What another user puts in the place of a file (a pipe, a socket, a device, a
// link) is refused, and never waited for.
//
// All names are resolved below an [os.Root], so neither "..", nor an absolute
// name, nor a symbolic link leads out of it.
package durable
