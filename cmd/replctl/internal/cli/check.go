package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/sqlite"
)

// checkJSON is the verdict; ok is false where a problem is an error.
type checkJSON struct {
	OK         bool              `json:"ok"`
	URL        string            `json:"url"`
	Formats    []string          `json:"formats"`
	Objects    int               `json:"objects"`
	Bytes      int64             `json:"bytes"`
	Verified   int               `json:"verified"`
	Restored   int               `json:"restored"`
	Problems   []replica.Problem `json:"problems"`
	Restorable []windowJSON      `json:"restorable"`
	Against    *againstJSON      `json:"against,omitempty"` // with --against
	Error      string            `json:"error,omitempty"`   // with --all: why it could not be checked
}

// windowJSON has min_txid and max_txid for LTX, generation for v0.3.
type windowJSON struct {
	Format     string     `json:"format"`
	From       *time.Time `json:"from"`
	To         *time.Time `json:"to"`
	MinTXID    string     `json:"min_txid,omitempty"`
	MaxTXID    string     `json:"max_txid,omitempty"`
	Generation string     `json:"generation,omitempty"`
}

type checkOptions struct {
	deep    bool
	subset  string
	round   uint64
	prom    string
	tempDir string
	maxAge  agoFlag
	against string
	many    allFlags
}

const checkLong = `Check a replica without restoring it to a place of its own: that nothing is missing,
cut off, empty, or not what its name says, and from when to when it can be restored.

A replica of up to %s in up to %d objects is read from end to end, and every
checksum verified. Of a larger one each LTX file's header, page index and trailer are
read, and of v0.3 backups names and sizes are judged. --read-data-subset 1/20 reads the first
of 20 groups from end to end as well: names decide which object is in which group, for ever,
so that 20 runs, 1/20 to 20/20, read everything. --read-data-subset 5%% reads that share, each
day (UTC) the one after that of the day before: run once a day, it reads everything in 20
days. A day without a run leaves its share to the next time round. --round N reads the Nth
share instead.

A window has every state that the replica has. It does not have every moment: a moment
inside a compacted file gets the state before it ("replctl plan" tells which). Names alone
do not show two faults. In a v0.3 backup without times.json the last segment of an index
may be missing: only --deep, and a restore, find the malformed database. And if two
replicators wrote to one place, which is a warning, the states may be of neither database.

Objects that are read from end to end are followed page by page: this finds files that
contradict each other, as those of two replicators in one place do. For objects that are
read in part, the check compares the positions in the WAL, the checksums and the lease
generations of neighbours.

--deep reads everything. It restores the end of each restorable window to a temporary file
(--temp-dir), lets SQLite run its integrity_check there, and removes the file.

--prom replaces its file when the check is done. If the check could not look, or found no
replica, the file stays as it was: alert on an old replctl_check_timestamp_seconds as well.

Exit code 4 means that a problem is an error: something cannot be restored. With --max-age,
exit code 7 means that nothing is wrong but that the newest state is older.

--against compares the newest state with the database itself, which may be in use: page by
page, or by the checksum that the replica has of the database. A replica that is old and
identical is of an idle database, and not stale. One that differs is behind: exit code 7; with
--max-age only if it is older as well, since a database in use is always a little ahead.

--all checks every replica at any depth below URL, --config without a database every replica
of the file, a few at a time (--parallel), and reports them together: one that cannot be
checked does not keep the others. The exit code is the first of 1, 4, 3, 7 and 0 that applies
to any of them.`

func newCheckCommand(a *app) *cobra.Command {
	opts := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "check [URL]",
		Short: "Verify a replica, and show what can be restored from it",
		Long:  fmt.Sprintf(checkLong, size(check.AutoReadBytes), check.AutoReadObjects),
		Example: `  replctl check --deep s3://backups/db
  replctl check --read-data-subset 5% --prom /var/lib/node_exporter/replctl.prom /var/backups/db
  replctl check s3://backups/db --max-age 1h --against /var/lib/app/db.sqlite
  replctl check --all s3://backups --max-age 1h`,
		Args: a.oneOrConfigured,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("round") {
				opts.round = roundOf(time.Now())
			} else if strings.Contains(opts.subset, "/") {
				return usageError("--read-data-subset 5%", "--round is for a share, and %s is a group", opts.subset)
			}
			return a.check(cmd.Context(), args, opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.deep, "deep", false, "read everything, restore, and let SQLite check the result")
	flags.StringVar(&opts.subset, "read-data-subset", "",
		"`share` of the objects to read from end to end, such as 5%, or a group of them, such as 1/20")
	flags.Uint64Var(&opts.round, "round", 0, "which share: `N` and N+1 follow each other (default the day since 1970)")
	flags.Var(pathFlag{&opts.prom}, "prom",
		"write metrics to `file` for the Prometheus node exporter's textfile collector")
	addMaxAge(cmd, &opts.maxAge, "")
	flags.Var(pathFlag{&opts.tempDir}, "temp-dir", "where --deep restores to (default $TMPDIR)")
	flags.Var(pathFlag{&opts.against}, "against", "compare the newest state with the `database` itself")
	opts.many.add(cmd, "check every replica below URL, or of the configuration file")
	a.addJSON(cmd)
	return cmd
}

// roundOf is the day since 1970, in UTC.
func roundOf(t time.Time) uint64 { return uint64(t.Unix() / (24 * 60 * 60)) }

func (a *app) check(ctx context.Context, args []string, opts *checkOptions) error {
	subset, err := parseSubset(opts.subset)
	if err != nil {
		return usageError("--read-data-subset 5% or 1/20", "--read-data-subset %s: %w", opts.subset, err)
	}
	if opts.deep && opts.subset != "" {
		return usageError("one of them", "--deep reads everything, --read-data-subset a share of it")
	}
	if len(args) == 0 || opts.many.all {
		if opts.against != "" {
			return usageError("one replica", "--against is the database of one replica")
		}
		return a.checkAll(ctx, args, opts, subset)
	}
	r, err := a.openReplica(args[0])
	if err != nil {
		return err
	}
	m := a.newMeter("checking")
	subset.Progress = m.update
	report, err := runCheck(ctx, r, opts, subset)
	m.done()
	if err != nil {
		return err
	}
	if opts.prom != "" {
		metrics := newMetrics()
		metrics.check(r.url, report, time.Now())
		if err := writeMetrics(opts.prom, metrics); err != nil {
			return err
		}
	}
	live, err := a.compareLive(ctx, r, opts)
	if err != nil {
		return err
	}
	if a.json {
		doc := newCheckJSON(r.url, report)
		doc.Against = live
		err = a.printJSON(doc)
	} else {
		err = a.printCheck(r.url, report, live)
	}
	switch {
	case err != nil:
		return err
	case live == nil:
		return a.verdict(!report.OK(), newestOf(report.Restorable), &opts.maxAge)
	}
	return live.verdict(a, report, opts)
}

// newestOf is the end of the last of some windows.
func newestOf(windows []replica.Window) (newest time.Time) {
	for _, w := range windows {
		if w.To.Time.After(newest) {
			newest = w.To.Time
		}
	}
	return newest
}

// runCheck checks a replica. Where there is none, the error says so.
func runCheck(ctx context.Context, r *opened, opts *checkOptions, subset check.Options) (*check.Report, error) {
	subset.Deep, subset.Round, subset.TempDir = opts.deep, opts.round, opts.tempDir
	subset.Verify = func(ctx context.Context, path string) error { return soundDatabase(ctx, path, sqlite.CheckFull) }
	report, err := check.Run(ctx, r, subset)
	if err == nil && len(report.Formats()) == 0 {
		return nil, r.nothing(ctx)
	}
	return report, err
}

// soundDatabase is sqlite.Check; a database with nothing in it is sound.
func soundDatabase(ctx context.Context, path string, mode sqlite.CheckMode) error {
	if err := sqlite.Check(ctx, path, mode); !errors.Is(err, sqlite.ErrEmpty) {
		return err
	}
	return nil
}

// parseSubset parses "5%" and "0.05", which are shares, and "1/20", which is a group.
func parseSubset(s string) (opts check.Options, err error) {
	switch n, of, isGroup := strings.Cut(s, "/"); {
	case s == "":
		return opts, nil
	case isGroup:
		opts.Group, err = strconv.ParseUint(n, 10, 32)
		if err == nil {
			opts.Groups, err = strconv.ParseUint(of, 10, 32)
		}
		if err != nil || opts.Group < 1 || opts.Group > opts.Groups {
			return opts, errors.New("want a group from 1 to the number of groups, such as 1/20")
		}
		return opts, nil
	}
	number, isPercent := strings.CutSuffix(s, "%")
	if opts.Subset, err = strconv.ParseFloat(number, 64); isPercent {
		opts.Subset /= 100
	}
	if err != nil || !(opts.Subset > 0 && opts.Subset <= 1) {
		return opts, errors.New("want a share of more than 0% and up to 100%, such as 5%, or a group such as 1/20")
	}
	return opts, nil
}

func newCheckJSON(url string, r *check.Report) checkJSON {
	return checkJSON{
		OK: r.OK(), URL: url, Formats: r.Formats(), Objects: r.Objects, Bytes: r.Bytes,
		Verified: r.Verified, Restored: r.Restored,
		Problems: problemsJSON(r.Problems), Restorable: windowDocs(r.Restorable),
	}
}

func (a *app) printCheck(url string, r *check.Report, live *againstJSON) error {
	err := a.print("%s  %s, %s in %s\n", a.paint(url, text.Bold), strings.Join(r.Formats(), " and "),
		size(r.Bytes), count(r.Objects, "object", "objects"))
	if err != nil {
		return err
	}
	if err := a.printProblems(r.Problems); err != nil {
		return err
	}
	err = a.print("\nproblems    %s\nread        %s\nrestorable  ", a.paintVerdict(r.Inspection), readSummary(r))
	if err != nil {
		return err
	}
	if err := a.printWindows(r.Restorable); err != nil || live == nil {
		return err
	}
	return a.print("database    %s: %s\n", live.Database, live)
}

// readSummary says how far to trust the verdict.
func readSummary(r *check.Report) string {
	s := fmt.Sprintf("%d of %s from end to end", r.Verified, count(r.Objects, "object", "objects"))
	switch {
	case r.Restored > 0:
		s += fmt.Sprintf("; %s restored and checked by SQLite", count(r.Restored, "database", "databases"))
	case r.Verified < r.Objects:
		s += "; --deep reads all"
	}
	return s
}

// printWindows prints "from T1 to T2", and what is not between them.
func (a *app) printWindows(windows []replica.Window) error {
	if len(windows) == 0 {
		return a.print("%s\n", a.paint("nothing", text.FgRed, text.Bold))
	}
	indent := ""
	for len(windows) > 0 {
		first, n := windows[0], 1
		for n < len(windows) && windows[n].Format == first.Format && windows[n].Generation == first.Generation {
			n++
		}
		last := windows[n-1]
		what := "transactions " + txids(first.From.TXID, last.To.TXID)
		if first.Format == replica.FormatV3 {
			what = "generation " + first.Generation
		}
		if err := a.print("%sfrom %s to %s, %s\n", indent, stamp(first.From.Time), stampAgo(last.To.Time), what); err != nil {
			return err
		}
		indent = "            "
		for i := 1; i < n; i++ {
			after, before := preciseStamp(windows[i-1].To.Time), preciseStamp(windows[i].From.Time)
			if err := a.print("%sexcept after %s and before %s\n", indent, after, before); err != nil {
				return err
			}
		}
		windows = windows[n:]
	}
	return nil
}
