package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cmd/replctl/internal/lsconfig"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/drill"
	"github.com/replctl/replicate/sqlite/query"
)

const drillLong = `Prove that replicas restore. Of each replica the newest state, the oldest one and some
between them, picked at random by --seed, are restored to a file without a name (--temp-dir), one
at a time. Each is compared with what the replica says of it, its transaction and its size, and
SQLite looks for damage (integrity_check) and for rows whose foreign keys point nowhere.

--assert adds SQL that has to give one value which is true: not 0, not empty, not null.
--assert-file has such statements, each with its semicolon. They read a database that cannot
be written to. --view opens a view of each moment and restores nothing: what SQLite reads is read.

A moment passes, or fails, or is inconclusive: it could not be read, so that nothing is known.
The report says how long the longest restore took (RTO) and how old the newest state was (RPO).
--record keeps the outcome in the replica, as a small record, so that ls shows when it last
proved itself. --ping asks a URL when all has passed, for a dead man's switch.

Exit codes, the first that applies to any of the replicas: 1, a replica could not be drilled at
all; 4, a moment failed; 6, one is inconclusive; 3, there is no replica; 7, with --max-age, the
newest state is older.`

type drillFlags struct {
	moments        int
	seed           uint64
	view           bool
	asserts        []string
	assertFile     string
	tempDir, prom  string
	maxAge         agoFlag
	record         bool
	ping           string
	markdown, html bool
}

// drillJSON is the drill of one replica.
type drillJSON struct {
	URL            string            `json:"url"`
	Outcome        drill.Outcome     `json:"outcome"`
	Seed           uint64            `json:"seed"`
	States         int               `json:"states"`
	Newest         *pointJSON        `json:"newest,omitempty"` // with age_seconds: absent if there is none
	AgeSeconds     *float64          `json:"age_seconds,omitempty"`
	RestoreSeconds float64           `json:"restore_seconds"`
	Moments        []drillMomentJSON `json:"moments"`
}

type drillMomentJSON struct {
	Why     string           `json:"why"`
	Format  string           `json:"format,omitempty"`
	State   *pointJSON       `json:"state,omitempty"`
	Size    int64            `json:"size"`
	Read    int64            `json:"read"`
	Seconds float64          `json:"seconds"`
	Outcome drill.Outcome    `json:"outcome"`
	Checks  []drillCheckJSON `json:"checks"`
	Error   string           `json:"error,omitempty"`
}

type drillCheckJSON struct {
	Name    string        `json:"name"`
	Outcome drill.Outcome `json:"outcome"`
	Message string        `json:"message,omitempty"`
}

func newDrillCommand(a *app) *cobra.Command {
	flags := &drillFlags{}
	cmd := &cobra.Command{
		Use:   "drill [URL...]",
		Short: "Prove that replicas restore: restore some moments, and ask SQLite",
		Long:  drillLong,
		Example: `  replctl drill s3://backups/db --assert 'select count(*) > 0 from users'
  replctl drill s3://backups/a s3://backups/b --record --html > drill.html`,
		Args: a.someReplicas,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("seed") {
				flags.seed = uint64(rand.Uint32())
			}
			return a.drills(cmd.Context(), args, flags)
		},
	}
	f := cmd.Flags()
	f.IntVar(&flags.moments, "moments", drill.DefaultMoments,
		"how many random `moments`, beside the newest and the oldest")
	f.Uint64Var(&flags.seed, "seed", 0, "`number` that picks the moments (default another one each time, which is said)")
	f.BoolVar(&flags.view, "view", false, "open views, and restore nothing")
	f.StringArrayVar(&flags.asserts, "assert", nil, "`SQL` that has to be true; may be repeated")
	f.Var(pathFlag{&flags.assertFile}, "assert-file", "`file` with such SQL")
	f.Var(pathFlag{&flags.tempDir}, "temp-dir", "where to restore to (default $TMPDIR)")
	addMaxAge(cmd, &flags.maxAge, "")
	f.BoolVar(&flags.record, "record", false, "keep the outcome in the replica")
	f.StringVar(&flags.ping, "ping", "", "`URL` to ask when all has passed")
	f.Var(pathFlag{&flags.prom}, "prom", "write metrics to `file` for the Prometheus node exporter's textfile collector")
	f.BoolVar(&flags.markdown, "markdown", false, "print the report as Markdown")
	f.BoolVar(&flags.html, "html", false, "print the report as a page that needs nothing else")
	a.addJSON(cmd)
	return cmd
}

// drilled is what came of one replica.
type drilled struct {
	url    string
	report *drill.Report // nil if it could not be drilled
}

func (a *app) drills(ctx context.Context, args []string, flags *drillFlags) error {
	formats := 0
	for _, on := range []bool{a.json, flags.markdown, flags.html} {
		if on {
			formats++
		}
	}
	switch {
	case formats > 1:
		return usageError("one of them", "drill: --json, --markdown and --html are three formats")
	case flags.moments < 0:
		return usageError("--moments 3", "drill: --moments %d: want 0 or more", flags.moments)
	}
	if err := flags.readAsserts(); err != nil {
		return err
	}
	replicas, err := a.replicasOf(args)
	if err != nil {
		return err
	}
	var all []drilled
	codes := outcomes{}
	for _, from := range replicas {
		d, err := a.drill(ctx, from, flags)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		codes[a.drillCode(d, err, flags)] = true
		if d.report != nil {
			all = append(all, d)
		}
	}
	if flags.prom != "" && len(all) > 0 {
		if err := writeMetrics(flags.prom, drillMetrics(all)); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		if err := a.printDrills(all, flags); err != nil {
			return err
		}
	}
	if err := codes.err(); err != nil {
		return err
	}
	return ping(ctx, flags.ping)
}

// readAsserts adds those of the file.
func (f *drillFlags) readAsserts() error {
	if f.assertFile == "" {
		return nil
	}
	data, err := os.ReadFile(f.assertFile)
	if err != nil {
		return err
	}
	for rest := string(data); ; {
		var statement string
		if statement, rest, _ = query.Next(rest); statement == "" {
			return nil
		}
		f.asserts = append(f.asserts, statement)
	}
}

func (a *app) drill(ctx context.Context, from lsconfig.Replica, flags *drillFlags) (d drilled, err error) {
	r, err := a.openConfigured(from)
	if err != nil {
		return d, err
	}
	d.url = r.url
	m := a.newMeter("restoring")
	defer m.done()
	began := func(n, of int, _ string, _ replica.Point) { m.verb = fmt.Sprintf("restoring %d of %d:", n, of) }
	opts := drill.Options{
		Moments: flags.moments, Seed: flags.seed, View: flags.view, Assertions: flags.asserts, TempDir: flags.tempDir,
		Began: began, Progress: m.update,
	}
	if flags.moments == 0 {
		opts.Moments = -1
	}
	d.report, err = drill.Run(ctx, r, opts)
	switch {
	case errors.Is(err, replica.ErrNoReplica):
		return d, r.nothing(ctx)
	case err != nil || !flags.record:
		return d, err
	}
	return d, a.keepDrill(ctx, from, d.report)
}

func (a *app) keepDrill(ctx context.Context, from lsconfig.Replica, report *drill.Report) error {
	l, err := a.leaserOf(from, "drill", engines.Options{})
	if err != nil {
		return err
	}
	store, err := l.Records(ctx)
	if err != nil {
		return err
	}
	return drill.Keep(ctx, store, report.Record())
}

// drillCode says what failed, and returns the exit code of one replica.
func (a *app) drillCode(d drilled, err error, flags *drillFlags) int {
	switch {
	case err != nil:
		return a.exitCode(err)
	case d.report.Outcome == drill.Failed:
		return exitDamage
	case d.report.Outcome == drill.Inconclusive:
		return exitInconclusive
	}
	if stale, _ := flags.maxAge.tooOld(d.report.Newest.Time, time.Now()); stale {
		return exitStale
	}
	return exitOK
}

// ping tells a dead man's switch of success.
func ping(ctx context.Context, target string) error {
	if target == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("--ping: %w", pingCause(err))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the drill has passed, and --ping failed: %w", pingCause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the drill has passed, and --ping was answered %s", resp.Status)
	}
	return nil
}

// pingCause is an error without the URL, which is a secret.
func pingCause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

func (a *app) printDrills(all []drilled, flags *drillFlags) error {
	switch {
	case a.json:
		docs := []drillJSON{}
		for _, d := range all {
			docs = append(docs, newDrillJSON(d))
		}
		return a.printJSON(docs)
	case flags.markdown:
		return a.print("%s", safe(drillMarkdown(all)))
	case flags.html:
		return drillHTML(a.stdout, all)
	}
	for i, d := range all {
		if i > 0 {
			if err := a.print("\n"); err != nil {
				return err
			}
		}
		if err := a.printDrill(d, flags); err != nil {
			return err
		}
	}
	return nil
}
