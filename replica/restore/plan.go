package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// Target says which state of the database is wanted. The zero value is the latest.
// A TXID goes with nothing else, and an Index with no Timestamp.
type Target struct {
	// Timestamp asks for the last state at or before it, of Generation if that is set.
	Timestamp time.Time

	// TXID asks for the state after this transaction, exactly. LTX only.
	TXID ltx.TXID

	// Generation asks for the last state of this generation of a v0.3 backup, or,
	// with Index, for that after the last transaction in the WAL of that index.
	Generation string
	Index      *int
}

func (t Target) check() error {
	switch {
	case t.TXID != 0 && (!t.Timestamp.IsZero() || t.Generation != ""):
		return errors.New("a transaction is a target by itself: no timestamp or generation goes with it")
	case t.Index != nil && !t.Timestamp.IsZero():
		return errors.New("an index and a timestamp are two targets: give one")
	case t.Index != nil && t.Generation == "":
		return errors.New("an index needs the generation that it is of")
	case t.Index != nil && *t.Index < 0:
		return fmt.Errorf("index %d: must not be negative", *t.Index)
	case t.Generation != "":
		return v3compat.CheckGenerationID(t.Generation)
	}
	return nil
}

// Plan says what a restore reads, and what comes out. It is made by [NewPlan]; the
// replica may change afterwards, and then the restore fails and a new plan is needed.
type Plan struct {
	Format string // FormatLTX or FormatV3
	Target Target
	State  replica.Point // what the restore gives

	// Reason says why this format, where the root has both; empty otherwise.
	Reason string

	// Notes are what the user should know about the target: that it is after the
	// last transaction, that the state is not exactly what was asked for.
	Notes []string

	// Next is the first state after the moment that was asked for, where transactions
	// between State and Next may be before that moment and no file ends with them. It
	// is zero if State is exact, or if there is no later state.
	Next replica.Point

	// MayMiss says that objects of a v0.3 backup may be missing which no name shows. The
	// database should then be checked by SQLite. See [v3compat.Plan].
	MayMiss bool

	Objects  []replica.Object // in the order in which they make up the database
	Bytes    int64            // of all objects
	Requests int              // that reading them takes, if none has to be repeated

	Files  []*ltx.FileInfo // FormatLTX: the objects, in the order in which they are applied
	Backup *v3compat.Plan  // FormatV3

	confirm func(context.Context, time.Time) error // on which side of a time State is; FormatLTX
}

// ErrNoSuchState is the kind of a [PlanError]: the replica is sound, as far as a listing
// shows, but has no such state: the time is before the first, the transaction after the
// last.
var ErrNoSuchState = errors.New("no such state")

// PlanError says why a target cannot be restored, and what can be instead.
type PlanError struct {
	Target Target
	Format string // that the replica has, or that was looked at

	// Reason is the cause in words; it names what is missing.
	Reason string

	// Before and After are the nearest points that can be restored; zero if there
	// is none.
	Before, After replica.Point

	Kind error // ErrNoSuchState or ErrDamaged

	// wanted is the time of the state that the target means and that cannot be
	// restored; zero if it is not known.
	wanted time.Time
}

func (e *PlanError) Error() string { return fmt.Sprintf("%v: %s", e.Kind, e.Reason) }

func (e *PlanError) Unwrap() error { return e.Kind }

// NewPlan finds the objects from which the target can be restored with the least
// bytes to read. It reads listings, and for a Timestamp the headers of about
// log2(N) of N LTX files. An error about the target is a *[PlanError]; where there
// is nothing at all it is ErrNoReplica.
//
// Where the root has both formats, the one that has the state nearer to the target
// is taken: the newer one at or before it.
//
// A hole in the replica is an error even if something older can be restored: whoever
// asks for the latest state must not get yesterday's without a word. Before says
// what to ask for instead.
func NewPlan(ctx context.Context, src replica.Source, target Target) (*Plan, error) {
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, err
	}
	return planner{files}.plan(ctx, target, nil)
}

// PlanBackup is NewPlan for the Litestream v0.3.x backup alone, without the objects whose
// keys are given: they were found to be damaged.
func PlanBackup(ctx context.Context, files *replica.Files, target Target, without []string) (*Plan, error) {
	if err := target.check(); err != nil {
		return nil, err
	}
	return planner{files}.planV3(ctx, target, without)
}

// planner makes plans for a replica.
type planner struct{ *replica.Files }

// plan plans without the objects that were found to be damaged.
func (c planner) plan(ctx context.Context, target Target, damaged []string) (*Plan, error) {
	if err := target.check(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	inLTX, ltxErr := c.planFormat(ctx, target, damaged, replica.FormatLTX)
	inV3, v3Err := c.planFormat(ctx, target, damaged, replica.FormatV3)
	if inLTX != nil && inV3 != nil { // the times decide between them
		err := inLTX.confirm(ctx, inV3.State.Time)
		if key, isDamaged := c.DamagedObject(err); isDamaged {
			plan, planErr := c.plan(ctx, target, append(slices.Clone(damaged), key))
			if planErr != nil && replica.IsRefusal(err) {
				return nil, around(err, planErr)
			}
			return plan, planErr
		} else if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
	}
	plan, err := choose(inLTX, ltxErr, inV3, v3Err)
	if errors.Is(err, replica.ErrNoReplica) && target.TXID != 0 {
		err = c.otherFormat(ctx, target)
	}
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	plan.Target = target
	return plan, nil
}

// planFormat returns ErrNoReplica if there is nothing of the format, or it cannot
// have such a target.
func (c planner) planFormat(ctx context.Context, target Target, damaged []string, format string) (*Plan, error) {
	switch {
	case format == replica.FormatLTX && target.Generation == "":
		return c.planLTX(ctx, target, damaged)
	case format == replica.FormatV3 && target.TXID == 0:
		return c.planV3(ctx, target, damaged)
	}
	return nil, replica.ErrNoReplica
}

// otherFormat is for a transaction that is wanted where no LTX file is.
func (c planner) otherFormat(ctx context.Context, target Target) error {
	ids, err := c.Backup().Generations(ctx)
	switch {
	case err != nil:
		return err
	case len(ids) == 0:
		return replica.ErrNoReplica
	}
	const why = "that is a v0.3 backup, whose states have a generation and a time, and no number"
	return &PlanError{Target: target, Format: replica.FormatV3, Reason: why, Kind: ErrNoSuchState}
}

// choose takes the better of two plans. One that failed counts by what it could
// have had: if it is damaged where its data are the newer ones, that is the error.
func choose(a *Plan, aErr error, b *Plan, bErr error) (*Plan, error) {
	for _, err := range []error{aErr, bErr} {
		var planErr *PlanError
		if err != nil && !errors.Is(err, replica.ErrNoReplica) && !errors.As(err, &planErr) {
			return nil, err
		}
	}
	switch {
	case errors.Is(bErr, replica.ErrNoReplica):
		return a, aErr
	case errors.Is(aErr, replica.ErrNoReplica):
		return b, bErr
	case aErr != nil && bErr != nil:
		return nil, betterError(aErr, bErr)
	case aErr != nil:
		return beside(b, aErr)
	case bErr != nil:
		return beside(a, bErr)
	}
	for _, plan := range []*Plan{a, b} {
		if plan.State.Time.IsZero() {
			return nil, undated(plan)
		}
	}
	newer, older := a, b
	if b.State.Time.After(a.State.Time) {
		newer, older = b, a
	}
	newer.Reason = fmt.Sprintf("both formats are there; the %s data reach to %s, the %s data to %s",
		newer.Format, replica.FormatTime(newer.State.Time), older.Format, replica.FormatTime(older.State.Time))
	return newer, nil
}

// undated is for a state of unknown time where the replica has both formats: which is
// the newer one is not known, and the older one must not be given for it.
func undated(plan *Plan) error {
	e := &PlanError{Format: plan.Format, Before: plan.State, Kind: replica.ErrDamaged}
	e.Reason = fmt.Sprintf("both formats are there, and of when the %s data are cannot be read; "+
		"a generation or a transaction names the state without a time", plan.Format)
	return e
}

// beside is for a plan in one format where the other has failed. If what the other
// lost is newer than the plan's state, or of unknown time, the plan is not what was
// asked for.
func beside(plan *Plan, otherErr error) (*Plan, error) {
	var other *PlanError
	if errors.As(otherErr, &other); errors.Is(otherErr, ErrNoSuchState) {
		plan.Reason = fmt.Sprintf("both formats are there; of the %s data: %s", other.Format, other.Reason)
		return plan, nil
	}
	at := replica.FormatTime(plan.State.Time)
	if !other.wanted.IsZero() && other.wanted.Before(plan.State.Time) {
		plan.Reason = fmt.Sprintf("both formats are there; the %s data end before %s, and objects of them are missing",
			other.Format, at)
		return plan, nil
	}
	other.Reason += fmt.Sprintf("; the %s data in the same place can be restored as of %s", plan.Format, at)
	if other.Before.IsZero() || other.Before.Time.Before(plan.State.Time) {
		other.Before = plan.State
	}
	return nil, otherErr
}

// betterError prefers damage to absence: it is what has to be looked at.
func betterError(a, b error) error {
	if errors.Is(b, replica.ErrDamaged) && !errors.Is(a, replica.ErrDamaged) {
		return b
	}
	return a
}
