package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/replctl/replicate/replica"
)

// Options are how a replica is copied; the zero value copies all of it.
type Options struct {
	// Since, if set, leaves out what is not needed to restore the state at this
	// time or any later one.
	Since time.Time

	// Concurrency is how many objects are copied at a time; 8 if zero.
	Concurrency int

	// Force copies to a destination that has a replica of which the source has nothing.
	Force bool

	// Progress, if set, is told how many bytes of how many were read. Calls do
	// not overlap. The total grows where the source does.
	Progress func(done, total int64)
}

// maxRounds bounds how often a source that changes is looked at again.
const maxRounds = 10

// Report is what a copy did.
type Report struct {
	Objects int   // of the source, as far as they were wanted
	Bytes   int64 // of these
	Present int   // of these, at the destination before

	Copied      int
	CopiedBytes int64

	Rounds int // how often the source was listed

	// Problems name the objects that were not copied, and say why: damage, or
	// that they would make something wrong of the copy without a damaged one.
	Problems []replica.Problem
}

// ConflictError says that the source and the destination have different
// objects of one name: the one is no copy of the other. Neither was touched.
//
// It is fs.ErrExist.
type ConflictError struct {
	Source, Destination string // keys, each in its replica
	Reason              string

	// Other says that not two objects differ, but that the whole replicas have nothing
	// in common. Options.Force copies nevertheless.
	Other bool
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s at the source and %s at the destination differ: %s", e.Source, e.Destination, e.Reason)
}

// Unwrap makes it fs.ErrExist.
func (e *ConflictError) Unwrap() error { return fs.ErrExist }

// ErrSourceChanges is the error of a copy that did not catch up with its source:
// objects were listed, and gone when they were to be read, again and again.
var ErrSourceChanges = errors.New("the source changes faster than it is copied")

// Copy copies what a replica has, in either format or both, to a place that is
// empty or has an earlier copy of it. Everything is written create-only, each
// object is verified as it flows by, and its true time goes along. An object that
// is damaged is not copied; it is in the report's Problems, and the rest is copied.
//
// The copy can be interrupted at any moment, and started again: what is there with
// the same size and the same last KiB, which has the checksum of the whole, counts
// as copied. It can run beside a replicator at the source, and beside other copies.
// A conflict with what is there is a *[ConflictError]; what is compared
// beforehand is compared before anything is written.
//
// At each moment the destination holds nothing but states that it can restore, as
// far as the source can:
//
//   - An LTX file becomes visible after the file that it is applied to. Those of
//     the latest state come first.
//   - In a v0.3 backup a hole at the end of a log does not show, and what is
//     restored across it is wrong. So WAL segments come before the snapshot that
//     they follow, the newest snapshot first; and where that is there already, they
//     come one after the other.
//
// What an interrupted copy has left in a directory, under temporary names, the next one
// removes.
//
// The destination's times.json is merged with the source's times, and written
// before the objects that it is about. Leases and foreign objects are not copied.
func Copy(ctx context.Context, src, dst replica.Source, opts Options) (*Report, error) {
	c, err := newCopier(ctx, src, dst, opts)
	if err == nil {
		err = c.run(ctx)
	}
	if err == nil {
		return &c.report, nil
	}
	if why := context.Cause(ctx); why != nil && !errors.Is(err, why) {
		err = fmt.Errorf("%w: %w", why, err)
	}
	return nil, fmt.Errorf("copy replica: %w", err)
}

type copier struct {
	opts     Options
	src, dst *replica.Files
	report   Report

	damaged  map[string]string // key -> what is wrong with it
	compared map[string]bool   // keys that are the same on both sides
	verified map[string]bool   // keys that were read whole before they are copied
	meter    copyMeter
	refusals replica.Refusals
	unread   map[string]error // key -> why it could not be compared with its copy
}

func newCopier(ctx context.Context, src, dst replica.Source, opts Options) (*copier, error) {
	if opts.Concurrency <= 0 {
		opts.Concurrency = 8
	}
	c := &copier{
		opts: opts, meter: copyMeter{notify: opts.Progress},
		damaged: map[string]string{}, compared: map[string]bool{}, verified: map[string]bool{}, unread: map[string]error{},
	}
	var err error
	if c.src, err = replica.Open(ctx, src); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if c.dst, err = replica.Open(ctx, dst); err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	return c, nil
}

// run copies what is there, and looks again, until there is nothing new.
func (c *copier) run(ctx context.Context) error {
	var gone error
	for c.report.Rounds < maxRounds {
		c.report.Rounds++
		round, err := c.plan(ctx)
		if err != nil {
			return err
		}
		c.count(round)
		if err := c.compare(ctx, round.present); err != nil { // all of it, before the first write
			return err
		}
		if err := c.writeTimes(ctx, round.generations); err != nil { // at the end, too: another copy may have replaced them
			return err
		}
		if len(round.jobs) == 0 {
			c.report.Problems = append(round.problems(c.damaged), c.uncompared()...)
			c.dst.Sweep(ctx)
			return c.refusals.Check(ctx, c.src.Store)
		}
		if err := c.copyAll(ctx, round.jobs); err != nil {
			return err
		}
		gone = round.vanished()
	}
	if gone != nil {
		return fmt.Errorf("%w: %w", ErrSourceChanges, gone)
	}
	return ErrSourceChanges
}

// count says what there is to copy, as of the last look.
func (c *copier) count(round *copyRound) {
	all := slices.Concat(round.jobs, round.present, round.left)
	c.report.Objects, c.report.Bytes = len(all), 0
	for _, j := range all {
		c.report.Bytes += j.size
	}
	if c.report.Rounds == 1 {
		c.report.Present = len(round.present)
	}
	c.meter.grow(round.jobs)
}
