package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/v3compat"
)

// writeTimes lets the destination's times.json have the time of each object that
// is there or will be. Entries that are there stay as they are: they came with the
// objects. Where there was no times.json, the store's times were believed, and are
// written down for what the source does not know.
func (c *copier) writeTimes(ctx context.Context, generations []*generationV3) error {
	for _, g := range generations {
		if err := c.writeTimesOf(ctx, g); err != nil {
			return fmt.Errorf("destination: %w", err)
		}
	}
	return nil
}

func (c *copier) writeTimesOf(ctx context.Context, g *generationV3) error {
	there, err := readTimes(ctx, c.to, g.id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	times := make(map[string]time.Time)
	if there == nil {
		now, err := listGeneration(ctx, c.to, g.id)
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
	return putTimes(ctx, c.to, g.id, times)
}

func addTimes(times map[string]time.Time, g *generationV3) {
	for _, o := range g.all() {
		if !o.at.IsZero() {
			times[g.name(o.key)] = o.at
		}
	}
}

// putTimes replaces a times.json. Names of other objects than a generation's,
// which somebody may have put there, are left out.
func putTimes(ctx context.Context, store blob.Store, id string, times map[string]time.Time) error {
	known := (&generationV3{id: id})
	for name := range times {
		known.add(blob.Info{Key: v3compat.GenerationPrefix(id) + name})
	}
	kept := make(map[string]time.Time, len(times))
	for _, o := range known.all() {
		kept[known.name(o.key)] = times[known.name(o.key)]
	}
	var b bytes.Buffer
	if err := v3compat.WriteTimes(&b, kept); err != nil {
		return err
	}
	_, err := store.Write(ctx, v3compat.TimesKey(id), bytes.NewReader(b.Bytes()), blob.WriteOptions{})
	return err
}
