// Package trap shows a parent process each file-system call that its child is about to make,
// and lets the parent decide it: continue, fail with an error number, do a part of it, do it
// and lose the answer, or send the child a signal. Tests use it to fail one system call of an
// operation that runs in a process of its own.
//
// It stands on seccomp's user notification: [Enter], in the child, installs a filter for all
// of its threads and sends the listener to the parent; [Run], in the parent, answers. It needs
// Linux 5.19 or later, and the right to trace one's own children.
package trap

import "os"

// variable, in the environment, tells a child that its parent waits for it to call Enter.
const variable = "REPLICATE_TRAP"

// Awaited reports whether the parent of this process waits for it to call Enter.
func Awaited() bool { return os.Getenv(variable) != "" }
