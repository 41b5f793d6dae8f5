// Package ordered does work on the items of a sequence concurrently and gives
// the results in the order of the items.
package ordered

import (
	"context"
	"iter"
)

// Map yields fn(item) for each item of seq, in order, with up to n calls of fn
// at a time and no more than n results waiting. The first error, of seq or of
// fn, ends the sequence and is its last value. Leaving the loop early cancels
// the context given to fn and waits for the calls under way.
func Map[T, U any](ctx context.Context, n int, seq iter.Seq2[T, error],
	fn func(context.Context, T) (U, error)) iter.Seq2[U, error] {
	return func(yield func(U, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		next, stop := iter.Pull2(seq)
		defer stop()
		var window []chan result[U]
		defer func() {
			cancel()
			for _, c := range window {
				<-c
			}
		}()
		for more := true; ; {
			for more && len(window) < n {
				item, err, ok := next()
				if more = ok && err == nil; ok {
					window = append(window, start(ctx, item, err, fn))
				}
			}
			if len(window) == 0 {
				return
			}
			r := <-window[0]
			window = window[1:]
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}

// Slice yields items, for Map.
func Slice[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

type result[U any] struct {
	value U
	err   error
}

func start[T, U any](ctx context.Context, item T, err error, fn func(context.Context, T) (U, error)) chan result[U] {
	c := make(chan result[U], 1)
	if err != nil {
		c <- result[U]{err: err}
		return c
	}
	go func() {
		value, err := fn(ctx, item)
		c <- result[U]{value, err}
	}()
	return c
}
