package flow_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/flow"
)

func TestPipe(t *testing.T) {
	var got []byte
	err := flow.Pipe(func(w io.Writer) error {
		_, err := io.WriteString(w, "all of it")
		return err
	}, func(r io.Reader) (err error) {
		got, err = io.ReadAll(r)
		return err
	})
	if err != nil || string(got) != "all of it" {
		t.Errorf("got %q and %v", got, err)
	}
}

// The error of the writer is that of a read; that of the reader ends the writer, and is returned.
func TestPipeErrors(t *testing.T) {
	torn, enough := errors.New("torn"), errors.New("enough")
	readAll := func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	if err := flow.Pipe(func(io.Writer) error { return torn }, readAll); !errors.Is(err, torn) {
		t.Errorf("got %v, want the error of the writer", err)
	}
	var ended error
	err := flow.Pipe(func(w io.Writer) error {
		_, ended = io.WriteString(w, "nobody reads this")
		return ended
	}, func(io.Reader) error { return enough })
	if !errors.Is(err, enough) || ended == nil {
		t.Errorf("got %v, and the writer %v; want the error of the reader, and one for the writer", err, ended)
	}
}

func TestCount(t *testing.T) {
	var n int64
	if _, err := io.Copy(io.Discard, flow.Count(strings.NewReader("twelve bytes"),
		func(read int64) { n += read })); err != nil || n != 12 {
		t.Errorf("got %d bytes and %v, want 12", n, err)
	}
}
