package replicate

import (
	"context"
	"io"
	"log/slog"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// The types of v0.3.x listings, here so that callers need not import v3compat.
type (
	SnapshotInfoV3   = v3compat.SnapshotInfo
	WALSegmentInfoV3 = v3compat.WALSegmentInfo
)

// ReplicaClient reads and writes the LTX files of one replica. It is method for
// method the interface of that name in Litestream 0.5, so Litestream's own
// clients satisfy it and ours satisfy Litestream's.
//
// Clients are safe for concurrent use. Every promise below is verified by
// package replicatest, which any engine can run.
type ReplicaClient interface {
	// Type names the engine: "file", "s3".
	Type() string

	// Init connects and finds out which layout the replica has. It is
	// idempotent, and every other method calls it when the caller has not. A
	// replica that does not exist yet is not an error.
	Init(ctx context.Context) error

	// LTXFiles lists the files of a level (0 to 9) in ascending order of
	// MinTXID, then MaxTXID, starting with the first whose MinTXID is at least
	// seek. The cost is that of what is returned, not of what is there. Names
	// that are not LTX files are passed over.
	//
	// With useMetadata CreatedAt is the time in each file's header: the true
	// time, as point-in-time decisions need it, at the price of a small read
	// per file. A header that cannot be read is an error; there is no silent
	// fallback. Without it CreatedAt is what the store shows: the file's mtime
	// (set from the header when the file was written), S3's time of upload.
	//
	// The iterator must be closed; Close returns its error as well. Items stay
	// valid after Next. A level with no files gives an empty iterator.
	LTXFiles(ctx context.Context, level int, seek ltx.TXID, useMetadata bool) (ltx.FileIterator, error)

	// OpenLTXFile reads size bytes from offset; size 0 means to the end. A
	// file that does not exist is os.ErrNotExist, also for os.IsNotExist.
	OpenLTXFile(ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64) (io.ReadCloser, error)

	// WriteLTXFile stores r as the given file. It becomes visible whole, with
	// the time of its header, and durable, or not at all; an existing file of
	// that name is replaced, unless the client was told not to (see
	// replica.Client.CreateOnly and FencedClient). The header must parse and name
	// the same transactions.
	//
	// The result describes what was written; CreatedAt is the header's time.
	WriteLTXFile(ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader) (*ltx.FileInfo, error)

	// DeleteLTXFiles deletes the files. One that does not exist is not an
	// error. All are tried, and every failure is in the joined error.
	DeleteLTXFiles(ctx context.Context, a []*ltx.FileInfo) error

	// DeleteAll deletes every LTX file of the replica, at all levels, and what
	// interrupted writes left there. It leaves alone what is not LTX: a lease
	// record, a v0.3.x backup in the same place, foreign objects.
	DeleteAll(ctx context.Context) error

	// SetLogger sets where the client reports what is not worth an error.
	SetLogger(logger *slog.Logger)
}

// ReplicaClientV3 reads a Litestream v0.3.x backup. It is the interface of that
// name in Litestream 0.5, but for the element types of the two listings, which
// are ours, field for field the same.
type ReplicaClientV3 interface {
	// GenerationsV3 lists the generation IDs, ascending. None is not an error.
	GenerationsV3(ctx context.Context) ([]string, error)

	// SnapshotsV3 lists a generation's snapshots by index. A generation that
	// does not exist has none.
	SnapshotsV3(ctx context.Context, generation string) ([]SnapshotInfoV3, error)

	// WALSegmentsV3 lists a generation's WAL segments by index, then offset.
	WALSegmentsV3(ctx context.Context, generation string) ([]WALSegmentInfoV3, error)

	// OpenSnapshotV3 reads a snapshot, decompressed: a SQLite database file. A
	// truncated or damaged LZ4 frame is an error from Read that names the
	// object, never a short file.
	OpenSnapshotV3(ctx context.Context, generation string, index int) (io.ReadCloser, error)

	// OpenWALSegmentV3 reads a WAL segment, decompressed, with the same
	// guarantee.
	OpenWALSegmentV3(ctx context.Context, generation string, index int, offset int64) (io.ReadCloser, error)
}
