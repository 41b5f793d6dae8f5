package raftbackend

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/replctl/replicate/store/resource"
)

// Resources is a [Backend] as a resource.Backend. Its Snapshot and Restore are for all
// resources of a running cluster; those of Backend are for the host's own snapshots.
type Resources struct{ *Backend }

var _ resource.Backend = Resources{}

// Snapshot implements resource.Backend.
func (r Resources) Snapshot(ctx context.Context) (resource.Snapshot, error) {
	if err := r.catchUp(ctx, resource.Strong); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return r.state().Snapshot(), nil
}

// Restore implements resource.Backend. Commit sends the resources through the log, in
// messages of about 1 MiB, and then one that makes them the only ones. Of restorations at
// the same time the last one to begin wins; the others are resource.ErrInconsistent.
func (r Resources) Restore() (resource.Restoration, error) {
	if r.Backend == nil || r.handle == nil {
		return nil, fmt.Errorf("restore: %w", errNoHost)
	}
	return resource.NewRestoration(r.replaceAll), nil
}

// maxPart is the size of the resources in a part, in bytes; a larger one is alone in its part.
const maxPart = 1 << 20

func (b *Backend) replaceAll(ctx context.Context, all []*resource.Resource, above uint64) error {
	restoration, parts := rand.Text(), uint64(0)
	send := func(resources []resource.Resource) error {
		_, err := b.propose(ctx, &message{part: &part{restoration, parts, resources}})
		parts++
		return inconsistent(err) // whatever became of it: nothing is replaced yet
	}
	var next []resource.Resource
	size := 0
	for _, r := range all {
		n := len(encodeResource(r))
		if len(next) > 0 && size+n > maxPart {
			if err := send(next); err != nil {
				return err
			}
			next, size = nil, 0
		}
		next, size = append(next, *r), size+n
	}
	if err := send(next); err != nil {
		return err
	}
	_, err := b.propose(ctx, &message{replace: &replacement{restoration, parts, above}})
	return err
}
