package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/replctl/replicate/cas"
)

// check is one check: what it does, and whether its result is a condition.
type check struct {
	name     string
	run      func(*run, context.Context) (evidence string, err error)
	recorded bool
	applies  func(*run) bool
}

// checks are in the order in which they are made. Whether reads can be trusted comes
// first, since others read back what they have written.
var checks = []check{
	{name: "read-after-write", run: (*run).readAfterWrite},
	{name: "durability", run: (*run).durability, applies: has[DurabilityChecker]},
	{name: "create-once", run: (*run).createOnce},
	{name: "if-match-right", run: (*run).ifMatchRight},
	{name: "if-match-stale", run: (*run).ifMatchStale},
	{name: "if-match-missing", run: (*run).ifMatchMissing},
	{name: "create-race", run: (*run).createRace},
	{name: "if-match-race", run: (*run).ifMatchRace},
	{name: "increments", run: (*run).increments},
	{name: "create-only-object", run: (*run).createOnlyObject, applies: (*run).hasObjects},
	{name: "create-only-multipart", run: (*run).createOnlyMultipart, applies: (*run).inParts},
	{name: "list-after-write", run: (*run).listAfterWrite},
	{name: "same-bytes", run: (*run).sameBytes, recorded: true},
	{name: "multipart-race", run: (*run).multipartRace, recorded: true, applies: (*run).inParts},
	{name: "etag-quotes", run: (*run).etagQuotes, recorded: true, applies: has[QuoteChecker]},
	{name: "conditional-delete", run: (*run).conditionalDelete, recorded: true, applies: has[DeleteChecker]},
	{name: "clock-offset", run: (*run).clockOffset, recorded: true},
	{name: "write-rate", run: (*run).writeRate, recorded: true},
}

// durability asks for the settings: a crash cannot be tried.
func (r *run) durability(ctx context.Context) (string, error) {
	fault, err := r.records[0].(DurabilityChecker).CheckDurability(ctx)
	switch {
	case err != nil:
		return "", err
	case fault != "":
		return "", failf("a crash of the server loses writes that it has acknowledged: %s", fault)
	}
	return "by its settings, the store keeps what it has acknowledged", nil
}

// has reports whether the engine has an optional interface.
func has[T any](r *run) bool {
	_, ok := r.records[0].(T)
	return ok
}

func (r *run) hasObjects() bool { return len(r.objects) > 0 }

func (r *run) inParts() bool { return r.hasObjects() && r.target.PartSize > 0 }

// value is unlike any other that is ever written.
func value() []byte { return []byte(`{"probe":"` + rand.Text() + `"}`) }

// put is a write that has to succeed.
func (r *run) put(ctx context.Context, s cas.Store, key string, expect cas.Token) (cas.Record, error) {
	r.wrote.Store(true)
	rec, err := cas.Swap(ctx, s, key, value(), expect)
	switch {
	case err == nil:
		return rec, nil
	case errors.Is(err, cas.ErrUnsupported):
		return rec, &failure{fmt.Sprintf("the store cannot make a write conditional: %v", err), err}
	case errors.Is(err, cas.ErrIndeterminate):
		r.inDoubt.Store(true)
	case errors.Is(err, cas.ErrConflict) && expect == "":
		return rec, failf("the creation of a record with a new random name was refused: %v", err)
	case errors.Is(err, cas.ErrConflict):
		return rec, failf("a write on the condition of the version that is there was refused: %v", err)
	}
	return rec, err
}

// refusals bounds the attempts at a write that has to be refused. All but the last
// were not answered.
const refusals = 4

// refuse is a write that has to be refused; its result is how it was.
func (r *run) refuse(ctx context.Context, s cas.Store, key string, expect cas.Token, what string) (string, error) {
	for attempt := 1; ; attempt++ {
		v := value()
		_, err := s.Write(ctx, key, v, expect)
		switch {
		case err == nil:
			return "", failf("%s was applied: the store ignores the condition", what)
		case errors.Is(err, cas.ErrUnsupported) && !r.badRead:
			return "", &failure{fmt.Sprintf("the store cannot make a write conditional: %v", err), err}
		case !errors.Is(err, cas.ErrIndeterminate):
			if errors.Is(err, cas.ErrConflict) {
				return reason(err), nil
			}
			return "", err
		}
		r.inDoubt.Store(true)
		now, readErr := s.Read(ctx, key, "")
		switch {
		case readErr != nil:
			return "", readErr
		case string(now.Value) == string(v):
			return "", failf("%s was applied, though not acknowledged: the store ignores the condition", what)
		case attempt == refusals:
			return "", err
		}
	}
}

// reason is what the store said to a conflict, as far as the engine tells.
func reason(err error) string {
	_, said, ok := strings.Cut(err.Error(), cas.ErrConflict.Error()+": ")
	if !ok {
		return ""
	}
	const limit = 160
	if len(said) > limit {
		said = strings.ToValidUTF8(said[:limit], "") + "..."
	}
	return ": " + said
}

// still checks that the record is the one that was acknowledged last.
func (r *run) still(ctx context.Context, key string, want cas.Record) error {
	if r.badRead {
		return nil
	}
	now, err := r.records[1].Read(ctx, key, "")
	switch {
	case err != nil:
		return err
	case string(now.Value) != string(want.Value):
		return r.wrong(ctx, key, want.Value,
			"every other write was refused, and yet the record is not the one that was acknowledged")
	case now.Token != want.Token:
		return failf("writing and reading disagree about the version: %q, %q", want.Token, now.Token)
	}
	return nil
}

// wrong is for a record that a read showed to be another than it must be: another
// read tells whether it was the read that was wrong.
func (r *run) wrong(ctx context.Context, key string, want []byte, what string) error {
	now, err := r.records[1].Read(ctx, key, "")
	if err == nil && string(now.Value) == string(want) {
		r.badRead = true
		return failf("a read showed another version than the last, which a second read showed: reads are stale")
	}
	return failf("%s", what)
}

func (r *run) createOnce(ctx context.Context) (string, error) {
	key := r.key("create-once")
	first, err := r.put(ctx, r.records[0], key, "")
	if err != nil {
		return "", err
	}
	for _, s := range r.records[:2] {
		if _, err := r.refuse(ctx, s, key, "", "a second creation of one record (If-None-Match)"); err != nil {
			return "", err
		}
	}
	return "of three creations the first was applied, the others were refused", r.still(ctx, key, first)
}

func (r *run) ifMatchRight(ctx context.Context) (string, error) {
	key := r.key("if-match-right")
	rec, err := r.put(ctx, r.records[0], key, "")
	for i := range 4 {
		if err != nil {
			return "", err
		}
		rec, err = r.put(ctx, r.records[i%2], key, rec.Token)
	}
	if err != nil {
		return "", err
	}
	return "four writes in a row on the condition of the version before were applied", r.still(ctx, key, rec)
}

func (r *run) ifMatchStale(ctx context.Context) (string, error) {
	key := r.key("if-match-stale")
	first, err := r.put(ctx, r.records[0], key, "")
	if err != nil {
		return "", err
	}
	second, err := r.put(ctx, r.records[0], key, first.Token)
	if err != nil {
		return "", err
	}
	for _, s := range r.records[:2] {
		_, err := r.refuse(ctx, s, key, first.Token, "a write on the condition of a version that is no more (If-Match)")
		if err != nil {
			return "", err
		}
	}
	return "two writes on the condition of the version before were refused", r.still(ctx, key, second)
}

func (r *run) ifMatchMissing(ctx context.Context) (string, error) {
	other, err := r.put(ctx, r.records[0], r.key("if-match-other"), "")
	if err != nil {
		return "", err
	}
	key := r.key("if-match-missing")
	how, err := r.refuse(ctx, r.records[0], key, other.Token,
		"a write on the condition of a version (If-Match) of a record that does not exist")
	if err != nil {
		return "", err
	}
	evidence := "a write on the condition of a version was refused where there is no record" + how
	return evidence, r.still(ctx, key, cas.Record{})
}

// readAfterWrite writes by one handle and reads by another: a new record, which the
// reader had found missing, and then its next versions, which it knows the last of.
func (r *run) readAfterWrite(ctx context.Context) (string, error) {
	const versions = 4
	reads := 0
	for round := range (r.opts.Rounds + versions - 1) / versions {
		key := r.key(fmt.Sprintf("read-after-write-%d", round))
		last, err := r.records[1].Read(ctx, key, "")
		if err != nil {
			return "", err
		}
		for range versions {
			wrote, err := r.put(ctx, r.records[0], key, last.Token)
			if err != nil {
				return "", err
			}
			if last, err = r.readBack(ctx, key, wrote, last.Token); err != nil {
				return "", err
			}
			reads += 2
		}
	}
	return fmt.Sprintf("%d reads by another handle each showed the write before them", reads), nil
}

// readBack reads what was just written, twice: as a stranger, and as one who knows
// the version before.
func (r *run) readBack(ctx context.Context, key string, wrote cas.Record, before cas.Token) (cas.Record, error) {
	for _, known := range []cas.Token{"", before} {
		got, err := r.records[1].Read(ctx, key, known)
		switch {
		case err != nil:
			return got, err
		case got.Unchanged || string(got.Value) != string(wrote.Value):
			r.badRead = true
			return got, failf("a read after a write that had been acknowledged showed what was there before: %s", describe(got))
		case got.Token != wrote.Token:
			return got, failf("writing and reading disagree about the version: %q, %q", wrote.Token, got.Token)
		}
	}
	return wrote, nil
}

func describe(rec cas.Record) string {
	switch {
	case !rec.Exists():
		return "no record"
	case rec.Unchanged:
		return "unchanged"
	}
	return "an older version"
}
