package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/replctl/replicate/engines"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

// bench is a run.
type bench struct {
	clients []int
	slice   time.Duration // of one side's turn
	turns   int
	ops     *regexp.Regexp
	out     io.Writer
}

func run(ctx context.Context, args []string, out io.Writer) error {
	b := bench{turns: 9, out: out}
	flags := flag.NewFlagSet("engines", flag.ContinueOnError)
	clients := flags.String("clients", "1,4,16,64", "measure with each of these `numbers` of clients")
	flags.DurationVar(&b.slice, "slice", 200*time.Millisecond, "each side has nine turns of this `duration`")
	ops := flags.String("ops", "", "measure the operations that `regexp` matches")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if b.ops, err = regexp.Compile(*ops); err != nil {
		return err
	}
	for _, field := range strings.Split(*clients, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return fmt.Errorf("clients %q: want positive numbers", *clients)
		}
		b.clients = append(b.clients, n)
	}
	var sides []side
	for _, arg := range flags.Args() {
		name, url, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q: want name=url", arg)
		}
		store, err := engines.Records(ctx, url)
		if err != nil {
			return err
		}
		sides = append(sides, &records{name: name, store: &counted{Store: store}})
		if strings.HasPrefix(url, "postgres") {
			raw, err := openRaw(ctx, url)
			if err != nil {
				return err
			}
			defer raw.pool.Close()
			sides = append(sides, raw)
		}
	}
	dir, err := os.MkdirTemp("", "engines")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, members := range []int{1, 3} {
		other, err := openEtcd(filepath.Join(dir, fmt.Sprint("etcd", members)), members)
		if err != nil {
			return err
		}
		defer other.close()
		sides = append(sides, other)
	}
	return b.all(ctx, sides)
}

// all prints one table for each operation.
func (b *bench) all(ctx context.Context, sides []side) error {
	for _, op := range operations {
		if !b.ops.MatchString(op.name) {
			continue
		}
		fmt.Fprintf(b.out, "\n### %s\n\n| |", op.name)
		for _, n := range b.clients {
			fmt.Fprintf(b.out, " %d |", n)
		}
		fmt.Fprintf(b.out, " requests |\n|---|%s\n", strings.Repeat("--:|", len(b.clients)+1))
		var can []side
		for _, s := range sides {
			if op.can(s) {
				can = append(can, s)
			}
		}
		table := make([][]result, len(can))
		for _, n := range b.clients { // all sides with one number, then with the next
			row, err := b.measure(ctx, op, can, n)
			if err != nil {
				return fmt.Errorf("%s, %d clients: %w", op.name, n, err)
			}
			for i := range can {
				table[i] = append(table[i], row[i])
			}
		}
		for i, s := range can {
			fmt.Fprintf(b.out, "| %s |", s.title())
			for _, r := range table[i] {
				fmt.Fprintf(b.out, " %s |", r)
			}
			requests := "–"
			if first := table[i][0].requests; first > 0 {
				requests = fmt.Sprintf("%.1f", first)
			}
			fmt.Fprintf(b.out, " %s |\n", requests)
		}
	}
	return nil
}
