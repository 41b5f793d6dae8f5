package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
)

const cpLong = `Copy a replica to another place: from a directory to a bucket, from one bucket to
another, in either format or both. Each object is verified as it flows by, written
create-only, and gets its true time; for a v0.3 backup the times are in times.json as
well, since a bucket cannot keep them. Leases and foreign objects are not copied.

A copy that was interrupted is finished by running it again, and brought up to date in
the same way: what is there with the same size and the same last KiB (which has the
object's checksum) is not copied again. At every moment the destination holds nothing
but what it can restore: a file is written after the files that it is applied to, and a
snapshot after the WAL segments that follow it. The source may change meanwhile, and
several copies may run at once.

A damaged object is named and not copied. Objects that would make the copy wrong without
it are not copied either. The rest is copied, and the exit code is 4. If the destination
has an object of the same name and another content, or later transactions, it is no copy
of the source, and nothing is written. If it shares no object with the source, only
--force copies to it.

--endpoint and the like are for both places if both are buckets; else put them into the
URLs. With --lease the destination's lease is held while it is written to: exit code 75
if it is not acquired, 76 if it is lost on the way. Only --lease needs a lease.`

type cpFlags struct {
	workFlags
	since       timeFlag
	concurrency int
	lease       bool
	force       bool
}

// cpJSON is what was done.
type cpJSON struct {
	From        string            `json:"from"`
	To          string            `json:"to"`
	Objects     int               `json:"objects"`
	Bytes       int64             `json:"bytes"`
	Present     int               `json:"present"`
	Copied      int               `json:"copied"`
	CopiedBytes int64             `json:"copied_bytes"`
	Seconds     float64           `json:"seconds"`
	Problems    []replica.Problem `json:"problems"`

	LeaseGeneration int64 `json:"lease_generation,omitempty"`
}

func newCpCommand(a *app) *cobra.Command {
	flags := &cpFlags{since: timeFlag{now: time.Now}}
	cmd := &cobra.Command{
		Use:   "cp SRC DST",
		Short: "Copy a replica to another place",
		Long:  cpLong,
		Example: `  replctl cp /var/backups/db s3://backups/db
  replctl cp "s3://old/db?endpoint=http://minio:9000" s3://new/db --since -7d`,
		Args: twoURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.cp(cmd.Context(), args[0], args[1], flags)
		},
	}
	cmd.Flags().Var(&flags.since, "since", "only what it takes to restore the state at this time and all later ones")
	cmd.Flags().IntVar(&flags.concurrency, "concurrency", 8, "how many objects are copied at a time")
	cmd.Flags().BoolVar(&flags.force, "force", false, "also to a replica that has nothing in common with the source")
	cmd.Flags().BoolVar(&flags.lease, "lease", false, "write under the destination's lease")
	flags.addWork(cmd, "with --lease: ")
	a.addJSON(cmd)
	return cmd
}

func twoURLs(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two arguments, from where and to where, not %d", len(args))
	}
	return nil
}

func (f *cpFlags) check() error {
	if f.concurrency < 1 || f.concurrency > 256 {
		return usageError("--concurrency 8", "--concurrency: want 1 to 256, not %d", f.concurrency)
	}
	return f.checkWork(f.lease, "--lease")
}

func (a *app) cp(ctx context.Context, from, to string, flags *cpFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	src, dst, there, err := a.openBoth(from, to)
	if err != nil {
		return err
	}
	if src.url == dst.url {
		return usageError("another place", "cp: source and destination are the same")
	}
	a.sayZone("since", flags.since.at)
	return there.work(ctx, dst, to, flags.workFlags, flags.lease,
		func(ctx context.Context, client replica.Fenceable, generation int64) error {
			return a.copyReplica(ctx, src, dst, client, flags, generation)
		})
}

// openBoth opens the two replicas of a command, and returns the app to write with.
func (a *app) openBoth(from, to string) (src, dst *opened, there *app, err error) {
	if src, err = a.beside(from, to).openReplica(from); err != nil {
		return nil, nil, nil, err
	}
	there = a.beside(to, from)
	dst, err = there.openReplica(to)
	return src, dst, there, err
}

// beside is the app for one of two places. The flags about a bucket are not for a
// directory if the other place is a bucket.
func (a *app) beside(url, other string) *app {
	isBucket := func(url string) bool { return strings.HasPrefix(strings.ToLower(url), "s3:") }
	b := *a
	if !isBucket(url) && isBucket(other) {
		b.endpoint, b.region, b.forcePathStyle, b.skipVerify = "", "", false, false
	}
	return &b
}

func (a *app) copyReplica(ctx context.Context, src, dst *opened, client replica.Fenceable,
	flags *cpFlags, generation int64,
) error {
	m := a.newMeter("copying")
	began := time.Now()
	rep, err := mirror.Copy(ctx, src, client, mirror.Options{
		Since: flags.since.at, Concurrency: flags.concurrency, Force: flags.force, Progress: m.update,
	})
	m.done()
	switch {
	case errors.Is(err, replica.ErrNoReplica):
		return src.nothing(ctx)
	case err != nil:
		return copyFailure(err)
	}
	doc := cpJSON{
		From: src.url, To: dst.url, Objects: rep.Objects, Bytes: rep.Bytes, Present: rep.Present,
		Copied: rep.Copied, CopiedBytes: rep.CopiedBytes, Seconds: time.Since(began).Seconds(),
		Problems: append([]replica.Problem{}, rep.Problems...), LeaseGeneration: generation,
	}
	if err := a.printCopy(doc); err != nil {
		return err
	}
	isError := func(p replica.Problem) bool { return p.Severity == replica.SeverityError }
	if slices.ContainsFunc(doc.Problems, isError) {
		return errDamage
	}
	return nil
}

func copyFailure(err error) error {
	var conflict *mirror.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Other:
		return &cliError{exitFailure, err,
			"an empty place for the copy; or --force, if the source's states are to become the latest there"}
	case errors.As(err, &conflict):
		return &cliError{exitFailure, err, "an empty place for the copy"}
	case errors.Is(err, mirror.ErrSourceChanges):
		return &cliError{exitFailure, err, "the same again, later"}
	}
	return err
}

func (a *app) printCopy(doc cpJSON) error {
	if a.json {
		return a.printJSON(doc)
	}
	took := time.Duration(doc.Seconds * float64(time.Second)).Round(time.Millisecond)
	err := a.print("copied %d of %s, %s, in %v; %d were there before\n",
		doc.Copied, count(doc.Objects, "object", "objects"), size(doc.CopiedBytes), took, doc.Present)
	if err != nil {
		return err
	}
	return a.printProblems(doc.Problems)
}
