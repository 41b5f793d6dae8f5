package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// program is a way to ask a replica SQL with programs that begin cold.
type program struct {
	name string
	ask  func(ctx context.Context, sql string) error
}

func (b *bench) programs() (all []program) {
	if b.replctl != "" {
		all = append(all, program{"replctl query", func(ctx context.Context, sql string) error {
			return answered(b.command(ctx, nil, b.replctl, "query", b.url(), sql))
		}})
	}
	if b.litestream != "" {
		all = append(all, program{"litestream restore, then sqlite3", func(ctx context.Context, sql string) error {
			path := filepath.Join(b.dir, "restored.db")
			defer os.Remove(path)
			if _, err := b.command(ctx, nil, b.litestream, "restore", "-o", path, b.url()); err != nil {
				return err
			}
			return answered(b.command(ctx, nil, "sqlite3", path, sql))
		}})
	}
	if b.extension != "" {
		all = append(all, program{"litestream's VFS in sqlite3", func(ctx context.Context, sql string) error {
			in := strings.NewReader(".load " + b.extension + "\n.open file:made.db?vfs=litestream\n" + sql + ";\n")
			return answered(b.command(ctx, in, "sqlite3", "-bail"))
		}})
	}
	return all
}

// answered wants an answer on standard output.
func answered(printed string, err error) error {
	if err == nil && printed == "" {
		return errors.New("there is no answer")
	}
	return err
}

// command runs a program to its end, and returns what it printed.
func (b *bench) command(ctx context.Context, in *strings.Reader, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "LITESTREAM_REPLICA_URL="+b.url(), "LITESTREAM_LOG_LEVEL=ERROR",
		"AWS_REGION=us-east-1", "AWS_CA_BUNDLE=") // with one, Litestream does not start
	if in != nil {
		cmd.Stdin = in
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", filepath.Base(name), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// lookup measures a lookup from a cold process, in the median of five.
func (b *bench) lookup(ctx context.Context) error {
	if b.replctl == "" {
		return nil
	}
	b.proxy.Slow(b.delay, 0)
	took, _, err := b.time(ctx, 5, b.programs()[0], lookupSQL)
	if err != nil {
		return err
	}
	b.line(fmt.Sprintf("lookup from a cold process, %v a request", b.delay), "0.5 s", "%v (median of 5)",
		took.Round(time.Millisecond))
	return nil
}

// time asks some times, and returns the median time and the last one's cost.
func (b *bench) time(
	ctx context.Context, times int, p program, sql string,
) (median time.Duration, c cost, err error) {
	var all []time.Duration
	for i := range times {
		query := sql
		if strings.Contains(sql, "%d") {
			query = fmt.Sprintf(sql, 1+(i+3)%7*(b.made.rows/8))
		}
		b.take()
		began := time.Now()
		if err := p.ask(ctx, query); err != nil {
			return 0, c, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, time.Since(began))
		c = b.take()
	}
	slices.Sort(all)
	return all[len(all)/2], c, nil
}

// table compares the programs.
func (b *bench) table(ctx context.Context) error {
	fmt.Fprintf(b.out, "\nWith %v added to each request:\n\n", b.delay)
	fmt.Fprintln(b.out, "| from a cold process | question | time to the first row | requests | bytes |")
	fmt.Fprintln(b.out, "|---|---|--:|--:|--:|")
	b.proxy.Slow(b.delay, 0)
	for _, p := range b.programs() {
		for _, q := range []struct{ name, sql string }{{"lookup by rowid", lookupSQL}, {"sum over the table", scanSQL}} {
			took, c, err := b.time(ctx, 3, p, q.sql)
			if err != nil {
				fmt.Fprintf(b.out, "| %s | %s | %v | | |\n", p.name, q.name, err)
				continue
			}
			fmt.Fprintf(b.out, "| %s | %s | %v | %d GET, %d LIST | %.1f MiB |\n", p.name, q.name,
				took.Round(time.Millisecond), c.reads, c.lists, mib(c.bytes))
		}
	}
	return nil
}
