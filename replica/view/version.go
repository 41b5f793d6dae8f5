package view

import (
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

// version is which version of an object was read first.
type version struct {
	mu    sync.Mutex
	known bool
	etag  string
	size  int64
	at    time.Time
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
	case v.etag != info.ETag, v.size != info.Size, !v.at.Equal(info.ModTime):
		return errReplaced
	}
	return nil
}

// openFile opens a range of a file, which must be the version that was read before.
func (p *pages) openFile(ctx context.Context, f *stored, offset, length int64) (io.ReadCloser, error) {
	rc, err := p.replica.OpenFile(ctx, f.info, offset, length)
	if err != nil {
		return nil, err
	}
	if err := f.version.check(rc); err != nil {
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
