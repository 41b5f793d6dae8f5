package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// copyRound is what one look at both sides says is to be done.
type copyRound struct {
	jobs    []*copyJob        // in an order in which each waits only for those before it
	present []*copyJob        // at the destination already
	left    []*copyJob        // not to be copied: damaged, or of no use without such
	reasons []replica.Problem // for those of left that are not damaged

	generations []*v3compat.Generation // of the source, as far as they are wanted
}

// problems are why the objects of left are there.
func (r *copyRound) problems(damaged map[string]string) (problems []replica.Problem) {
	for _, j := range r.left {
		if reason, ok := damaged[j.key]; ok {
			problems = append(problems, problem(j.key, "%s; it is not copied", reason))
		}
	}
	for _, g := range r.generations {
		if g.TimesErr != nil {
			problems = append(problems, problem(g.Times.Key, "%v; no object's time is known, and none is copied", g.TimesErr))
		}
	}
	return append(problems, r.reasons...)
}

// vanished is the error of the first object that was listed, and gone when it was to be copied.
func (r *copyRound) vanished() error {
	for _, j := range r.jobs {
		if errors.Is(j.err, errVanished) {
			return j.err
		}
	}
	return nil
}

func problem(object, format string, args ...any) replica.Problem {
	return replica.Problem{Severity: replica.SeverityError, Object: object, Message: fmt.Sprintf(format, args...)}
}

// plan looks at both sides.
func (c *copier) plan(ctx context.Context) (*copyRound, error) {
	round := &copyRound{}
	files, err := c.src.All(ctx)
	if err != nil {
		return nil, err
	}
	there, err := c.dst.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	if err := c.planLTX(ctx, round, files, there); err != nil {
		return nil, err
	}
	if err := c.planV3(ctx, round); err != nil {
		return nil, err
	}
	if c.report.Rounds > 1 {
		return round, nil
	}
	if len(files)+len(round.generations) == 0 {
		return nil, replica.ErrNoReplica
	}
	return round, c.checkSame(ctx, files, there)
}

// tailSize is how much of the end of two objects is compared: an LTX file has its
// checksum and its page index there, an LZ4 frame the checksum of its content.
const tailSize = 1 << 10

// compare makes sure that what is on both sides is the same, by size and tail.
func (c *copier) compare(ctx context.Context, present []*copyJob) error {
	jobs := slices.DeleteFunc(slices.Clone(present), func(j *copyJob) bool { return c.compared[j.key] })
	for done, err := range ordered.Map(ctx, replica.HeaderReads, ordered.Slice(jobs), c.compareOne) {
		if err != nil {
			return err
		}
		if done.unread != nil {
			c.unread[done.key] = done.unread
		}
		if done.key != "" {
			c.compared[done.key] = true
		}
	}
	return nil
}

// comparison is an object that is the same on both sides, as far as it could be read. It is
// zero for one that is gone.
type comparison struct {
	key    string
	unread error // why it could not be; the sizes are the same
}

// uncompared are warnings: what is at the destination has the size that it should have.
func (c *copier) uncompared() (problems []replica.Problem) {
	for _, key := range slices.Sorted(maps.Keys(c.unread)) {
		p := problem(key, "%v; it was copied before, and only its size was compared with the copy's", c.unread[key])
		p.Severity = replica.SeverityWarning
		problems = append(problems, p)
	}
	return problems
}

func (c *copier) compareOne(ctx context.Context, j *copyJob) (same comparison, err error) {
	if j.size != j.there {
		return same, &ConflictError{j.key, j.to, fmt.Sprintf("%d bytes and %d bytes", j.size, j.there), false}
	}
	ours, err := readTail(ctx, c.src.Store, j.key, j.size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return same, nil // deleted since the listing
	case blob.IsObjects(err):
		c.refusals.Add(0, err)
		return comparison{j.key, err}, nil
	case err != nil:
		return same, fmt.Errorf("source: %w", err)
	}
	c.refusals.Add(1, nil)
	theirs, err := readTail(ctx, c.dst.Store, j.to, j.size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return same, nil // the next look finds out
	case errors.Is(err, blob.ErrUnreadable):
		return comparison{j.key, err}, nil
	case err != nil:
		return same, fmt.Errorf("destination: %w", err)
	case !bytes.Equal(ours, theirs):
		return same, &ConflictError{j.key, j.to, "their sizes are the same, their checksums are not", false}
	}
	return comparison{key: j.key}, nil
}

func readTail(ctx context.Context, store blob.Reader, key string, size int64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	rc, err := store.Open(ctx, key, max(0, size-tailSize), tailSize)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, tailSize))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return b, nil
}

// copyAll runs jobs, several at a time, started in their order. A job that fails
// because of its object is for the next look at the source; another failure ends
// all.
func (c *copier) copyAll(ctx context.Context, jobs []*copyJob) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Concurrency)
	for _, j := range jobs {
		g.Go(func() error {
			err := errUnfinished // what others wait for ends also if this goroutine does
			defer func() { j.finish(err) }()
			if err = c.copyOne(ctx, j); isOver(err) {
				return nil
			}
			return err
		})
	}
	err := g.Wait()
	for _, j := range jobs {
		var bad *damageError
		switch {
		case errors.As(j.err, &bad):
			c.damaged[j.key] = bad.Err.Error()
		case j.err == nil:
			c.report.Copied++
			c.report.CopiedBytes += j.size
			c.compared[j.key] = true
		}
	}
	return err
}

// drop moves jobs to those that are left.
func (r *copyRound) drop(jobs []*copyJob, reason string) {
	if len(jobs) == 0 {
		return
	}
	r.left = append(r.left, jobs...)
	first := slices.MinFunc(jobs, func(a, b *copyJob) int { return strings.Compare(a.key, b.key) })
	more := ""
	if n := len(jobs) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more after it,", n)
	}
	r.reasons = append(r.reasons, problem(first.key, "it%s is not copied: %s", more, reason))
}
