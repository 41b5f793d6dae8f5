package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
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
	// ReadOutlines judges LTX files by their headers, page indexes and trailers,
	// which shows what was cut off or is not what its name says; v0.3 objects by
	// names and sizes.
	ReadOutlines
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

	large ReadMode // what ReadAuto does with a large replica; ReadNone unless it is ReadOutlines
}

// Inspection is what is in a replica's root: of either format, or both, or none.
type Inspection struct {
	LTX         *LTXInspection       // nil if there are no LTX files
	Generations []*v3compat.Report   // v0.3.x generations, by ID
	Lease       *replica.LeaseRecord // nil if there is no record
	Problems    []replica.Problem    // the worst first, then by format

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

// Formats lists the formats found: FormatLTX, FormatV3.
func (in *Inspection) Formats() []string {
	formats := []string{}
	if in == nil {
		return formats
	}
	if in.LTX != nil {
		formats = append(formats, replica.FormatLTX)
	}
	if len(in.Generations) > 0 {
		formats = append(formats, replica.FormatV3)
	}
	return formats
}

// Damaged reports whether any problem is an error.
func (in *Inspection) Damaged() bool {
	isError := func(p replica.Problem) bool { return p.Severity == replica.SeverityError }
	return in != nil && slices.ContainsFunc(in.Problems, isError)
}

// Inspect examines the replica, without restoring it. What is wrong with the
// replica is in Problems; an error means that it could not look. Objects that
// vanish while it looks (a replicator may be at work) are passed over.
func Inspect(ctx context.Context, src replica.Source, opts InspectOptions) (*Inspection, error) {
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, err
	}
	in := &inspector{Inspection: &Inspection{}, Files: files, opts: opts}
	if err := in.inspect(ctx); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return in.Inspection, nil
}

func (in *inspector) inspect(ctx context.Context) error {
	for _, step := range []func(context.Context) error{in.survey, in.readLease, in.surveyV3, in.verifyLTX, in.verifyV3} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	in.sortProblems()
	return in.refusals.Check(ctx, in.Store)
}

func (in *inspector) sortProblems() {
	slices.SortStableFunc(in.Problems, func(a, b replica.Problem) int {
		return cmp.Compare(rank(a.Severity), rank(b.Severity))
	})
}

func rank(s replica.Severity) int {
	return slices.Index([]replica.Severity{replica.SeverityError, replica.SeverityWarning, replica.SeverityInfo}, s)
}

type inspector struct {
	*Inspection
	*replica.Files // in the layout that the client uses
	opts           InspectOptions
	files          []*ltx.FileInfo // by level and name
	sound          []*ltx.FileInfo // those of them that can be used, with true times as far as read
	v3             *v3compat.Reader

	wants func(key string) bool // which objects to read from end to end; nil: by opts.Read
	visit func(*contentSums)    // told of each LTX file that was read from end to end; may be nil

	refusals replica.Refusals

	mu   sync.Mutex
	done int64 // bytes read
}

func (in *inspector) problem(severity replica.Severity, object, format string, args ...any) {
	p := replica.Problem{Severity: severity, Object: object, Message: fmt.Sprintf(format, args...)}
	in.Problems = append(in.Problems, p)
}

func (in *inspector) readLease(ctx context.Context) error {
	if in.Lease == nil {
		return nil
	}
	record, doubt, err := in.ReadLease(ctx)
	switch in.Lease = record; {
	case blob.IsObjects(err) && (in.LTX != nil || in.v3 != nil):
		in.problem(replica.SeverityError, lease.DefaultFile, "%v; whether the lease is held is not known", err)
		return nil
	case doubt == nil:
		return err
	case record.Lease == replicate.Lease{}:
		in.problem(replica.SeverityError, lease.DefaultFile, "%v; no writer can take the lease until it is broken", doubt)
	case record.State == lease.Corrupt:
		in.problem(replica.SeverityError, lease.DefaultFile, "%v", doubt)
	default:
		in.problem(replica.SeverityInfo, lease.DefaultFile, "%v", doubt)
	}
	return nil
}

// reads reports whether all objects are to be read from end to end.
func (in *inspector) reads() bool {
	switch in.opts.Read {
	case ReadAll:
		return true
	case ReadNone, ReadOutlines:
		return false
	}
	return in.Bytes <= AutoReadBytes && in.Objects <= AutoReadObjects
}

func (in *inspector) readsGeneration(id string) bool {
	return in.reads() || in.wants != nil && in.wants(v3compat.GenerationPrefix(id))
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
	for info, err := range in.Store.List(ctx, v3compat.GenerationsPrefix, blob.ListOptions{Delimited: true}) {
		if err != nil {
			return err
		}
		ok, err := replica.IsDirectory(ctx, in.Store, info, func(prefix string) bool {
			return v3compat.IsGenerationID(generationOf(prefix))
		})
		if err != nil {
			return err
		} else if !ok {
			foreign.add(info.Key)
			continue
		}
		id := generationOf(info.Key)
		rep, err := in.v3.Inspect(ctx, id, v3compat.InspectOptions{})
		if errors.Is(err, v3compat.ErrNoObjects) {
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

// generationOf is the ID in the prefix of a generation.
func generationOf(prefix string) string {
	return strings.TrimSuffix(strings.TrimPrefix(prefix, v3compat.GenerationsPrefix), "/")
}

func (in *inspector) verifyV3(ctx context.Context) error {
	for i, rep := range in.Generations {
		if in.readsGeneration(rep.Generation) {
			deep, err := in.v3.Inspect(ctx, rep.Generation, v3compat.InspectOptions{Read: true, Progress: in.progress})
			if errors.Is(err, v3compat.ErrNoObjects) { // pruned since it was listed
				continue
			} else if err != nil {
				return err
			}
			in.Generations[i], rep = deep, deep
			read := len(rep.Snapshots) + len(rep.WALSegments) - rep.Refused
			in.Verified += read
			in.refusals.Add(read, rep.Refusal)
		}
		in.Problems = append(in.Problems, rep.Problems...)
	}
	return nil
}
