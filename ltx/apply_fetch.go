package ltx

import (
	"context"
	"fmt"
	"io"

	"github.com/replctl/replicate/internal/readahead"
)

const (
	maxStreams  = 8
	aheadChunks = 8 // of each stream: 4 MiB

	// Room before the bytes of a chunk for what is left of the one before it:
	// less than the largest frame.
	chunkRoom = 68 << 10
)

// fetch reads files one after the other, while the next are already being read.
func fetch(ctx context.Context, files []*FileInfo, open OpenFunc, opts ApplyOptions) *readahead.Reader {
	var objects []readahead.Object
	for _, f := range files {
		objects = append(objects, readahead.Object{Size: f.Size, Open: func(ctx context.Context) (io.ReadCloser, error) {
			rc, err := open(ctx, f, 0, 0)
			if err != nil {
				return nil, fmt.Errorf("open: %w", err)
			}
			return namedReader{rc}, nil
		}})
	}
	return readahead.New(ctx, objects, readahead.Options{
		Streams: maxStreams, Ahead: aheadChunks, Room: chunkRoom, Progress: opts.Progress})
}

// namedReader says of an error that it is one of reading.
type namedReader struct{ io.ReadCloser }

func (r namedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !isEnd(err) {
		err = fmt.Errorf("read: %w", err)
	}
	return n, err
}
