package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// planJSON is a plan; the keys that do not apply to its format are absent.
type planJSON struct {
	URL      string           `json:"url"`
	Format   string           `json:"format"`
	Reason   string           `json:"reason,omitempty"`
	State    pointJSON        `json:"state"`
	Asked    *time.Time       `json:"timestamp,omitempty"` // the moment that was asked for
	Next     *pointJSON       `json:"next,omitempty"`      // the first state after a moment that has none
	Notes    []string         `json:"notes"`
	Objects  []planObjectJSON `json:"objects"`
	Bytes    int64            `json:"bytes"`
	Requests int              `json:"requests"`
}

type planObjectJSON struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

// pointJSON is a state of the database: of LTX by its transaction, of v0.3 by a
// position.
type pointJSON struct {
	TXID       string    `json:"txid,omitempty"`
	Generation string    `json:"generation,omitempty"`
	Index      *int      `json:"index,omitempty"`
	Offset     *int64    `json:"offset,omitempty"`
	Time       time.Time `json:"time"`
}

// noPlanJSON is what there is where a plan is impossible.
type noPlanJSON struct {
	URL    string     `json:"url"`
	Error  string     `json:"error"`
	Before *pointJSON `json:"before,omitempty"`
	After  *pointJSON `json:"after,omitempty"`
}

// targetFlags are the flags that say which state is meant.
type targetFlags struct {
	timestamp  timeFlag
	txid       string
	generation string
	index      hexFlag
}

func addTarget(flags *pflag.FlagSet) *targetFlags {
	t := &targetFlags{timestamp: timeFlag{now: time.Now}}
	flags.Var(&t.timestamp, "timestamp", "the last state at or before this time")
	flags.StringVar(&t.txid, "txid", "", "the state after this `transaction` (16 hex digits, or fewer)")
	flags.StringVar(&t.generation, "generation", "",
		"the last state of this generation of a v0.3 backup, or that at --timestamp")
	flags.Var(&t.index, "index", "with --generation: through the WAL of this index (hex, as listings show it)")
	return t
}

const targetHelp = `The target is the latest state, or one of: --timestamp, the last state at or before
a time; --txid, the state after a transaction of an LTX replica; --generation, the
last state of a generation of a v0.3 backup, with --index that after the WAL of an
index, with --timestamp that at a time. A moment inside a compacted file has no state of
its own: the state before it is used, and a note says so and names the next one. If damage
may have changed the answer, the exit code is 4.

` + moment.Forms + `

If both formats are in one place, the one with the newer state at or before the target is
used.`

func (t *targetFlags) target() (restore.Target, error) {
	target := restore.Target{Timestamp: t.timestamp.at, Generation: t.generation, Index: t.index.value}
	if t.txid != "" {
		txid, err := parseTXID(t.txid)
		if err != nil {
			return target, usageError("replctl ltx URL, which lists them", "--txid %s: %w", t.txid, err)
		}
		target.TXID = txid
	}
	if t.generation != "" {
		if err := v3compat.CheckGenerationID(t.generation); err != nil {
			return target, usageError("replctl generations URL, which lists them", "--generation: %w", err)
		}
	}
	if target.Index != nil && target.Generation == "" {
		return target, usageError("replctl generations URL, which lists them", "--index needs --generation")
	}
	switch at := !t.timestamp.at.IsZero(); {
	case t.txid != "" && (at || t.generation != ""):
		return target, usageError("one of them", "--txid goes with neither --timestamp nor --generation")
	case target.Index != nil && at:
		return target, usageError("one of them", "--index and --timestamp are two targets")
	}
	return target, nil
}

func newPlanCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan URL",
		Short: "Show what a restore would read",
		Long: `Show which objects a restore would read, in which order, how many bytes and
requests that is, and what state of the database comes out; or why it is impossible,
and what the nearest states are that can be restored. Of all ways to the target it is
the one with the fewest bytes to read. It reads listings, and for --timestamp the headers
of some files. The two files on either side of the moment are read whole if the store's
times do not confirm their headers.

` + targetHelp,
		Example: "  replctl plan s3://backups/db --timestamp -90m",
		Args:    oneURL,
	}
	target := addTarget(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.plan(cmd.Context(), args[0], target)
	}
	a.addJSON(cmd)
	return cmd
}

func (a *app) plan(ctx context.Context, url string, flags *targetFlags) error {
	r, plan, err := a.makePlan(ctx, url, flags)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(planDoc(r.url, plan))
	}
	return a.printPlan(plan)
}

// makePlan opens the replica, plans, and tells which time is meant. If there is no plan, it
// prints what is possible.
func (a *app) makePlan(ctx context.Context, url string, flags *targetFlags) (*opened, *restore.Plan, error) {
	target, err := flags.target()
	if err != nil {
		return nil, nil, err
	}
	r, err := a.openReplica(url)
	if err != nil {
		return nil, nil, err
	}
	plan, err := restore.NewPlan(ctx, r, target)
	if err != nil {
		return nil, nil, a.noPlan(ctx, r, err)
	}
	a.sayPlan(target, plan)
	return r, plan, nil
}

// sayPlan tells people in what way a plan is not what they may think.
func (a *app) sayPlan(target restore.Target, plan *restore.Plan) {
	a.sayZone("timestamp", target.Timestamp)
	if !a.json {
		for _, note := range plan.Notes {
			a.talk("note: %s", note)
		}
	}
}

// noPlan is planError, and prints what is possible.
func (a *app) noPlan(ctx context.Context, r *opened, err error) error {
	if errors.Is(err, replica.ErrNoReplica) {
		return r.nothing(ctx)
	}
	var e *restore.PlanError
	if errors.As(err, &e) && a.json {
		doc := noPlanJSON{URL: r.url, Error: e.Error(), Before: pointDoc(e.Before), After: pointDoc(e.After)}
		return errors.Join(a.printJSON(doc), planError(err))
	}
	return planError(err)
}

// planError gives the error of a plan its exit code.
func planError(err error) error {
	var e *restore.PlanError
	if !errors.As(err, &e) {
		return err
	}
	ce := &cliError{code: exitNothing, err: err, try: nearestPoints(e)}
	if errors.Is(err, replica.ErrDamaged) {
		ce.code = exitDamage
	}
	return ce
}

// nearestPoints suggests what can be had.
func nearestPoints(e *restore.PlanError) string {
	before, after := describePoint(e.Before), describePoint(e.After)
	switch {
	case before != "" && after != "":
		return fmt.Sprintf("%s, the nearest state before; %s, the nearest after", before, after)
	case before != "":
		return before + ", the nearest state that can be restored"
	case after != "":
		return after + ", the earliest state that can be restored"
	}
	return "replctl inspect, which says what is there"
}

// describePoint is the flags that ask for a point, and its time.
func describePoint(p replica.Point) string {
	switch {
	case p.IsZero():
		return ""
	case p.TXID != 0:
		return fmt.Sprintf("--txid %s (%s)", p.TXID, preciseStamp(p.Time))
	}
	return fmt.Sprintf("--generation %s --timestamp %s", p.Pos.Generation, p.Time.UTC().Format(time.RFC3339Nano))
}

func preciseStamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000Z") }

func planDoc(url string, plan *restore.Plan) planJSON {
	return planJSON{
		URL: url, Format: plan.Format, Reason: plan.Reason, State: *pointDoc(plan.State), Next: pointDoc(plan.Next),
		Asked: optionalTime(plan.Target.Timestamp),
		Notes: append([]string{}, plan.Notes...), Objects: planObjects(plan.Objects),
		Bytes: plan.Bytes, Requests: plan.Requests,
	}
}

// planObjects is never null in JSON.
func planObjects(objects []replica.Object) []planObjectJSON {
	docs := []planObjectJSON{}
	for _, o := range objects {
		docs = append(docs, planObjectJSON{o.Key, o.Size})
	}
	return docs
}

func pointDoc(p replica.Point) *pointJSON {
	switch {
	case p.IsZero():
		return nil
	case p.TXID != 0:
		return &pointJSON{TXID: p.TXID.String(), Time: p.Time.UTC()}
	}
	return &pointJSON{Generation: p.Pos.Generation, Index: &p.Pos.Index, Offset: &p.Pos.Offset, Time: p.Time.UTC()}
}

func (a *app) printPlan(plan *restore.Plan) error {
	g := newGrid("step", "size", "object")
	g.right = []string{"step", "size"}
	for i, o := range plan.Objects {
		g.add(i+1, o.Size, path.Clean(o.Key))
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	if plan.Reason != "" {
		if err := a.print("\nformat  %s: %s", plan.Format, plan.Reason); err != nil {
			return err
		}
	}
	return a.print("\nstate   %s\nreads   %s in %s, %s\n", describeState(plan), size(plan.Bytes),
		count(len(plan.Objects), "object", "objects"), count(plan.Requests, "request", "requests"))
}

func describeState(plan *restore.Plan) string {
	if plan.Format == replica.FormatLTX {
		return fmt.Sprintf("transaction %s of %s", plan.State.TXID, preciseStamp(plan.State.Time))
	}
	pos := plan.State.Pos
	return fmt.Sprintf("generation %s through index %s, offset %08x, of %s",
		pos.Generation, hexIndex(pos.Index), pos.Offset, preciseStamp(plan.State.Time))
}

// parseTXID takes hex digits, as Litestream prints them, with or without the
// zeros before them.
func parseTXID(s string) (ltx.TXID, error) {
	const digits = 16
	if len(s) == 0 || len(s) > digits {
		return 0, fmt.Errorf("want 1 to %d hex digits", digits)
	}
	txid, err := ltx.ParseTXID(strings.Repeat("0", digits-len(s)) + s)
	if err != nil {
		return 0, fmt.Errorf("want 1 to %d hex digits", digits)
	}
	if txid == 0 {
		return 0, errors.New("transactions are numbered from 1")
	}
	return txid, nil
}
