package v3compat

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/pierrec/lz4/v4"
)

// frameReader reads the content of an object that is one LZ4 frame. Its io.EOF
// means that the frame was whole, that its checksums match, and that nothing
// came after it. Any other outcome is an error that names the object.
//
// It holds two blocks, of at most 4 MiB each, and a buffer of 64 KiB.
type frameReader struct {
	key    string
	object io.Closer
	source *frameSource
	zr     *lz4.Reader // nil once closed
	err    error       // final
}

func newFrameReader(key string, object io.ReadCloser) *frameReader {
	source := newFrameSource(object)
	return &frameReader{key: key, object: object, source: source, zr: lz4.NewReader(source)}
}

// Read implements io.Reader. The bytes that come before an error are not
// verified; those before io.EOF are.
func (r *frameReader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	n, err := r.zr.Read(p)
	if err != nil {
		r.err = r.explain(err)
	}
	return n, r.err
}

// explain turns the decoder's error into ours. What the source has found out is
// the cause of whatever the decoder says then.
func (r *frameReader) explain(err error) error {
	cause := r.source.err
	if cause == nil || cause == io.EOF { //nolint:errorlint // the source's own
		if cause != nil && errors.Is(err, io.EOF) {
			return io.EOF
		}
		cause = fmt.Errorf("%w: %s", ErrCorrupt, err.Error())
	}
	return &ObjectError{r.key, cause}
}

// ObjectError says what is wrong with an object's content, or why it could not be
// read.
type ObjectError struct {
	Key string // relative to the replica's root
	Err error
}

func (e *ObjectError) Error() string { return fmt.Sprintf("read %s: %v", e.Key, e.Err) }

func (e *ObjectError) Unwrap() error { return e.Err }

// Close closes the object. It is safe to call twice.
func (r *frameReader) Close() error {
	if r.zr == nil {
		return nil
	}
	r.zr.Reset(nil) // gives the blocks back to their pool
	r.zr = nil
	r.err = &ObjectError{r.key, fs.ErrClosed}
	return r.object.Close()
}
