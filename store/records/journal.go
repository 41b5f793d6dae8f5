package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// The keys of a copy's own records at the target.
const (
	ownPrefix   = "records-copy/"
	manifestKey = ownPrefix + "manifest"
	partsPrefix = ownPrefix + "journal/"
)

func partKey(n int) string { return fmt.Sprintf("%s%08d", partsPrefix, n) }

var (
	manifestFormat = record.Format{Name: "records-copy/1", Corrupt: ErrCorrupt}
	partFormat     = record.Format{Name: "records-journal/1", Corrupt: ErrCorrupt}
)

// manifest is the body of the record by which a target is known again.
type manifest struct {
	Source   string   `json:"source"`
	Prefixes []string `json:"prefixes"`
	State    state    `json:"state"`

	// When the copy was last begun or completed, by the clock of the machine that copied.
	At time.Time `json:"at"`

	Records int   `json:"records,omitempty"` // when it was completed
	Bytes   int64 `json:"bytes,omitempty"`
}

type state string

const (
	copying  state = "copying"
	complete state = "complete"
)

// part is one record of the journal: checksums of what is about to be written, by key.
type part map[string]string

// removed is in place of a checksum where the record is about to be removed.
const removed = ""

// journal is what the target says of the copies that were made there.
type journal struct {
	dst      cas.Store
	manifest manifest
	stored   record.Stored       // the manifest
	parts    int                 // records of the journal
	sums     map[string][]string // all that a copy has written or was about to write, the last one last
}

// openJournal reads what earlier copies have left at the target. It refuses copies of
// another source.
func openJournal(ctx context.Context, dst cas.Store, source string, prefixes []string) (*journal, error) {
	j := &journal{dst: dst, sums: map[string][]string{}}
	var err error
	if j.stored, err = manifestFormat.Read(ctx, dst, manifestKey, record.Stored{}); err != nil {
		return nil, err
	}
	for e, err := range dst.List(ctx, partsPrefix, "") {
		if err == nil && (e.Key != partKey(j.parts) || !j.exists()) {
			err = fmt.Errorf("%s: %w: want %s, below a manifest", e.Key, ErrCorrupt, partKey(j.parts))
		}
		if err == nil {
			err = j.readPart(ctx, e.Key)
		}
		if err != nil {
			return nil, err
		}
	}
	if !j.exists() {
		j.manifest = manifest{Source: source, Prefixes: prefixes}
		return j, nil
	}
	if j.manifest, err = decodeManifest(j.stored.Body); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestKey, err)
	}
	switch m := j.manifest; {
	case m.Source != source:
		return nil, &TargetError{manifestKey, fmt.Sprintf("says that this is a copy of %s, not of %s", m.Source, source)}
	case !slices.Equal(m.Prefixes, prefixes):
		return nil, &TargetError{manifestKey, fmt.Sprintf("says that this is a copy of %s, not of %s",
			strings.Join(m.Prefixes, ", "), strings.Join(prefixes, ", "))}
	}
	return j, nil
}

func (j *journal) exists() bool { return j.stored.Exists() }

func (j *journal) readPart(ctx context.Context, key string) error {
	r, err := partFormat.Read(ctx, j.dst, key, record.Stored{})
	if err != nil {
		return err
	}
	p, err := decodePart(r.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	j.note(p)
	return nil
}

func (j *journal) note(p part) {
	j.parts++
	for key, sum := range p {
		j.sums[key] = append(j.sums[key], sum)
	}
}

// check refuses what the target has and no copy has written. After a copy was completed, it
// has to have all that the copy has written, too.
func (j *journal) check(target map[string]version) error {
	done := j.manifest.State == complete
	for _, key := range slices.Sorted(maps.Keys(target)) {
		sums, sum := j.sums[key], target[key].sum
		if !slices.Contains(sums, sum) || done && sums[len(sums)-1] != sum {
			return &TargetError{key, "is not from this copy: the target is in use, or was"}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(j.sums)) {
		sums := j.sums[key]
		if _, ok := target[key]; done && !ok && sums[len(sums)-1] != removed {
			return &TargetError{key, "was removed since the copy was completed: the target is in use, or was"}
		}
	}
	return nil
}

// add writes the next record of the journal. The first one of a copy marks it as unfinished.
func (j *journal) add(ctx context.Context, p part) error {
	if err := j.mark(ctx, copying); err != nil {
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = partFormat.Swap(ctx, j.dst, partKey(j.parts), body, record.Stored{})
	if record.Lost(err) {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err == nil {
		j.note(p)
	}
	return err
}

// complete marks the copy as complete. A copy that was complete before, and had nothing to
// write, stays as it is.
func (j *journal) complete(ctx context.Context, target map[string]version, r Report) error {
	if j.manifest.State == complete {
		return nil
	}
	// An interrupted copy may not have come to what its journal says last.
	corrections := part{}
	for key, sums := range j.sums {
		if sum := target[key].sum; sums[len(sums)-1] != sum {
			corrections[key] = sum
		}
	}
	if len(corrections) > 0 {
		if err := j.add(ctx, corrections); err != nil {
			return err
		}
	}
	j.manifest.Records, j.manifest.Bytes = r.Records, r.Bytes
	return j.mark(ctx, complete)
}

// mark changes the state in the manifest.
func (j *journal) mark(ctx context.Context, s state) error {
	if j.manifest.State == s {
		return nil
	}
	m := j.manifest
	m.State, m.At = s, time.Now().UTC().Round(0)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	stored, err := manifestFormat.Swap(ctx, j.dst, manifestKey, body, j.stored)
	switch {
	case record.Lost(err), errors.Is(err, cas.ErrSuperseded):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case err != nil:
		return err
	}
	j.manifest, j.stored = m, stored
	return nil
}

func decodeManifest(body []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if m.Source == "" || len(m.Prefixes) == 0 || m.State != copying && m.State != complete {
		return m, fmt.Errorf("%w: source %.40q, state %.40q", ErrCorrupt, m.Source, m.State)
	}
	return m, nil
}

func decodePart(body []byte) (part, error) {
	var p part
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	for key := range p {
		if err := cas.CheckKey(key); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return p, nil
}
