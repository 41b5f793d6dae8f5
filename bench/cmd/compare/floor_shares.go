package main

import (
	"errors"
	"runtime"
	"sync"
)

// shares calls fn for the parts of 0 to n, one for each processor, at once.
func shares(n int, fn func(from, to int) error) error {
	parts := runtime.GOMAXPROCS(0)
	errs := make([]error, parts)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() { errs[i] = fn(n*i/parts, n*(i+1)/parts) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
