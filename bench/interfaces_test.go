package bench

import (
	"context"

	"github.com/benbjohnson/litestream"
	lsfile "github.com/benbjohnson/litestream/file"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
)

// Ours where Litestream's is wanted, and Litestream's where ours is. That this
// compiles is the test.
var (
	_ litestream.ReplicaClient = (*file.ReplicaClient)(nil)
	_ replicate.ReplicaClient  = (*lsfile.ReplicaClient)(nil)

	_ litestream.ReplicaClientV3 = forLitestream{}
	_ replicate.ReplicaClientV3  = fromLitestream{}
)

// A v0.3.x reader fits through an adapter only: its listings return slices of a
// struct that each module declares for itself. The structs are the same field
// for field, so that a value converts to the other type; but a Go slice of one
// type does not, and a method with another result is another method. An alias,
// as for the LTX types, would have the library import Litestream.

// forLitestream is a reader of ours as Litestream takes it.
type forLitestream struct{ replicate.ReplicaClientV3 }

func (a forLitestream) SnapshotsV3(ctx context.Context, generation string) (out []litestream.SnapshotInfoV3, err error) {
	in, err := a.ReplicaClientV3.SnapshotsV3(ctx, generation)
	for _, s := range in {
		out = append(out, litestream.SnapshotInfoV3(s))
	}
	return out, err
}

func (a forLitestream) WALSegmentsV3(ctx context.Context, generation string) (out []litestream.WALSegmentInfoV3, err error) {
	in, err := a.ReplicaClientV3.WALSegmentsV3(ctx, generation)
	for _, s := range in {
		out = append(out, litestream.WALSegmentInfoV3(s))
	}
	return out, err
}

// fromLitestream is Litestream's reader as one of ours.
type fromLitestream struct{ litestream.ReplicaClientV3 }

func (a fromLitestream) SnapshotsV3(ctx context.Context, generation string) (out []replicate.SnapshotInfoV3, err error) {
	in, err := a.ReplicaClientV3.SnapshotsV3(ctx, generation)
	for _, s := range in {
		out = append(out, replicate.SnapshotInfoV3(s))
	}
	return out, err
}

func (a fromLitestream) WALSegmentsV3(ctx context.Context, generation string) (out []replicate.WALSegmentInfoV3, err error) {
	in, err := a.ReplicaClientV3.WALSegmentsV3(ctx, generation)
	for _, s := range in {
		out = append(out, replicate.WALSegmentInfoV3(s))
	}
	return out, err
}
