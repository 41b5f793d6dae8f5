package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate/cas"
)

// sameBytes: where it does not change the token, only a nonce tells two writes apart.
func (r *run) sameBytes(ctx context.Context) (string, error) {
	s, key, v := r.records[0], r.key("same-bytes"), value()
	first, err := cas.Swap(ctx, s, key, v, "")
	if err != nil {
		return "", err
	}
	again, err := s.Write(ctx, key, v, first.Token)
	switch {
	case err != nil:
		return "", err
	case again.Token == first.Token:
		return "writing the same bytes again leaves the version as it is, which hides a change back; " +
			"records need a nonce, and leases here have one", nil
	}
	return "writing the same bytes again makes a new version", nil
}

// etagQuotes: some stores show ETags in quotes and want them without.
func (r *run) etagQuotes(ctx context.Context) (string, error) {
	s := r.records[0].(QuoteChecker)
	key := r.key("etag-quotes")
	first, err := r.put(ctx, r.records[0], key, "")
	if err != nil {
		return "", err
	}
	token := first.Token
	takes := func(ifMatch string) (bool, error) {
		next, err := s.WriteIfMatch(ctx, key, value(), ifMatch)
		switch {
		case err == nil:
			token = next
			return true, nil
		case errors.Is(err, cas.ErrConflict):
			return false, nil
		}
		return false, err
	}
	quoted, err := takes(`"` + string(token) + `"`)
	if err != nil {
		return "", err
	}
	bare, err := takes(string(token))
	if err != nil {
		return "", err
	}
	stale := false
	if bare {
		if stale, err = takes(string(first.Token)); err != nil {
			return "", err
		}
	}
	return quotes(quoted, bare, stale), nil
}

func quotes(quoted, bare, stale bool) string {
	switch {
	case bare && stale:
		return "If-Match takes ETags in quotes; without quotes it is ignored, and a stale one applied"
	case quoted && bare:
		return "If-Match takes ETags with quotes and without"
	case quoted:
		return "If-Match takes ETags in quotes only"
	case bare:
		return "If-Match takes ETags without quotes only, unlike the standard; the engine adapts to it"
	}
	return "If-Match takes ETags neither with quotes nor without"
}

// conditionalDelete: no lease here depends on it, as several stores ignore it.
func (r *run) conditionalDelete(ctx context.Context) (string, error) {
	s := r.records[0].(DeleteChecker)
	key := r.key("conditional-delete")
	first, err := r.put(ctx, r.records[0], key, "")
	if err != nil {
		return "", err
	}
	if _, err := r.put(ctx, r.records[0], key, first.Token); err != nil {
		return "", err
	}
	err = s.DeleteIfMatch(ctx, key, first.Token)
	if err != nil && !errors.Is(err, cas.ErrConflict) {
		return fmt.Sprintf("not available: a DELETE with a stale If-Match fails: %v", err), nil
	}
	now, readErr := r.records[1].Read(ctx, key, "")
	switch {
	case readErr != nil:
		return "", readErr
	case !now.Exists():
		return "ignored: a DELETE with a stale If-Match deletes; releasing a lease by DELETE would remove another's", nil
	case err == nil:
		return "a DELETE with a stale If-Match says that it deletes, and does not", nil
	}
	return "a DELETE with a stale If-Match is refused", nil
}

// clockOffset narrows down by how much the store's clock is ahead of this machine's:
// it was read between the request and the answer, told in seconds, and by some
// servers (versitygw) from a copy that is renewed once a second.
func (r *run) clockOffset(ctx context.Context) (string, error) {
	const readings = 3
	var least, most time.Duration
	for i := range readings {
		before := time.Now()
		rec, err := r.records[i%2].Read(ctx, r.prefix+"clock", "")
		if err != nil {
			return "", err
		}
		after := time.Now()
		if rec.StoreTime.IsZero() {
			return "the store does not tell the time; leases go by the clocks of the machines", nil
		}
		low, high := rec.StoreTime.Sub(after), rec.StoreTime.Add(2*time.Second).Sub(before)
		if i == 0 || low > least {
			least = low
		}
		if i == 0 || high < most {
			most = high
		}
	}
	const unit = 10 * time.Millisecond
	if least <= 0 && most >= 0 {
		return fmt.Sprintf("none to be seen: the store's clock, which tells seconds, is between %v and %v ahead "+
			"of this machine's", least.Round(unit), most.Round(unit)), nil
	}
	return fmt.Sprintf("the store's clock is between %v and %v ahead of this machine's; leases reckon by the store's",
		least.Round(unit), most.Round(unit)), nil
}

// writeRate: R2 and GCS take one write per key and second.
func (r *run) writeRate(ctx context.Context) (string, error) {
	const most = 20
	s, key := r.records[0], r.key("write-rate")
	rec, err := r.put(ctx, s, key, "")
	if err != nil {
		return "", err
	}
	began, token := time.Now(), rec.Token
	for n := range most {
		next, err := s.Write(ctx, key, value(), token)
		if errors.Is(err, cas.ErrIndeterminate) {
			r.inDoubt.Store(true)
			return fmt.Sprintf("after %d quick writes to one key the store slowed them down: %v", n, err), nil
		} else if err != nil {
			return "", err
		}
		token = next.Token
	}
	took := time.Since(began)
	return fmt.Sprintf("%d writes to one key in %v, %.0f a second, none turned away",
		most, took.Round(time.Millisecond), most/took.Seconds()), nil
}
