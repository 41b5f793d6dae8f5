package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/internal/flow"
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

	// Continue allows a snapshot in a replica that was last written to by a
	// replicator, which must not be running any more. See [WriteSnapshot].
	Continue bool

	// Force allows a snapshot in a replica that is, or seems to be, of another database.
	Force bool

	// Archive leaves out the file at level 0, and with it half of the bytes.
	// Litestream must then never replicate to this place: it looks for the last
	// transaction at level 0, would start again at 1, and restore the snapshot
	// instead of what it writes.
	Archive bool

	// Progress, if set, is told how many pages of how many were read. Calls do not
	// overlap.
	Progress func(done, total int64)
}

// ErrReplicated: a replicator was the last to write to the replica, or a v0.3 backup
// is in the same place.
var ErrReplicated = errors.New("the replica is a replicator's")

// snapshotNode marks the files that WriteSnapshot writes, in the field of the header
// for the writer's ID, which Litestream leaves zero: "replctl".
const snapshotNode = 0x007265706c63746c

// WriteSnapshot writes an image into a replica, with the number of the transaction
// after the last one there is: as an LTX file of level 9 and, unless it is an
// Archive, as one of level 0 as well, so that Litestream can go on from there. It
// returns what it wrote, level 0 first.
//
// A replicator numbers transactions as well. If one is running, its next one gets
// the same number for something else, and the two do not make one database: hence
// the error ErrReplicated, unless Continue is set. Against a second writer of
// snapshots a create-only client helps, or a lease ([FencedClient]).
func WriteSnapshot(
	ctx context.Context, client replicate.ReplicaClient, im Image, opts SnapshotOptions,
) (files []*ltx.FileInfo, err error) {
	defer errs.Wrap(&err, "write snapshot")
	if client == nil || im == nil {
		return nil, errors.New("a client and an image are needed")
	}
	if !opts.Continue {
		if err := lookForBackup(ctx, client); err != nil {
			return nil, err
		}
	}
	there, err := ListAll(ctx, client)
	if err != nil {
		return nil, err
	}
	last, err := lastTransaction(ctx, client, there, opts.Continue)
	if err != nil {
		return nil, err
	}
	if !opts.Force {
		if err := checkSameDatabase(ctx, client, im, there); err != nil {
			return nil, err
		}
	}
	snapshot := ltx.SnapshotOptions{
		TXID: last.TXID + 1, Time: opts.Time, PageSize: im.PageSize(), Commit: im.Pages(), NodeID: snapshotNode,
	}
	if opts.Time.Before(last.Time) {
		snapshot.Time = last.Time
	}
	levels := []int{ltx.MinLevel, ltx.SnapshotLevel} // in this order: a snapshot alone is what Archive warns of
	if opts.Archive {
		levels = levels[1:]
	}
	progress := newPageProgress(im, len(levels), opts.Progress)
	for _, level := range levels {
		snapshot.MinTXID = 1
		if level == ltx.MinLevel {
			snapshot.MinTXID = snapshot.TXID
		}
		f, err := writeSnapshot(ctx, client, im, level, snapshot, progress)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// newPageProgress counts the pages of several passes.
func newPageProgress(im Image, passes int, progress func(done, total int64)) func() {
	done, total := int64(0), int64(im.Pages())*int64(passes)
	return func() {
		if done++; progress != nil {
			progress(min(done, total), total)
		}
	}
}

// lookForBackup refuses a place with a v0.3 backup: of two formats in one place a
// restore takes the one that is newer at the moment.
func lookForBackup(ctx context.Context, client replicate.ReplicaClient) error {
	c, ok := client.(replicate.ReplicaClientV3)
	if !ok {
		return nil
	}
	generations, err := c.GenerationsV3(ctx)
	if err == nil && len(generations) > 0 {
		err = fmt.Errorf("%w: a v0.3 backup is there, with generation %s", ErrReplicated, generations[0])
	}
	return err
}

// ListAll lists the LTX files of any client, by level.
func ListAll(ctx context.Context, client replicate.ReplicaClient) (files []*ltx.FileInfo, err error) {
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		itr, err := client.LTXFiles(ctx, level, 0, false)
		if err != nil {
			return nil, err
		}
		for itr.Next() {
			files = append(files, itr.Item())
		}
		if err := itr.Close(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// lastTransaction is the last one in any file, with its true time.
func lastTransaction(
	ctx context.Context, client replicate.ReplicaClient, files []*ltx.FileInfo, replicated bool,
) (last Point, err error) {
	if len(files) == 0 {
		return last, nil
	}
	file := slices.MaxFunc(files, func(a, b *ltx.FileInfo) int { return cmp.Compare(a.MaxTXID, b.MaxTXID) })
	h, err := ltx.LoadHeader(ctx, ltx.OpenFrom(client), file)
	switch {
	case err != nil:
		return last, err
	case h.NodeID != snapshotNode && !replicated:
		name := ltx.FormatName(file.MinTXID, file.MaxTXID)
		return last, fmt.Errorf("%w: it wrote the last file, %s of level %d", ErrReplicated, name, file.Level)
	}
	return Point{TXID: file.MaxTXID, Time: ltx.Time(h)}, nil
}

// writeSnapshot lets a file flow from the image to the client.
func writeSnapshot(
	ctx context.Context, client replicate.ReplicaClient, im Image, level int, opts ltx.SnapshotOptions, progress func(),
) (info *ltx.FileInfo, err error) {
	err = flow.Pipe(func(w io.Writer) error {
		_, err := ltx.WriteSnapshot(w, opts, func(pgno uint32, buf []byte) error {
			progress()
			return im.ReadPage(pgno, buf)
		})
		return err
	}, func(r io.Reader) (err error) {
		info, err = client.WriteLTXFile(ctx, level, opts.MinTXID, opts.TXID, r)
		return err
	})
	return info, err
}
