package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	ops       *regexp.Regexp
	dir       string
	bucket    string
	endpoints []string // name=url
	size      sizes
	json      string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.SetOutput(stderr)
	pattern := fs.String("ops", "", "run the operations of which `regexp` matches \"backend/operation\"")
	rounds := fs.Int("rounds", 0,
		"measure `n` rounds, after one to warm up (default 5, and as many more as can begin in\n5 s; with -tiny 2)")
	restore := fs.Int64("restore", 0, "restore a database of `bytes` (default 256 MiB; with -tiny 1 MiB)")
	small := fs.Bool("tiny", false, "small sizes, to see that it works; the figures mean nothing")
	fs.StringVar(&o.dir, "dir", "",
		"work in a new directory below `dir`, whose disk is measured (default the system's temporary one)")
	fs.Func("endpoint", "measure the S3 server `name=url`, too; may be given several times\n(default those in REPLICATE_S3_SERVERS that speak plain HTTP)", func(s string) error {
		if name, url, ok := strings.Cut(s, "="); !ok || name == "" || url == "" {
			return errors.New("want name=url")
		}
		o.endpoints = append(o.endpoints, s)
		return nil
	})
	fs.StringVar(&o.bucket, "bucket", "", "use this `bucket` of the servers (default a new one, removed afterwards)")
	fs.StringVar(&o.json, "json", "", "write the results to this `file`, too, as JSON")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o.size = full
	if *small {
		o.size = tiny
	}
	if *rounds < 0 {
		return o, fmt.Errorf("%d rounds: want 1 at least", *rounds)
	}
	if *rounds > 0 {
		o.size.Rounds, o.size.Span = *rounds, 0
	}
	if *restore < 0 || *restore > 0 && *restore < 1<<20 {
		return o, fmt.Errorf("a database of %d bytes: want 1 MiB at least", *restore)
	}
	if *restore > 0 {
		o.size.Restore = *restore
	}
	if o.endpoints == nil {
		o.endpoints = knownServers()
	}
	o.ops, err = regexp.Compile(*pattern)
	return o, err
}

// knownServers are those that internal/s3servers/run has started. Litestream's
// client cannot be told of a certificate, so that those with TLS are left out.
func knownServers() (endpoints []string) {
	for _, s := range strings.Fields(os.Getenv("REPLICATE_S3_SERVERS")) {
		if strings.Contains(s, "=http://") {
			endpoints = append(endpoints, s)
		}
	}
	return endpoints
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	// Litestream's S3 client brings an HTTP client of its own, into which the SDK
	// cannot put the certificates of AWS_CA_BUNDLE: "unable to add custom RootCAs".
	if err := os.Unsetenv("AWS_CA_BUNDLE"); err != nil {
		return err
	}
	slog.SetDefault(silent)
	r, err := compare(ctx, o, stderr)
	if err == nil && o.json != "" {
		err = r.writeJSON(o.json)
	}
	if err != nil {
		return err
	}
	return r.markdown(stdout)
}

// A source is a backend that is not open yet.
type source struct {
	name string
	kind kind
	open func(ctx context.Context) (*backend, error)
}

// compare runs all operations on the directory and on the servers that were given.
func compare(ctx context.Context, o options, progress io.Writer) (r report, err error) {
	dir, err := os.MkdirTemp(o.dir, "compare-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sources := []source{{"file", kindFile, func(context.Context) (*backend, error) {
		return newDirectory(filepath.Join(dir, "file"), dir), nil
	}}}
	for _, s := range o.endpoints {
		name, endpoint, _ := strings.Cut(s, "=")
		sources = append(sources, source{name, kindS3, func(ctx context.Context) (*backend, error) {
			b, err := openBucket(ctx, endpoint, o.bucket, o.size.Throttle)
			return &backend{
				name: name, kind: kindS3, base: "compare/" + strings.ToLower(rand.Text()), local: dir,
				bucket: b, made: make(map[string]bool),
			}, err
		}})
	}
	r = report{Machine: machine(), Sizes: o.size}
	for _, src := range sources {
		results, err := o.measureBackend(ctx, src, progress)
		if err != nil {
			return r, err
		}
		r.Results = append(r.Results, results...)
	}
	if len(r.Results) == 0 {
		return r, fmt.Errorf("no operation matches %q", o.ops)
	}
	return r, nil
}

// measureBackend opens a backend, if any of its operations is wanted.
func (o options) measureBackend(ctx context.Context, src source, progress io.Writer) (results []result, err error) {
	ops := chosen(operations(o.size), src.name, src.kind, o.ops)
	if len(ops) == 0 {
		return nil, nil
	}
	b, err := src.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.name, err)
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	for _, op := range ops {
		fmt.Fprintf(progress, "%s/%s\n", b.name, op.name)
		res, err := measure(ctx, op, b.place(op.name, o.size))
		if err != nil {
			return nil, err
		}
		results = append(results, res)
	}
	return results, nil
}
