package s3

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/transport"
)

// source is a body of known size, from where its reader stood.
type source struct {
	at       io.ReaderAt
	parallel bool // parts may be read at the same time
	start    int64
	size     int64
}

// sourceOf returns false for a reader that cannot seek, also one that only
// looks as if it could: a pipe is an *os.File.
func sourceOf(r io.Reader) (source, bool) {
	rs, ok := r.(io.ReadSeeker)
	if !ok {
		return source{}, false
	}
	start, err1 := rs.Seek(0, io.SeekCurrent)
	end, err2 := rs.Seek(0, io.SeekEnd)
	_, err3 := rs.Seek(start, io.SeekStart)
	if errors.Join(err1, err2, err3) != nil {
		return source{}, false
	}
	at, ok := r.(io.ReaderAt)
	if !ok {
		at = seeking{rs}
	}
	return source{at: at, parallel: ok, start: start, size: max(0, end-start)}, true
}

// section is a part of the body, to be read from where it is.
func (s source) section(off, n int64) *io.SectionReader {
	return io.NewSectionReader(s.at, s.start+off, n)
}

// seeking makes an io.ReaderAt of a seeker, for one reader at a time.
type seeking struct{ r io.ReadSeeker }

func (s seeking) ReadAt(p []byte, off int64) (int, error) {
	if _, err := s.r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// sourceBody is a request body that tells the watchdog when it moves, and keeps
// the reader's error, which is not to be retried.
type sourceBody struct {
	r   io.ReadSeeker
	dog *transport.Watchdog
	err error
}

func (b *sourceBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.dog.Kick()
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

func (b *sourceBody) Seek(offset int64, whence int) (int64, error) { return b.r.Seek(offset, whence) }

// nonceName is the metadata that tells a write of ours from another's.
const nonceName = "replicate-nonce"

// mark puts a nonce into the object's metadata.
func (w *write) mark() {
	w.nonce = rand.Text()
	if w.metadata == nil {
		w.metadata = make(map[string]string, 1)
	}
	w.metadata[nonceName] = w.nonce
}

// checkMetadata enforces the limits of blob.WriteOptions, and keeps our own name
// for ourselves.
func checkMetadata(m map[string]string) error {
	if _, ok := m[nonceName]; ok {
		return fmt.Errorf("metadata %q: reserved", nonceName)
	}
	return blob.CheckMetadata(m)
}
