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
			problems = append(problems, replica.Problem{Severity: replica.SeverityError, Object: j.key, Message: reason + "; it is not copied"})
		}
	}
	for _, g := range r.generations {
		if g.TimesErr != nil {
			problems = append(problems, replica.Problem{Severity: replica.SeverityError, Object: g.Times.Key, Message: fmt.Sprintf("%v; no object's time is known, and none is copied", g.TimesErr)})
		}
	}
	return append(problems, r.reasons...)
}

// plan looks at both sides.
func (c *copier) plan(ctx context.Context) (*copyRound, error) {
	round := &copyRound{}
	hasLTX, err := c.planLTX(ctx, round)
	if err != nil {
		return nil, err
	}
	if err := c.planV3(ctx, round); err != nil {
		return nil, err
	}
	if !hasLTX && len(round.generations) == 0 && c.report.Rounds == 1 {
		return nil, replica.ErrNoReplica
	}
	return round, nil
}

// tailSize is how much of the end of two objects is compared: an LTX file has its
// checksum and its page index there, an LZ4 frame the checksum of its content.
const tailSize = 1 << 10

// compare makes sure that what is on both sides is the same, by size and tail.
func (c *copier) compare(ctx context.Context, present []*copyJob) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(replica.HeaderReads)
	done := make(chan comparison, len(present))
	for _, j := range present {
		if !c.compared[j.key] {
			g.Go(func() error { return c.compareOne(ctx, j, done) })
		}
	}
	err := g.Wait()
	close(done)
	for d := range done {
		c.compared[d.key] = true
		if d.unread != nil {
			c.unread[d.key] = d.unread
		}
	}
	return err
}

// comparison is an object that is the same on both sides, as far as it could be read.
type comparison struct {
	key    string
	unread error // why it could not be; the sizes are the same
}

// uncompared are warnings: what is at the destination has the size that it should have.
func (c *copier) uncompared() (problems []replica.Problem) {
	for _, key := range slices.Sorted(maps.Keys(c.unread)) {
		problems = append(problems, replica.Problem{Severity: replica.SeverityWarning, Object: key, Message: fmt.Sprintf("%v; it was copied before, and only its size was compared with the copy's", c.unread[key])})
	}
	return problems
}

func (c *copier) compareOne(ctx context.Context, j *copyJob, done chan<- comparison) error {
	if j.size != j.there {
		return &ConflictError{j.key, j.to, fmt.Sprintf("%d bytes and %d bytes", j.size, j.there), false}
	}
	ours, err := readTail(ctx, c.src.Store, j.key, j.size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // deleted since the listing
	case blob.IsObjects(err):
		c.refusals.Add(0, err)
		done <- comparison{j.key, err}
		return nil
	case err != nil:
		return fmt.Errorf("source: %w", err)
	}
	c.refusals.Add(1, nil)
	theirs, err := readTail(ctx, c.dst.Store, j.to, j.size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the next look finds out
	case errors.Is(err, blob.ErrUnreadable):
		done <- comparison{j.key, err}
		return nil
	case err != nil:
		return fmt.Errorf("destination: %w", err)
	}
	if !bytes.Equal(ours, theirs) {
		return &ConflictError{j.key, j.to, "their sizes are the same, their checksums are not", false}
	}
	done <- comparison{key: j.key}
	return nil
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
	r.reasons = append(r.reasons, replica.Problem{Severity: replica.SeverityError, Object: first.key, Message: fmt.Sprintf("it%s is not copied: %s", more, reason)})
}
