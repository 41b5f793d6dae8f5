package replica

import (
	"context"
	"io"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/v3compat"
)

// backup reads the v0.3.x backup in the client's store.
func (c *Client) backup(ctx context.Context) (*v3compat.Reader, error) {
	store, _, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	return v3compat.New(store), nil
}

// GenerationsV3 implements [replicate.ReplicaClientV3].
func (c *Client) GenerationsV3(ctx context.Context) ([]string, error) {
	r, err := c.backup(ctx)
	if err != nil {
		return nil, err
	}
	return r.Generations(ctx)
}

// SnapshotsV3 implements [replicate.ReplicaClientV3].
func (c *Client) SnapshotsV3(ctx context.Context, generation string) ([]replicate.SnapshotInfoV3, error) {
	r, err := c.backup(ctx)
	if err != nil {
		return nil, err
	}
	return r.Snapshots(ctx, generation)
}

// WALSegmentsV3 implements [replicate.ReplicaClientV3].
func (c *Client) WALSegmentsV3(ctx context.Context, generation string) ([]replicate.WALSegmentInfoV3, error) {
	r, err := c.backup(ctx)
	if err != nil {
		return nil, err
	}
	return r.WALSegments(ctx, generation)
}

// OpenSnapshotV3 implements [replicate.ReplicaClientV3].
func (c *Client) OpenSnapshotV3(ctx context.Context, generation string, index int) (io.ReadCloser, error) {
	r, err := c.backup(ctx)
	if err != nil {
		return nil, err
	}
	return r.OpenSnapshot(ctx, generation, index)
}

// OpenWALSegmentV3 implements [replicate.ReplicaClientV3].
func (c *Client) OpenWALSegmentV3(
	ctx context.Context, generation string, index int, offset int64,
) (io.ReadCloser, error) {
	r, err := c.backup(ctx)
	if err != nil {
		return nil, err
	}
	return r.OpenWALSegment(ctx, generation, index, offset)
}
