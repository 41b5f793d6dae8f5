package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// errReplaced: a file is not the one that was read before under its name.
var errReplaced = errors.New("the file was replaced since the view was opened")

// errTouched: a file has another modification time than before. It may be the same file:
// Litestream sets the time of a file after it has given it its name.
var errTouched = fmt.Errorf("%w: it has another time", errReplaced)

// version is which version of an object was read first.
type version struct {
	mu      sync.Mutex
	known   bool
	etag    string
	size    int64
	at      time.Time
	trailer []byte // of the file, with the checksum of all of it; nil until it was read
}

// sketched notes the end of the file.
func (v *version) sketched(end []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trailer = bytes.Clone(end[max(0, len(end)-ltx.TrailerSize):])
}

// forget makes the version that is read next the first.
func (v *version) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known = false
}

// hasTrailer reports whether the trailer was read.
func (v *version) hasTrailer() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.trailer != nil
}

// check returns an error if an object that was opened is another version than before.
func (v *version) check(rc io.Reader) error {
	d, ok := rc.(blob.Describer)
	if !ok {
		return nil
	}
	info, ok := d.Describe()
	if !ok {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case !v.known:
		v.known, v.etag, v.size, v.at = true, info.ETag, info.Size, info.ModTime
	case v.etag != info.ETag, v.size != info.Size:
		return errReplaced
	case !v.at.Equal(info.ModTime) && v.etag != "":
		return errReplaced
	case !v.at.Equal(info.ModTime):
		return errTouched
	}
	return nil
}

// touched accepts another time of a file whose trailer is the one that was read before.
func (p *pages) touched(ctx context.Context, f *stored) error {
	trailer, at, err := p.readTrailer(ctx, f)
	if err != nil {
		return err
	}
	f.version.mu.Lock()
	defer f.version.mu.Unlock()
	if !bytes.Equal(trailer, f.version.trailer) {
		return errReplaced
	}
	if !at.IsZero() {
		f.version.at = at
	}
	return nil
}

// readTrailer reads the trailer of a file as it is now, and the file's time, zero if the store does not tell.
func (p *pages) readTrailer(ctx context.Context, f *stored) (trailer []byte, at time.Time, err error) {
	rc, err := p.replica.OpenFile(ctx, f.info, f.info.Size-ltx.TrailerSize, ltx.TrailerSize)
	if err != nil {
		return nil, at, err
	}
	defer rc.Close()
	trailer = make([]byte, ltx.TrailerSize)
	if err := readAll(rc, f.info.Size-ltx.TrailerSize, trailer); err != nil {
		return nil, at, err
	}
	if d, ok := rc.(blob.Describer); ok {
		if info, ok := d.Describe(); ok {
			at = info.ModTime
		}
	}
	return trailer, at, nil
}

// openFile opens a range of a file, which must be the version that was read before.
func (p *pages) openFile(ctx context.Context, f *stored, offset, length int64) (io.ReadCloser, error) {
	rc, err := p.replica.OpenFile(ctx, f.info, offset, length)
	if err != nil {
		return nil, err
	}
	err = f.version.check(rc)
	if errors.Is(err, errTouched) && f.version.hasTrailer() {
		err = p.touched(ctx, f)
	}
	if err != nil {
		rc.Close()
		return nil, err
	}
	return rc, nil
}

// readAll fills b from a reader of a file that stands at an offset.
func readAll(r io.Reader, offset int64, b []byte) error {
	n, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends at %d, not at %d or later", ltx.ErrTruncated, offset+int64(n), offset+int64(len(b)))
	}
	return err
}
