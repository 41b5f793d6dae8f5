package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/replctl/replicate/v3compat"
)

// writeTimes lets the destination's times.json have the time of each object that
// is there or will be. Entries that are there stay as they are: they came with the
// objects. Where there was no times.json, the store's times were believed, and are
// written down for what the source does not know.
func (c *copier) writeTimes(ctx context.Context, generations []*v3compat.Generation) error {
	for _, g := range generations {
		if err := c.writeTimesOf(ctx, g); err != nil {
			return fmt.Errorf("destination: %w", err)
		}
	}
	return nil
}

func (c *copier) writeTimesOf(ctx context.Context, g *v3compat.Generation) error {
	there, err := c.dst.Backup().ReadTimes(ctx, g.ID)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	times := make(map[string]time.Time)
	if there == nil {
		now, err := c.dst.Backup().List(ctx, g.ID)
		if err != nil {
			return err
		}
		addTimes(times, now)
	}
	addTimes(times, g)
	maps.Copy(times, there)
	if there != nil && maps.EqualFunc(times, there, time.Time.Equal) {
		return nil
	}
	return v3compat.PutTimes(ctx, c.dst.Store, g.ID, times)
}

func addTimes(times map[string]time.Time, g *v3compat.Generation) {
	for _, o := range g.All() {
		if !o.At.IsZero() {
			times[g.Name(o.Key)] = o.At
		}
	}
}
