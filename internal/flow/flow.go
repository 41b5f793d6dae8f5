// Package flow has what bytes run through on their way from a reader to a writer.
package flow

import (
	"errors"
	"io"
)

// Pipe lets read read what write writes, as it is written. It returns the error of read when
// both have returned.
func Pipe(write func(io.Writer) error, read func(io.Reader) error) error {
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = w.CloseWithError(write(w))
	}()
	err := read(r)
	_ = r.CloseWithError(errors.New("what is written is no longer wanted")) // nobody reads the rest
	<-written
	return err
}

// Count returns a reader of r that calls count with the number of bytes of each read.
func Count(r io.Reader, count func(n int64)) io.Reader { return io.TeeReader(r, counter(count)) }

type counter func(n int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}
