package drill

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/replica"
)

// Record is what is kept of a report.
func (r *Report) Record() replica.Drill {
	return replica.Drill{
		ID: rand.Text(), Time: r.Ended.UTC(), Outcome: string(r.Outcome), Moments: len(r.Moments), Seed: r.Seed,
		Newest: r.Newest.Time.UTC(), RestoreSeconds: r.Restore.Seconds(),
	}
}

// Keep adds a drill to the record of a replica, whose records are in a store. A record that cannot be
// parsed is an error, and stays.
func Keep(ctx context.Context, store cas.Store, d replica.Drill) error {
	for attempt := 0; ; attempt++ {
		err := keep(ctx, store, d)
		if !errors.Is(err, cas.ErrConflict) || attempt == 10 {
			return err
		}
		if err := clock.System.Sleep(ctx, time.Duration(attempt+1)*20*time.Millisecond); err != nil {
			return err
		}
	}
}

func keep(ctx context.Context, store cas.Store, d replica.Drill) error {
	var drills []replica.Drill
	record, err := store.Read(ctx, replica.DrillsKey, "")
	if err != nil {
		return fmt.Errorf("read the record of drills: %w", err)
	}
	if record.Exists() {
		if drills, err = replica.ParseDrills(record.Value); err != nil {
			return err
		}
	}
	drills = append([]replica.Drill{d}, drills[:min(len(drills), replica.MaxDrills-1)]...)
	data, err := json.Marshal(drills)
	if err != nil {
		return err
	}
	if _, err := cas.Swap(ctx, store, replica.DrillsKey, data, record.Token); err != nil {
		return fmt.Errorf("write the record of drills: %w", err)
	}
	return nil
}
