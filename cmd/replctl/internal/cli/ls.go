package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cmd/replctl/internal/lsconfig"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/fleet"
)

const lsLong = `List the replicas at any depth below a directory, a bucket or a prefix: how new the newest
state of each is, since when it can be restored, who holds its lease, and a verdict.

  fresh    the newest state can be restored, and is younger than --max-age
  stale    the newest state can be restored, and is older
  broken   what leads to the newest state is missing or damaged
  empty    the directories of a replica are there, with nothing in them
  unknown  it could not be read, which the error says, or its time is not known

A replica is known by the shapes of its names: ltx/, 0000/ to 0009/, generations/. Directories
are listed in parallel, one level at a time; each replica costs four requests more. No object is
read but for a header: damage inside of an object is found by check, not here.

What cannot be read is a row with its error, and the rest is listed: exit code 1. Else a broken
replica is exit code 4. With --max-age one that is not younger is exit code 7; without it, 24
hours decide the word, and never the exit code. No replica at all is exit code 3.

With --config and without a URL the replicas of the databases in Litestream's configuration file are
listed.`

type lsFlags struct {
	maxAge       agoFlag
	sizes, jsonl bool
	prom         string
}

// databaseJSON is a replica that ls has found.
type databaseJSON struct {
	URL        string            `json:"url"`
	Formats    []string          `json:"formats"`
	Newest     *pointJSON        `json:"newest,omitempty"` // with age_seconds and oldest: absent if there is none
	AgeSeconds *float64          `json:"age_seconds,omitempty"`
	Oldest     *pointJSON        `json:"oldest,omitempty"`
	Lease      *leaseJSON        `json:"lease,omitempty"`
	Drill      *replica.Drill    `json:"drill,omitempty"` // the last that was recorded
	Verdict    fleet.Verdict     `json:"verdict"`
	Problems   []replica.Problem `json:"problems"`
	Error      string            `json:"error,omitempty"`
	Objects    *int              `json:"objects,omitempty"` // with --sizes
	Bytes      *int64            `json:"bytes,omitempty"`
}

func newLsCommand(a *app) *cobra.Command {
	flags := &lsFlags{}
	cmd := &cobra.Command{
		Use:   "ls [URL]",
		Short: "List the replicas below a place, and how fresh they are",
		Long:  lsLong,
		Example: `  replctl ls s3://backups
  replctl ls --config /etc/litestream.yml --max-age 1h
  replctl ls /var/backups --max-age 15m --prom /var/lib/node_exporter/replctl.prom`,
		Args: a.oneOrConfigured,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json && flags.jsonl {
				return usageError("one of them", "ls: --json and --jsonl are two formats")
			}
			return a.ls(cmd.Context(), args, flags)
		},
	}
	addMaxAge(cmd, &flags.maxAge, " (default 24h, without an exit code)")
	cmd.Flags().BoolVar(&flags.sizes, "sizes", false, "count objects and bytes, for which each replica is listed whole")
	cmd.Flags().BoolVar(&flags.jsonl, "jsonl", false, "print a JSON object a replica and line, as they are found")
	cmd.Flags().Var(pathFlag{&flags.prom}, "prom",
		"write metrics to `file` for the Prometheus node exporter's textfile collector")
	a.addJSON(cmd)
	return cmd
}

// lsRow is a replica with its URL.
type lsRow struct {
	*fleet.Database
	url string
}

func (a *app) ls(ctx context.Context, args []string, flags *lsFlags) error {
	found, passedOver, err := a.findReplicas(ctx, args, flags)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b lsRow) int { return strings.Compare(a.url, b.url) })
	if flags.prom != "" {
		if err := writeMetrics(flags.prom, lsMetrics(found, flags, time.Now())); err != nil {
			return err
		}
	}
	if err := a.printDatabases(found, passedOver, flags); err != nil {
		return err
	}
	return lsOutcome(found, flags)
}

// findReplicas finds those below a URL, or, without one, looks at those of the configuration file.
func (a *app) findReplicas(ctx context.Context, args []string, flags *lsFlags) (found []lsRow, passedOver []string,
	err error,
) {
	m := a.newMeter("looking:")
	defer m.done()
	opts := fleet.Options{
		MaxAge: flags.maxAge.d, Sizes: flags.sizes,
		Progress: func(dirs, replicas int) { m.updateBoth(dirs, "directories", replicas, "replicas") },
	}
	rows := a.lookAtConfigured(ctx, opts)
	if len(args) > 0 {
		r, err := a.openReplica(args[0])
		if err != nil {
			return nil, nil, err
		}
		opts.PassedOver = func(dir string) {
			passedOver = append(passedOver, fmt.Sprintf("%s, the working directory of Litestream for %s",
				below(r.url, dir), fleet.WorkingDirOf(dir)))
		}
		rows = findBelow(ctx, r, opts)
	}
	for row, err := range rows {
		if err != nil {
			return nil, nil, err
		}
		found = append(found, row)
		if flags.jsonl {
			if err := a.printJSONLine(newDatabaseJSON(row, flags)); err != nil {
				return nil, nil, err
			}
		}
	}
	slices.Sort(passedOver)
	return found, passedOver, nil
}

// findBelow yields the replicas below a place. Without any, it says what is there instead.
func findBelow(ctx context.Context, r *opened, opts fleet.Options) iter.Seq2[lsRow, error] {
	return func(yield func(lsRow, error) bool) {
		store, _, err := r.Open(ctx)
		if err != nil {
			yield(lsRow{}, err)
			return
		}
		any := false
		for db, err := range fleet.Find(ctx, store, opts) {
			any = true
			if err != nil {
				yield(lsRow{}, err)
				return
			}
			if !yield(lsRow{db, below(r.url, db.Path)}, nil) {
				return
			}
		}
		if !any {
			yield(lsRow{}, r.nothing(ctx))
		}
	}
}

// lookAtConfigured yields the replicas of the configuration file.
func (a *app) lookAtConfigured(ctx context.Context, opts fleet.Options) iter.Seq2[lsRow, error] {
	return func(yield func(lsRow, error) bool) {
		replicas, err := a.config.chosen()
		if err != nil {
			yield(lsRow{}, err)
			return
		}
		look := func(ctx context.Context, from lsconfig.Replica) (lsRow, error) {
			r, err := a.openConfigured(from)
			if err != nil {
				return lsRow{&fleet.Database{Verdict: fleet.Unknown, Err: err}, from.URL}, nil
			}
			return lsRow{fleet.Look(ctx, r, opts), r.url}, nil
		}
		for row, err := range ordered.Map(ctx, fleet.DefaultConcurrency, ordered.Slice(replicas), look) {
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// below is the URL of a directory below that of another one; "" is that one itself.
func below(url, dir string) string {
	for name := range strings.SplitSeq(dir, "/") {
		if name != "" {
			url = joinURL(url, name)
		}
	}
	return url
}

func newDatabaseJSON(db lsRow, flags *lsFlags) databaseJSON {
	doc := databaseJSON{
		URL: db.url, Formats: append([]string{}, db.Formats...),
		Newest: pointDoc(db.Newest), Oldest: pointDoc(db.Oldest), Drill: db.Drill,
		Verdict: db.Verdict, Problems: problemsJSON(db.Problems),
	}
	if !db.Newest.Time.IsZero() {
		age := db.Age(time.Now()).Round(time.Millisecond).Seconds()
		doc.AgeSeconds = &age
	}
	if db.Lease != nil {
		held := newLeaseJSON(&db.Lease.Lease, db.Lease.State)
		doc.Lease = &held
	}
	if db.Err != nil {
		doc.Error = harmless(db.Err.Error())
	}
	if flags.sizes {
		doc.Objects, doc.Bytes = &db.Objects, &db.Bytes
	}
	return doc
}

func (a *app) printDatabases(found []lsRow, passedOver []string, flags *lsFlags) error {
	switch {
	case flags.jsonl:
		return nil
	case a.json:
		docs := []databaseJSON{}
		for _, db := range found {
			docs = append(docs, newDatabaseJSON(db, flags))
		}
		return a.printJSON(docs)
	}
	g := newGrid("verdict", "newest", "restorable since", "formats", "lease", "last drill", "objects", "size", "url")
	g.right = []string{"objects", "size"}
	g.expendable = []string{"last drill", "lease", "formats", "restorable since"}
	if !flags.sizes {
		g.hidden = append(g.hidden, "objects", "size")
	}
	if !slices.ContainsFunc(found, func(db lsRow) bool { return db.Drill != nil }) {
		g.hidden = append(g.hidden, "last drill")
	}
	for _, db := range found {
		g.add(a.paintFreshness(db.Verdict), stampAgo(db.Newest.Time), stamp(db.Oldest.Time), strings.Join(db.Formats, ", "),
			leaseWord(db.Lease), drillWord(db.Drill), db.Objects, size(db.Bytes), db.url)
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	for _, db := range found {
		if err := a.printProblems(aboutDatabase(db)); err != nil {
			return err
		}
	}
	if err := a.print("\n%s\n", lsSummary(found)); err != nil {
		return err
	}
	for _, what := range passedOver {
		if err := a.print("passed over: %s\n", what); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) paintFreshness(v fleet.Verdict) safe {
	switch v {
	case fleet.Fresh:
		return a.paint(string(v), text.FgGreen)
	case fleet.Stale, fleet.Empty:
		return a.paint(string(v), text.FgYellow)
	}
	return a.paint(string(v), text.FgRed, text.Bold)
}

// leaseWord is who holds a lease, or its state.
func leaseWord(l *replica.LeaseRecord) string {
	switch {
	case l == nil:
		return "-"
	case l.State == lease.Held:
		return fmt.Sprintf("%s (%d)", shownText(l.Owner), l.Generation)
	}
	return string(l.State)
}

// drillWord is what came of a drill, and when.
func drillWord(d *replica.Drill) string {
	if d == nil {
		return "-"
	}
	return d.Outcome + " " + humanize.Time(d.Time)
}

// aboutDatabase are the problems of a replica, each with the URL to look at.
func aboutDatabase(db lsRow) []replica.Problem {
	problems := problemsAt(db.url, db.Problems)
	if db.Err != nil {
		problems = append(problems, replica.Problem{Severity: replica.SeverityError, Object: db.url, Message: db.Err.Error()})
	}
	return problems
}

// lsSummary is such as "3 replicas: 2 fresh, 1 broken".
func lsSummary(found []lsRow) string {
	n := map[fleet.Verdict]int{}
	for _, db := range found {
		n[db.Verdict]++
	}
	var parts []string
	for _, v := range fleet.Verdicts {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	return count(len(found), "replica", "replicas") + ": " + strings.Join(parts, ", ")
}

// lsOutcome is the exit code: what could not be read counts most, then what is broken.
func lsOutcome(found []lsRow, flags *lsFlags) error {
	var failed []lsRow
	broken, old := false, false
	for _, db := range found {
		if db.Err != nil {
			failed = append(failed, db)
		}
		broken = broken || db.Verdict == fleet.Broken
		old = old || db.Verdict != fleet.Fresh
	}
	switch {
	case len(failed) == 1:
		return fmt.Errorf("ls: %w", failed[0].Err)
	case len(failed) > 1:
		return fmt.Errorf("ls: %d places could not be read, the first: %w", len(failed), failed[0].Err)
	case broken:
		return errDamage
	case old && flags.maxAge.text != "":
		return errStale
	}
	return nil
}
