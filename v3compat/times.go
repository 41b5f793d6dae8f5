package v3compat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
)

const (
	timesVersion = 1

	// maxTimesSize bounds times.json: some 900,000 objects.
	maxTimesSize = 64 << 20
)

type timesFile struct {
	Version int                  `json:"version"`
	Times   map[string]time.Time `json:"times"`
}

// ReadTimes decodes a times.json: for each object of a generation, by its key
// below the generation ("snapshots/00000000.snapshot.lz4"), when it was written.
//
//	{"version": 1, "times": {"snapshots/<name>": "<RFC 3339>", "wal/<name>": ...}}
//
// What is malformed, of another version, or larger than 64 MiB is an error that
// is [ErrTimes]; so is a time of zero, since it would read as no time at all.
// Names of other objects are allowed and kept.
func ReadTimes(r io.Reader) (map[string]time.Time, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTimesSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTimesSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrTimes, maxTimesSize)
	}
	var file timesFile
	switch err := json.Unmarshal(data, &file); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrTimes, err)
	case file.Version != timesVersion:
		return nil, fmt.Errorf("%w: version %d, want %d", ErrTimes, file.Version, timesVersion)
	case file.Times == nil:
		return nil, fmt.Errorf("%w: no times in it", ErrTimes)
	}
	for name, t := range file.Times {
		if t.IsZero() {
			return nil, fmt.Errorf("%w: %s has time zero", ErrTimes, name)
		}
	}
	return file.Times, nil
}

// WriteTimes encodes a times.json that [ReadTimes] takes, one object per line.
// It refuses names that are no objects of a generation, and times of zero.
func WriteTimes(w io.Writer, times map[string]time.Time) error {
	file := timesFile{Version: timesVersion, Times: make(map[string]time.Time, len(times))}
	for name, t := range times {
		if !isObjectName(name) {
			return fmt.Errorf("write times: %q is neither a snapshot nor a WAL segment", name)
		}
		if t.IsZero() {
			return fmt.Errorf("write times: %s has time zero", name)
		}
		file.Times[name] = t.UTC()
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(file); err != nil {
		return fmt.Errorf("write times: %w", err)
	}
	return nil
}

func isObjectName(name string) bool {
	if base, ok := strings.CutPrefix(name, SnapshotsDir); ok {
		_, err := ParseSnapshotName(base)
		return err == nil
	}
	base, ok := strings.CutPrefix(name, WALDir)
	_, _, err := ParseWALSegmentName(base)
	return ok && err == nil
}

// objectTimes are the times of a generation's objects: those of its times.json
// where there is one, and the store's where there is none. Never a mixture.
type objectTimes struct {
	key   string
	times map[string]time.Time // nil: no times.json
}

func (t objectTimes) of(name string, info blob.Info) (time.Time, error) {
	if t.times == nil {
		return info.ModTime, nil
	}
	at, ok := t.times[name]
	if !ok {
		return time.Time{}, fmt.Errorf("%s: %w: it does not mention %s", t.key, ErrTimes, name)
	}
	return at, nil
}

// loadTimes reads the times.json that a listing has come across.
func (r *Reader) loadTimes(ctx context.Context, info blob.Info) (objectTimes, error) {
	if info.Size > maxTimesSize {
		return objectTimes{}, &ObjectError{info.Key, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTimes, info.Size, maxTimesSize)}
	}
	rc, err := r.store.Open(ctx, info.Key, 0, 0)
	if err != nil {
		return objectTimes{}, err
	}
	defer rc.Close()
	times, err := ReadTimes(rc)
	if err != nil {
		return objectTimes{}, &ObjectError{info.Key, err}
	}
	return objectTimes{key: info.Key, times: times}, nil
}
