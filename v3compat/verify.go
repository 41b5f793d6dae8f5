package v3compat

import (
	"errors"
	"io"
)

// Verify reads a whole object as it is stored, and says whether it is one LZ4
// frame whose checksums match: nil, or an error that is [ErrTruncated],
// [ErrCorrupt] or [ErrEncrypted], or that of the reader. What is in the frame is
// not looked at. After an error r may not have been read to its end.
func Verify(r io.Reader) error {
	frame := newFrameReader("", io.NopCloser(r))
	defer frame.Close()
	_, err := io.Copy(io.Discard, frame)
	var failed *ObjectError
	if errors.As(err, &failed) {
		return failed.Err // the caller knows which object it is
	}
	return err
}
