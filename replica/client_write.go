package replica

import (
	"bytes"
	"context"
	"io"

	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/ltx"
)

// WriteLTXFile implements [replicate.ReplicaClient].
func (c *Client) WriteLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader,
) (_ *ltx.FileInfo, err error) {
	defer errs.Wrap(&err, "write ltx file")
	files, createOnly, err := c.forWriting(ctx)
	if err != nil {
		return nil, err
	}
	return files.Write(ctx, &ltx.FileInfo{Level: level, MinTXID: minTXID, MaxTXID: maxTXID}, r, createOnly)
}

// peekHeader parses the header and returns a reader of the whole: r itself where
// it can seek, so that an engine still sees its length.
func peekHeader(r io.Reader) (ltx.Header, io.Reader, error) {
	if s, ok := r.(io.ReadSeeker); ok {
		start, err := s.Seek(0, io.SeekCurrent)
		if err == nil { // a pipe is an *os.File, and cannot seek
			h, err := ltx.ReadHeader(s)
			if err != nil {
				return h, nil, err
			}
			_, err = s.Seek(start, io.SeekStart)
			return h, s, err
		}
	}
	var head bytes.Buffer
	h, err := ltx.ReadHeader(io.TeeReader(r, &head))
	return h, io.MultiReader(&head, r), err
}
