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
	seeker io.ReadSeeker
	at     io.ReaderAt // the same body, or nil
	start  int64
	size   int64
}

// sourceOf returns false for a reader that cannot seek, also one that only
// looks as if it could: a pipe is an *os.File.
func sourceOf(r io.Reader) (source, bool) {
	rs, ok := r.(io.ReadSeeker)
	if !ok {
		return source{}, false
	}
	start, err := rs.Seek(0, io.SeekCurrent)
	if err != nil {
		return source{}, false
	}
	end, err := rs.Seek(0, io.SeekEnd)
	if err != nil {
		return source{}, false
	}
	if _, err := rs.Seek(start, io.SeekStart); err != nil {
		return source{}, false
	}
	src := source{seeker: rs, start: start, size: max(0, end-start)}
	src.at, _ = r.(io.ReaderAt)
	return src, true
}

// section is a part of the body, to be read from where it is.
func (s source) section(off, n int64) io.ReadSeeker {
	if s.at != nil {
		return io.NewSectionReader(s.at, s.start+off, n)
	}
	return &window{r: s.seeker, start: s.start + off, size: n}
}

// window is an io.SectionReader over a seeker. Only one may be in use.
type window struct {
	r           io.ReadSeeker
	start, size int64
	pos         int64
}

func (w *window) Read(p []byte) (int, error) {
	if w.pos >= w.size {
		return 0, io.EOF
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.size-w.pos)])
	w.pos += int64(n)
	return n, err
}

func (w *window) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += w.pos
	case io.SeekEnd:
		offset += w.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	if _, err := w.r.Seek(w.start+offset, io.SeekStart); err != nil {
		return 0, err
	}
	w.pos = offset
	return offset, nil
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
