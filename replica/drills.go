package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// DrillsKey is the record with the last drills of a replica, in its root.
const DrillsKey = "drill/history"

// MaxDrills is how many drills the record keeps; the newest is the first.
const MaxDrills = 50

// maxDrillsSize bounds the record, in bytes.
const maxDrillsSize = 64 << 10

// Drill is one proof that a replica restores, or that it does not. See package drill.
type Drill struct {
	ID      string    `json:"id"`      // unlike any other
	Time    time.Time `json:"time"`    // when it ended
	Outcome string    `json:"outcome"` // "passed", "failed", "inconclusive"
	Moments int       `json:"moments"` // that were tried
	Seed    uint64    `json:"seed"`    // that picked them
	Newest  time.Time `json:"newest"`  // of the newest state then; zero if it is not known

	RestoreSeconds float64 `json:"restore_seconds"` // the longest restore
}

// ParseDrills parses a record of drills.
func ParseDrills(data []byte) (drills []Drill, err error) {
	if len(data) > maxDrillsSize {
		return nil, fmt.Errorf("the record of drills is larger than %d bytes", maxDrillsSize)
	}
	if err := json.Unmarshal(data, &drills); err != nil {
		return nil, fmt.Errorf("the record of drills: %w", err)
	}
	for _, d := range drills {
		if d.Time.IsZero() || d.Outcome == "" {
			return nil, errors.New("the record of drills has one without a time or an outcome")
		}
	}
	return drills[:min(len(drills), MaxDrills)], nil
}

// ReadDrills reads the record of drills: none if there is no record.
func (f *Files) ReadDrills(ctx context.Context) ([]Drill, error) {
	rc, err := f.store().Open(ctx, DrillsKey, 0, maxDrillsSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(rc)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", DrillsKey, err)
	}
	return ParseDrills(data)
}
