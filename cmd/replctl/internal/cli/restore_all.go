package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

func (o *restoreOptions) validateAll() error {
	switch {
	case o.output == standardOutput:
		return usageError("-o DIR", "restore: --all restores to a directory, and not to standard output")
	case o.target.txid != "" || o.target.generation != "":
		return usageError("--timestamp", "restore: --txid and --generation are of one replica, and --all is many")
	}
	if fi, err := os.Stat(o.output); err == nil && !fi.IsDir() {
		return usageError("a directory", "restore: %s is a file, and --all restores to a directory", o.output)
	}
	return o.many.validate()
}

// restoreAll restores the databases below a place, or those of the configuration file.
func (a *app) restoreAll(ctx context.Context, args []string, opts *restoreOptions) error {
	if err := cmp.Or(opts.validate(a), opts.validateAll()); err != nil {
		return err
	}
	target, err := opts.target.target()
	if err != nil {
		return err
	}
	all, err := a.everyReplica(ctx, args)
	if err != nil {
		return err
	}
	paths, err := a.outputPaths(opts.output, all)
	if err != nil {
		return err
	}
	a.sayZone("timestamp", target.Timestamp)
	work := func(ctx context.Context, of each, r *opened) (restored, error) {
		one := *opts
		one.output, one.isOne = paths[of.name], true
		if err := os.MkdirAll(filepath.Dir(one.output), 0o777); err != nil {
			return restored{}, err
		}
		done, err := a.restoreOne(ctx, r, target, &one)
		return done, planError(err)
	}
	report := &restoreReport{a: a, paths: paths, docs: []restoreJSON{}, codes: outcomes{}}
	if err := forEach(ctx, a, opts.many, "restoring", all, work, report.add); err != nil {
		return err
	}
	if err := report.end(); err != nil {
		return err
	}
	return report.codes.err()
}

// outputPaths are where the databases go, by their names. A replica whose database has no place is
// given an error. Of a database with several replicas one has to be chosen.
func (a *app) outputPaths(dir string, all []each) (map[string]string, error) {
	paths, taken := map[string]string{}, map[string]string{}
	for i, of := range all {
		if _, ok := paths[of.name]; ok {
			return nil, usageError("--replica NAME", "restore: %s has several replicas of %s", a.config.file, of.name)
		}
		name := outputName(of)
		at := filepath.Join(dir, filepath.FromSlash(name))
		paths[of.name] = at
		switch other := taken[at]; {
		case of.err != nil:
		case !filepath.IsLocal(filepath.FromSlash(name)):
			all[i].err = fmt.Errorf("no file can have its name: %q", name)
		case other != "":
			all[i].err = fmt.Errorf("%s is where %s is restored to", at, other)
		default:
			taken[at] = of.shown
		}
	}
	return paths, nil
}

// outputName is the path of a database below the directory.
func outputName(of each) string {
	name := strings.Trim(filepath.ToSlash(strings.TrimPrefix(of.name, filepath.VolumeName(of.name))), "/")
	if name == "" { // the replica is the place that was searched
		place, _, _ := strings.Cut(of.URL, "?")
		name = path.Base(filepath.ToSlash(place))
	}
	if of.DB != "" || slices.Contains([]string{".db", ".sqlite", ".sqlite3"}, path.Ext(name)) {
		return name
	}
	return name + ".db"
}

// restoreReport is what came of the restores.
type restoreReport struct {
	a      *app
	paths  map[string]string
	docs   []restoreJSON
	codes  outcomes
	failed int
	left   int // as it was
}

// add reports one of them.
func (r *restoreReport) add(of each, done restored, err error) error {
	output := r.paths[of.name]
	r.codes[codeOf(err)] = true
	doc := restoredDoc(of.shown, done, output)
	switch {
	case err != nil:
		doc, r.failed = restoreJSON{URL: of.shown, Output: output, Error: harmless(err.Error())}, r.failed+1
	case done.plan == nil:
		r.left++
	}
	if r.a.json {
		r.docs = append(r.docs, doc)
		return nil
	}
	switch {
	case err != nil:
		return r.failure(of, err)
	case done.plan == nil:
		return r.a.print("left      %s: %s\n", output, done.why)
	}
	if err := r.a.print("%s  %s, %s, %s\n", r.a.paint("restored", text.FgGreen), output, size(done.size),
		describeState(done.plan)); err != nil {
		return err
	}
	for _, note := range done.plan.Notes {
		if err := r.a.print("          note: %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoreReport) failure(of each, err error) error {
	if err := r.a.print("%s  %s: %s\n", r.a.paint("failed  ", text.FgRed, text.Bold), of.shown, err.Error()); err != nil {
		return err
	}
	var ce *cliError
	if !errors.As(err, &ce) {
		ce = classify(err)
	}
	if ce.try == "" {
		return nil
	}
	return r.a.print("          Try: %s\n", ce.try)
}

// end says it all in one line.
func (r *restoreReport) end() error {
	if r.a.json {
		return r.a.printJSON(r.docs)
	}
	n := len(r.paths)
	s := fmt.Sprintf("%s: %d restored", count(n, "replica", "replicas"), n-r.failed-r.left)
	if r.left > 0 {
		s += fmt.Sprintf(", %d left alone", r.left)
	}
	if r.failed > 0 {
		s += fmt.Sprintf(", %d failed", r.failed)
	}
	return r.a.print("\n%s\n", s)
}
