package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cmd/replctl/internal/lsconfig"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/replica/fleet"
)

// allFlags make a command work on many replicas.
type allFlags struct {
	all      bool
	parallel int
}

func (f *allFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&f.all, "all", false, what)
	cmd.Flags().IntVar(&f.parallel, "parallel", 4, "how many `replicas` at a time, where there are many")
}

func (f *allFlags) validate() error {
	if f.parallel < 1 {
		return usageError("--parallel 4", "--parallel %d: want 1 or more", f.parallel)
	}
	return nil
}

// each is a replica that a command works on beside others.
type each struct {
	lsconfig.Replica
	shown string // its URL without secrets
	name  string // its path below the place that was searched, or that of the database
	err   error  // why it could not be looked at
}

// everyReplica returns the replicas below a place or, without one, those of the configuration file, by
// their URLs.
func (a *app) everyReplica(ctx context.Context, args []string) (all []each, err error) {
	if len(args) == 0 {
		replicas, err := a.config.chosen()
		for _, r := range replicas {
			all = append(all, each{Replica: r, shown: r.URL, name: r.DB})
		}
		return all, err
	}
	from, err := a.configured(args[0])
	if err != nil {
		return nil, err
	}
	r, err := a.openConfigured(from)
	if err != nil {
		return nil, err
	}
	m := a.newMeter("looking:")
	defer m.done()
	opts := fleet.Options{
		Progress: func(dirs, replicas int) { m.updateBoth(dirs, "directories", replicas, "replicas") },
	}
	for row, err := range findBelow(ctx, r, opts) {
		if err != nil {
			return nil, err
		}
		one := each{Replica: from, shown: row.url, name: row.Path, err: row.Err}
		one.URL = below(from.URL, row.Path)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b each) int { return strings.Compare(a.URL, b.URL) })
	return all, nil
}

// forEach calls f for some replicas, several at a time, and then, for one after the other, tell. What
// goes wrong with one is for f to return; it does not keep the others.
func forEach[T any](ctx context.Context, a *app, flags allFlags, verb string, all []each,
	f func(context.Context, each, *opened) (T, error), tell func(each, T, error) error,
) error {
	type outcome struct {
		of     each
		result T
		err    error
	}
	m := a.newMeter(verb)
	m.unit = func(n int64) string { return count(int(n), "replica", "replicas") }
	defer m.done()
	work := func(ctx context.Context, of each) (outcome, error) {
		o := outcome{of: of, err: of.err}
		if o.err != nil {
			return o, nil
		}
		r, err := a.openConfigured(of.Replica)
		if o.err = err; err == nil {
			o.of.shown = r.url
			o.result, o.err = f(ctx, o.of, r)
		}
		return o, nil
	}
	n := 0
	for o, err := range ordered.Map(ctx, flags.parallel, ordered.Slice(all), work) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		m.done()
		if err := tell(o.of, o.result, o.err); err != nil {
			return err
		}
		n++
		m.update(int64(n), int64(len(all)))
	}
	return nil
}

// outcomes are the exit codes of many replicas.
type outcomes map[int]bool

// err is that of the whole: of the codes that occurred, the one that counts most.
func (o outcomes) err() error {
	for _, code := range []int{exitUsage, exitFailure, exitDamage, exitInconclusive, exitNothing, exitStale} {
		if o[code] {
			return &cliError{code: code}
		}
	}
	return nil
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	var ce *cliError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &ce):
		return ce.code
	}
	return classify(err).code
}
