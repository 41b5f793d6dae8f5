package replicate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// WriteLTXFile implements [ReplicaClient].
func (c *StoreClient) WriteLTXFile(ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader) (*ltx.FileInfo, error) {
	info, err := c.writeLTXFile(ctx, level, minTXID, maxTXID, r)
	if err != nil {
		return nil, fmt.Errorf("write ltx file: %w", err)
	}
	return info, nil
}

func (c *StoreClient) writeLTXFile(ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader) (*ltx.FileInfo, error) {
	if err := checkFile(level, minTXID, maxTXID); err != nil {
		return nil, err
	}
	store, layout, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	key := layout.Key(level, minTXID, maxTXID)
	h, r, err := peekHeader(r)
	if err == nil {
		// Its level and size are not held against it: what arrives is stored.
		err = ltx.CheckInfo(&ltx.FileInfo{MinTXID: minTXID, MaxTXID: maxTXID}, h)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	created := ltx.Time(h)
	opts := blob.WriteOptions{ModTime: created, Metadata: map[string]string{}}
	if k, ok := store.(blob.ModTimeKeeper); !ok || !k.KeepsModTime() {
		opts.Metadata[MetadataTimestamp] = created.Format(time.RFC3339Nano)
	}
	if c.stamp != nil {
		c.stamp(opts.Metadata)
	}
	put := store.Write
	if c.CreateOnly {
		put = creator{store}.Write
	}
	info, err := put(ctx, key, r, opts)
	if err != nil {
		return nil, err
	}
	return fileInfo(level, minTXID, maxTXID, info.Size, created), nil
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
