package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// Problem is one finding about a replica: what, where, and what follows.
type Problem = v3compat.Problem

// Severity says how bad a Problem is.
type Severity = v3compat.Severity

const (
	SeverityError   = v3compat.SeverityError   // something cannot be restored
	SeverityWarning = v3compat.SeverityWarning // out of order, nothing is lost
	SeverityInfo    = v3compat.SeverityInfo    // worth knowing
)

// The formats a replica may have.
const (
	FormatLTX = "ltx"  // Litestream 0.5
	FormatV3  = "v0.3" // Litestream v0.3.x
)

// ReadMode says how much of a replica an inspection reads.
type ReadMode int

const (
	// ReadAuto is ReadAll for a replica of up to AutoReadBytes in up to
	// AutoReadObjects objects, and ReadNone for a larger one.
	ReadAuto ReadMode = iota
	// ReadAll reads and verifies every object.
	ReadAll
	// ReadNone judges by names and sizes, and by the headers of the first and
	// the last file of each level.
	ReadNone
)

// What ReadAuto reads without being asked: a few seconds' worth.
const (
	AutoReadBytes   = 64 << 20
	AutoReadObjects = 2000
)

// InspectOptions say how deep an inspection goes.
type InspectOptions struct {
	Read ReadMode

	// Progress, if set, is told how many of the bytes to read were read. Calls
	// do not overlap.
	Progress func(done, total int64)
}

// Inspection is what is in a replica's root: of either format, or both, or none.
type Inspection struct {
	LTX         *LTXInspection     // nil if there are no LTX files
	Generations []*v3compat.Report // v0.3.x generations, by ID
	Lease       *LeaseInspection   // nil if there is no record
	Problems    []Problem          // the worst first, then by format

	// Objects and Bytes count what belongs to a format. Verified of them were
	// read from end to end: all, or none.
	Objects  int
	Bytes    int64
	Verified int
}

// LTXInspection is the LTX side of an Inspection.
type LTXInspection struct {
	Layout ltx.Layout
	Levels []ltx.LevelSummary // that have files, ascending; times are true times

	// MaxTXID is the highest transaction in any file. RestorableTXID is the
	// highest that a restore can reach, RestorableTime its time; both are zero
	// if there is none.
	MaxTXID        ltx.TXID
	RestorableTXID ltx.TXID
	RestorableTime time.Time
}

// LeaseInspection is the lease's record as found, at the time of the inspection.
type LeaseInspection struct {
	Lease // zero if the record is corrupt
	State LeaseState
}

// Formats lists the formats found: FormatLTX, FormatV3.
func (in *Inspection) Formats() []string {
	formats := []string{}
	if in.LTX != nil {
		formats = append(formats, FormatLTX)
	}
	if len(in.Generations) > 0 {
		formats = append(formats, FormatV3)
	}
	return formats
}

// Damaged reports whether any problem is an error.
func (in *Inspection) Damaged() bool {
	for _, p := range in.Problems {
		if p.Severity == SeverityError {
			return true
		}
	}
	return false
}

// Inspect examines the replica, without restoring it. What is wrong with the
// replica is in Problems; an error means that it could not look. Objects that
// vanish while it looks (a replicator may be at work) are passed over.
func (c *StoreClient) Inspect(ctx context.Context, opts InspectOptions) (*Inspection, error) {
	store, layout, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	in := &inspector{Inspection: &Inspection{}, store: store, layout: layout, opts: opts}
	for _, step := range []func(context.Context) error{in.survey, in.readLease, in.surveyLTX, in.surveyV3, in.verifyLTX, in.verifyV3} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("inspect: %w", err)
		}
	}
	slices.SortStableFunc(in.Problems, func(a, b Problem) int {
		return cmp.Compare(rank(a.Severity), rank(b.Severity))
	})
	return in.Inspection, nil
}

func rank(s Severity) int {
	return slices.Index([]Severity{SeverityError, SeverityWarning, SeverityInfo}, s)
}

type inspector struct {
	*Inspection
	store   blob.Reader
	layout  ltx.Layout // that the client uses
	opts    InspectOptions
	layouts []ltx.Layout    // that are there
	files   []*ltx.FileInfo // of the layout that the client uses
	v3      *v3compat.Reader

	mu   sync.Mutex
	done int64 // bytes read
}

func (in *inspector) problem(severity Severity, object, format string, args ...any) {
	in.Problems = append(in.Problems, Problem{Severity: severity, Object: object, Message: fmt.Sprintf(format, args...)})
}

// maxForeign is how many foreign objects an inspection names, in each place.
const maxForeign = 20

// survey looks at the root: which formats, and what does not belong.
func (in *inspector) survey(ctx context.Context) error {
	var prefixes []string
	var foreign foreignNames
	for info, err := range in.store.List(ctx, "", blob.ListOptions{Delimited: true}) {
		switch key := info.Key; {
		case err != nil:
			return err
		case len(ltx.DetectLayout([]string{key})) > 0:
			prefixes = append(prefixes, key)
		case key == v3compat.GenerationsPrefix:
			in.v3 = v3compat.New(in.store)
		case key == DefaultLeaseFile:
			in.Lease = &LeaseInspection{}
		default:
			foreign.add(key)
		}
	}
	in.layouts = ltx.DetectLayout(prefixes)
	foreign.report(in, "")
	return nil
}

// foreignNames collects what is in a place and does not belong there.
type foreignNames struct {
	names []string
	count int
}

func (f *foreignNames) add(key string) {
	if f.count++; f.count <= maxForeign {
		f.names = append(f.names, key)
	}
}

func (f *foreignNames) report(in *inspector, place string) {
	for _, key := range f.names {
		if strings.HasSuffix(key, ".tmp") {
			in.problem(SeverityWarning, key, "leftover of an interrupted write; no reader uses it")
			continue
		}
		in.problem(SeverityWarning, key, "not part of a replica; no reader uses it")
	}
	if more := f.count - len(f.names); more > 0 {
		in.problem(SeverityWarning, place, "%d more objects that are not part of a replica", more)
	}
}

func (in *inspector) readLease(ctx context.Context) error {
	if in.Lease == nil {
		return nil
	}
	rc, err := in.store.Open(ctx, DefaultLeaseFile, 0, MaxLeaseRecordSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		in.Lease = nil
		return nil
	} else if err != nil {
		return err
	}
	defer rc.Close()
	data, err := io.ReadAll(rc)
	if err != nil {
		return fmt.Errorf("read %s: %w", DefaultLeaseFile, err)
	}
	lease, state, err := ParseLease(data, time.Now())
	if err != nil {
		in.problem(SeverityError, DefaultLeaseFile, "%v; no writer can take the lease until it is broken", err)
	} else {
		in.Lease.Lease = *lease
	}
	in.Lease.State = state
	return nil
}

// reads reports whether the objects are to be read from end to end.
func (in *inspector) reads() bool {
	switch in.opts.Read {
	case ReadAll:
		return true
	case ReadNone:
		return false
	}
	return in.Bytes <= AutoReadBytes && in.Objects <= AutoReadObjects
}

func (in *inspector) progress(n int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.done += n
	if in.opts.Progress != nil {
		in.opts.Progress(in.done, in.Bytes)
	}
}

func (in *inspector) surveyV3(ctx context.Context) error {
	if in.v3 == nil {
		return nil
	}
	var foreign foreignNames
	for info, err := range in.store.List(ctx, v3compat.GenerationsPrefix, blob.ListOptions{Delimited: true}) {
		if err != nil {
			return err
		}
		id, isDir := strings.CutSuffix(strings.TrimPrefix(info.Key, v3compat.GenerationsPrefix), "/")
		if !isDir || !v3compat.IsGenerationID(id) {
			foreign.add(info.Key)
			continue
		}
		rep, err := in.v3.Inspect(ctx, id, v3compat.InspectOptions{})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		in.Generations = append(in.Generations, rep)
		in.Objects += len(rep.Snapshots) + len(rep.WALSegments)
		in.Bytes += rep.Bytes
	}
	foreign.report(in, v3compat.GenerationsPrefix)
	return nil
}

func (in *inspector) verifyV3(ctx context.Context) error {
	for i, rep := range in.Generations {
		if in.reads() {
			deep, err := in.v3.Inspect(ctx, rep.Generation, v3compat.InspectOptions{Read: true, Progress: in.progress})
			if errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return err
			}
			in.Generations[i], rep = deep, deep
			in.Verified += len(rep.Snapshots) + len(rep.WALSegments)
		}
		in.Problems = append(in.Problems, rep.Problems...)
	}
	return nil
}
