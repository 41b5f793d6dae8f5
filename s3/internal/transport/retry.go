package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/s3/internal/answer"
)

// The SDK's own retryer pays for retries from a bucket of tokens that only
// successes refill, so after an outage everything fails at once, when retrying
// matters most (litestream#912, #1305). Here, time is the only bound.

// Backoff is the pause before the first repetition, and the longest.
type Backoff struct{ Base, Max time.Duration }

var defaultBackoff = Backoff{Base: 100 * time.Millisecond, Max: 10 * time.Second}

// firstContact bounds retries against a server that never answered, or answers
// what is not S3: a typing error more likely than an outage.
const firstContact = 15 * time.Second

// Delay grows exponentially with full jitter, so that clients which failed
// together do not come back together.
func (b Backoff) Delay(attempt int, err error) time.Duration {
	ceiling := b.Max
	if shift := attempt - 1; shift < 20 {
		ceiling = min(b.Max, b.Base<<shift)
	}
	d := ceiling/10 + rand.N(ceiling) //nolint:gosec // jitter
	return max(d, min(answer.RetryAfter(err), b.Max))
}

// Attempt is one attempt of a request. The watchdog ends its context.
type Attempt = func(context.Context, *Watchdog) error

// Try runs attempts of one request until one succeeds, one fails for good, or
// the time is up, and puts operation and key into the error.
func (c *Conn) Try(ctx context.Context, op, key string, attempt Attempt) error {
	return c.TryFor(ctx, op, key, c.Stall, attempt)
}

// TryFor is Try for a request whose answer may take longer than usual.
func (c *Conn) TryFor(ctx context.Context, op, key string, stall time.Duration, attempt Attempt) error {
	start := time.Now()
	return c.TryWaiting(ctx, c.Wait(op, key, start), start, stall, attempt)
}

// TryWaiting is TryFor of a request that is waited for already. A body that is kept
// takes the wait with it.
func (c *Conn) TryWaiting(
	ctx context.Context, w *Waiting, start time.Time, stall time.Duration, attempt Attempt,
) error {
	kept := false
	defer func() {
		if !kept {
			w.Done()
		}
	}()
	op, key := w.wait.Op, w.wait.Key
	for n := 1; ; n++ {
		var err error
		kept, err = c.once(ctx, w, stall, attempt)
		c.Log().Debug("s3 request", slog.String("op", op), slog.String("key", key), slog.Int("attempt", n), answer.Attr(err))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return answer.Wrap(op, key, context.Cause(ctx))
		case !answer.Retryable(err):
			return answer.Wrap(op, key, c.Describe(err))
		}
		delay := c.Backoff.Delay(n, err)
		if spent := time.Since(start); spent+delay > c.patience(err) {
			return answer.Wrap(op, key, answer.GaveUp(
				fmt.Errorf("gave up after %d attempts in %v: %w", n, spent.Round(time.Millisecond), c.Describe(err))))
		}
		w.Failed(n, err, start.Add(c.patience(err)))
		if err := clock.System.Sleep(ctx, delay); err != nil {
			return answer.Wrap(op, key, err)
		}
	}
}

func (c *Conn) once(
	ctx context.Context, wait *Waiting, stall time.Duration, attempt Attempt,
) (kept bool, err error) {
	ctx, w := Watch(ctx, stall)
	w.wait = wait
	err = w.Err(attempt(ctx, w))
	if kept = err == nil && w.kept; !kept {
		w.kept = false
		w.Stop()
	}
	return kept, err
}

// patience is for how long attempts with this error go on.
func (c *Conn) patience(err error) time.Duration {
	if answer.Garbled(err) || errors.Is(err, answer.ErrIncomplete) || !c.reached.Load() && answer.ConnectionFailed(err) {
		return min(firstContact, c.Retry)
	}
	return c.Retry
}
