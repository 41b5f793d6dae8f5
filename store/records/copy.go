package records

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/store/internal/record"
)

// Options are how records are copied. Source is required.
type Options struct {
	// Source names the source in the manifest. The target takes a later copy only from a
	// source of the same name, so it should be the source's URL without secrets.
	Source string

	// Prefixes are what is copied: see [Check]. [Defaults] if empty. Later calls for the
	// same target need the same ones.
	Prefixes []string

	// Concurrency is how many requests are made at a time; 8 if zero.
	Concurrency int

	// Progress, if set, is told how many records of how many were compared or copied. Calls
	// do not overlap. The total grows where the source changes.
	Progress func(done, total int)
}

// Report is what a copy did.
type Report struct {
	Records int   // at the source, as far as they were wanted
	Bytes   int64 // of these

	Present     int // of these, at the target before, and the same
	Copied      int // written; more than once where the source changed meanwhile
	CopiedBytes int64
	Removed     int // from the target, because they are gone at the source
	Rounds      int // how often the source was listed and copied

	// Held are the keys of leases that were held by the local clock when they were copied:
	// their holders may be at work, on the source.
	Held []string
}

// Errors that callers tell apart, found with errors.Is.
var (
	// ErrNothing: the source has no record that is wanted. Nothing was written.
	ErrNothing = errors.New("no records at the source")

	// ErrSourceChanges: the source changed again and again while it was copied. What was
	// written can be finished later.
	ErrSourceChanges = errors.New("the source changes faster than it is copied")

	// ErrBusy: another copy writes to the target.
	ErrBusy = errors.New("another copy writes to the target")

	// ErrCorrupt: the manifest or the journal at the target is damaged.
	ErrCorrupt = errors.New("manifest of the copy is corrupt")

	// ErrDamaged: a record of the source is damaged, or its store answered with a part of it.
	// It was not copied.
	ErrDamaged = errors.New("damaged at the source")
)

// TargetError says that the target has something that is not from this copy. Of what was
// there before the call, nothing was touched.
type TargetError struct {
	Key    string // the record in question; the manifest's if the target is another copy's
	Reason string
}

func (e *TargetError) Error() string { return fmt.Sprintf("%s at the target %s", e.Key, e.Reason) }

const (
	maxRounds = 10
	batchSize = 64 // records; the values of a batch are in memory
)

// Copy copies the records of src to dst, which is empty or has an earlier copy of it, as
// far as Options.Prefixes name them. The package comment says what is promised.
//
// A write whose outcome is unknown (cas.ErrIndeterminate) ends the copy, like any other error;
// the next call goes on.
func Copy(ctx context.Context, src, dst cas.Store, opts Options) (_ *Report, err error) {
	defer errs.Wrap(&err, "copy records")
	if src == nil || dst == nil {
		return nil, record.ErrNoStore
	}
	prefixes, err := Check(opts.Prefixes)
	switch {
	case err != nil:
		return nil, err
	case opts.Source == "":
		return nil, errors.New("the source has no name")
	case opts.Concurrency < 0:
		return nil, fmt.Errorf("concurrency %d is negative", opts.Concurrency)
	}
	opts.Concurrency = cmp.Or(opts.Concurrency, 8)
	c := &copier{opts: opts, prefixes: prefixes, src: src, dst: dst, seen: map[string]seen{}, target: map[string]version{}}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	return &c.report, nil
}

type copier struct {
	opts     Options
	prefixes []string
	src, dst cas.Store
	report   Report

	journal *journal           // of the target
	seen    map[string]seen    // the source's records as last read, by key
	target  map[string]version // the target's records that are wanted, by key
}

// seen is what the source had when it was read.
type seen struct {
	token cas.Token
	size  int
	held  bool
}

// version is a record at the target.
type version struct {
	token cas.Token
	sum   string
}

func checksum(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:16])
}

func (c *copier) run(ctx context.Context) error {
	listed, err := list(ctx, c.src, c.prefixes)
	if err == nil && len(listed) == 0 {
		err = ErrNothing
	}
	if err == nil {
		c.journal, err = openJournal(ctx, c.dst, c.opts.Source, c.prefixes)
	}
	if err == nil {
		err = c.survey(ctx)
	}
	for ; err == nil; c.report.Rounds++ {
		todo, gone := c.compare(listed)
		if len(todo)+len(gone) == 0 {
			return c.finish(ctx)
		}
		if c.report.Rounds == maxRounds {
			return ErrSourceChanges
		}
		if err = c.copyAll(ctx, todo); err == nil {
			err = c.removeAll(ctx, gone)
		}
		if err == nil {
			listed, err = list(ctx, c.src, c.prefixes)
		}
	}
	return err
}

// survey reads what the target has, and refuses what is not from an earlier copy.
func (c *copier) survey(ctx context.Context) error {
	listed, err := list(ctx, c.dst, c.prefixes)
	if err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(listed))
	if len(keys) > 0 && !c.journal.exists() {
		return &TargetError{keys[0], "was there before: it is no copy of this source"}
	}
	read := make([]version, len(keys))
	err = c.each(ctx, len(keys), func(ctx context.Context, i int) error {
		r, err := c.dst.Read(ctx, keys[i], "")
		read[i] = version{r.Token, checksum(r.Value)}
		return err
	})
	if err != nil {
		return err
	}
	for i, key := range keys {
		if read[i].token == "" {
			return &TargetError{key, "is being removed"}
		}
		c.target[key] = read[i]
	}
	return c.journal.check(c.target)
}

// each calls do for 0 to n-1, as many at a time as the options say, until one fails.
func (c *copier) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Concurrency)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// compare returns the keys that have changed at the source since they were read, and
// those that are at the target alone.
func (c *copier) compare(listed map[string]cas.Token) (todo, gone []string) {
	for _, key := range slices.Sorted(maps.Keys(listed)) {
		if c.seen[key].token != listed[key] {
			todo = append(todo, key)
		}
	}
	for key := range c.seen {
		if _, ok := listed[key]; !ok {
			delete(c.seen, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.target)) {
		if _, ok := listed[key]; !ok {
			gone = append(gone, key)
		}
	}
	return todo, gone
}

func (c *copier) copyAll(ctx context.Context, keys []string) error {
	done := 0
	for batch := range slices.Chunk(keys, batchSize) {
		if err := c.copyBatch(ctx, batch); err != nil {
			return err
		}
		done += len(batch)
		if c.opts.Progress != nil {
			c.opts.Progress(done, len(keys))
		}
	}
	return nil
}

// copyBatch reads records, and writes those that the target does not have.
func (c *copier) copyBatch(ctx context.Context, keys []string) error {
	records := make([]cas.Record, len(keys))
	err := c.each(ctx, len(keys), func(ctx context.Context, i int) (err error) {
		records[i], err = c.src.Read(ctx, keys[i], "")
		if err == nil && records[i].Exists() {
			if damage := record.Intact(records[i].Value); damage != nil {
				err = fmt.Errorf("%s: %w: %w", keys[i], ErrDamaged, damage)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	part, write := part{}, []int{}
	for i, r := range records {
		if !r.Exists() {
			continue // the next listing does not have it either
		}
		key, sum := keys[i], checksum(r.Value)
		c.seen[key] = seen{r.Token, len(r.Value), isHeld(key, r.Value, time.Now())}
		if c.target[key].sum == sum {
			c.report.Present++
			continue
		}
		part[key], write = sum, append(write, i)
	}
	if len(write) == 0 {
		return nil
	}
	if err := c.journal.add(ctx, part); err != nil {
		return err
	}
	written := make([]version, len(write))
	err = c.each(ctx, len(write), func(ctx context.Context, n int) (err error) {
		i := write[n]
		written[n], err = c.write(ctx, keys[i], records[i].Value)
		return err
	})
	for n, i := range write {
		if written[n].token != "" {
			c.target[keys[i]] = written[n]
			c.report.Copied++
			c.report.CopiedBytes += int64(len(records[i].Value))
		}
	}
	return err
}

// write writes a record, and reads it back.
func (c *copier) write(ctx context.Context, key string, value []byte) (version, error) {
	old := c.target[key]
	r, err := cas.Swap(ctx, c.dst, key, value, old.token)
	switch {
	case errors.Is(err, cas.ErrConflict) && !errors.Is(err, cas.ErrIndeterminate):
		return version{}, &TargetError{key, "was changed by somebody else during the copy"}
	case err != nil:
		return version{}, err
	}
	back, err := c.dst.Read(ctx, key, "")
	switch {
	case err != nil:
		return version{}, fmt.Errorf("read back: %w", err)
	case !bytes.Equal(back.Value, value) || back.Token != r.Token:
		return version{}, &TargetError{key, "is another record than the one that was written"}
	}
	return version{back.Token, checksum(value)}, nil
}

// removeAll removes records from the target that are gone at the source.
func (c *copier) removeAll(ctx context.Context, keys []string) error {
	d, ok := c.dst.(cas.Deleter)
	for batch := range slices.Chunk(keys, batchSize) {
		if !ok {
			return &TargetError{batch[0], "is gone at the source, and cannot be removed there: " + cas.ErrUnsupported.Error()}
		}
		gone := part{}
		for _, key := range batch {
			gone[key] = removed
		}
		if err := c.journal.add(ctx, gone); err != nil {
			return err
		}
		for _, key := range batch {
			if err := c.remove(ctx, d, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *copier) remove(ctx context.Context, d cas.Deleter, key string) error {
	err := d.Delete(ctx, key, c.target[key].token)
	switch {
	case record.Lost(err):
		return &TargetError{key, "was changed by somebody else during the copy"}
	case err != nil:
		return err
	}
	delete(c.target, key)
	c.report.Removed++
	return nil
}

// finish makes sure that nobody else has written to the target, and marks the copy complete.
func (c *copier) finish(ctx context.Context) error {
	listed, err := list(ctx, c.dst, c.prefixes)
	if err != nil {
		return err
	}
	for key, token := range listed {
		if c.target[key].token != token {
			return &TargetError{key, "was written by somebody else during the copy"}
		}
	}
	for key := range c.target {
		if _, ok := listed[key]; !ok {
			return &TargetError{key, "was removed by somebody else during the copy"}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.seen)) {
		s := c.seen[key]
		c.report.Records++
		c.report.Bytes += int64(s.size)
		if s.held {
			c.report.Held = append(c.report.Held, key)
		}
	}
	return c.journal.complete(ctx, c.target, c.report)
}
