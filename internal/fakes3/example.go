package fakes3

import "fmt"

// Run gives an example a server, for as long as use runs.
func Run(use func(*Server)) {
	var e example
	defer func() {
		for _, clean := range e.cleanup {
			clean()
		}
	}()
	use(New(&e))
}

// example is a test that panics when it fails.
type example struct{ cleanup []func() }

func (e *example) Helper()                           {}
func (e *example) Cleanup(f func())                  { e.cleanup = append(e.cleanup, f) }
func (e *example) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (e *example) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
