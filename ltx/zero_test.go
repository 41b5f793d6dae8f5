package ltx

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// zeroCalls are every function and method on zero values.
func zeroCalls(t *testing.T) map[string]func() {
	ctx := context.Background()
	open := func(context.Context, *FileInfo, int64, int64) (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
	openRange := func(context.Context, int64, int64) (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
	return map[string]func(){
		"Apply no files": func() { _, err := Apply(ctx, nil, open, new(memDB), ApplyOptions{}); want(t, err) },
		"Apply zero file": func() {
			_, err := Apply(ctx, []*FileInfo{{}}, open, new(memDB), ApplyOptions{})
			want(t, err)
		},
		"Apply nil file":  func() { _, err := Apply(ctx, []*FileInfo{nil}, open, new(memDB), ApplyOptions{}); want(t, err) },
		"Stream nil file": func() { _, err := Stream(ctx, []*FileInfo{nil}, open, io.Discard, ApplyOptions{}); want(t, err) },
		"Apply nil open": func() {
			_, err := Apply(ctx, []*FileInfo{file(0, 1, 1, 1000)}, nil, new(memDB), ApplyOptions{})
			want(t, err)
		},
		"Stream nil open": func() {
			_, err := Stream(ctx, []*FileInfo{file(0, 1, 1, 1000)}, nil, io.Discard, ApplyOptions{})
			want(t, err)
		},
		"Chain": func() {
			var c Chain
			_, err := c.Reach(c.MaxTXID())
			want(t, err)
			c.Covered()
			c.Gaps()
			c.Levels()
			c.Restorable()
		},
		"NewChain nil":    func() { c := NewChain([]*FileInfo{nil}); _, _ = c.Reach(1) },
		"CheckFollows":    func() { _ = CheckFollows(Header{}, 0, Header{}) },
		"CheckInfo":       func() { _ = CheckInfo(&FileInfo{}, Header{}) },
		"CheckInfo nil":   func() { want(t, CheckInfo(nil, Header{})) },
		"FindPage":        func() { FindPage(nil, 0); FindPage([]Outline{{}}, 0); FindPage([]Outline{{}}, 1) },
		"Outline":         func() { var o Outline; _, err := o.ReadPage(ctx, openRange, 1, nil); _ = err },
		"ReadOutline":     func() { _, err := ReadOutline(ctx, 0, openRange); want(t, err) },
		"ReadOutline nil": func() { _, err := ReadOutline(ctx, 1000, nil); want(t, err) },
		"Decoder": func() {
			var d Decoder
			d.Header()
			d.Trailer()
			d.Pages()
			d.Bytes()
			_, _, err := d.Next()
			want(t, err)
		},
		"LoadHeader":     func() { _, err := LoadHeader(ctx, open, nil); want(t, err) },
		"LoadHeader nil": func() { _, err := LoadHeader(ctx, nil, nil); want(t, err) },
		"OpenFrom nil":   func() { _, err := LoadHeader(ctx, OpenFrom(nil), &FileInfo{}); want(t, err) },
		"Verify empty":   func() { _, err := Verify(new(bytes.Reader)); want(t, err) },
		"WriteSnapshot":  func() { _, err := WriteSnapshot(io.Discard, SnapshotOptions{}, nil); want(t, err) },
		"WriteDelta":     func() { _, err := WriteDelta(io.Discard, SnapshotOptions{}, nil, nil); want(t, err) },
		"Layout":         func() { _ = Layout(7).String() + Layout(7).Key(0, 0, 0) },
		"errors":         func() { _ = (&FileError{}).Error() + (&UnreachableError{}).Error() },
		"Index":          func() { var x PageIndex; x.Lookup(1); x.Len() },
		"Path":           func() { var p Path; p.TXID(); p.Time() },
		"Header":         func() { _, err := SnapshotOptions{}.Header(); want(t, err) },
		"PageChecksum":   func() { PageChecksum(0, nil) },
	}
}

// There is an answer or an error, no panic.
func TestZeroValues(t *testing.T) {
	for name, call := range zeroCalls(t) {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: panics: %v", name, p)
				}
			}()
			call()
		}()
	}
}

func want(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("got no error")
	}
}
