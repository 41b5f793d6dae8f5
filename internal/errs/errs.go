// Package errs puts operation and object before the cause of an error.
package errs

import "fmt"

// Wrap puts what was being done before an error, if there is one: "read lock.json: permission denied".
// A function with a named error result defers it.
func Wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}
