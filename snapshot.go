package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/replctl/replicate/ltx"
)

// Image is a database as of one moment; package sqlite has those of live ones.
type Image interface {
	PageSize() uint32 // bytes
	Pages() uint32
	ReadPage(pgno uint32, buf []byte) error // of PageSize bytes; pages are numbered from 1
}

// SnapshotOptions are how a snapshot is written.
type SnapshotOptions struct {
	// Time is that of the image. Where the replica's last transaction is later, by
	// another machine's clock, the snapshot has that one's time: the time of
	// transactions does not go back.
	Time time.Time

	// Continue allows a snapshot in a replica that has other files than snapshots:
	// a replicator's, which must not be running any more. See [WriteSnapshot].
	Continue bool

	// Progress, if set, is told how many pages of how many were read. Calls do not
	// overlap.
	Progress func(done, total int64)
}

// ErrReplicated: a replicator has written to the replica.
var ErrReplicated = errors.New("the replica has a replicator's files")

// WriteSnapshot writes an image into a replica: an LTX file of level 9, with the
// number of the transaction after the last one there is.
//
// A replicator numbers transactions as well. If one is running, its next one gets
// the same number for something else, and the two do not make one database: hence
// the error ErrReplicated, unless Continue is set. Against a second writer of
// snapshots a create-only client helps, or a lease ([FencedClient]).
func WriteSnapshot(ctx context.Context, client ReplicaClient, im Image, opts SnapshotOptions) (*ltx.FileInfo, error) {
	last, err := lastTransaction(ctx, client, opts.Continue)
	if err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	at := opts.Time
	if at.Before(last.Time) {
		at = last.Time
	}
	info, err := writeSnapshot(ctx, client, im, ltx.SnapshotOptions{TXID: last.TXID + 1, Time: at, PageSize: im.PageSize(), Commit: im.Pages()}, opts.Progress)
	if err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	return info, nil
}

// lastTransaction is the last one in any file, with its true time.
func lastTransaction(ctx context.Context, client ReplicaClient, replicated bool) (last Point, err error) {
	var file *ltx.FileInfo
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		itr, err := client.LTXFiles(ctx, level, 0, false)
		if err != nil {
			return last, err
		}
		for itr.Next() {
			if f := itr.Item(); file == nil || f.MaxTXID > file.MaxTXID {
				file = f
			}
		}
		if err := itr.Close(); err != nil {
			return last, err
		}
		if file != nil && level < ltx.SnapshotLevel && !replicated {
			return last, fmt.Errorf("%w, such as %s of level %d", ErrReplicated, ltx.FormatName(file.MinTXID, file.MaxTXID), file.Level)
		}
	}
	if file == nil {
		return last, nil
	}
	rc, err := client.OpenLTXFile(ctx, file.Level, file.MinTXID, file.MaxTXID, 0, ltx.HeaderSize)
	if err != nil {
		return last, err
	}
	defer rc.Close()
	h, err := ltx.ReadHeader(rc)
	if err != nil {
		return last, fmt.Errorf("read ltx header of %s: %w", ltx.FormatName(file.MinTXID, file.MaxTXID), err)
	}
	return Point{TXID: file.MaxTXID, Time: ltx.Time(h)}, nil
}

// writeSnapshot lets the file flow from the image to the client.
func writeSnapshot(ctx context.Context, client ReplicaClient, im Image, opts ltx.SnapshotOptions, progress func(done, total int64)) (*ltx.FileInfo, error) {
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := ltx.WriteSnapshot(w, opts, func(pgno uint32, buf []byte) error {
			if progress != nil {
				progress(int64(pgno), int64(opts.Commit))
			}
			return im.ReadPage(pgno, buf)
		})
		w.CloseWithError(err)
	}()
	info, err := client.WriteLTXFile(ctx, ltx.SnapshotLevel, 1, opts.TXID, r)
	_ = r.CloseWithError(errors.New("the snapshot is no longer wanted")) // nobody reads the rest
	<-written                                                            // the image is not used after the return
	return info, err
}
