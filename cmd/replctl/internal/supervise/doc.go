// Package supervise starts the command that replctl lease exec runs, in a process group
// of its own, and signals and ends that group.
//
// On Unix the group gets the signals that replctl gets, and the place in the foreground of
// a terminal that replctl has. On Linux and FreeBSD the kernel kills the command when
// replctl dies. On Windows the command gets Ctrl-Break, and what it has started lives on.
package supervise
